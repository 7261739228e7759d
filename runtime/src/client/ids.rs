//! Which ids the tasks of a group have on their client's link.

use std::collections::VecDeque;

use rpar_core::id::TaskId;

/// Runs of tasks with consecutive indexes and ids. Tasks that were never sent have no id.
#[derive(Debug, Default)]
pub(super) struct Ids {
    runs: VecDeque<Run>,
}

#[derive(Debug)]
struct Run {
    index: usize,
    first: TaskId,
    count: u32,
}

impl Ids {
    /// Takes note of tasks after those that are known.
    pub(super) fn record(&mut self, index: usize, first: TaskId, count: u32) {
        if let Some(last) = self.runs.back_mut()
            && last.index + last.count as usize == index
            && last.first.0 + last.count as u64 == first.0
            && let Some(both) = last.count.checked_add(count)
        {
            last.count = both;
            return;
        }
        self.runs.push_back(Run { index, first, count });
    }

    /// Forgets runs whose tasks are all before an index.
    pub(super) fn forget(&mut self, index: usize) {
        while self.runs.pop_front_if(|run| run.index + run.count as usize <= index).is_some() {}
    }

    /// First ids, and how many.
    pub(super) fn runs(&self) -> Vec<(TaskId, u32)> {
        self.runs.iter().map(|run| (run.first, run.count)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_join_and_are_forgotten_from_the_front() {
        let mut ids = Ids::default();
        // task 4 was never sent, and other groups have submitted between
        for (index, first, count) in [(0, 10, 2), (2, 12, 2), (5, 14, 1), (6, 20, 3), (9, 23, u32::MAX)] {
            ids.record(index, TaskId(first), count);
        }
        let runs = [(TaskId(10), 4), (TaskId(14), 1), (TaskId(20), 3), (TaskId(23), u32::MAX)];
        assert_eq!(ids.runs(), runs);
        ids.forget(3);
        assert_eq!(ids.runs(), runs);
        ids.forget(6);
        assert_eq!(ids.runs(), runs[2..]);
    }
}
