//! How a task ended that did not end well.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rpar::raw::Outcome;
use rpar::task::{self, TaskStatus};

/// How a task ended that did not end well.
#[pyclass(frozen, get_all, module = "rpar._rpar")]
pub(crate) struct Failure {
    /// `Failed`, `TimedOut`, `Cancelled`, `Crashed`, `Lost` or `Unplaced`.
    status: String,
    /// Where it ran.
    engine: Option<u32>,
    /// What happened, in one line.
    message: String,
    /// The remote traceback, or the last lines of stderr.
    detail: String,
    /// Exit status of the interpreter, if it ended.
    exit: Option<i32>,
    /// Signal that killed it, if one did.
    signal: Option<i32>,
    /// The pickled exception, or nothing.
    exception: Py<PyBytes>,
}

impl Failure {
    pub(crate) fn new(py: Python<'_>, outcome: &Outcome) -> Self {
        let failure = task::Failure::decode(&outcome.payload).unwrap_or_else(|error| {
            task::Failure::new(format!("it failed, but not in a readable way: {error}"))
        });
        let task::Failure { message, detail, exit, signal, exception } = failure;
        Failure {
            status: name(outcome.status).to_owned(),
            engine: outcome.engine.map(|engine| engine.0),
            message,
            detail,
            exit,
            signal,
            exception: PyBytes::new(py, &exception).unbind(),
        }
    }
}

/// A status's name, as the Python half knows it.
pub(crate) fn name(status: TaskStatus) -> &'static str {
    match status {
        TaskStatus::Ok => "Ok",
        TaskStatus::Failed => "Failed",
        TaskStatus::TimedOut => "TimedOut",
        TaskStatus::Cancelled => "Cancelled",
        TaskStatus::Crashed => "Crashed",
        TaskStatus::Lost => "Lost",
        TaskStatus::Unplaced => "Unplaced",
    }
}
