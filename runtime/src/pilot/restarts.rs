//! Whether a dead engine host is started again, and when.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// So many restarts of one node's engine host ...
const LIMIT: usize = 5;

/// ... within this time are tried; a host that dies more often will not be helped by another start.
const WINDOW: Duration = Duration::from_secs(600);

/// The wait before the first restart; it doubles with each that the window remembers.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// What one node's engine host has been through.
#[derive(Debug, Default)]
pub(super) struct Restarts {
    recent: VecDeque<Instant>,
}

impl Restarts {
    /// It has died: how long to wait before the next start, or `None` to give up.
    pub(super) fn next(&mut self, now: Instant) -> Option<Duration> {
        while self.recent.front().is_some_and(|at| now.saturating_duration_since(*at) >= WINDOW) {
            self.recent.pop_front();
        }
        if self.recent.len() >= LIMIT {
            return None;
        }
        let wait = FIRST_WAIT * (1 << self.recent.len());
        self.recent.push_back(now);
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_in_ten_minutes_and_no_more() {
        let (mut restarts, start) = (Restarts::default(), Instant::now());
        let waits: Vec<_> = (0..6).map(|second| restarts.next(start + Duration::from_secs(second))).collect();
        let millis: Vec<_> = waits.iter().map(|wait| wait.map(|wait| wait.as_millis())).collect();
        assert_eq!(millis, [Some(500), Some(1000), Some(2000), Some(4000), Some(8000), None]);
    }

    #[test]
    fn old_deaths_are_forgotten() {
        let (mut restarts, start) = (Restarts::default(), Instant::now());
        for death in 0..20 {
            assert!(restarts.next(start + Duration::from_secs(150 * death)).is_some());
        }
    }
}
