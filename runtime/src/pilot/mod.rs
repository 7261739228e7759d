//! The pilot: runs beside an allocation's nodes, starts their engine hosts and keeps them alive.

mod contact;
mod fleet;
mod plan;
mod restarts;
mod watch;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rpar_core::id::AllocationId;
use rpar_core::launcher::{Launcher, Node};
use rpar_core::transport::Transport;
use thiserror::Error;

/// What a pilot needs to start.
#[derive(Debug)]
pub struct PilotSetup {
    /// The connection file of role engine. It is waited for, at most 60 s: shared file systems show new files late.
    pub connection: PathBuf,
    /// How the controller is reached.
    pub transport: Arc<dyn Transport>,
    /// What starts processes on the nodes.
    pub launcher: Arc<dyn Launcher>,
    /// The granted nodes.
    pub nodes: Vec<Node>,
    /// The allocation that it serves, if the site gave an id.
    pub allocation: Option<AllocationId>,
    /// Which element of that, where it is an array.
    pub element: Option<u32>,
    /// When the site ends it, as far as its environment tells.
    pub ends: Option<Instant>,
    /// How many engines there shall be in total; the last node may get fewer than the others.
    pub engines: u32,
    /// How many engines a node has at most.
    pub ppn: u32,
    /// The engine host's program and arguments, absolute; `--engines N` is appended.
    pub program: Vec<String>,
    /// Shell lines that run on each node before the program.
    pub setup: Vec<String>,
    /// Where the engine hosts' output goes: `NODE.log` in this directory.
    pub logs: PathBuf,
    /// What the nodes need that see no file of the cluster; `None` where they share them.
    pub apart: Option<ApartSetup>,
    /// How often in ten minutes a node's dead engine host is started again.
    pub restarts: u32,
    /// A controller that has been silent for this long is lost.
    pub lost_after: Duration,
    /// How long it tries to reach its controller again.
    pub give_up_after: Duration,
}

/// For nodes that see no file of the cluster. Their engine hosts read a [`Handed`](crate::files::Handed) on stdin.
#[derive(Clone, Debug)]
pub struct ApartSetup {
    /// Whether the program's file is brought there too.
    pub bring: bool,
    /// The resolved profile, as TOML.
    pub profile: String,
}

/// The pilot had to give up.
#[derive(Debug, Error)]
pub enum PilotError {
    /// No engine host could be kept alive.
    #[error("no engine host stayed alive; the last: {reason}")]
    GaveUp {
        /// How the last one ended, and the last lines that it wrote.
        reason: String,
    },
    /// There is no controller, or it refused this pilot.
    #[error("the pilot ends its engine hosts: {reason}")]
    Alone {
        /// Why.
        reason: String,
    },
    /// There is nothing to do.
    #[error(
        "no engine can be started: {nodes} nodes were granted, for {engines} engines, at most {ppn} on a node"
    )]
    Nothing {
        /// How many nodes there are.
        nodes: usize,
        /// How many engines were asked for.
        engines: u32,
        /// How many a node may have.
        ppn: u32,
    },
    /// The system gave no signal or randomness.
    #[error("the pilot lacks something of the system: {0}")]
    System(#[from] io::Error),
}

/// Starts one engine host a node and keeps them alive until the controller ends the cluster or is gone.
///
/// Not cancel-safe: a dropped future leaves the engine hosts running.
///
/// # Errors
/// When every engine host was given up, or there is no controller.
pub async fn serve(setup: PilotSetup) -> Result<(), PilotError> {
    watch::run(setup).await
}
