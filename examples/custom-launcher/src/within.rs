//! Everything that is started on a node runs within another program: nice(1), numactl(8), a container's `exec`.
//!
//! A launcher around another one is the smallest of its kind: it changes what is started, and leaves starting it to the
//! other.

use std::sync::Arc;

use async_trait::async_trait;
use rpar_core::error::BackendError;
use rpar_core::launcher::{GroupHandle, Launcher, Node, ProcessGroup, ProcessState, Signal};
use serde::Deserialize;

/// The name that profiles know it by.
const NAME: &str = "within";

/// Its keys in a profile's `[launcher]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The other program and its arguments; what is started, and its arguments, follow.
    argv: Vec<String>,
}

/// The launcher.
#[derive(Debug)]
pub(crate) struct Within {
    config: Config,
    inner: Arc<dyn Launcher>,
}

impl Within {
    /// Starts processes as `inner` does. The other program must become what it starts, or pass signals on to it and end as
    /// it does: signals and exit statuses are those of the process that `inner` has started.
    pub(crate) fn new(config: Config, inner: Arc<dyn Launcher>) -> Self {
        Within { config, inner }
    }

    /// A handle as the other launcher knows it.
    fn theirs(&self, handle: &GroupHandle) -> GroupHandle {
        GroupHandle { launcher: self.inner.name(), ..handle.clone() }
    }
}

/// Users look for the name that their profile has.
fn own(error: BackendError) -> BackendError {
    BackendError { backend: NAME.to_owned(), ..error }
}

#[async_trait]
impl Launcher for Within {
    fn name(&self) -> String {
        NAME.to_owned()
    }

    async fn start(&self, group: &ProcessGroup, nodes: &[Node]) -> Result<GroupHandle, BackendError> {
        let argv = self.config.argv.iter().chain(&group.argv).cloned().collect();
        let group = ProcessGroup { argv, ..group.clone() };
        let handle = self.inner.start(&group, nodes).await.map_err(own)?;
        Ok(GroupHandle { launcher: NAME.to_owned(), ..handle })
    }

    async fn poll(&self, handle: &GroupHandle) -> Result<Vec<ProcessState>, BackendError> {
        self.inner.poll(&self.theirs(handle)).await.map_err(own)
    }

    async fn signal(&self, handle: &GroupHandle, signal: Signal) -> Result<(), BackendError> {
        self.inner.signal(&self.theirs(handle), signal).await.map_err(own)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rpar_backends::fork::{self, Fork};
    use rpar_testkit::conformance::launcher::{Setup, suite};

    use super::*;

    #[tokio::test]
    async fn it_keeps_every_promise_of_a_launcher() {
        let directory = tempfile::tempdir().unwrap();
        let config = Config { argv: ["nice", "-n", "10"].map(str::to_owned).to_vec() };
        let launcher = move || -> Arc<dyn Launcher> {
            let processes = Arc::new(Fork::new(fork::Config::default()));
            Arc::new(Within::new(config.clone(), processes))
        };
        suite(Setup {
            launcher: Box::new(launcher),
            nodes: ["n1", "n2"].map(|name| Node { name: name.to_owned(), slots: 1 }).to_vec(),
            directory: directory.path().to_owned(),
            patience: Duration::from_secs(60),
        })
        .await;
    }
}
