//! What tasks leave behind when they end: results for the client, room in its window, free memory.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::Controller;
use super::accounts::Owner;
use super::clients::Held;
use super::io::Effect;
use super::limits::{BATCH_TASKS_LIMIT, UNIFORM_TASKS_LIMIT};
use super::ready::Range;
use crate::id::{EngineId, LinkId};
use crate::task::{Failure, TaskStatus};
use crate::wire::{BATCH_TARGET_BYTES, Batch, Column, Message, Outcomes, OutcomesCutter, Runs};

/// Finished tasks' memory is let go of when it is this much, and twice what the unfinished take.
const SLACK_BYTES: u64 = 16 << 20;

impl Controller {
    /// Sends results to their owner, or keeps them until it has taken some.
    pub(super) fn deliver(&mut self, owner: Owner, mut outcomes: Outcomes, effects: &mut Vec<Effect>) {
        if outcomes.ended_micros == 0 {
            outcomes.ended_micros = self.config.epoch_micros.saturating_add(self.now.0);
        }
        let tasks = outcomes.batch.lengths.len();
        if outcomes.batch.payload.len() <= 2 * BATCH_TARGET_BYTES && tasks <= 2 * BATCH_TASKS_LIMIT {
            self.deliver_part(owner, outcomes, effects);
        } else {
            let mut rest = OutcomesCutter::new(outcomes);
            while rest.batch().remaining() > 0 {
                let count = rest.batch().fitting(BATCH_TARGET_BYTES as u64).clamp(1, BATCH_TASKS_LIMIT);
                self.deliver_part(owner, rest.take(count), effects);
            }
        }
        if let Owner::Link(link) = owner {
            self.flush(link, effects);
        }
    }

    fn deliver_part(&mut self, owner: Owner, outcomes: Outcomes, effects: &mut Vec<Effect>) {
        match owner {
            Owner::Link(link) => {
                if let Some(client) = self.clients.get_mut(&link) {
                    client.outbox.push(outcomes);
                }
            }
            Owner::Submission(id) => self.keep(id, outcomes, Vec::new(), effects),
        }
    }

    /// Sends a client what its window allows, and holds its tasks back while too much waits.
    pub(super) fn flush(&mut self, link: LinkId, effects: &mut Vec<Effect>) {
        let Some(client) = self.clients.get_mut(&link) else { return };
        let mut left = Vec::new();
        while let Some(held) = client.outbox.next() {
            let message = match held {
                Held::Results(outcomes) => Message::Results(outcomes),
                Held::Output(output) => {
                    left.push((output.engine, output.cost()));
                    Message::Output(output)
                }
            };
            effects.push(Effect::Send { link, message });
        }
        let (held, ceiling) = (client.outbox.held_bytes(), self.config.result_window_bytes);
        let filled = match client.submission {
            None => Some(Owner::Link(link)),
            Some(id) => self.submissions.is_filled_by(id, link).then_some(Owner::Submission(id)),
        };
        let account = filled.and_then(|owner| self.accounts.get_mut(&owner));
        if let Some(bytes) = account.and_then(|account| account.window.announce()) {
            effects.push(Effect::Send { link, message: Message::Window { bytes } });
        }
        let owner = Owner::Link(link);
        let muted = self.ready.is_muted(owner);
        if held > ceiling && !muted {
            self.ready.mute(owner, true);
        } else if held <= ceiling / 2 && muted {
            self.ready.mute(owner, false);
            self.engines.heat();
        }
        for (engine, cost) in left {
            self.output_left(engine, cost, effects);
        }
    }

    /// Takes note that `count` tasks of a batch, which count `cost`, have ended.
    pub(super) fn ended(&mut self, first: u64, count: u32, cost: u64) {
        let Some(batch) = self.tasks.batch_mut(first) else { return };
        batch.live -= count;
        let (over, base, owner) = (batch.live == 0, batch.base, batch.origin.owner);
        let footprint = batch.footprint();
        let Some(account) = self.accounts.get_mut(&owner) else { return };
        account.window.end(cost);
        self.waits.ended(owner, base);
        if over {
            account.kept -= footprint;
            account.batches.remove(&base);
            self.tasks.remove(first);
        } else if account.kept > SLACK_BYTES + 3 * account.window.unfinished() {
            self.crowded.insert(owner);
        }
    }

