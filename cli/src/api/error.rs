//! What can go wrong with tasks and their targets.

use std::sync::Arc;
use std::time::Duration;

use rpar_core::id::EngineId;
use rpar_core::task::{Failure, TaskStatus};
use rpar_runtime::client::{ClientError, Outcome};
use thiserror::Error;

/// A task that did not end well.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("task {index} {}{}: {message}", how(*status), place(*engine, node.as_deref()))]
#[non_exhaustive]
pub struct TaskError {
    /// Its place among the arguments, from 0.
    pub index: usize,
    /// How it ended. [`Failed`](TaskStatus::Failed) also for a result that is not of the expected type, and for an argument
    /// that could not be written.
    pub status: TaskStatus,
    /// What happened, in one line: for a panic, with its place.
    pub message: String,
    /// More of it, if there is any: the rest of a function's error, a panic's backtrace (where `RUST_BACKTRACE` is set), the
    /// last lines that a command wrote to stderr.
    pub detail: String,
    /// Exit status of the process that died, if one did.
    pub exit: Option<i32>,
    /// Signal that killed it, if one did.
    pub signal: Option<i32>,
    /// Which engine had it last.
    pub engine: Option<EngineId>,
    /// The node that is on.
    pub node: Option<Arc<str>>,
    /// How often it was sent to an engine.
    pub attempts: u8,
}

impl TaskError {
    pub(super) fn new(index: usize, outcome: &Outcome, failure: Failure) -> Self {
        let status = match outcome.status {
            TaskStatus::Ok => TaskStatus::Failed,
            other => other,
        };
        TaskError {
            index,
            status,
            message: failure.message,
            detail: failure.detail,
            exit: failure.exit,
            signal: failure.signal,
            engine: outcome.engine,
            node: outcome.node.clone(),
            attempts: outcome.attempts,
        }
    }
}

fn how(status: TaskStatus) -> &'static str {
    match status {
        TaskStatus::Ok | TaskStatus::Failed => "failed",
        TaskStatus::TimedOut => "timed out",
        TaskStatus::Cancelled => "was cancelled",
        TaskStatus::Crashed => "crashed",
        TaskStatus::Lost => "was lost",
        TaskStatus::Unplaced => "found no engine",
    }
}

fn place(engine: Option<EngineId>, node: Option<&str>) -> String {
    match (engine, node) {
        (Some(engine), Some(node)) => format!(" on engine {engine} ({node})"),
        (Some(engine), None) => format!(" on engine {engine}"),
        (None, _) => String::new(),
    }
}

/// The engines that were asked for are not there.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TargetError {
    /// There is none at all.
    #[error("there are no engines yet: wait_for_engines waits for them")]
    None,
    /// One is not there.
    #[error("there is no engine {engine}: {}", list(there))]
    Absent {
        /// Which.
        engine: EngineId,
        /// Those that are.
        there: Vec<EngineId>,
    },
    /// Not enough are there, and no more will come.
    #[error("{engines} of {count} engines are there, and no more will come: `rpar status` tells why")]
    NoMore {
        /// How many were waited for.
        count: usize,
        /// How many are there.
        engines: usize,
    },
    /// Not enough have come in time.
    #[error("{engines} of {count} engines have come within {} s", timeout.as_secs_f32())]
    TooFew {
        /// How many were waited for.
        count: usize,
        /// How many are there.
        engines: usize,
        /// The caller's patience.
        timeout: Duration,
    },
    /// The controller did not say.
    #[error(transparent)]
    Client(#[from] ClientError),
}

fn list(there: &[EngineId]) -> String {
    let ids: Vec<String> = there.iter().map(ToString::to_string).collect();
    if ids.is_empty() { "there are none".to_owned() } else { format!("there are {}", ids.join(", ")) }
}
