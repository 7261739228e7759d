//! Whose turn it is.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Lanes that take turns, within their priorities.
#[derive(Debug, Default)]
pub(super) struct Rotation {
    classes: BTreeMap<Reverse<i32>, Turns>,
}

/// Lanes of one priority.
#[derive(Debug, Default)]
struct Turns {
    lanes: BTreeSet<u32>,
    last: u32,
}

impl Rotation {
    pub(super) fn insert(&mut self, lane: u32, priority: i32) {
        self.classes.entry(Reverse(priority)).or_default().lanes.insert(lane);
    }

    pub(super) fn remove(&mut self, lane: u32, priority: i32) {
        if let Some(turns) = self.classes.get_mut(&Reverse(priority)) {
            turns.lanes.remove(&lane);
            if turns.lanes.is_empty() {
                self.classes.remove(&Reverse(priority));
            }
        }
    }

    pub(super) fn contains(&self, lane: u32, priority: i32) -> bool {
        self.classes.get(&Reverse(priority)).is_some_and(|turns| turns.lanes.contains(&lane))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// How many have this priority.
    pub(super) fn len(&self, priority: i32) -> usize {
        self.classes.get(&Reverse(priority)).map_or(0, |turns| turns.lanes.len())
    }

    /// Whose turn it is among those of a priority.
    pub(super) fn turn(&mut self, priority: i32) -> Option<u32> {
        let turns = self.classes.get_mut(&Reverse(priority))?;
        let after = turns.lanes.range(turns.last.saturating_add(1)..).next();
        let next = after.or_else(|| turns.lanes.first()).copied()?;
        turns.last = next;
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_take_turns_within_their_priorities() {
        let mut rotation = Rotation::default();
        for (lane, priority) in [(1, 0), (2, 5), (3, 0), (4, 5), (5, i32::MIN)] {
            rotation.insert(lane, priority);
        }
        let turns: Vec<_> = (0..4).filter_map(|_| rotation.turn(5)).collect();
        assert_eq!(turns, [2, 4, 2, 4]);
        rotation.remove(4, 5);
        rotation.remove(2, 5);
        assert_eq!((rotation.len(5), rotation.len(0)), (0, 2));
        assert!(rotation.contains(3, 0) && !rotation.contains(2, 5));
    }
}
