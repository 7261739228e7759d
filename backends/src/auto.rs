//! Picks the launcher that fits where the pilot finds itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use rpar_core::error::BackendError;
use rpar_core::launcher::{GroupHandle, Launcher, Node, ProcessGroup, ProcessState, Signal};
use rpar_core::runner::Runner;
use serde::{Deserialize, Serialize};

use crate::fork::Fork;
use crate::pbsdsh::Pbsdsh;
use crate::srun::Srun;
use crate::ssh::Ssh;
use crate::{beside, fork, pbsdsh, srun, ssh};

/// The keys of `[launcher]` under `kind = "auto"`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Further options for `ssh`, where that is picked.
    #[serde(default)]
    pub ssh_options: Vec<String>,
    /// Further options for `srun`, where that is picked.
    #[serde(default)]
    pub srun_options: Vec<String>,
    /// Further options for `pbsdsh`, where that is picked.
    #[serde(default)]
    pub pbsdsh_options: Vec<String>,
}

/// The launcher. Handles name the one that was picked.
#[derive(Debug)]
pub struct Auto {
    environment: BTreeMap<String, String>,
    fork: Fork,
    srun: Srun,
    pbsdsh: Pbsdsh,
    ssh: Ssh,
}

impl Auto {
    /// Picks by `environment`, the pilot's own.
    pub fn new(config: Config, environment: BTreeMap<String, String>, runner: Arc<dyn Runner>) -> Self {
        Auto {
            fork: Fork::new(fork::Config::default()),
            srun: Srun::new(srun::Config { options: config.srun_options }, Arc::clone(&runner)),
            pbsdsh: Pbsdsh::new(
                pbsdsh::Config { options: config.pbsdsh_options },
                environment.clone(),
                runner,
            ),
            environment,
            ssh: Ssh::new(ssh::Config { options: config.ssh_options }),
        }
    }

    /// A pilot of `local` forks and one of `hosts` uses ssh, whatever they were started in; inside a Slurm job `srun`
    /// starts steps; else one node is the pilot's own, and several are reached by `pbsdsh`
    /// where there is one, and by ssh.
    fn pick(&self, nodes: &[Node]) -> &dyn Launcher {
        if beside::is_pilot("local", &self.environment) {
            &self.fork
        } else if beside::is_pilot("hosts", &self.environment) {
            &self.ssh
        } else if self.environment.contains_key("SLURM_JOB_ID") {
            &self.srun
        } else if nodes.len() < 2 {
            &self.fork
        } else if pbsdsh::is_there(&self.environment) {
            &self.pbsdsh
        } else {
            &self.ssh
        }
    }

    fn by_name(&self, name: &str) -> &dyn Launcher {
        match name {
            "srun" => &self.srun,
            "pbsdsh" => &self.pbsdsh,
            "ssh" => &self.ssh,
            _ => &self.fork,
        }
    }
}

#[async_trait]
impl Launcher for Auto {
    fn name(&self) -> String {
        "auto".into()
    }

    async fn start(&self, group: &ProcessGroup, nodes: &[Node]) -> Result<GroupHandle, BackendError> {
        self.pick(nodes).start(group, nodes).await
    }

    async fn poll(&self, handle: &GroupHandle) -> Result<Vec<ProcessState>, BackendError> {
        self.by_name(&handle.launcher).poll(handle).await
    }

    async fn signal(&self, handle: &GroupHandle, signal: Signal) -> Result<(), BackendError> {
        self.by_name(&handle.launcher).signal(handle, signal).await
    }
}
