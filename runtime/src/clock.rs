//! The clock that a shell reads for its machine.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rpar_core::time::Timestamp;

/// Turns the system's monotonic clock into a machine's timestamps and back.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// Starts at zero, now.
    pub fn start() -> Self {
        Clock { origin: Instant::now() }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        Timestamp(self.origin.elapsed().as_micros() as u64)
    }

    /// When it is `at` on the system's clock.
    pub fn instant(&self, at: Timestamp) -> Instant {
        // a machine that asks for the end of time gets a day that is far enough
        self.origin.checked_add(Duration::from_micros(at.0)).unwrap_or_else(|| self.origin + FAR)
    }
}

/// The time of day, in microseconds since 1970, for people: what the system's clock said when this process first asked,
/// and counted on from there. A clock that is stepped afterwards puts nothing out of order.
pub(crate) fn wall_micros() -> u64 {
    static BEGINNING: LazyLock<(Clock, u64)> = LazyLock::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        (Clock::start(), u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    });
    BEGINNING.1.saturating_add(BEGINNING.0.now().0)
}

/// Longer than any process lives.
const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
