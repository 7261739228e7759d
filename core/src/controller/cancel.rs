//! Tasks that nobody wants any more.

use std::collections::{BTreeMap, BTreeSet};

use super::Controller;
use super::accounts::Owner;
use super::batch::{Place, Wanted};
use super::io::Effect;
use super::ready::Range;
use crate::id::{LinkId, TaskId};
use crate::task::TaskStatus;
use crate::wire::{Message, Runs, RunsBuilder, Transfer};

impl Controller {
    /// A client cancels tasks, or only those that have not begun: what is queued ends at once, engine hosts are told of
    /// the others. What has run stays as it is.
    pub(super) fn cancel(&mut self, owner: Owner, runs: &Runs, running: bool, effects: &mut Vec<Effect>) {
        let wanted = if running { Wanted::No } else { Wanted::OnceBegun };
        let (mut ended, mut waiting) = (Vec::new(), Vec::new());
        let mut assigned: BTreeMap<LinkId, RunsBuilder> = BTreeMap::new();
        for (first, count) in runs.iter() {
            for (batch, from, to) in self.batches_of(owner, first.0, first.0.saturating_add(count as u64)) {
                let Some(batch) = self.tasks.batch_mut(batch) else { continue };
                for position in batch.positions(from, to) {
                    let (number, index) = (batch.first, batch.index(position));
                    let slot = batch.at_mut(position);
                    match slot.place {
                        Place::Waiting => {
                            slot.place = Place::Ended;
                            add(&mut waiting, Range { first: number, from: index, to: index + 1 });
                        }
                        Place::Queued => {
                            slot.place = Place::Ended;
                            add(&mut ended, Range { first: number, from: index, to: index + 1 });
                        }
                        Place::Assigned if slot.wanted > wanted => {
                            slot.wanted = wanted;
                            if let Some(engine) = self.engines.get(slot.engine) {
                                assigned.entry(engine.host).or_default().push(TaskId(number + index as u64));
                            }
                        }
                        _ => {}
                    }
                }
            }
        }
        for (link, runs) in assigned {
            let message = Message::Cancel { runs: runs.finish(), running };
            effects.push(Effect::Send { link, message });
        }
        self.leave_queue(owner, &ended);
        self.tasks.waiting -= waiting.iter().map(Range::len).sum::<u64>();
        ended.extend(waiting);
        self.end_all(&ended, TaskStatus::Cancelled, None, "cancelled before it ran", effects);
    }

    /// The batches of an owner that have some of its ids `from..to`, and the indices of those.
    fn batches_of(&self, owner: Owner, from: u64, to: u64) -> Vec<(u64, u32, u32)> {
        let Some(account) = self.accounts.get(&owner) else { return Vec::new() };
        let before = account.batches.range(..from).next_back();
        let within = account.batches.range(from..to.max(from));
        let batches = before.into_iter().chain(within).filter_map(|(base, first)| {
            let count = self.tasks.batch(*first)?.count as u64;
            let (start, end) = (from.max(*base), to.min(base + count));
            (start < end).then(|| (*first, (start - base) as u32, (end - base) as u32))
        });
        batches.collect()
    }

    /// Takes tasks that have ended out of their lanes.
    fn leave_queue(&mut self, owner: Owner, ended: &[Range]) {
        let touched: BTreeSet<u64> = ended.iter().map(|range| range.first).collect();
        if touched.is_empty() {
            return;
        }
        self.tasks.queued -= ended.iter().map(Range::len).sum::<u64>();
        for number in self.ready.of_owner(owner) {
            let tasks = &self.tasks;
            let fate = self.ready.sift(number, |range, kept| {
                if !touched.contains(&range.first) {
                    kept.push(range);
                } else if let Some(batch) = tasks.batch(range.first) {
                    for position in batch.positions(range.from, range.to) {
                        let index = batch.index(position);
                        if batch.at(position).place == Place::Queued {
                            add(kept, Range { first: range.first, from: index, to: index + 1 });
                        }
                    }
                }
            });
            self.lane_changed(number, fate);
        }
    }

    /// Takes all of a lane's tasks out of the queue.
    pub(super) fn empty_lane(&mut self, number: u32) -> Vec<Range> {
        let mut taken = Vec::new();
        let fate = self.ready.sift(number, |range, _| taken.push(range));
        self.lane_changed(number, fate);
        self.tasks.queued -= taken.iter().map(Range::len).sum::<u64>();
        taken
    }

    /// An owner is gone: nothing of it is kept.
    pub(super) fn forget_owner(&mut self, owner: Owner, effects: &mut Vec<Effect>) {
        for number in self.ready.of_owner(owner) {
            self.empty_lane(number);
        }
        self.ready.mute(owner, false);
        let Some(account) = self.accounts.remove(&owner) else { return };
        self.waits.forget(owner);
        let mut running: BTreeMap<LinkId, RunsBuilder> = BTreeMap::new();
        for first in account.batches.values() {
            let Some(batch) = self.tasks.remove(*first) else { continue };
            let places = batch.positions(0, batch.count).map(|at| batch.at(at).place);
            self.tasks.waiting -= places.filter(|place| *place == Place::Waiting).count() as u64;
            for position in batch.positions(0, batch.count) {
                let (slot, task) = (batch.at(position), TaskId(first + batch.index(position) as u64));
                let bytes = batch.bytes(position..position + 1);
                let Some(engine) = self.engines.get_mut(slot.engine) else { continue };
                match slot.place {
                    Place::Assigned => {
                        engine.release(batch.origin.function, 1, bytes);
                        self.tasks.assigned -= 1;
                        self.transfers.arguments.remove(&task);
                        running.entry(engine.host).or_default().push(task);
                    }
                    Place::Relayed => {
                        engine.relays -= 1;
                        self.tasks.assigned -= 1;
                        self.transfers.forget_result(task);
                        let message = Message::Grant { transfer: Transfer::Result(task), upto: 0 };
                        effects.push(Effect::Send { link: engine.host, message });
                    }
                    Place::Waiting | Place::Queued | Place::Ended => continue,
                }
                let id = slot.engine;
                self.give_back(id);
                self.engines.rank(id, &self.functions, self.config.queue_ahead);
            }
        }
        for (link, runs) in running {
            let message = Message::Cancel { runs: runs.finish(), running: true };
            effects.push(Effect::Send { link, message });
        }
        for key in account.functions {
            if self.functions.release(key) {
                self.hosts.values_mut().for_each(|host| _ = host.defined.remove(&key));
            }
        }
    }
}

/// Adds a range behind others, as part of the last one if it follows that.
pub(super) fn add(ranges: &mut Vec<Range>, range: Range) {
    match ranges.last_mut() {
        Some(last) if last.first == range.first && last.to == range.from => last.to = range.to,
        _ => ranges.push(range),
    }
}