    /// Lets go of the memory of finished tasks in batches that have unfinished ones.
    pub(super) fn compact(&mut self) {
        while let Some(owner) = self.crowded.pop_first() {
            self.compact_of(owner);
        }
    }

    fn compact_of(&mut self, owner: Owner) {
        let Some(account) = self.accounts.get_mut(&owner) else { return };
        for first in account.batches.values() {
            if let Some(batch) = self.tasks.batch_mut(*first) {
                let before = batch.footprint();
                batch.compact();
                account.kept -= before - batch.footprint();
            }
        }
    }

    /// Ends tasks that no engine has, and tells their clients why. Their places are the caller's to leave.
    pub(super) fn end_all(
        &mut self,
        ranges: &[Range],
        status: TaskStatus,
        last: Option<Last>,
        why: &str,
        effects: &mut Vec<Effect>,
    ) {
        let why = Failure::new(why).encode();
        let mut uniform = Uniform::new(status, last, why);
        for range in ranges {
            let Some(batch) = self.tasks.batch_mut(range.first) else { continue };
            let mut cost = 0;
            for position in batch.positions(range.from, range.to) {
                batch.at_mut(position).place = super::batch::Place::Ended;
                cost += batch.cost(position..position + 1);
            }
            let (owner, mut base) = (batch.origin.owner, batch.client_id(range.from));
            self.board.failed += range.len();
            if let Some(account) = self.accounts.get_mut(&owner) {
                account.note_failed(base, range.len());
            }
            self.ended(range.first, range.len() as u32, cost);
            let mut left = range.len() as u32;
            while left > 0 {
                let count = left.min(UNIFORM_TASKS_LIMIT as u32);
                let outcomes = uniform.outcomes(Runs::one(base, count), count as usize);
                self.deliver(owner, outcomes, effects);
                left -= count;
                base.0 += count as u64;
            }
        }
    }
}

/// Where tasks were last that have ended without their engine's word.
#[derive(Clone, Debug)]
pub(super) struct Last {
    pub(super) engine: EngineId,
    pub(super) node: Arc<str>,
    /// How often they were sent to an engine, 255 for more.
    pub(super) attempts: u8,
}

/// Outcomes of tasks that all ended alike: they share the memory of their reasons.
struct Uniform {
    status: TaskStatus,
    last: Option<Last>,
    why: Bytes,
    payload: Bytes,
    count: usize,
}

impl Uniform {
    fn new(status: TaskStatus, last: Option<Last>, why: Bytes) -> Self {
        Uniform { status, last, payload: why.clone(), why, count: 1 }
    }

    fn outcomes(&mut self, runs: Runs, count: usize) -> Outcomes {
        if count > self.count {
            let mut payload = BytesMut::with_capacity(count * self.why.len());
            (0..count).for_each(|_| payload.extend_from_slice(&self.why));
            self.payload = payload.freeze();
            self.count = count;
        }
        let lengths: Column = std::iter::repeat_n(self.why.len() as u32, count).collect();
        let last = self.last.as_ref();
        let attempts = last.map_or(1, |last| last.attempts);
        Outcomes {
            engine: last.map(|last| last.engine),
            node: last.map(|last| Arc::clone(&last.node)),
            attempts: if attempts > 1 { vec![attempts; count].into() } else { Bytes::new() },
            runs,
            codes: vec![self.status as u8; count].into(),
            ran: std::iter::repeat_n(0, count).collect(),
            batch: Batch { lengths, payload: self.payload.slice(..count * self.why.len()), bulk: Vec::new() },
            ..Outcomes::default()
        }
    }
}
