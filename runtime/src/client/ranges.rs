//! Which group and index each unfinished task id stands for.

use std::collections::BTreeMap;
use std::ops;

use bytes::Bytes;
use rpar_core::id::TaskId;
use rpar_core::task::TaskStatus;
use rpar_core::wire::{BULK, Outcomes, Runs, RunsBuilder};

use super::Group;
use super::batch::Prepared;
use super::group::{End, Filling};

/// Batches whose tasks have not all ended, by first id.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    ranges: BTreeMap<u64, Range>,
    /// Lengths of the long arguments of tasks that have not ended.
    long: BTreeMap<u64, u64>,
}

#[derive(Debug)]
struct Range {
    group: Group,
    index: usize,
    count: u32,
    unfinished: u32,
    submitted_micros: u64,
}

impl Ranges {
    /// Takes note of a batch that is handed to the machine.
    pub(super) fn insert(&mut self, prepared: &Prepared) {
        let tasks = &prepared.tasks;
        let range = Range {
            group: tasks.group.clone(),
            index: tasks.index,
            count: tasks.count,
            unfinished: tasks.count,
            submitted_micros: tasks.submitted_micros,
        };
        self.ranges.insert(tasks.base.0, range);
        let long = prepared.batch.bulk.iter();
        self.long.extend(long.map(|bulk| (tasks.base.0 + bulk.index as u64, bulk.bytes)));
    }

    /// Takes note that the tasks of a submission up to `tasks` belong to a group that begins with `first`, as far as that
    /// was not known.
    pub(super) fn expect(&mut self, group: &Group, first: TaskId, tasks: u64, submitted_micros: u64) {
        let known = first.0 + group.len() as u64;
        let mut base = known;
        while base < tasks {
            let count = u32::try_from(tasks - base).unwrap_or(u32::MAX);
            let index = (base - first.0) as usize;
            let range = Range { group: group.clone(), index, count, unfinished: count, submitted_micros };
            self.ranges.insert(base, range);
            base += count as u64;
        }
        group.grow(tasks.saturating_sub(known) as usize);
    }

    /// Puts outcomes into their groups; tells how many bytes of long arguments are not needed any more.
    pub(super) fn deliver(&mut self, outcomes: &Outcomes, long: Vec<Bytes>) -> u64 {
        let mut results = Results { outcomes, long: long.into_iter(), task: 0, offset: 0 };
        let mut released = 0;
        for (TaskId(mut id), mut count) in outcomes.runs.iter() {
            while count > 0 {
                let Some((base, range)) = self.ranges.range_mut(..=id).next_back() else { return released };
                let (base, before) = (*base, (id - *base) as u32);
                // the machine delivers only what was submitted
                let step = count.min(range.count.saturating_sub(before));
                if step == 0 {
                    return released;
                }
                let index = range.index + before as usize;
                let ended = range.group.fill(|slots| {
                    slots.note(range.index, range.submitted_micros, outcomes);
                    results.put(slots, index, step)
                });
                range.unfinished -= ended.min(range.unfinished);
                if range.unfinished == 0 {
                    self.ranges.remove(&base);
                }
                released += self.release(id, step);
                (id, count) = (id + step as u64, count - step);
            }
        }
        released
    }

    fn release(&mut self, first: u64, count: u32) -> u64 {
        let mut released = 0;
        while let Some((id, bytes)) = self.long.range(first..first + count as u64).next() {
            let (id, bytes) = (*id, *bytes);
            released += bytes;
            self.long.remove(&id);
        }
        released
    }

    /// The ids of a group's batches that have not all ended, as far as they are among these indexes.
    pub(super) fn of(&self, group: &Group, indexes: &ops::Range<usize>) -> Runs {
        let mut runs = RunsBuilder::default();
        for (base, range) in self.ranges.iter().filter(|(_, range)| range.group.is(group)) {
            let begin = indexes.start.max(range.index);
            let end = indexes.end.min(range.index + range.count as usize);
            if begin < end {
                runs.push_run(TaskId(*base + (begin - range.index) as u64), (end - begin) as u32);
            }
        }
        runs.finish()
    }

    /// The group and index of a task.
    pub(super) fn find(&self, TaskId(id): TaskId) -> Option<(Group, usize)> {
        let (base, range) = self.ranges.range(..=id).next_back()?;
        let before = id - base;
        (before < range.count as u64).then(|| (range.group.clone(), range.index + before as usize))
    }

    /// Ends all tasks that have not.
    pub(super) fn lose(&mut self, why: &Bytes) {
        self.long.clear();
        for (_, range) in std::mem::take(&mut self.ranges) {
            let end = End::without_engine(TaskStatus::Lost, why.clone());
            range.group.fill(|slots| {
                slots.note(range.index, range.submitted_micros, &Outcomes::default());
                for index in range.index..range.index + range.count as usize {
                    slots.put(index, end.clone());
                }
            });
        }
    }
}

