//! The results of a submission, kept until they are forgotten.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::id::TaskId;
use crate::task::TaskStatus;
use crate::wire::{Outcomes, TaskRecord, TaskState, unpack_duration};

/// Results that came together, with the long ones that they announce.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) outcomes: Outcomes,
    pub(super) bulk: Vec<Bytes>,
}

impl Kept {
    /// What it takes here.
    pub(super) fn bytes(&self) -> u64 {
        self.outcomes.batch.cost() + self.bulk.iter().map(|data| data.len() as u64).sum::<u64>()
    }

    /// Its least and its greatest id.
    fn bounds(&self) -> (u64, u64) {
        let runs = self.outcomes.runs.iter();
        runs.fold((u64::MAX, 0), |(least, most), (first, count)| {
            (least.min(first.0), most.max(first.0 + count as u64 - 1))
        })
    }

    /// What is known of those of its tasks that are in `from..to`.
    pub(super) fn records(&self, from: u64, to: u64, records: &mut Vec<TaskRecord>) {
        let Outcomes { engine, node, ended_micros, runs, codes, ran, attempts, .. } = &self.outcomes;
        for (at, id) in runs.ids().enumerate().filter(|(_, id)| (from..to).contains(&id.0)) {
            let status = codes.get(at).map_or(Some(TaskStatus::Ok), |code| TaskStatus::from_code(*code));
            records.push(TaskRecord {
                id,
                state: TaskState::Ended(status.unwrap_or(TaskStatus::Failed)),
                attempts: attempts.get(at).map_or(engine.is_some() as u16, |attempts| *attempts as u16),
                engine: *engine,
                node: node.as_deref().map(str::to_owned),
                ended_micros: Some(*ended_micros),
                ran_micros: unpack_duration(ran.get(at)).as_micros() as u64,
            });
        }
    }
}

/// The results, in the order in which their tasks ended.
#[derive(Debug, Default)]
pub(super) struct Store {
    kept: VecDeque<Kept>,
    pub(super) bytes: u64,
    /// The first task whose result is still kept, or will be.
    pub(super) forgotten: TaskId,
    pub(super) succeeded: u64,
    pub(super) failed: u64,
}

impl Store {
    /// Adds results; tells what they take.
    pub(super) fn push(&mut self, kept: Kept) -> u64 {
        let (count, codes) = (kept.outcomes.batch.lengths.len() as u64, &kept.outcomes.codes);
        let failed = codes.iter().filter(|code| **code != TaskStatus::Ok as u8).count() as u64;
        self.failed += failed;
        self.succeeded += count - failed;
        let bytes = kept.bytes();
        self.bytes += bytes;
        self.kept.push_back(kept);
        bytes
    }

    /// Lets go of the results of all tasks before `upto`, as far as no result that came together with one of them is
    /// still needed; tells how many bytes that frees.
    pub(super) fn forget(&mut self, upto: TaskId) -> u64 {
        let mut upto = upto.0;
        // what straddles the end holds it back, and that may make more straddle
        while let Some(least) = self
            .kept
            .iter()
            .map(Kept::bounds)
            .find_map(|(least, most)| (least < upto && most >= upto).then_some(least))
        {
            upto = least;
        }
        if upto <= self.forgotten.0 {
            return 0;
        }
        self.forgotten = TaskId(upto);
        let before = self.bytes;
        self.kept.retain(|kept| kept.bounds().0 >= upto);
        self.bytes = self.kept.iter().map(Kept::bytes).sum();
        before - self.bytes
    }

    /// What is kept, counted anew.
    pub(super) fn check(&self) -> u64 {
        let bytes = self.kept.iter().map(Kept::bytes).sum();
        assert_eq!(self.bytes, bytes, "kept results are counted wrongly");
        bytes
    }

    /// All that is kept, in the order in which it came.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Kept> {
        self.kept.iter()
    }

    /// What is known of the ended tasks in `from..to`.
    pub(super) fn records(&self, from: u64, to: u64) -> Vec<TaskRecord> {
        let mut records = Vec::new();
        self.kept.iter().for_each(|kept| kept.records(from, to, &mut records));
        records
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(ids: &[u64]) -> Kept {
        let outcomes = Outcomes {
            runs: ids.iter().copied().map(TaskId).collect(),
            ran: ids.iter().map(|_| 1).collect(),
            batch: ids.iter().map(|_| Bytes::from_static(b"result")).collect(),
            ..Outcomes::default()
        };
        Kept { outcomes, bulk: Vec::new() }
    }

    #[test]
    fn what_came_together_is_forgotten_together() {
        let mut store = Store::default();
        for ids in [&[0u64, 1][..], &[4, 2], &[3, 5], &[6]] {
            store.push(kept(ids));
        }
        assert_eq!((store.forget(TaskId(2)), store.forgotten), (2 * 70, TaskId(2)));
        assert_eq!((store.forget(TaskId(5)), store.forgotten), (0, TaskId(2)), "3 came with 5, and 2 with 4");
        assert_eq!((store.forget(TaskId(6)), store.forgotten), (4 * 70, TaskId(6)));
        assert_eq!(store.forget(TaskId(1)), 0, "that was before");
        assert_eq!((store.bytes, store.succeeded), (70, 7));
        assert_eq!(store.records(0, 100).iter().map(|record| record.id.0).collect::<Vec<_>>(), [6]);
    }
}
