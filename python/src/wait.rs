//! Blocking without keeping Python from its signals.

use std::time::{Duration, Instant};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// How long Ctrl-C may go unnoticed. What is waited for ends the wait at once, whatever this is.
const SLICE: Duration = Duration::from_millis(100);

/// A time-out in seconds as Python gives it.
pub(crate) fn seconds(timeout: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(timeout)
        .map_err(|error| PyValueError::new_err(format!("not a time-out in seconds: {timeout}: {error}")))
}

/// Waits with the GIL released until `attempt` gives something, which it is asked for with a deadline, or until
/// `timeout` is over.
pub(crate) fn wait<T: Send>(
    py: Python<'_>,
    timeout: Option<Duration>,
    attempt: impl Fn(Instant) -> Option<T> + Sync,
) -> PyResult<Option<T>> {
    // a time-out beyond what the clock can hold is none
    let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    loop {
        let slice = Instant::now() + SLICE;
        let deadline = end.map_or(slice, |end| end.min(slice));
        if let Some(answer) = py.detach(|| attempt(deadline)) {
            return Ok(Some(answer));
        }
        py.check_signals()?;
        if end.is_some_and(|end| end <= Instant::now()) {
            return Ok(None);
        }
    }
}
