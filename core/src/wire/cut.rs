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
        let (first, count) = self.runs.get(self.at)?;
        if self.used < count {
            Some(TaskId(first.0 + self.used as u64))
        } else {
            self.runs.get(self.at + 1).map(|(first, _)| first)
        }
    }

    /// Takes the next `count` ids, or as many as there are.
    pub fn take(&mut self, count: usize) -> Runs {
        let mut taken = RunsBuilder::default();
        let mut left = count;
        while left > 0 {
            let Some((first, length)) = self.runs.get(self.at) else { break };
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
        let part = |bytes: &Bytes| clipped(bytes, range.start, range.end);
        Outcomes {
            engine: self.outcomes.engine,
            node: self.outcomes.node.clone(),
            ended_micros: self.outcomes.ended_micros,
            runs: self.runs.take(range.len()),
            codes: part(&self.outcomes.codes),
            attempts: part(&self.outcomes.attempts),
            ran: self.outcomes.ran.slice(range),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::BulkLength;
    use proptest::prelude::*;

    /// A payload that comes along, or the length of one that does not.
    type Payload = Result<Vec<u8>, u64>;

    fn outcomes(payloads: &[Payload]) -> Outcomes {
        let lengths = payloads.iter().map(|payload| payload.as_ref().map_or(BULK, |data| data.len() as u32));
        let places = payloads.iter().enumerate();
        let long = places.filter_map(|(at, payload)| Some((at, *payload.as_ref().err()?)));
        let batch = Batch {
            lengths: lengths.collect(),
            payload: payloads.iter().flatten().flatten().copied().collect::<Vec<u8>>().into(),
            bulk: long.map(|(at, bytes)| BulkLength { index: at as u32, bytes }).collect(),
        };
        Outcomes {
            engine: None,
            node: None,
            ended_micros: 5,
            // gaps, so that there are several runs
            runs: (0..payloads.len() as u64).map(|at| TaskId(at + at / 3)).collect(),
            codes: (0..payloads.len()).map(|at| at as u8).collect::<Vec<u8>>().into(),
            ran: (0..payloads.len() as u32).collect(),
            attempts: (0..payloads.len()).map(|at| at as u8).collect::<Vec<u8>>().into(),
            batch,
        }
    }

    proptest! {
        #[test]
        fn parts_are_as_if_they_had_been_made_alone(
            payloads in proptest::collection::vec(
                prop_oneof![3 => proptest::collection::vec(any::<u8>(), 0..6).prop_map(Ok), 1 => any::<u64>().prop_map(Err)],
                0..30,
            ),
            counts in proptest::collection::vec(0usize..9, 30),
        ) {
            let whole = outcomes(&payloads);
            let mut rest = OutcomesCutter::new(whole.clone());
            let mut at = 0;
            for count in counts.into_iter().chain([usize::MAX]) {
                let end = at + count.min(payloads.len() - at);
                prop_assert_eq!(rest.peek(), whole.runs.ids().nth(at));
                let part = rest.take(count);
                let alone = outcomes(&payloads[at..end]);
                prop_assert_eq!(&part.batch, &alone.batch);
                prop_assert_eq!(rest.batch().cost() + part.batch.cost() , outcomes(&payloads[at..]).batch.cost());
                let ids: Vec<TaskId> = part.runs.ids().collect();
                prop_assert_eq!(ids, whole.runs.ids().skip(at).take(end - at).collect::<Vec<_>>());
                prop_assert_eq!(&part.codes[..], &whole.codes[at..end]);
                prop_assert_eq!(&part.attempts[..], &whole.attempts[at..end]);
                prop_assert_eq!(part.ran.iter().collect::<Vec<_>>(), (at as u32..end as u32).collect::<Vec<_>>());
                at = end;
            }
            prop_assert_eq!(rest.batch().remaining(), 0);
        }

        #[test]
        fn what_fits_is_as_much_as_can(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200).prop_map(Ok), 0..30),
            budget in 0u64..4000,
            skip in 0usize..5,
        ) {
            let mut rest = BatchCutter::new(outcomes(&payloads).batch);
            rest.take(skip);
            let count = rest.fitting(budget);
            let next = rest.clone().take(count + 1);
            let more = next.lengths.len() > count;
            prop_assert!(!more || next.cost() > budget, "one more would have fitted");
            prop_assert!(rest.take(count).cost() <= budget);
        }
    }

    #[test]
    fn announcements_are_limited_too() {
        let payloads: Vec<Payload> = (0..BULK_LIMIT + 5).map(|_| Err(1)).collect();
        let rest = BatchCutter::new(outcomes(&payloads).batch);
        assert_eq!(rest.fitting(u64::MAX), BULK_LIMIT);
    }
}
