//! What is told of submissions: tasks that outlive the client that submitted them.

use serde::{Deserialize, Serialize};

use crate::id::{EngineId, SubmissionId, TaskId};
use crate::task::TaskStatus;

/// A submission, for the clients that fill or read it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// Which.
    pub submission: SubmissionId,
    /// When it was opened: microseconds since 1970.
    pub opened_micros: u64,
    /// How many tasks it has; their ids count from 0.
    pub tasks: u64,
    /// The first task whose result is still kept, or will be.
    pub forgotten: TaskId,
    /// Whether more tasks may come.
    pub open: bool,
}

/// A submission, as `rpar status` and `rpar tasks` show it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubmissionStatus {
    /// Which.
    pub id: SubmissionId,
    /// What people call it.
    pub name: String,
    /// When it was opened: microseconds since 1970.
    pub opened_micros: u64,
    /// How many tasks it has.
    pub tasks: u64,
    /// How many of them wait for an engine, or for other tasks.
    pub queued: u64,
    /// How many were sent to an engine.
    pub assigned: u64,
    /// How many ended well.
    pub succeeded: u64,
    /// How many ended otherwise.
    pub failed: u64,
    /// How many results were forgotten, as was asked for.
    pub forgotten: u64,
    /// How many bytes of results wait here.
    pub kept_bytes: u64,
    /// Whether more tasks may come.
    pub open: bool,
}

/// Some of a submission's tasks, in order of their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskPage {
    /// The tasks.
    pub tasks: Vec<TaskRecord>,
    /// Where the next page begins, if there is one.
    pub next: Option<TaskId>,
}

/// One task of a submission.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRecord {
    /// Which.
    pub id: TaskId,
    /// Where it is.
    pub state: TaskState,
    /// How often it was sent to an engine.
    pub attempts: u16,
    /// The engine that has it, or had it at its end.
    pub engine: Option<EngineId>,
    /// The node that is on.
    pub node: Option<String>,
    /// When it ended: microseconds since 1970, by the node's clock.
    pub ended_micros: Option<u64>,
    /// How long it ran, in microseconds.
    pub ran_micros: u64,
}

/// Where a task is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskState {
    /// It waits for an engine, or for other tasks.
    #[default]
    Queued,
    /// It was sent to an engine.
    Assigned,
    /// It is over.
    Ended(TaskStatus),
}
