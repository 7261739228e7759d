//! Whose result is printed next.

use std::collections::VecDeque;

use super::super::task::End;
use super::held::{Held, Shelf};
use crate::command::input::Record;
use crate::command::report::Outcome;

/// Tasks from the first that is not printed on, in the order of their submission.
#[derive(Debug)]
pub(super) struct Turns {
    ordered: bool,
    /// The index of the first.
    first: usize,
    tasks: VecDeque<Turn>,
    shelf: Shelf,
    /// Tasks that need not wait for others.
    due: VecDeque<Due>,
    /// How many were let go of since that was asked last.
    released: usize,
}

/// A task whose turn has come.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) index: usize,
    pub(super) record: Record,
    pub(super) end: End,
}

#[derive(Debug)]
enum Turn {
    Runs(Record),
    Waits(Record, Held),
    /// It has been printed, or never will be.
    Over,
}

impl Turns {
    pub(super) fn new(ordered: bool) -> Self {
        let (tasks, due) = (VecDeque::new(), VecDeque::new());
        Turns { ordered, first: 0, tasks, shelf: Shelf::new(), due, released: 0 }
    }

    /// Takes note of tasks that were submitted.
    pub(super) fn add(&mut self, records: Vec<Record>) {
        self.tasks.extend(records.into_iter().map(Turn::Runs));
    }

    /// The record of a task that runs; `None` when it is not known (yet).
    pub(super) fn record(&self, index: usize) -> Option<&Record> {
        match self.tasks.get(index.checked_sub(self.first)?)? {
            Turn::Runs(record) => Some(record),
            _ => None,
        }
    }

    /// Takes the end of a task; `None` when there is nothing to be printed of it.
    ///
    /// # Errors
    /// When it is too large for memory, and cannot be written to a file.
    pub(super) fn end(&mut self, index: usize, end: Option<End>) -> Outcome<()> {
        let Some(turn) = index.checked_sub(self.first).and_then(|at| self.tasks.get_mut(at)) else {
            return Ok(());
        };
        if let (Turn::Runs(record), Some(end)) = (std::mem::replace(turn, Turn::Over), end) {
            if self.ordered {
                *turn = Turn::Waits(record, self.shelf.keep(end)?);
            } else {
                self.due.push_back(Due { index, record, end });
            }
        }
        Ok(())
    }

    /// The next result to be printed, if its turn has come.
    ///
    /// # Errors
    /// When it cannot be brought back from its file.
    pub(super) fn next(&mut self) -> Outcome<Option<Due>> {
        while let Some(turn) = self.tasks.pop_front_if(|turn| !matches!(turn, Turn::Runs(_))) {
            let index = self.first;
            self.first += 1;
            self.released += 1;
            if let Turn::Waits(record, held) = turn {
                return Ok(Some(Due { index, record, end: self.shelf.bring(held)? }));
            }
        }
        Ok(self.due.pop_front())
    }

    /// How many tasks were let go of since the last call.
    pub(super) fn released(&mut self) -> usize {
        std::mem::take(&mut self.released)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(ordered: bool) -> Turns {
        let mut turns = Turns::new(ordered);
        turns.add((1..=4).map(|number| Record { number, ..Record::default() }).collect());
        turns
    }

    fn end(turns: &mut Turns, index: usize) -> Vec<u64> {
        turns.end(index, Some(End::default())).unwrap();
        std::iter::from_fn(|| turns.next().unwrap()).map(|due| due.record.number).collect()
    }

    #[test]
    fn results_wait_for_those_before_them() {
        let mut turns = turns(true);
        assert_eq!(end(&mut turns, 1), [0; 0]);
        assert_eq!(turns.released(), 0);
        assert_eq!(end(&mut turns, 0), [1, 2]);
        assert_eq!(turns.released(), 2);
        turns.end(2, None).unwrap();
        assert_eq!(end(&mut turns, 3), [4], "what was dropped holds nobody up");
        assert_eq!((turns.released(), turns.record(3)), (2, None));
    }

    #[test]
    fn or_do_not() {
        let mut turns = turns(false);
        assert_eq!(end(&mut turns, 2), [3]);
        assert_eq!(end(&mut turns, 0), [1]);
        assert_eq!(turns.released(), 1);
        assert_eq!(turns.record(1).unwrap().number, 2);
        assert_eq!((end(&mut turns, 1), end(&mut turns, 3)), (vec![2], vec![4]));
        assert_eq!(turns.released(), 3);
    }
}
