//! Tasks that wait for their long arguments, and those behind them: each engine gets its tasks in order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use super::Effect;
use crate::id::{EngineId, FunctionHash, TaskId};
use crate::ranges::Ranges;
use crate::task::{Failure, RunOptions, TaskStatus};
use crate::time::Timestamp;
use crate::transfer::Pulls;
use crate::wire::{Batch, BatchCutter, Message, Outcomes, Runs, RunsCutter, Transfer};

/// What the tasks of one message share.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) slot: u32,
    pub(super) engine: EngineId,
    pub(super) function: FunctionHash,
    pub(super) options: Arc<RunOptions>,
}

/// Tasks in a row: either all have their arguments, or it is one whose argument is being pulled.
#[derive(Debug)]
struct Part {
    task: Task,
    runs: Runs,
    batch: Batch,
    long: Option<Long>,
}

#[derive(Debug)]
struct Long {
    id: TaskId,
    data: Option<Bytes>,
}

impl Part {
    fn is_ready(&self) -> bool {
        self.long.as_ref().is_none_or(|long| long.data.is_some())
    }

    fn effect(self) -> Effect {
        let Task { slot, engine, function, options } = self.task;
        let bulk = self.long.and_then(|long| long.data).into_iter().collect();
        Effect::Run { slot, engine, function, options, runs: self.runs, batch: self.batch, bulk }
    }
}

/// What is told of so many tasks that are taken out.
type End = fn(EngineId, Runs, usize) -> Outcomes;

/// By slot, in order. A slot is here only while something waits.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    slots: BTreeMap<u32, VecDeque<Part>>,
    /// Which slot a pulled argument is for.
    wanted: BTreeMap<TaskId, u32>,
    pulls: Pulls,
}

impl Waiting {
    /// Hands tasks on, or keeps them until it is their turn.
    pub(super) fn add(&mut self, task: Task, runs: Runs, batch: Batch, effects: &mut Vec<Effect>) {
        if batch.bulk.is_empty() && !self.slots.contains_key(&task.slot) {
            effects.push(Part { task, runs, batch, long: None }.effect());
            return;
        }
        let slot = task.slot;
        let lengths: Vec<u64> = batch.bulk.iter().map(|bulk| bulk.bytes).collect();
        let mut lengths = lengths.into_iter();
        let (mut runs, mut batch) = (RunsCutter::new(runs), BatchCutter::new(batch));
        while batch.remaining() > 0 {
            let short = batch.stretch(false);
            if short > 0 {
                let (task, runs) = (task.clone(), runs.take(short));
                let part = Part { task, runs, batch: batch.take(short), long: None };
                self.slots.entry(slot).or_default().push_back(part);
                continue;
            }
            let runs = runs.take(1);
            let Some((id, bytes)) = runs.ids().next().zip(lengths.next()) else { break };
            self.wanted.insert(id, slot);
            self.pulls.begin(Transfer::Argument(id), bytes);
            let (task, long) = (task.clone(), Some(Long { id, data: None }));
            let part = Part { task, runs, batch: batch.take(1), long };
            self.slots.entry(slot).or_default().push_back(part);
        }
        self.flush(slot, effects);
    }

    /// Takes part of an argument.
    pub(super) fn chunk(
        &mut self,
        now: Timestamp,
        transfer: Transfer,
        offset: u64,
        data: Bytes,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        let Some(whole) = self.pulls.chunk(now, transfer, offset, data)? else { return Ok(()) };
        let Transfer::Argument(task) = transfer else { return Ok(()) };
        let Some(slot) = self.wanted.remove(&task) else { return Ok(()) };
        let parts = self.slots.entry(slot).or_default();
        if let Some(long) =
            parts.iter_mut().filter_map(|part| part.long.as_mut()).find(|long| long.id == task)
        {
            long.data = Some(whole);
        }
        self.flush(slot, effects);
        Ok(())
    }

    /// Asks for more of the arguments that are being pulled.
    pub(super) fn grant(&mut self, now: Timestamp, send: impl FnMut(Message)) {
        self.pulls.grant(now, send);
    }

    /// Takes out the tasks among `runs` that wait here, and tells how they ended. What they held up goes on.
    pub(super) fn cancel(&mut self, runs: &Runs, effects: &mut Vec<Effect>) -> Vec<Outcomes> {
        self.take_out(runs, cancelled, effects)
    }

    /// The same for tasks that are given back.
    pub(super) fn withdraw(&mut self, runs: &Runs, effects: &mut Vec<Effect>) -> Vec<Outcomes> {
        self.take_out(runs, Outcomes::returned, effects)
    }

    fn take_out(&mut self, runs: &Runs, end: End, effects: &mut Vec<Effect>) -> Vec<Outcomes> {
        if self.slots.is_empty() {
            return Vec::new();
        }
        let unwanted = Ranges::from(runs);
        let mut ended = Vec::new();
        for parts in self.slots.values_mut() {
            *parts = parts.drain(..).flat_map(|part| sifted(part, &unwanted, end, &mut ended)).collect();
        }
        for id in ended.iter().flat_map(|outcomes| outcomes.runs.ids()) {
            self.wanted.remove(&id);
            self.pulls.forget(Transfer::Argument(id));
        }
        let slots: Vec<u32> = self.slots.keys().copied().collect();
        slots.into_iter().for_each(|slot| self.flush(slot, effects));
        ended
    }

    pub(super) fn clear(&mut self) {
        *self = Waiting::default();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.pulls.len() == 0
    }

    fn flush(&mut self, slot: u32, effects: &mut Vec<Effect>) {
        let Some(parts) = self.slots.get_mut(&slot) else { return };
        while parts.front().is_some_and(Part::is_ready) {
            effects.extend(parts.pop_front().map(Part::effect));
        }
        if parts.is_empty() {
            self.slots.remove(&slot);
        }
    }
}

/// What is left of `part` without the tasks of `unwanted`, in order; their ends go to `ended`.
fn sifted(part: Part, unwanted: &Ranges, end: End, ended: &mut Vec<Outcomes>) -> Vec<Part> {
    let Part { task, runs, batch, mut long } = part;
    let ids: Vec<TaskId> = runs.ids().take(batch.lengths.len()).collect();
    let (mut runs, mut batch) = (RunsCutter::new(runs), BatchCutter::new(batch));
    let mut kept = Vec::new();
    for stretch in ids.chunk_by(|a, b| unwanted.contains(*a, 1) == unwanted.contains(*b, 1)) {
        let (runs, batch) = (runs.take(stretch.len()), batch.take(stretch.len()));
        if unwanted.contains(stretch[0], 1) {
            ended.push(end(task.engine, runs, stretch.len()));
        } else {
            kept.push(Part { task: task.clone(), runs, batch, long: long.take() });
        }
    }
    kept
}

fn cancelled(engine: EngineId, runs: Runs, count: usize) -> Outcomes {
    let why = Failure::new("cancelled before it ran").encode();
    Outcomes {
        engine: Some(engine),
        runs,
        codes: vec![TaskStatus::Cancelled as u8; count].into(),
        ran: std::iter::repeat_n(0, count).collect(),
        batch: std::iter::repeat_n(why, count).collect(),
        ..Outcomes::default()
    }
}
