//! One `ssh` for each node: the system's own, which honours the site's configuration.
//!
//! What a node needs that shares no files with this host comes on stdin, as what to run does, but for the program's file,
//! which is taken there first.

mod bring;

use async_trait::async_trait;
use rpar_core::error::{Action, BackendError};
use rpar_core::launcher::{GroupHandle, Launcher, Node, ProcessGroup, ProcessState, Signal};
use serde::{Deserialize, Serialize};

use crate::watched::Watched;
use bring::Program;

/// Options of `ssh` by which it gives up a connection that is silent for a minute (ssh_config(5)): a network that is gone, or a
/// host that was put to sleep, ends nothing by itself.
pub const ALIVE: [&str; 4] = ["-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4"];

/// The keys of `[launcher]` under `kind = "ssh"`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Further options for `ssh`; they come first, and so win.
    #[serde(default)]
    pub options: Vec<String>,
}

/// The launcher.
#[derive(Debug)]
pub struct Ssh {
    config: Config,
    watched: Watched,
}

impl Ssh {
    /// Starts processes by ssh from this host.
    pub fn new(config: Config) -> Self {
        Ssh { config, watched: Watched::new("ssh") }
    }

    fn argv(&self, node: &str) -> Vec<String> {
        let mut argv = vec!["ssh".to_owned()];
        argv.extend(self.config.options.iter().cloned());
        argv.extend(["-T", "-o", "BatchMode=yes"].into_iter().chain(ALIVE).map(str::to_owned));
        argv.extend(["--", node, "exec bash -s"].map(str::to_owned));
        argv
    }
}

#[async_trait]
impl Launcher for Ssh {
    fn name(&self) -> String {
        "ssh".into()
    }

    async fn start(&self, group: &ProcessGroup, nodes: &[Node]) -> Result<GroupHandle, BackendError> {
        let brought =
            match group.argv.first().filter(|_| group.apart.as_ref().is_some_and(|apart| apart.bring)) {
                Some(program) => Some(
                    Program::read(program.into())
                        .await
                        .map_err(|reason| self.watched.failed(Action::Start, reason))?,
                ),
                None => None,
            };
        let program = brought.as_ref();
        self.watched.start(group, nodes, program.map(Program::place).as_deref(), |node| {
            let ssh = self.argv(node);
            program.map_or_else(|| ssh.clone(), |program| program.argv(node, &ssh))
        })
    }

    async fn poll(&self, handle: &GroupHandle) -> Result<Vec<ProcessState>, BackendError> {
        Ok(self.watched.poll(handle))
    }

    /// From a later process than the one that started the group, only an end can be asked for: it comes as
    /// [`Signal::Terminate`], and 5 s later as [`Signal::Kill`].
    async fn signal(&self, handle: &GroupHandle, signal: Signal) -> Result<(), BackendError> {
        self.watched.signal(handle, signal).await
    }
}
