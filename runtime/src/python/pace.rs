//! How many tasks are written ahead to a child.

use std::collections::VecDeque;

/// The work, in microseconds, that may lie in the child's socket behind the running task: long enough to bridge the
/// engine host's absence from the processor, short enough to balance well between engines.
const AHEAD_MICROS: u64 = 5_000;

/// Never more tasks than this: what the child holds goes to another one when it dies.
const MOST_TASKS: usize = 1024;

/// Nor more bytes than this, unless a single argument is longer: it is memory that nobody else can use.
const MOST_BYTES: usize = 1 << 20;

/// How long the tasks of one function run.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    micros: Option<f64>,
}

impl Pace {
    pub(super) fn learn(&mut self, micros: u32) {
        let new = f64::from(micros).max(1.0);
        // the mean of about the last eight, so that a first task that imports much is soon forgotten
        self.micros = Some(self.micros.map_or(new, |old| old + (new - old) / 8.0));
    }

    /// What one more task will probably take, in microseconds; an unknown one may take long.
    pub(super) fn expected(&self) -> u64 {
        self.micros.map_or(AHEAD_MICROS, |micros| micros as u64 + 1)
    }
}

/// What has been written to a child and not been answered.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    costs: VecDeque<(u64, usize)>,
    micros: u64,
    bytes: usize,
}

impl Ahead {
    /// Whether it is time to write more: in lots, not one task for each that ends.
    pub(super) fn is_low(&self) -> bool {
        self.micros <= AHEAD_MICROS / 2 && self.costs.len() <= MOST_TASKS / 2
    }

    /// Whether one more task may be written.
    pub(super) fn fits(&self, micros: u64, bytes: usize) -> bool {
        self.costs.is_empty()
            || (self.micros + micros <= AHEAD_MICROS
                && self.costs.len() < MOST_TASKS
                && self.bytes + bytes <= MOST_BYTES)
    }

    pub(super) fn add(&mut self, micros: u64, bytes: usize) {
        self.costs.push_back((micros, bytes));
        self.micros += micros;
        self.bytes += bytes;
    }

    /// The first one was answered.
    pub(super) fn remove(&mut self) {
        if let Some((micros, bytes)) = self.costs.pop_front() {
            self.micros -= micros;
            self.bytes -= bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn how_many(pace: Pace, bytes: usize) -> usize {
        let mut ahead = Ahead::default();
        while ahead.fits(pace.expected(), bytes) {
            ahead.add(pace.expected(), bytes);
        }
        ahead.costs.len()
    }

    #[test]
    fn short_tasks_are_written_ahead_and_long_ones_are_not() {
        let mut pace = Pace::default();
        assert_eq!(how_many(pace, 1), 1, "an unknown task may be a long one");
        pace.learn(5_000_000);
        assert_eq!(how_many(pace, 1), 1);
        for _ in 0..150 {
            pace.learn(10);
        }
        assert!(how_many(pace, 1) > 400);
        for _ in 0..200 {
            pace.learn(0);
        }
        assert_eq!(how_many(pace, 1), MOST_TASKS);
        assert_eq!(how_many(pace, MOST_BYTES + 1), 1, "but any single one must fit");
    }

    #[test]
    fn more_is_written_once_half_is_done() {
        let mut ahead = Ahead::default();
        for _ in 0..10 {
            ahead.add(AHEAD_MICROS / 10, 1);
        }
        let before = (1..=10)
            .take_while(|_| {
                ahead.remove();
                !ahead.is_low()
            })
            .count();
        assert_eq!(before, 4);
    }
}
