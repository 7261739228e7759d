//! When, where, and at which try a task ended.

use std::time::{SystemTime, UNIX_EPOCH};

use pyo3::prelude::*;
use rpar::raw::Outcome;

use crate::failure;

/// When, where, and at which try a task ended. Times are seconds since 1970: `submitted` and `received` by this process's
/// clock, the others by that of the node where it ended.
#[pyclass(frozen, get_all, module = "rpar._rpar")]
pub(crate) struct Ended {
    /// `Ok`, `Failed`, `TimedOut`, `Cancelled`, `Crashed`, `Lost` or `Unplaced`.
    status: &'static str,
    /// Where it ran last.
    engine: Option<u32>,
    /// The node that is on.
    node: Option<String>,
    /// How often it was sent to an engine; 255 stands for more.
    attempts: u8,
    submitted: f64,
    /// When its last attempt began.
    started: f64,
    completed: f64,
    /// How long that ran, in seconds.
    duration: f64,
    /// When this process came to know.
    received: f64,
}

impl Ended {
    pub(crate) fn new(outcome: &Outcome) -> Self {
        Ended {
            status: failure::name(outcome.status),
            engine: outcome.engine.map(|engine| engine.0),
            node: outcome.node.as_deref().map(str::to_owned),
            attempts: outcome.attempts,
            submitted: since_epoch(outcome.submitted),
            started: since_epoch(outcome.started()),
            completed: since_epoch(outcome.ended),
            duration: outcome.duration.as_secs_f64(),
            received: since_epoch(outcome.received),
        }
    }
}

fn since_epoch(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
