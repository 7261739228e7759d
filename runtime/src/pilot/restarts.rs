//! Whether a dead engine host is started again, and when.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long a restart counts.
const WINDOW: Duration = Duration::from_secs(600);

/// The wait before the first restart; it doubles with each that the window remembers, up to a minute or so.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const DOUBLINGS: usize = 7;

/// What one node's engine host has been through.
#[derive(Debug)]
pub(super) struct Restarts {
    /// How many are tried within the window; a host that dies more often will not be helped by another start.
    limit: usize,
    recent: VecDeque<Instant>,
}

impl Restarts {
    pub(super) fn new(limit: u32) -> Self {
        Restarts { limit: limit as usize, recent: VecDeque::new() }
    }

    /// It has died: how long to wait before the next start, or `None` to give up.
    pub(super) fn next(&mut self, now: Instant) -> Option<Duration> {
        while self.recent.front().is_some_and(|at| now.saturating_duration_since(*at) >= WINDOW) {
            self.recent.pop_front();
        }
        if self.recent.len() >= self.limit {
            return None;
        }
        let wait = FIRST_WAIT.saturating_mul(1 << self.recent.len().min(DOUBLINGS));
        self.recent.push_back(now);
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_in_ten_minutes_and_no_more() {
        let (mut restarts, start) = (Restarts::new(5), Instant::now());
        let waits: Vec<_> = (0..6).map(|second| restarts.next(start + Duration::from_secs(second))).collect();
        let millis: Vec<_> = waits.iter().map(|wait| wait.map(|wait| wait.as_millis())).collect();
        assert_eq!(millis, [Some(500), Some(1000), Some(2000), Some(4000), Some(8000), None]);
    }

    #[test]
    fn old_deaths_are_forgotten() {
        let (mut restarts, start) = (Restarts::new(5), Instant::now());
        for death in 0..20 {
            assert!(restarts.next(start + Duration::from_secs(150 * death)).is_some());
        }
    }
}
