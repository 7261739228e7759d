//! Queued tasks, as ranges of their batches: one lane for each owner and what its tasks ask for.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::accounts::Owner;
use super::needs::Needs;
use super::rotation::Rotation;

/// Neighbouring queued tasks: a batch, by its first id, and indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Range {
    pub(super) first: u64,
    pub(super) from: u32,
    pub(super) to: u32,
}

impl Range {
    pub(super) fn len(&self) -> u64 {
        (self.to - self.from) as u64
    }
}

/// The queued tasks of one owner that ask for the same.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) owner: Owner,
    pub(super) needs: Arc<Needs>,
    pub(super) queue: VecDeque<Range>,
    pub(super) tasks: u64,
}

impl Lane {
    /// Each engine's part of the tasks, of so many that there are.
    pub(super) fn share(&self, engines: usize) -> u64 {
        let engines = self.needs.targets.as_ref().map_or(engines, |targets| targets.len());
        self.tasks.div_ceil(engines.max(1) as u64)
    }
}

/// All lanes. A lane exists while it has tasks; its number is never used again.
#[derive(Debug, Default)]
pub(super) struct Ready {
    lanes: BTreeMap<u32, Lane>,
    numbers: BTreeMap<Owner, BTreeMap<Arc<Needs>, u32>>,
    /// How many lanes have which priority.
    priorities: BTreeMap<Reverse<i32>, usize>,
    next: u32,
    /// The lanes whose tasks may run anywhere, and how many tasks those have.
    pub(super) common: Rotation,
    pub(super) common_tasks: u64,
    /// The lanes whose tasks ask for room on a host.
    pub(super) asking: BTreeSet<u32>,
    /// Owners that do not take their results: nothing of theirs is dispatched.
    muted: BTreeSet<Owner>,
}

/// What became of a lane by a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Stays,
    /// It is empty and gone; no engine need look at it any more. Its priority.
    Gone(i32),
}

impl Ready {
    /// Queues tasks behind (or before) the others of their lane; tells its number.
    pub(super) fn push(&mut self, owner: Owner, needs: &Arc<Needs>, range: Range, front: bool) -> u32 {
        let number = match self.numbers.get(&owner).and_then(|lanes| lanes.get(needs)) {
            Some(number) => *number,
            None => {
                self.next += 1;
                let lane = Lane { owner, needs: Arc::clone(needs), queue: VecDeque::new(), tasks: 0 };
                self.lanes.insert(self.next, lane);
                *self.priorities.entry(Reverse(needs.priority)).or_default() += 1;
                self.numbers.entry(owner).or_default().insert(Arc::clone(needs), self.next);
                if needs.ask() {
                    self.asking.insert(self.next);
                }
                if needs.is_plain() && !self.muted.contains(&owner) {
                    self.common.insert(self.next, needs.priority);
                }
                self.next
            }
        };
        if let Some(lane) = self.lanes.get_mut(&number) {
            lane.tasks += range.len();
            self.common_tasks += if lane.needs.is_plain() { range.len() } else { 0 };
            join(&mut lane.queue, range, front);
        }
        number
    }

    /// Takes `count` tasks off the front of a lane's first range.
    pub(super) fn take(&mut self, number: u32, count: u32) -> Fate {
        let Some(lane) = self.lanes.get_mut(&number) else { return Fate::Stays };
        let Some(front) = lane.queue.front_mut() else { return Fate::Stays };
        front.from += count;
        let used_up = front.from >= front.to;
        if used_up {
            lane.queue.pop_front();
        }
        self.shrink(number, count as u64)
    }

    /// Replaces the ranges of some batches by what is left of them.
    pub(super) fn sift(&mut self, number: u32, mut left: impl FnMut(Range, &mut Vec<Range>)) -> Fate {
        let Some(lane) = self.lanes.get_mut(&number) else { return Fate::Stays };
        let mut kept = Vec::with_capacity(lane.queue.len());
        lane.queue.drain(..).for_each(|range| left(range, &mut kept));
        let tasks: u64 = kept.iter().map(Range::len).sum();
        lane.queue = kept.into();
        let gone = lane.tasks - tasks;
        self.shrink(number, gone)
    }

