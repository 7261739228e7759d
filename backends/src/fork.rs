//! Processes on this very host, one for each node, whatever the nodes are called.

use async_trait::async_trait;
use rpar_core::error::BackendError;
use rpar_core::launcher::{GroupHandle, Launcher, Node, ProcessGroup, ProcessState, Signal};
use serde::{Deserialize, Serialize};

use crate::carried::{self, Carrier};
use crate::children::Children;
use crate::shell;

/// The keys of `[launcher]` under `kind = "fork"`: none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {}

/// The launcher.
#[derive(Debug, Default)]
pub struct Fork {
    children: Children,
}

impl Fork {
    /// Starts processes on this host.
    pub fn new(_config: Config) -> Self {
        Fork::default()
    }
}

#[async_trait]
impl Launcher for Fork {
    fn name(&self) -> String {
        "fork".into()
    }

    async fn start(&self, group: &ProcessGroup, nodes: &[Node]) -> Result<GroupHandle, BackendError> {
        carried::start("fork", &self.children, group, nodes, |node| {
            let mut environment = group.environment.clone();
            environment.insert("RPAR_NODE".into(), node.name.clone());
            Carrier { argv: shell::with_setup(&group.setup, &group.argv, false), environment, stdin: None }
        })
    }

    async fn poll(&self, handle: &GroupHandle) -> Result<Vec<ProcessState>, BackendError> {
        Ok(carried::poll(&self.children, handle))
    }

    async fn signal(&self, handle: &GroupHandle, signal: Signal) -> Result<(), BackendError> {
        carried::signal("fork", handle, signal)
    }
}
