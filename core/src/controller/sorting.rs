//! What becomes of each task of which an engine tells, and what that comes to.

use std::sync::Arc;

use bytes::Bytes;

use super::accounts::Owner;
use super::batch::{Batch, Place, Slot, Wanted};
use super::cancel::add;
use super::ready::Range;
use super::refusals::REFUSED;
use crate::id::{EngineId, TaskId};
use crate::task::{TaskOptions, TaskStatus};
use crate::wire::{BULK, Outcomes, RETURNED, RunsBuilder, unpack_duration};

/// What becomes of a task that an engine has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Its outcome goes to the client.
    Forward,
    /// Its outcome goes to the client, who then pulls the long result.
    Relay,
    /// It runs again.
    Again,
    /// It has not begun, and goes back to the front of its queue.
    Back,
}

/// Outcomes of neighbouring tasks for the same client.
#[derive(Debug)]
pub(super) struct Piece {
    /// Whether the client pulls the result, which is a long one.
    pub(super) relay: bool,
    pub(super) owner: Owner,
    /// Where they are in the outcomes' columns.
    pub(super) at: usize,
    pub(super) count: usize,
    /// The controller's id of the first.
    pub(super) id: TaskId,
    /// The client's ids.
    pub(super) runs: RunsBuilder,
    /// How often each was sent to an engine; empty while that is once.
    pub(super) attempts: Vec<u8>,
}

/// Outcomes that are being sorted out.
#[derive(Debug)]
pub(super) struct Sorting<'a> {
    pub(super) engine: EngineId,
    pub(super) outcomes: &'a Outcomes,
    /// The engine's own, refusals among them.
    pub(super) codes: Bytes,
    /// Whether another engine may run what this one refuses.
    pub(super) elsewhere: bool,
    pub(super) attempts_limit: u16,
    pub(super) pieces: Vec<Piece>,
    pub(super) again: Vec<Range>,
    /// Tasks that were given back, and those of them that nobody wants any more.
    pub(super) back: Vec<Range>,
    pub(super) unwanted: Vec<Range>,
    /// Long arguments that are to be sent from the start, as their tasks have not begun: by their clients' ids.
    pub(super) anew: Vec<(Owner, TaskId)>,
    /// Tasks whose long argument is needed no more.
    pub(super) arguments: Vec<TaskId>,
    /// Tasks that did not end well, by their owners' ids.
    pub(super) bad: Vec<(Owner, TaskId)>,
    pub(super) succeeded: u64,
    pub(super) failed: u64,
}

/// What has left the engine, of one batch.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) released: u32,
    /// Those that it cannot run, or has given back: of them nothing is to be learnt.
    pub(super) not_run: u32,
    pub(super) relayed: u32,
    pub(super) bytes: u64,
    pub(super) micros: u64,
    pub(super) results: u64,
    pub(super) ended: u32,
    pub(super) cost: u64,
}

