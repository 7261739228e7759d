//! Queued tasks, as ranges of their batches: one lane for each owner and set of targets.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::accounts::Owner;
use crate::id::EngineId;

/// The engines that may run a task, in order of their ids; `None` is any.
pub(super) type Targets = Option<Arc<[EngineId]>>;

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

/// The queued tasks of one owner that may run on the same engines.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) owner: Owner,
    pub(super) targets: Targets,
    pub(super) queue: VecDeque<Range>,
    pub(super) tasks: u64,
}

impl Lane {
    /// Each target's part of the tasks.
    pub(super) fn share(&self) -> u64 {
        self.tasks.div_ceil(self.targets.as_ref().map_or(1, |targets| targets.len().max(1)) as u64)
    }
}

/// Lanes that take turns.
#[derive(Debug, Default)]
pub(super) struct Rotation {
    lanes: BTreeSet<u32>,
    last: u32,
}

impl Rotation {
    pub(super) fn insert(&mut self, lane: u32) {
        self.lanes.insert(lane);
    }

    pub(super) fn remove(&mut self, lane: u32) {
        self.lanes.remove(&lane);
    }

    pub(super) fn contains(&self, lane: u32) -> bool {
        self.lanes.contains(&lane)
    }

    pub(super) fn len(&self) -> usize {
        self.lanes.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// Whose turn it is.
    pub(super) fn turn(&mut self) -> Option<u32> {
        let next =
            self.lanes.range(self.last.saturating_add(1)..).next().or_else(|| self.lanes.first()).copied()?;
        self.last = next;
        Some(next)
    }
}

/// All lanes. A lane exists while it has tasks; its number is never used again.
#[derive(Debug, Default)]
pub(super) struct Ready {
    lanes: BTreeMap<u32, Lane>,
    numbers: BTreeMap<(Owner, Targets), u32>,
    next: u32,
    /// The lanes whose tasks may run anywhere, and how many tasks those have.
    pub(super) common: Rotation,
    pub(super) common_tasks: u64,
    /// Owners that do not take their results: nothing of theirs is dispatched.
    muted: BTreeSet<Owner>,
}

/// What became of a lane by a change.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Stays,
    /// It is new, and waits for these engines.
    New(Arc<[EngineId]>),
    /// It is empty and gone; these engines need not look at it any more.
    Gone(Arc<[EngineId]>),
}

impl Ready {
    /// Queues tasks behind (or before) the others of their lane.
    pub(super) fn push(&mut self, owner: Owner, targets: &Targets, range: Range, front: bool) -> (u32, Fate) {
        let mut fate = Fate::Stays;
        let number = match self.numbers.get(&(owner, targets.clone())) {
            Some(number) => *number,
            None => {
                self.next += 1;
                let lane = Lane { owner, targets: targets.clone(), queue: VecDeque::new(), tasks: 0 };
                self.lanes.insert(self.next, lane);
                self.numbers.insert((owner, targets.clone()), self.next);
                match targets {
                    Some(targets) => fate = Fate::New(targets.clone()),
                    None if self.muted.contains(&owner) => {}
                    None => self.common.insert(self.next),
                }
                self.next
            }
        };
        if let Some(lane) = self.lanes.get_mut(&number) {
            lane.tasks += range.len();
            self.common_tasks += if lane.targets.is_none() { range.len() } else { 0 };
            join(&mut lane.queue, range, front);
        }
        (number, fate)
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
        self.common_tasks -= if lane.targets.is_none() { gone } else { 0 };
        if lane.tasks > 0 {
            return Fate::Stays;
        }
        let Some(lane) = self.lanes.remove(&number) else { return Fate::Stays };
        self.common.remove(number);
        self.numbers.remove(&(lane.owner, lane.targets.clone()));
        lane.targets.map_or(Fate::Stays, Fate::Gone)
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
        self.numbers
            .range((owner, None)..)
            .take_while(|((other, _), _)| *other == owner)
            .map(|(_, number)| *number)
            .collect()
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
        if let Some(number) = self.numbers.get(&(owner, None)) {
            if muted { self.common.remove(*number) } else { self.common.insert(*number) }
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
