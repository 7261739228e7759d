//! What `rpar status` shows: the answer to [`Message::Ask`](super::Message::Ask).

use serde::{Deserialize, Serialize};

use crate::id::{AllocationId, EngineId, RequestId};
use crate::resources::Resources;
use crate::scheduler::AllocationState;
use crate::wire::SubmissionStatus;

/// The whole cluster at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterStatus {
    /// Grows with every change of engines or allocations (not of tasks).
    pub version: u64,
    /// The controller.
    pub controller: ControllerStatus,
    /// How many engines the cluster is meant to have: what it was started with and asked for since, without those that
    /// were to leave.
    pub engines_wanted: u32,
    /// Whether engines may still come: an allocation is asked for, waits or runs.
    pub engines_coming: bool,
    /// The engines that are there, by id.
    pub engines: Vec<EngineStatus>,
    /// The nodes that engines are on, in order of their names; one for each engine host.
    #[serde(default)]
    pub nodes: Vec<NodeStatus>,
    /// The allocations of this cluster, oldest first.
    pub allocations: Vec<AllocationStatus>,
    /// The tasks of all clients.
    pub tasks: TaskCounts,
    /// What outlives its clients, oldest first.
    #[serde(default)]
    pub submissions: Vec<SubmissionStatus>,
    /// Whether submissions wait because their results fill what the controller keeps of results.
    #[serde(default)]
    pub paused: bool,
    /// Latest things that went wrong, oldest first; at most 20.
    pub problems: Vec<String>,
}

/// The controller as it describes itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControllerStatus {
    /// The cluster, as `PROFILE/CLUSTER_ID`.
    pub cluster: String,
    /// Its host's name.
    pub host: String,
    /// Its process id there.
    pub pid: u32,
    /// Its build.
    pub build: String,
    /// How long it has lived, in seconds.
    pub uptime_seconds: u64,
    /// How many clients are linked, the asking one among them.
    pub clients: u32,
}

/// One engine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineStatus {
    /// Its id.
    pub id: EngineId,
    /// The node it is on.
    pub node: String,
    /// Process id of its engine host there.
    pub pid: u32,
    /// The allocation it belongs to.
    pub allocation: Option<AllocationId>,
    /// Tasks sent to it that have not ended.
    pub assigned: u32,
    /// Tasks that it has ended.
    pub completed: u64,
    /// Whether it gets no more tasks, and leaves when it has none.
    pub retiring: bool,
}

/// The part of a node that one engine host has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Its name.
    pub node: String,
    /// How many engines are there.
    pub engines: u32,
    /// What tasks may ask for by name.
    pub labels: Vec<String>,
    /// What it has for its engines together.
    pub has: Resources,
    /// What of that is taken by tasks.
    pub taken: Resources,
}

/// One allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocationStatus {
    /// The controller's request for it.
    pub request: RequestId,
    /// The site's id; `None` while the request is under way.
    pub id: Option<AllocationId>,
    /// How many nodes were asked for.
    pub nodes: u32,
    /// What the site says.
    pub state: AllocationState,
    /// How many engines of it are there.
    pub engines: u32,
    /// How many there are meant to be.
    pub engines_wanted: u32,
    /// Whether engines of it may still come.
    pub coming: bool,
    /// What went wrong, if anything did: the error, or the end of its output.
    pub problem: Option<String>,
}

/// How many tasks there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskCounts {
    /// Waiting for other tasks.
    #[serde(default)]
    pub waiting: u64,
    /// Waiting for an engine.
    pub queued: u64,
    /// Sent to an engine.
    pub assigned: u64,
    /// Ended well, since the controller's start.
    pub succeeded: u64,
    /// Ended otherwise, since the controller's start.
    pub failed: u64,
}
