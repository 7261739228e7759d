//! Taking batches apart from their front, without copying payloads.

use bytes::Bytes;

use super::{BULK, BULK_LIMIT, Batch, Column, Outcomes, Runs, RunsBuilder, TASK_COST_BYTES};
use crate::id::TaskId;

/// Takes runs of ids apart.
#[derive(Clone, Debug)]
pub struct RunsCutter {
    runs: Runs,
    /// The run that is being taken apart, and how many of its ids are gone.
    at: usize,
    used: u32,
}

impl RunsCutter {
    /// At the front of `runs`.
    pub fn new(runs: Runs) -> Self {
        RunsCutter { runs, at: 0, used: 0 }
    }

    /// The next id, if there is one.
    pub fn peek(&self) -> Option<TaskId> {
        let mut rest = self.runs.iter().skip(self.at);
        let (first, count) = rest.next()?;
        if self.used < count {
            Some(TaskId(first.0 + self.used as u64))
        } else {
            rest.next().map(|(first, _)| first)
        }
    }

    /// Takes the next `count` ids, or as many as there are.
    pub fn take(&mut self, count: usize) -> Runs {
        let mut taken = RunsBuilder::default();
        let mut left = count;
        while left > 0 {
            let Some((first, length)) = self.runs.iter().nth(self.at) else { break };
            let step = ((length - self.used) as usize).min(left) as u32;
            if step > 0 {
                taken.push_run(TaskId(first.0 + self.used as u64), step);
            }
            left -= step as usize;
            self.used += step;
            if self.used == length {
                (self.at, self.used) = (self.at + 1, 0);
            }
        }
        taken.finish()
    }
}

/// Takes a batch apart.
#[derive(Clone, Debug)]
pub struct BatchCutter {
    batch: Batch,
    /// How much is gone: tasks, payload bytes, announcements.
    next: usize,
    payload: usize,
    bulk: usize,
}

impl BatchCutter {
    /// At the front of `batch`.
    pub fn new(batch: Batch) -> Self {
        BatchCutter { batch, next: 0, payload: 0, bulk: 0 }
    }

    /// How many tasks are left.
    pub fn remaining(&self) -> usize {
        self.batch.lengths.len() - self.next
    }

    /// What the rest counts against a window, see [`Batch::cost`].
    pub fn cost(&self) -> u64 {
        (self.batch.payload.len() - self.payload) as u64 + self.remaining() as u64 * TASK_COST_BYTES
    }

    /// How many announcements are left.
    pub fn announced(&self) -> usize {
        self.batch.bulk.len() - self.bulk
    }

    /// What the next task counts against a window, if there is one.
    pub fn next_cost(&self) -> Option<u64> {
        (self.remaining() > 0).then(|| inline(self.batch.lengths.get(self.next)) as u64 + TASK_COST_BYTES)
    }

    /// How many of the next tasks count at most `budget` together and announce at most [`BULK_LIMIT`] payloads.
    pub fn fitting(&self, budget: u64) -> usize {
        if self.cost() <= budget && self.announced() <= BULK_LIMIT {
            return self.remaining();
        }
        let (mut cost, mut announced) = (0u64, 0);
        for index in self.next..self.batch.lengths.len() {
            let length = self.batch.lengths.get(index);
            cost += inline(length) as u64 + TASK_COST_BYTES;
            announced += (length == BULK) as usize;
            if cost > budget || announced > BULK_LIMIT {
                return index - self.next;
            }
        }
        self.remaining()
    }

    /// How many of the next tasks, in a row, are announced (`true`) or come along (`false`).
    pub fn stretch(&self, announced: bool) -> usize {
        if !announced && self.announced() == 0 {
            return self.remaining();
        }
        let rest = self.next..self.batch.lengths.len();
        rest.take_while(|index| (self.batch.lengths.get(*index) == BULK) == announced).count()
    }

    /// Takes the next `count` tasks, or as many as there are.
    pub fn take(&mut self, count: usize) -> Batch {
        let count = count.min(self.remaining());
        let lengths = self.batch.lengths.slice(self.next..self.next + count);
        let (payload, bulk) = if count == self.remaining() {
            (self.batch.payload.len() - self.payload, self.announced())
        } else {
            let bytes: usize = lengths.iter().map(inline).sum();
            let bulk = lengths.iter().filter(|length| *length == BULK).count();
            (bytes.min(self.batch.payload.len() - self.payload), bulk.min(self.announced()))
        };
        let base = self.next as u32;
        let mut announcements = self.batch.bulk[self.bulk..self.bulk + bulk].to_vec();
        announcements.iter_mut().for_each(|bulk| bulk.index = bulk.index.saturating_sub(base));
        let taken = Batch {
            lengths,
            payload: self.batch.payload.slice(self.payload..self.payload + payload),
            bulk: announcements,
        };
        (self.next, self.payload, self.bulk) = (self.next + count, self.payload + payload, self.bulk + bulk);
        taken
    }
}

/// Takes outcomes apart.
#[derive(Clone, Debug)]
pub struct OutcomesCutter {
    outcomes: Outcomes,
    runs: RunsCutter,
    batch: BatchCutter,
}

impl OutcomesCutter {
    /// At the front of `outcomes`.
    pub fn new(mut outcomes: Outcomes) -> Self {
        let runs = RunsCutter::new(std::mem::take(&mut outcomes.runs));
        let batch = BatchCutter::new(std::mem::take(&mut outcomes.batch));
        OutcomesCutter { outcomes, runs, batch }
    }

    /// The tasks' results that are left.
    pub fn batch(&self) -> &BatchCutter {
        &self.batch
    }

    /// The next task, if there is one.
    pub fn peek(&self) -> Option<TaskId> {
        if self.batch.remaining() > 0 { self.runs.peek() } else { None }
    }

    /// Takes the next `count` tasks, or as many as there are.
    pub fn take(&mut self, count: usize) -> Outcomes {
        let from = self.batch.next;
        let batch = self.batch.take(count);
        let range = from..from + batch.lengths.len();
        let codes = &self.outcomes.codes;
        Outcomes {
            engine: self.outcomes.engine,
            runs: self.runs.take(range.len()),
            codes: if codes.is_empty() { Bytes::new() } else { clipped(codes, range.start, range.end) },
            micros: self.outcomes.micros.slice(range),
            batch,
        }
    }
}

fn clipped(bytes: &Bytes, from: usize, to: usize) -> Bytes {
    let to = to.min(bytes.len());
    bytes.slice(from.min(to)..to)
}

fn inline(length: u32) -> usize {
    if length == BULK { 0 } else { length as usize }
}

/// Builds a batch of payloads that all come along.
impl FromIterator<Bytes> for Batch {
    fn from_iter<I: IntoIterator<Item = Bytes>>(payloads: I) -> Self {
        let (mut lengths, mut payload) = (Vec::new(), bytes::BytesMut::new());
        for part in payloads {
            lengths.push(part.len() as u32);
            payload.extend_from_slice(&part);
        }
        Batch {
            lengths: lengths.into_iter().collect::<Column>(),
            payload: payload.freeze(),
            bulk: Vec::new(),
        }
    }
}