impl Sorting<'_> {
    /// Sorts out the tasks `from..to` of a batch, whose columns begin at `at`.
    pub(super) fn batch(&mut self, batch: &mut Batch, from: u64, to: u64, at: usize) -> Tally {
        let mut tally = Tally::default();
        let options = Arc::clone(&batch.origin.options);
        let any_long = !self.outcomes.batch.bulk.is_empty();
        for position in batch.positions((from - batch.first) as u32, (to - batch.first) as u32) {
            let index = batch.index(position);
            let task = batch.first + index as u64;
            let column = at + (task - from) as usize;
            let code = self.codes.get(column).copied().unwrap_or(TaskStatus::Ok as u8);
            let length = self.outcomes.batch.lengths.get(column);
            let long = any_long && length == BULK;
            let slot = batch.at_mut(position);
            if slot.place != Place::Assigned || slot.engine != self.engine {
                continue;
            }
            tally.not_run += matches!(code, REFUSED | RETURNED) as u32;
            let (tries, wanted) = (slot.attempt, slot.wanted == Wanted::Yes);
            let fate = self.fate(slot, code, long, &options);
            let untried = slot.attempt < tries;
            slot.place = match fate {
                Fate::Again | Fate::Back => Place::Queued,
                Fate::Relay => Place::Relayed,
                Fate::Forward => Place::Ended,
            };
            tally.released += 1;
            if batch.bulk(index).is_some() {
                self.arguments.push(TaskId(task));
                if untried {
                    self.anew.push((batch.origin.owner, batch.client_id(index)));
                }
            }
            tally.bytes += batch.bytes(position..position + 1);
            tally.micros += unpack_duration(self.outcomes.ran.get(column)).as_micros() as u64;
            tally.results += if long { 0 } else { length as u64 };
            match fate {
                Fate::Forward => {
                    tally.ended += 1;
                    tally.cost += batch.cost(position..position + 1);
                    let counter =
                        if code == TaskStatus::Ok as u8 { &mut self.succeeded } else { &mut self.failed };
                    *counter += 1;
                    if code != TaskStatus::Ok as u8 {
                        self.bad.push((batch.origin.owner, batch.client_id(index)));
                    }
                }
                Fate::Relay => tally.relayed += 1,
                Fate::Again | Fate::Back => {
                    let ranges = match fate {
                        Fate::Again => &mut self.again,
                        _ if wanted => &mut self.back,
                        _ => &mut self.unwanted,
                    };
                    add(ranges, Range { first: batch.first, from: index, to: index + 1 });
                    continue;
                }
            }
            let attempt = batch.at(position).attempt.min(u8::MAX as u16) as u8;
            self.add(
                fate == Fate::Relay,
                batch.origin.owner,
                column,
                attempt,
                TaskId(task),
                batch.client_id(index),
            );
        }
        tally
    }

    /// What becomes of a task that has ended so; takes note of why.
    fn fate(&self, slot: &mut Slot, code: u8, long: bool, options: &TaskOptions) -> Fate {
        let again = if code == REFUSED && self.elsewhere && slot.wanted == Wanted::Yes {
            Some(Fate::Again)
        } else {
            (code == RETURNED).then_some(Fate::Back)
        };
        if let Some(fate) = again {
            // it has not begun: this was no try
            slot.attempt = slot.attempt.saturating_sub(1);
            return fate;
        }
        match runs_again(slot, code, options, self.attempts_limit) {
            true => Fate::Again,
            false if long => Fate::Relay,
            false => Fate::Forward,
        }
    }

    fn add(&mut self, relay: bool, owner: Owner, at: usize, attempt: u8, id: TaskId, client_id: TaskId) {
        match self.pieces.last_mut() {
            Some(last) if !relay && !last.relay && last.owner == owner && last.at + last.count == at => {
                if attempt > 1 && last.attempts.is_empty() {
                    last.attempts.resize(last.count, 1);
                }
                if attempt > 1 || !last.attempts.is_empty() {
                    last.attempts.push(attempt);
                }
                last.count += 1;
                last.runs.push(client_id);
            }
            _ => {
                let mut runs = RunsBuilder::default();
                runs.push(client_id);
                let attempts = if attempt > 1 { vec![attempt] } else { Vec::new() };
                self.pieces.push(Piece { relay, owner, at, count: 1, id, runs, attempts });
            }
        }
    }
}

/// Whether a task that has ended so runs again; takes note of why.
fn runs_again(slot: &mut Slot, code: u8, options: &TaskOptions, attempts_limit: u16) -> bool {
    if slot.wanted != Wanted::Yes || code == TaskStatus::Ok as u8 {
        return false;
    }
    if code == TaskStatus::Cancelled as u8 {
        // nobody has asked for that: its engine gave it up
        return options.rerun && slot.losses() < attempts_limit;
    }
    let again = slot.failures < options.retries;
    if again {
        slot.failures += 1;
    }
    again
}
