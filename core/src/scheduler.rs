//! The site's resource manager: PBS, Slurm, and the queue-less `local`.

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::BackendError;
use crate::id::{AllocationId, ClusterTag};
use crate::launcher::Node;
use crate::signal;

/// Grants nodes for a time, and takes them back.
///
/// An implementation is a handle to the site, not to one allocation: every id it gives out is plain data which a later
/// process can use. All methods are cancel-safe except [`submit`](Scheduler::submit).
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait Scheduler: Debug + Send + Sync + 'static {
    /// Tells the backend's name and what it can do. Conformance suites ask this before each case.
    fn info(&self) -> SchedulerInfo;

    /// Writes what [`submit`](Scheduler::submit) would hand to the site, without running anything.
    ///
    /// # Errors
    /// When the request cannot be expressed for this site.
    fn preview(&self, request: &AllocationRequest) -> Result<JobScript, BackendError>;

    /// Asks for an allocation. When this returns an id, [`poll`](Scheduler::poll) knows it at once.
    ///
    /// Not cancel-safe: a dropped future leaves it open whether the site accepted, as with
    /// [`Retry::Unsure`](crate::error::Retry::Unsure).
    ///
    /// # Errors
    /// With [`Retry::Unsure`](crate::error::Retry::Unsure) the site may have accepted all the same: the caller asks
    /// [`find`](Scheduler::find) before it submits again.
    async fn submit(&self, request: &AllocationRequest) -> Result<AllocationId, BackendError>;

    /// Tells the state of many allocations with one question to the site. An id that the site does not mention is
    /// [`AllocationPhase::Unknown`], never `Ended`; a state that the backend does not know is kept as text.
    ///
    /// # Errors
    /// When the site did not answer; nothing is then known about any of the ids.
    async fn poll(
        &self,
        ids: &[AllocationId],
    ) -> Result<BTreeMap<AllocationId, AllocationState>, BackendError>;

    /// Gives allocations back, with one request to the site. Idempotent: an allocation that has ended, or that the site
    /// does not know, is fine. `Ok` means that the request was delivered for all, not that they have ended.
    ///
    /// # Errors
    /// When the site refused or did not answer; the request may have been delivered for some.
    async fn cancel(&self, ids: &[AllocationId]) -> Result<(), BackendError>;

    /// Finds the allocations of a cluster that have not ended, by the tag they were submitted with.
    ///
    /// # Errors
    /// When the site did not answer.
    async fn find(&self, tag: &ClusterTag) -> Result<Vec<AllocationId>, BackendError>;

    /// Tells which nodes were granted, asked from inside the allocation by the pilot. `environment` holds the pilot's
    /// environment variables. The order is the site's; each node appears once.
    ///
    /// # Errors
    /// When the environment names no nodes, or names them in a form that the backend does not read.
    async fn nodes(&self, environment: &BTreeMap<String, String>) -> Result<Vec<Node>, BackendError>;
}

/// A scheduler's name and abilities.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchedulerInfo {
    /// The name a profile's `kind` selects it by.
    pub name: String,
    /// Whether requests wait in a queue. Without one, an allocation runs as soon as it is submitted.
    pub queued: bool,
    /// Whether the pilot runs on the granted nodes (a batch system) or beside the controller (`local`).
    pub remote_pilot: bool,
    /// Whether `walltime` is enforced.
    pub walltime: bool,
    /// Whether a request may be an [`array`](AllocationRequest::array).
    pub arrays: bool,
}

/// What the controller asks a scheduler for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocationRequest {
    /// Marks the allocation as the cluster's; used as the job's name.
    pub tag: ClusterTag,
    /// How many nodes.
    pub nodes: u32,
    /// Whether the site is to grant the nodes one by one: as that many elements of one node each, with a pilot in each.
    /// They are one allocation all the same: one id, one state, given back together.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub array: bool,
    /// Engines, and so cores, on each node.
    pub ppn: u32,
    /// How long; `None` leaves it to the site.
    pub walltime: Option<Duration>,
    /// The site's queue or partition; `None` leaves it to the site.
    pub queue: Option<String>,
    /// The account to charge; `None` leaves it to the site.
    pub account: Option<String>,
    /// The pilot's program and arguments, absolute; starts the engine hosts on the granted nodes.
    pub pilot: Vec<String>,
    /// Shell lines to run before the pilot.
    pub setup: Vec<String>,
    /// The cluster's directory, which the nodes see too. The pilot starts in it; what it prints goes to
    /// `logs/allocation*.log` there, where the controller looks for the reason of an early end.
    pub directory: PathBuf,
    /// A whole job script, already rendered, in place of the dialect's own.
    pub script: Option<String>,
}

/// What would be handed to the site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobScript {
    /// The command line.
    pub argv: Vec<String>,
    /// The script's text; empty where the backend needs none.
    pub text: String,
}

/// Where an allocation is in its life. Advances from top to bottom; only a requeue by the site goes back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AllocationPhase {
    /// The site did not mention it. Says nothing about its end.
    #[default]
    Unknown,
    /// Waiting in the queue.
    Queued,
    /// Waiting until somebody releases it.
    Held,
    /// Nodes are granted; the pilot runs or is about to.
    Running,
    /// Being taken down.
    Ending,
    /// Over.
    Ended,
    /// A state of the site that this backend has no word for, as the site spells it.
    Other(String),
}

/// How an allocation has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AllocationEnd {
    /// Its pilot has ended with this status; 0 is a good end.
    Exit(i32),
    /// Its pilot was killed by this signal.
    Signal(i32),
    /// Its walltime was over.
    Walltime,
    /// Somebody gave it back.
    Cancelled,
    /// A node of it has failed.
    NodeFailed,
}

impl fmt::Display for AllocationEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AllocationEnd::Exit(status) => write!(f, "exit status {status}"),
            AllocationEnd::Signal(number) => write!(f, "killed by {}", signal::told(*number)),
            AllocationEnd::Walltime => f.write_str("its walltime was over"),
            AllocationEnd::Cancelled => f.write_str("cancelled"),
            AllocationEnd::NodeFailed => f.write_str("a node has failed"),
        }
    }
}

/// How many elements of an array are how far. Those that the site has forgotten count nowhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Elements {
    /// Queued, or held.
    pub waiting: u32,
    /// Running, or being taken down.
    pub running: u32,
    /// Over.
    pub ended: u32,
}

/// What the site says of an allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocationState {
    /// Where it is in its life.
    pub phase: AllocationPhase,
    /// The site's reason for that, in its own words.
    pub reason: Option<String>,
    /// It waits, and the site says that it will never run as it was asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub never: bool,
    /// The nodes granted, if known.
    pub nodes: Vec<String>,
    /// When the site expects it to begin, if it waits and the site tells: `2026-11-24 14:05`, in the site's time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// How it has ended, if it has and the site tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<AllocationEnd>,
    /// How far the elements of an array are, if the site tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elements: Option<Elements>,
    /// How long it has run, if it runs and the site tells.
    pub elapsed: Option<Duration>,
    /// How long until the site ends it, if known.
    pub remaining: Option<Duration>,
}

impl AllocationState {
    /// A state of which only the phase is known.
    pub fn new(phase: AllocationPhase) -> Self {
        AllocationState { phase, ..Default::default() }
    }
}
