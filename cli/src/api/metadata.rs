//! What is known of a task beside its result.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rpar_core::id::EngineId;
use rpar_core::task::TaskStatus;
use rpar_runtime::client::Outcome;

/// When, where, and at which try a task ended.
///
/// `submitted` is by this program's clock, `started` and `completed` by that of the node where the task ended: they are for
/// people, and differ by as much as the clocks do. `duration` is measured on the node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metadata {
    /// How it ended.
    pub status: TaskStatus,
    /// When it was submitted.
    pub submitted: SystemTime,
    /// When its last attempt began.
    pub started: SystemTime,
    /// When it ended.
    pub completed: SystemTime,
    /// How long its last attempt ran.
    pub duration: Duration,
    /// Which engine had it last.
    pub engine: Option<EngineId>,
    /// The node that is on.
    pub node: Option<Arc<str>>,
    /// The exit status of a command that ran to its end, or of the process that died.
    pub exit: Option<i32>,
    /// How often it was sent to an engine: 0 for a task that never was, and 255 stands for more.
    pub attempts: u8,
}

impl Metadata {
    pub(super) fn new(outcome: &Outcome, exit: Option<i32>) -> Self {
        Metadata {
            status: outcome.status,
            submitted: outcome.submitted,
            started: outcome.started(),
            completed: outcome.ended,
            duration: outcome.duration,
            engine: outcome.engine,
            node: outcome.node.clone(),
            exit,
            attempts: outcome.attempts,
        }
    }
}

/// How far a set of tasks is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How many have ended, well or not.
    pub done: usize,
    /// How many there are.
    pub of: usize,
}
