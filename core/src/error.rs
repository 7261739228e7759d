//! What can go wrong between rpar and the outside: one type an operation, with what a caller needs to act.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Retry {
    /// The same request will be refused again: something in it, or in the set-up, must change.
    Never,
    /// The site did not accept the request, for a reason that may pass.
    Later,
    /// The site may or may not have accepted the request. Ask [`Scheduler::find`](crate::scheduler::Scheduler::find)
    /// before submitting again.
    Unsure,
}

/// What a scheduler or a launcher was doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Writing a job script.
    Preview,
    /// Asking for an allocation.
    Submit,
    /// Asking for the state of allocations or processes.
    Poll,
    /// Giving an allocation back.
    Cancel,
    /// Looking for a cluster's allocations by tag.
    Find,
    /// Reading which nodes were granted.
    Nodes,
    /// Starting processes.
    Start,
    /// Sending a signal.
    Signal,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Action::Preview => "write the job script",
            Action::Submit => "submit an allocation",
            Action::Poll => "ask for states",
            Action::Cancel => "cancel an allocation",
            Action::Find => "find the cluster's allocations",
            Action::Nodes => "read the granted nodes",
            Action::Start => "start processes",
            Action::Signal => "signal processes",
        })
    }
}

/// A scheduler or launcher could not do something.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error("{backend} could not {action}: {reason}")]
pub struct BackendError {
    /// The backend's name, as in a profile's `kind`.
    pub backend: String,
    /// What it was doing.
    pub action: Action,
    /// Whether trying again can help.
    pub retry: Retry,
    /// What went wrong, in one line, in the site's words where it has any.
    pub reason: String,
    /// The command that was run and what it printed, if one was.
    pub command: Option<CommandTrace>,
    /// What the user can do next, if the backend knows.
    pub hint: Option<String>,
}

/// A command that was run, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandTrace {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Its exit status; `None` if it was killed, or never started.
    pub exit: Option<i32>,
    /// The last lines of what it printed (at most [`TRACE_LIMIT_BYTES`](crate::runner::TRACE_LIMIT_BYTES)).
    pub output: String,
}
