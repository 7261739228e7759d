//! A machine that several people share: `local`, but nobody gets more than so many nodes at once.
//!
//! A scheduler around another one is the smallest of its kind: it says what it does differently, and passes on the rest.

use std::collections::BTreeMap;

use async_trait::async_trait;
use rpar_backends::local::{self, Local};
use rpar_core::error::{Action, BackendError, Retry};
use rpar_core::id::{AllocationId, ClusterTag};
use rpar_core::launcher::Node;
use rpar_core::scheduler::{AllocationRequest, AllocationState, JobScript, Scheduler, SchedulerInfo};
use serde::Deserialize;

/// The name that profiles know it by.
const NAME: &str = "capped";

/// Its keys in a profile's `[scheduler]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    most_nodes: u32,
}

/// This machine, in portions.
#[derive(Debug)]
pub(crate) struct Capped {
    config: Config,
    inner: Local,
}

impl Capped {
    pub(crate) fn new(config: Config) -> Self {
        Capped { config, inner: Local::new(local::Config::default()) }
    }

    /// Refused here, not by the site: so the user learns it before anything is queued, and from `--dry-run` too.
    fn allow(&self, request: &AllocationRequest, action: Action) -> Result<(), BackendError> {
        let most = self.config.most_nodes;
        if request.nodes <= most {
            return Ok(());
        }
        Err(BackendError {
            backend: NAME.to_owned(),
            action,
            retry: Retry::Never,
            reason: format!(
                "{} nodes are more than the {most} that one cluster may have here",
                request.nodes
            ),
            command: None,
            hint: Some(format!("ask for {most} or fewer: `--nodes {most}`")),
        })
    }
}

/// Users look for the name that their profile has.
fn own(error: BackendError) -> BackendError {
    BackendError { backend: NAME.to_owned(), ..error }
}

#[async_trait]
impl Scheduler for Capped {
    fn info(&self) -> SchedulerInfo {
        SchedulerInfo { name: NAME.to_owned(), ..self.inner.info() }
    }

    fn preview(&self, request: &AllocationRequest) -> Result<JobScript, BackendError> {
        self.allow(request, Action::Preview)?;
        self.inner.preview(request).map_err(own)
    }

    async fn submit(&self, request: &AllocationRequest) -> Result<AllocationId, BackendError> {
        self.allow(request, Action::Submit)?;
        self.inner.submit(request).await.map_err(own)
    }

    async fn poll(
        &self,
        ids: &[AllocationId],
    ) -> Result<BTreeMap<AllocationId, AllocationState>, BackendError> {
        self.inner.poll(ids).await.map_err(own)
    }

    async fn cancel(&self, ids: &[AllocationId]) -> Result<(), BackendError> {
        self.inner.cancel(ids).await.map_err(own)
    }

    async fn find(&self, tag: &ClusterTag) -> Result<Vec<AllocationId>, BackendError> {
        self.inner.find(tag).await.map_err(own)
    }

    async fn nodes(&self, environment: &BTreeMap<String, String>) -> Result<Vec<Node>, BackendError> {
        self.inner.nodes(environment).await.map_err(own)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use rpar_testkit::conformance::scheduler::{Setup, suite};

    use super::*;

    #[tokio::test]
    async fn it_keeps_every_promise_of_a_scheduler() {
        let directory = tempfile::tempdir().unwrap();
        suite(Setup {
            scheduler: Arc::new(Capped::new(Config { most_nodes: 2 })),
            directory: directory.path().to_owned(),
            nodes: 2,
            ppn: 1,
            patience: Duration::from_secs(60),
        })
        .await;
    }
}
