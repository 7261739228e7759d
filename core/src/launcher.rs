//! Starting a group of processes on granted nodes: fork, ssh, srun.

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::path::PathBuf;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::BackendError;

/// Starts one process on each of a list of nodes, watches and signals them.
///
/// Handles are plain data: a later process can poll and signal what an earlier one started. All methods are
/// cancel-safe except [`start`](Launcher::start).
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait Launcher: Debug + Send + Sync + 'static {
    /// Tells the launcher's name, as in a profile's `kind`.
    fn name(&self) -> String;

    /// Starts one process of `group` on each node, in the order of `nodes`. Each finds its node's name in the
    /// environment variable `RPAR_NODE`.
    ///
    /// Not cancel-safe: a dropped future may leave processes behind.
    ///
    /// # Errors
    /// When no process could be started. When only some could, the handle's other processes poll as
    /// [`ProcessState::Ended`] with the reason.
    async fn start(&self, group: &ProcessGroup, nodes: &[Node]) -> Result<GroupHandle, BackendError>;

    /// Tells the state of each process of the group, in the order of its nodes.
    ///
    /// # Errors
    /// When nothing can be told about any of them.
    async fn poll(&self, handle: &GroupHandle) -> Result<Vec<ProcessState>, BackendError>;

    /// Sends a signal to every process of the group that still runs. Idempotent; `Ok` means delivered.
    ///
    /// # Errors
    /// When the signal could not be delivered to a process that runs.
    async fn signal(&self, handle: &GroupHandle, signal: Signal) -> Result<(), BackendError>;
}

/// A node as a launcher addresses it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Node {
    /// The site's name of the node.
    pub name: String,
    /// Slots (cores) granted on it; 0 when the site does not tell.
    pub slots: u32,
}

/// What to start on each node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessGroup {
    /// Program (absolute path) and arguments.
    pub argv: Vec<String>,
    /// Shell lines that run on the node before the program, in the shell that becomes it.
    pub setup: Vec<String>,
    /// Environment variables to set; never secrets.
    pub environment: BTreeMap<String, String>,
    /// Where the processes' stdout and stderr go: `NODE.log` in this directory.
    pub logs: PathBuf,
    /// What nodes need that see no file of this host; `None` where they share what they need. A launcher that cannot
    /// bring it refuses to start.
    pub apart: Option<Apart>,
}

/// What nodes need that see no file of this host.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Apart {
    /// Whether the program's file is brought there too; else it is there already, under its path.
    pub bring: bool,
    /// What each process reads on its stdin, then its end. May be secret: no argument, variable, file or log holds it. Has
    /// no NUL.
    pub input: String,
}

impl Debug for Apart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Apart").field("bring", &self.bring).finish_non_exhaustive()
    }
}

/// What a launcher started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupHandle {
    /// The launcher that started it.
    pub launcher: String,
    /// One for each node, in order.
    pub processes: Vec<ProcessHandle>,
}

/// One started process, in a form that outlives its starter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessHandle {
    /// The node it runs on.
    pub node: String,
    /// The local process that stands for it (itself, or the `ssh` or `srun` that carries it); `None` if it never started.
    pub pid: Option<u32>,
    /// That process's start time (field 22 of `/proc/PID/stat`, proc(5)), so that a reused pid is not taken for it.
    pub start_time: u64,
    /// Why it never started, if it did not.
    pub error: Option<String>,
}

/// How a started process is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProcessState {
    /// It runs.
    Running,
    /// It is over.
    Ended {
        /// Exit status; `None` if unknown or killed by a signal.
        exit: Option<i32>,
        /// The signal that killed it, if one did.
        signal: Option<i32>,
        /// What else is known: why it never started, or the last lines of its log.
        detail: Option<String>,
    },
}

/// A signal that rpar sends to processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Signal {
    /// Ask to stop what it does now.
    Interrupt,
    /// Ask to end.
    Terminate,
    /// End it.
    Kill,
}
