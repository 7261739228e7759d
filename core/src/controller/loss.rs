//! Engines that are lost, and tasks that no engine can run.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Controller;
use super::accounts::Owner;
use super::batch::{Place, Wanted};
use super::blame::Loss;
use super::cause::Cause;
use super::io::Effect;
use super::limits::OUTSIDE_WAIT;
use super::ready::Range;
use crate::id::{AllocationId, EngineId, LinkId, TaskId};
use crate::task::TaskStatus;
use crate::time::Timestamp;
use crate::wire::{Message, RunsBuilder, Transfer};

/// What was at engines that are lost.
#[derive(Debug, Default)]
struct Left {
    again: Vec<Range>,
    lost: Vec<(EngineId, Range)>,
    unwanted: Vec<Range>,
    /// Those whose long results wait there.
    relayed: Vec<TaskId>,
    /// The highest number of the attempts to come.
    most: u16,
    /// Clients that were to get an announcement, and do not.
    spared: BTreeSet<LinkId>,
}

/// Where lost engines were.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lost<'a> {
    pub(super) node: &'a Arc<str>,
    pub(super) allocation: Option<&'a AllocationId>,
    /// Their host, if that is still there and has others.
    pub(super) host: Option<LinkId>,
}

/// What runs again after a loss.
#[derive(Clone, Copy, Debug)]
pub(super) struct Again {
    pub(super) tasks: u64,
    /// The highest number of those attempts.
    pub(super) most: u16,
}

impl Left {
    /// Has a host that is still there end these tasks, and forget their results.
    fn call_off(&self, link: LinkId, effects: &mut Vec<Effect>) {
        for task in &self.relayed {
            let message = Message::Grant { transfer: Transfer::Result(*task), upto: 0 };
            effects.push(Effect::Send { link, message });
        }
        let lost = self.lost.iter().map(|(_, range)| range);
        let mut ranges: Vec<&Range> = self.again.iter().chain(lost).chain(&self.unwanted).collect();
        ranges.sort_unstable();
        let mut runs = RunsBuilder::default();
        ranges.iter().for_each(|range| {
            runs.push_run(TaskId(range.first + range.from as u64), range.to - range.from);
        });
        if !ranges.is_empty() {
            let message = Message::Cancel { runs: runs.finish(), running: true };
            effects.push(Effect::Send { link, message });
        }
    }
}

impl Controller {
    /// An engine host is gone, and its engines with it: their tasks run again, or end.
    pub(super) fn lose_host(&mut self, link: LinkId, reason: &str, effects: &mut Vec<Effect>) {
        let Some(host) = self.hosts.remove(&link) else { return };
        self.forget_end(link, &host);
        let ids = host.engines.clone().map(EngineId);
        let there: Vec<EngineId> = ids.filter(|id| self.engines.get(*id).is_some()).collect();
        self.board.version += 1;
        if there.is_empty() {
            effects.push(Effect::Log { text: format!("the engine host on node {} has left", host.node) });
            return;
        }
        let cause = self.cause(&host, reason);
        let place = Lost { node: &host.node, allocation: host.allocation.as_ref(), host: None };
        let again = self.lose_engines(&there, place, &cause, effects);
        if self.stop.is_none() {
            let (what, were, their) = if there.len() == 1 {
                ("an engine".to_owned(), "was", "its")
            } else {
                (format!("{} engines", there.len()), "were", "their")
            };
            // an allocation that is over may be heard of only after its engines
            let when = if self.engines.is_empty() { " if an engine comes" } else { "" };
            let often = match again.most {
                0..=2 => String::new(),
                attempt => format!(", as attempt {attempt} at the most"),
            };
            let then = match again.tasks {
                0 => String::new(),
                tasks => format!("; {tasks} of {their} tasks run again{when}{often}"),
            };
            self.problem(&format!("{what} on node {} {were} lost: {cause}{then}", host.node), effects);
        }
    }

    /// Takes out engines that no longer run anything: their tasks run again, or end. Tells how many run again.
    pub(super) fn lose_engines(
        &mut self,
        engines: &[EngineId],
        place: Lost<'_>,
        cause: &Cause,
        effects: &mut Vec<Effect>,
    ) -> Again {
        let mut left = Left::default();
        for id in engines {
            self.collect(*id, &place, cause, &mut left);
            self.give_back_lost(*id);
            self.engines.remove(*id);
        }
        self.note_bare();
        if let Some(link) = place.host {
            left.call_off(link, effects);
        }
        self.end_lost(&left.lost, place.node, cause, effects);
        self.tasks.assigned -= left.unwanted.iter().map(Range::len).sum::<u64>();
        self.end_all(&left.unwanted, TaskStatus::Cancelled, None, "cancelled while it ran", effects);
        left.again.sort_unstable();
        for range in left.again.iter().rev() {
            self.tasks.assigned -= range.len();
            self.queue(*range, true);
        }
        for client in &left.spared {
            self.flush(*client, effects);
        }
        self.give_up_unserved(effects);
        // one that others were preferred to may be the last
        self.engines.heat();
        let again = Again { tasks: left.again.iter().map(Range::len).sum(), most: left.most };
        self.note_past(engines, place, &cause.to_string(), again.tasks);
        again
    }

