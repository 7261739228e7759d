//! A set of task ids as ranges: small where ids are neighbours, as they are.

use std::collections::BTreeMap;

use crate::id::TaskId;
use crate::wire::Runs;

/// Disjoint ranges, start to end (not included).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    /// Adds `count` ids from `first` on.
    pub(crate) fn insert(&mut self, first: TaskId, count: u64) {
        let (mut start, mut end) = (first.0, first.0.saturating_add(count));
        if start >= end {
            return;
        }
        // swallow every range that touches
        while let Some((from, to)) = self.0.range(..=end).next_back().map(|(from, to)| (*from, *to)) {
            if to < start {
                break;
            }
            self.0.remove(&from);
            (start, end) = (start.min(from), end.max(to));
        }
        self.0.insert(start, end);
    }

    /// Removes `count` ids from `first` on.
    pub(crate) fn remove(&mut self, first: TaskId, count: u64) {
        let (start, end) = (first.0, first.0.saturating_add(count));
        if start >= end {
            return;
        }
        while let Some((from, to)) = self.0.range(..end).next_back().map(|(from, to)| (*from, *to)) {
            if to <= start {
                break;
            }
            self.0.remove(&from);
            if to > end {
                self.0.insert(end, to);
            }
            if from < start {
                self.0.insert(from, start);
            }
        }
    }

    /// Whether all of `count` ids from `first` on are there.
    pub(crate) fn contains(&self, first: TaskId, count: u64) -> bool {
        let end = first.0.saturating_add(count);
        count == 0 || self.0.range(..=first.0).next_back().is_some_and(|(_, to)| *to >= end)
    }

    /// The parts of `count` ids from `first` on that are there, in order.
    pub(crate) fn within(&self, first: TaskId, count: u64) -> impl Iterator<Item = (TaskId, u64)> + '_ {
        let (start, end) = (first.0, first.0.saturating_add(count));
        let before = self.0.range(..start).next_back().map(|(from, to)| (*from, *to));
        let rest = self.0.range(start..end).map(|(from, to)| (*from, *to));
        before.into_iter().chain(rest).filter_map(move |(from, to)| {
            let (from, to) = (from.max(start), to.min(end));
            (from < to).then(|| (TaskId(from), to - from))
        })
    }

    /// How many ranges there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Makes one of the first two ranges and what is between them.
    pub(crate) fn join_first(&mut self) {
        if let (Some((from, _)), Some((_, to))) = (self.0.pop_first(), self.0.pop_first()) {
            self.0.insert(from, to);
        }
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&Runs> for Ranges {
    fn from(runs: &Runs) -> Self {
        let mut ranges = Ranges::default();
        runs.iter().for_each(|(first, count)| ranges.insert(first, count as u64));
        ranges
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn it_is_a_set(steps in proptest::collection::vec((any::<bool>(), 0u64..40, 0u64..10), 0..40)) {
            let (mut ranges, mut model) = (Ranges::default(), BTreeSet::new());
            for (add, first, count) in steps {
                let ids = first..first + count;
                if add {
                    ranges.insert(TaskId(first), count);
                    model.extend(ids.clone());
                } else {
                    ranges.remove(TaskId(first), count);
                    ids.clone().for_each(|id| { model.remove(&id); });
                }
                prop_assert_eq!(ranges.contains(TaskId(first), count), ids.clone().all(|id| model.contains(&id)));
                prop_assert_eq!(ranges.is_empty(), model.is_empty());
                let all: Vec<u64> = ranges.within(TaskId(3), 30).flat_map(|(from, n)| from.0..from.0 + n).collect();
                prop_assert_eq!(all, model.range(3..33).copied().collect::<Vec<_>>());
                let neighbours_apart = ranges.0.iter().zip(ranges.0.iter().skip(1)).all(|((_, to), (from, _))| to < from);
                prop_assert!(neighbours_apart);
            }
        }
    }
}
