//! Results on their way to the user's program: each is delivered once, long ones when all of them is here.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::Effect;
use super::queue::Part;
use crate::id::TaskId;
use crate::ranges::Ranges;
use crate::task::{Failure, TaskStatus};
use crate::time::Timestamp;
use crate::transfer::Pulls;
use crate::wire::{Message, Outcomes, OutcomesCutter, Runs, TASK_COST_BYTES, Transfer};

#[derive(Debug)]
pub(super) struct Results {
    /// Outcomes whose long result is being pulled. They count as outstanding until it is here.
    announced: BTreeMap<TaskId, Outcomes>,
    pulls: Pulls,
    /// The window at first; what was taken since; what of that the controller was told.
    window: u64,
    taken: u64,
    told: u64,
    /// What was delivered without the controller having sent it, and not taken yet.
    own: u64,
}

/// What is to be done with a task's outcome.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Deliver,
    Pull,
    Drop,
}

impl Results {
    pub(super) fn new(window: u64) -> Self {
        Results { announced: BTreeMap::new(), pulls: Pulls::default(), window, taken: 0, told: 0, own: 0 }
    }

    /// Takes outcomes of which some may be known, unknown or announcements.
    pub(super) fn receive(
        &mut self,
        outcomes: Outcomes,
        outstanding: &mut Ranges,
        effects: &mut Vec<Effect>,
    ) {
        if outcomes.batch.bulk.is_empty()
            && self.announced.is_empty()
            && remove_all(&outcomes.runs, outstanding)
        {
            effects.push(Effect::Deliver { outcomes, bulk: Vec::new() });
            return;
        }
        let tasks = outcomes.batch.lengths.len();
        let ids = outcomes.runs.clone();
        let mut lengths = outcomes.batch.bulk.iter().map(|bulk| (bulk.index as usize, bulk.bytes)).peekable();
        let mut fates = Vec::with_capacity(tasks);
        let mut announced = Vec::new();
        for (index, id) in ids.ids().take(tasks).enumerate() {
            let long = lengths.next_if(|(at, _)| *at == index).map(|(_, bytes)| bytes);
            fates.push(self.fate(id, long.is_some(), outstanding));
            announced.extend(long.map(|bytes| (id, bytes)));
        }
        let mut announced = announced.into_iter();
        let mut rest = OutcomesCutter::new(outcomes);
        for stretch in fates.chunk_by(|a, b| a == b && *a != Fate::Pull) {
            let part = rest.take(stretch.len());
            match stretch[0] {
                Fate::Deliver => effects.push(Effect::Deliver { outcomes: part, bulk: Vec::new() }),
                Fate::Drop => {
                    self.taken += part.batch.cost();
                    announced.by_ref().take(part.batch.bulk.len()).for_each(drop);
                }
                Fate::Pull => {
                    if let Some((id, bytes)) = announced.next() {
                        self.pulls.begin(Transfer::Result(id), bytes);
                        self.announced.insert(id, part);
                    }
                }
            }
        }
    }

    fn fate(&mut self, id: TaskId, long: bool, outstanding: &mut Ranges) -> Fate {
        if !outstanding.contains(id, 1) {
            return Fate::Drop;
        }
        // an earlier try's result, whose engine was lost before all of it was here
        if self.announced.remove(&id).is_some() {
            self.pulls.forget(Transfer::Result(id));
            self.taken += TASK_COST_BYTES;
        }
        if long {
            return Fate::Pull;
        }
        outstanding.remove(id, 1);
        Fate::Deliver
    }

    /// Takes part of a long result.
    ///
    /// # Errors
    /// When it does not fit the announcement.
    pub(super) fn chunk(
        &mut self,
        now: Timestamp,
        transfer: Transfer,
        offset: u64,
        data: Bytes,
        outstanding: &mut Ranges,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        let whole = self.pulls.chunk(now, transfer, offset, data)?;
        let (Some(data), Transfer::Result(id)) = (whole, transfer) else { return Ok(()) };
        if let Some(outcomes) = self.announced.remove(&id) {
            outstanding.remove(id, 1);
            effects.push(Effect::Deliver { outcomes, bulk: vec![data] });
        }
        Ok(())
    }

    /// Asks for more of what is being pulled.
    pub(super) fn grant(&mut self, now: Timestamp, send: impl FnMut(Message)) {
        self.pulls.grant(now, send);
    }

    /// Takes note that the program has taken results. The controller is told each quarter of the window.
    pub(super) fn taken(&mut self, bytes: u64) -> Option<Message> {
        let own = bytes.min(self.own);
        self.own -= own;
        self.taken += bytes - own;
        if self.taken - self.told < (self.window / 4).max(1) {
            return None;
        }
        self.told = self.taken;
        Some(Message::Window { bytes: self.window.saturating_add(self.taken) })
    }

    /// Ends tasks that cannot be sent.
    pub(super) fn fail(&mut self, part: Part, reason: &str, effects: &mut Vec<Effect>) {
        self.end(part, TaskStatus::Failed, reason, effects);
    }

    /// Ends tasks that are not wanted any more and have not left.
    pub(super) fn cancel(&mut self, part: Part, effects: &mut Vec<Effect>) {
        self.end(part, TaskStatus::Cancelled, "cancelled before it was sent", effects);
    }

    fn end(&mut self, part: Part, status: TaskStatus, reason: &str, effects: &mut Vec<Effect>) {
        let (base, count) = part.ids();
        let why = Failure::new(reason).encode();
        let outcomes = Outcomes {
            engine: None,
            runs: Runs::one(base, count as u32),
            codes: vec![status as u8; count].into(),
            ran: std::iter::repeat_n(0, count).collect(),
            batch: std::iter::repeat_n(why, count).collect(),
            ..Outcomes::default()
        };
        self.own += outcomes.batch.cost();
        effects.push(Effect::Sent { bytes: part.batch.cost() });
        effects.push(Effect::Deliver { outcomes, bulk: Vec::new() });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.announced.is_empty() && self.pulls.len() == 0
    }

    pub(super) fn clear(&mut self) {
        self.announced.clear();
        self.pulls.clear();
    }
}

/// Removes all of `runs`, or none if some are not there.
fn remove_all(runs: &Runs, from: &mut Ranges) -> bool {
    for (index, (first, count)) in runs.iter().enumerate() {
        if !from.contains(first, count as u64) {
            runs.iter().take(index).for_each(|(first, count)| from.insert(first, count as u64));
            return false;
        }
        from.remove(first, count as u64);
    }
    true
}
