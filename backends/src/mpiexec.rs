//! One `mpiexec` for each node, so that one of them can be started again alone: for sites whose MPI knows how to reach nodes.
//!
//! `-n 1 -host NODE` is what both families take, and both hand stdin to the one process: MPICH's Hydra, with Intel MPI's
//! (mpiexec(1), 4.0), and Open MPI (mpirun(1), 4.1).

use async_trait::async_trait;
use rpar_core::error::BackendError;
use rpar_core::launcher::{GroupHandle, Launcher, Node, ProcessGroup, ProcessState, Signal};
use serde::{Deserialize, Serialize};

use crate::carried;
use crate::watched::Watched;

/// The keys of `[launcher]` under `kind = "mpiexec"`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Further options for `mpiexec`.
    #[serde(default)]
    pub options: Vec<String>,
    /// The command; `mpiexec` if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
}

/// The launcher.
#[derive(Debug)]
pub struct Mpiexec {
    config: Config,
    watched: Watched,
}

/// What the remote shell reads. An MPI program that a task starts must not take itself for a rank of the engine host's.
const SHELL: &str =
    "unset ${!PMI@} ${!HYDI@} ${!OMPI_COMM@} ${!OMPI_MCA_orte@} ${!OMPI_MCA_ess@}; exec bash -s";

impl Mpiexec {
    /// Starts processes by `mpiexec` from this host.
    pub fn new(config: Config) -> Self {
        Mpiexec { config, watched: Watched::new("mpiexec") }
    }

    fn argv(&self, node: &str) -> Vec<String> {
        let mut argv = vec![self.config.program.clone().unwrap_or_else(|| "mpiexec".into())];
        argv.extend(self.config.options.iter().cloned());
        argv.extend(["-n", "1", "-host", node, "bash", "-c", SHELL].map(str::to_owned));
        argv
    }
}

#[async_trait]
impl Launcher for Mpiexec {
    fn name(&self) -> String {
        "mpiexec".into()
    }

    async fn start(&self, group: &ProcessGroup, nodes: &[Node]) -> Result<GroupHandle, BackendError> {
        carried::shares_files("mpiexec", group)?;
        self.watched.start(group, nodes, None, |node| self.argv(node))
    }

    async fn poll(&self, handle: &GroupHandle) -> Result<Vec<ProcessState>, BackendError> {
        Ok(self.watched.poll(handle))
    }

    /// From a later process than the one that started the group, only an end can be asked for: `mpiexec` ends, and with it
    /// the remote process.
    async fn signal(&self, handle: &GroupHandle, signal: Signal) -> Result<(), BackendError> {
        self.watched.signal(handle, signal).await
    }
}