    /// Since when there is no engine, if there is none now.
    pub(super) fn note_bare(&mut self) {
        if self.engines.is_empty() {
            self.bare_since = self.now;
        }
    }

    /// Sorts out what a lost engine had, and marks it.
    fn collect(&mut self, id: EngineId, place: &Lost<'_>, cause: &Cause, left: &mut Left) {
        let Some(engine) = self.engines.get(id) else { return };
        for span in engine.spans() {
            let Some(batch) = self.tasks.batch_mut(span.first) else { continue };
            let (rerun, owner) = (batch.origin.options.rerun, batch.origin.owner);
            for position in batch.positions(span.from, span.to) {
                let index = batch.index(position);
                let task = TaskId(batch.first + index as u64);
                let range = Range { first: span.first, from: index, to: index + 1 };
                let slot = batch.at_mut(position);
                if slot.engine != id || !matches!(slot.place, Place::Assigned | Place::Relayed) {
                    continue;
                }
                if slot.place == Place::Relayed {
                    left.relayed.push(task);
                    self.transfers.forget_result(task);
                    let client_id = batch.client_id(index);
                    if let Owner::Link(link) = owner
                        && let Some(client) = self.clients.get_mut(&link)
                    {
                        // an announcement that has not left yet must not, and one that has is replaced by what follows
                        client.outbox.withdraw(|held| held.announces(client_id));
                        left.spared.insert(link);
                    }
                }
                self.transfers.arguments.remove(&task);
                let slot = batch.at_mut(position);
                slot.place = Place::Queued;
                let (wanted, losses, attempt, excused) =
                    (slot.wanted, slot.losses(), slot.attempt, cause.is_excused());
                slot.excused = slot.excused.saturating_add(excused.into());
                let (node, allocation) = (Arc::clone(place.node), place.allocation.cloned());
                batch.note_loss(index, Loss { node, allocation, excused, times: 1 });
                if wanted != Wanted::Yes {
                    left.unwanted.push(range);
                } else if rerun && (excused || losses < self.config.attempts_limit) {
                    left.most = left.most.max(attempt.saturating_add(1));
                    match left.again.last_mut() {
                        Some(last) if last.first == range.first && last.to == index => last.to = range.to,
                        _ => left.again.push(range),
                    }
                } else {
                    left.lost.push((id, range));
                }
            }
        }
    }

    /// Whether engines may still come.
    pub(super) fn engines_coming(&self) -> bool {
        self.stop.is_none() && (self.allocations.are_coming() || self.waits_for_outside().is_some())
    }

    /// Until when engines may come by themselves: the cluster has asked for none.
    fn waits_for_outside(&self) -> Option<Timestamp> {
        let until = self.bare_since + OUTSIDE_WAIT;
        (self.config.requests.is_empty() && self.engines.is_empty() && self.now < until).then_some(until)
    }

    /// When tasks have waited long enough.
    pub(super) fn unplaceable_deadline(&self) -> Option<Timestamp> {
        if self.tasks.queued == 0 { None } else { self.waits_for_outside() }
    }

    /// Ends all queued tasks if there is no engine and none can come.
    pub(super) fn give_up_unplaceable(&mut self, effects: &mut Vec<Effect>) {
        if self.tasks.queued == 0 || !self.engines.is_empty() || self.stop.is_some() || self.engines_coming()
        {
            return;
        }
        let cause = self
            .allocations
            .why_none_comes()
            .or_else(|| self.board.problems.back().cloned())
            .unwrap_or_else(|| "none was asked for, or all were removed".to_owned());
        let why = format!(
            "there is no engine, and none can come any more: {cause}. `rpar status` and `rpar logs` tell more; \
             `rpar engines add` asks for engines anew"
        );
        let numbers: Vec<u32> = self.ready.lanes().map(|(number, _)| number).collect();
        for number in numbers {
            let ranges = self.empty_lane(number);
            self.end_all(&ranges, TaskStatus::Unplaced, None, &why, effects);
        }
    }
}