/// Outcomes, read from the front.
struct Results<'a> {
    outcomes: &'a Outcomes,
    long: std::vec::IntoIter<Bytes>,
    task: usize,
    offset: usize,
}

impl Results<'_> {
    /// Puts the next `count` results at `index` and after; tells how many of these tasks had not ended before.
    fn put(&mut self, slots: &mut Filling<'_>, index: usize, count: u32) -> u32 {
        let mut ended = 0;
        for index in index..index + count as usize {
            let outcomes = self.outcomes;
            let status = outcomes
                .codes
                .get(self.task)
                .map_or(Some(TaskStatus::Ok), |code| TaskStatus::from_code(*code));
            // a status of a later version: the controller speaks ours, so it has none
            let status = status.unwrap_or(TaskStatus::Failed);
            // without an engine it was never sent to one
            let attempts =
                outcomes.attempts.get(self.task).copied().unwrap_or(outcomes.engine.is_some() as u8);
            let end = End {
                status,
                attempts,
                engine: outcomes.engine,
                ran: outcomes.ran.get(self.task),
                ended_micros: outcomes.ended_micros,
                received_micros: 0,
                payload: self.payload(),
            };
            ended += slots.put(index, end) as u32;
            self.task += 1;
        }
        ended
    }

    fn payload(&mut self) -> Bytes {
        match self.outcomes.batch.lengths.get(self.task) {
            BULK => self.long.next().unwrap_or_default(),
            // no reference to the frame is kept for nothing
            0 => Bytes::new(),
            length => {
                let end = self.offset + length as usize;
                let payload = self.outcomes.batch.payload.slice(self.offset..end);
                self.offset = end;
                payload
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::batch::Open;
    use super::super::{Defined, Outcome};
    use super::*;
    use rpar_core::task::{Function, FunctionKind, TaskOptions};
    use rpar_core::wire::{Batch, INLINE_LIMIT_BYTES};
    use std::sync::Arc;

    fn prepared(base: u64, group: &Group, arguments: &[usize]) -> Prepared {
        let function = Defined::new(Function { kind: FunctionKind::Native, body: Bytes::new() });
        let options = Arc::new(TaskOptions::default());
        let mut open = Open::new(base, group, group.len(), &function, &options);
        for length in arguments {
            group.add();
            open.push(Bytes::from(vec![0; *length]));
        }
        open.close()
    }

    fn outcomes(runs: Runs, results: &[&'static [u8]]) -> Outcomes {
        Outcomes {
            ran: results.iter().map(|_| 5).collect(),
            batch: results.iter().map(|result| Bytes::from_static(result)).collect::<Batch>(),
            runs,
            ..Outcomes::default()
        }
    }

    fn payload(group: &Group, index: usize) -> Bytes {
        let Outcome { payload, .. } = group.wait(index, None).unwrap();
        payload
    }

    #[test]
    fn a_run_over_two_batches_finds_both_groups() {
        let (one, two) = (Group::default(), Group::default());
        let mut ranges = Ranges::default();
        ranges.insert(&prepared(0, &one, &[1, 1]));
        ranges.insert(&prepared(2, &two, &[1, 1, 1]));
        ranges.deliver(&outcomes(Runs::one(TaskId(1), 3), &[b"a", b"", b"c"]), Vec::new());
        assert_eq!(payload(&one, 1), "a");
        assert_eq!((payload(&two, 0), payload(&two, 1)), (Bytes::new(), "c".into()));
        assert_eq!(ranges.of(&one, &(0..9)), Runs::one(TaskId(0), 2));
        assert_eq!(ranges.of(&two, &(1..2)), Runs::one(TaskId(3), 1));
        assert_eq!(ranges.find(TaskId(4)).unwrap().1, 2);
        ranges.deliver(&outcomes(Runs::one(TaskId(0), 1), &[b"z"]), Vec::new());
        assert!(one.wait_all(None));
        assert_eq!(ranges.of(&one, &(0..9)), Runs::default());
        ranges.lose(&Bytes::from_static(b"why"));
        assert_eq!(two.wait(2, None).unwrap().status, TaskStatus::Lost);
        assert_eq!(two.wait(1, None).unwrap().status, TaskStatus::Ok);
    }

    #[test]
    fn long_arguments_are_released_when_their_task_ends() {
        let group = Group::default();
        let mut ranges = Ranges::default();
        let long = INLINE_LIMIT_BYTES + 1;
        ranges.insert(&prepared(0, &group, &[1, long, long]));
        let first = outcomes(Runs::one(TaskId(0), 2), &[b"", b""]);
        assert_eq!(ranges.deliver(&first, Vec::new()), long as u64);
        assert_eq!(ranges.deliver(&outcomes(Runs::one(TaskId(2), 1), &[b""]), Vec::new()), long as u64);
    }
}
