//! Orders that overtake the tasks on their way to an engine.

use rpar_core::wire::Runs;

/// Tasks that are not wanted any more, or are wanted elsewhere.
#[derive(Debug)]
pub(super) struct Cancelled {
    /// Sorted; start to end (not included).
    ranges: Vec<(u64, u64)>,
    /// Batches after this one are not meant.
    upto: u64,
    /// Those that run are meant, too.
    running: bool,
    /// They are wanted elsewhere, unless they have begun.
    withdrawn: bool,
}

impl Cancelled {
    /// An order for the batches up to this one.
    pub(super) fn new(runs: &Runs, upto: u64, running: bool, withdrawn: bool) -> Self {
        let mut ranges: Vec<_> =
            runs.iter().map(|(first, count)| (first.0, first.0 + count as u64)).collect();
        ranges.sort_unstable();
        Cancelled { ranges, upto, running, withdrawn }
    }

    pub(super) fn contains(&self, id: u64) -> bool {
        let after = self.ranges.partition_point(|(start, _)| *start <= id);
        after > 0 && id < self.ranges[after - 1].1
    }

    /// How many of `runs` are before the last ones that are all meant.
    pub(super) fn places_before(&self, runs: &Runs) -> u32 {
        let unmeant = runs.ids().enumerate().filter(|(_, id)| !self.contains(id.0));
        unmeant.last().map_or(0, |(place, _)| place as u32 + 1)
    }

    pub(super) fn reaches_running(&self) -> bool {
        self.running
    }

    pub(super) fn is_withdrawal(&self) -> bool {
        self.withdrawn
    }

    pub(super) fn reaches(&self, batch: u64) -> bool {
        batch <= self.upto
    }
}

/// What was ordered since the engine's thread last looked.
#[derive(Debug, Default)]
pub(super) struct Orders {
    pub(super) cancels: Vec<Cancelled>,
    pub(super) life: u64,
    pub(super) closed: bool,
}