    fn shrink(&mut self, number: u32, gone: u64) -> Fate {
        let Some(lane) = self.lanes.get_mut(&number) else { return Fate::Stays };
        lane.tasks -= gone;
        self.common_tasks -= if lane.needs.is_plain() { gone } else { 0 };
        if lane.tasks > 0 {
            return Fate::Stays;
        }
        let Some(lane) = self.lanes.remove(&number) else { return Fate::Stays };
        let priority = lane.needs.priority;
        if let Some(count) = self.priorities.get_mut(&Reverse(priority)) {
            *count -= 1;
            if *count == 0 {
                self.priorities.remove(&Reverse(priority));
            }
        }
        self.common.remove(number, priority);
        self.asking.remove(&number);
        if let Some(lanes) = self.numbers.get_mut(&lane.owner) {
            lanes.remove(&lane.needs);
            if lanes.is_empty() {
                self.numbers.remove(&lane.owner);
            }
        }
        if lane.needs.is_plain() { Fate::Stays } else { Fate::Gone(priority) }
    }

    /// The highest priority that queued tasks have.
    pub(super) fn highest(&self) -> Option<i32> {
        self.priorities.first_key_value().map(|(priority, _)| priority.0)
    }

    /// The next lower one.
    pub(super) fn below(&self, priority: i32) -> Option<i32> {
        self.priorities.range(Reverse(priority.checked_sub(1)?)..).next().map(|(priority, _)| priority.0)
    }

    /// A lane by its number.
    pub(super) fn lane(&self, number: u32) -> Option<&Lane> {
        self.lanes.get(&number)
    }

    /// All lanes.
    pub(super) fn lanes(&self) -> impl Iterator<Item = (u32, &Lane)> {
        self.lanes.iter().map(|(number, lane)| (*number, lane))
    }

    /// The numbers of an owner's lanes.
    pub(super) fn of_owner(&self, owner: Owner) -> Vec<u32> {
        self.numbers.get(&owner).into_iter().flat_map(|lanes| lanes.values().copied()).collect()
    }

    /// How many of an owner's tasks wait.
    pub(super) fn queued(&self, owner: Owner) -> u64 {
        self.of_owner(owner).iter().filter_map(|number| self.lanes.get(number)).map(|lane| lane.tasks).sum()
    }

    /// Whether an owner's tasks are held back.
    pub(super) fn is_muted(&self, owner: Owner) -> bool {
        self.muted.contains(&owner)
    }

    /// Holds an owner's tasks back, or no longer; `true` if that is a change.
    pub(super) fn mute(&mut self, owner: Owner, muted: bool) -> bool {
        let changed = if muted { self.muted.insert(owner) } else { self.muted.remove(&owner) };
        for (needs, number) in
            self.numbers.get(&owner).into_iter().flatten().filter(|(needs, _)| needs.is_plain())
        {
            match muted {
                true => self.common.remove(*number, needs.priority),
                false => self.common.insert(*number, needs.priority),
            }
        }
        changed
    }

    /// How many bytes are kept.
    #[cfg(test)]
    pub(super) fn bookkeeping(&self) -> usize {
        self.lanes.values().map(|lane| lane.queue.capacity() * size_of::<Range>()).sum()
    }
}

fn join(queue: &mut VecDeque<Range>, range: Range, front: bool) {
    if front {
        match queue.front_mut() {
            Some(next) if next.first == range.first && next.from == range.to => next.from = range.from,
            _ => queue.push_front(range),
        }
    } else {
        match queue.back_mut() {
            Some(last) if last.first == range.first && last.to == range.from => last.to = range.to,
            _ => queue.push_back(range),
        }
    }
}
