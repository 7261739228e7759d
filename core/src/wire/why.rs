//! What `rpar why` asks, and what it is told: why tasks wait, and what became of tasks, engines and allocations.

use serde::{Deserialize, Serialize};

use super::{AllocationStatus, EngineStatus, TaskRecord};
use crate::id::{AllocationId, EngineId, RequestId, SubmissionId, TaskId};

/// What a question is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Subject {
    /// All tasks that wait, of all clients.
    Waiting,
    /// A submission's tasks.
    Submission(SubmissionId),
    /// One of them.
    Task(SubmissionId, TaskId),
    /// An engine, also one that is gone.
    Engine(EngineId),
    /// An allocation, by the site's id, also one that has ended; `12` means `12.login1`, too.
    Allocation(AllocationId),
    /// An allocation, by the controller's request for it.
    Request(RequestId),
}

/// The answer: what is known, one for each subject of which something is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Because {
    /// What is known.
    pub about: Vec<About>,
    /// The allocations of which engines may come: what tasks without an engine wait for.
    pub coming: Vec<AllocationStatus>,
}

/// What is known of one subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum About {
    /// Of tasks that wait.
    Tasks {
        /// Whose; `None` is all that wait.
        submission: Option<SubmissionId>,
        /// How many tasks are at engines.
        assigned: u64,
        /// Why others wait.
        waiting: Vec<Group>,
    },
    /// Of one task.
    Task {
        /// Its submission.
        submission: SubmissionId,
        /// Where it is.
        record: Box<TaskRecord>,
        /// Why it waits, if it does.
        reason: Option<Reason>,
        /// How its engines were lost, the latest last; of many, the last few.
        losses: Vec<TaskLoss>,
        /// Why it did not end well, if it has ended so and its result is kept.
        failure: Option<String>,
    },
    /// Of an engine that is there.
    Engine {
        /// What the status tells of it.
        status: Box<EngineStatus>,
        /// How many milliseconds are left until its allocation ends, if that is known.
        remaining_ms: Option<u64>,
        /// Whether it gets one task at a time because it ends soon.
        ending: bool,
    },
    /// Of an engine that is gone.
    Gone(GoneEngine),
    /// Of an allocation.
    Allocation(Box<AllocationStatus>),
}

/// Tasks that wait for the same reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// How many.
    pub tasks: u64,
    /// Why.
    pub reason: Reason,
}

/// Why a task waits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Reason {
    /// For tasks that have not ended: how many, and the first of its own submission's.
    Others {
        /// How many of its own submission's.
        tasks: u64,
        /// The first of those.
        first: Option<TaskId>,
        /// Submissions.
        submissions: Vec<SubmissionId>,
    },
    /// Results fill what the controller keeps of them.
    Paused,
    /// Its client does not take its results.
    Untaken,
    /// The cluster is being stopped.
    Stopping,
    /// No engine is there.
    NoEngine,
    /// No engine that is there can run it: what it lacks.
    Lacks(String),
    /// The engines that can run it are busy, or others come first: how many those are.
    Busy {
        /// Engines that may run it.
        engines: u64,
        /// Whether a host is saved up for it: it takes more than is free anywhere.
        saved: bool,
    },
}

/// An engine was lost with a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskLoss {
    /// Where.
    pub node: String,
    /// The engine's allocation.
    pub allocation: Option<AllocationId>,
    /// How often.
    pub times: u16,
    /// Whether it was by no doing of the task.
    pub excused: bool,
}

/// An engine that is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoneEngine {
    /// Which.
    pub id: EngineId,
    /// Where it was.
    pub node: String,
    /// Its allocation.
    pub allocation: Option<AllocationId>,
    /// When it went: microseconds since 1970.
    pub gone_micros: u64,
    /// Why.
    pub why: String,
    /// How many tasks of the engines that went together ran again.
    pub again: u64,
    /// How many those engines were.
    pub together: u32,
}
