//! An allocation that the user holds already: only its pilot is ours, and runs beside the controller.
//!
//! What grants nodes is another scheduler, which knows by the environment of the allocation what it has granted. It is
//! asked for nothing else: to give back what the user holds is the user's.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use rpar_core::error::BackendError;
use rpar_core::id::{AllocationId, ClusterTag};
use rpar_core::launcher::Node;
use rpar_core::scheduler::{AllocationRequest, AllocationState, JobScript, Scheduler, SchedulerInfo};

use crate::beside::Beside;

/// The allocation that this process runs in.
#[derive(Debug)]
pub struct Here {
    site: Arc<dyn Scheduler>,
    pilots: Beside,
}

impl Here {
    /// An allocation of `site`.
    pub fn new(site: Arc<dyn Scheduler>) -> Self {
        Here { site, pilots: Beside::new("here") }
    }
}

#[async_trait]
impl Scheduler for Here {
    fn info(&self) -> SchedulerInfo {
        SchedulerInfo {
            queued: false,
            remote_pilot: false,
            walltime: false,
            arrays: false,
            ..self.site.info()
        }
    }

    fn preview(&self, request: &AllocationRequest) -> Result<JobScript, BackendError> {
        Ok(self.pilots.preview(&AllocationRequest { script: None, ..request.clone() }, &[]))
    }

    async fn submit(&self, request: &AllocationRequest) -> Result<AllocationId, BackendError> {
        // a whole script of the site's own is for the site's command
        self.pilots.submit(&AllocationRequest { script: None, ..request.clone() }, &[]).await
    }

    async fn poll(
        &self,
        ids: &[AllocationId],
    ) -> Result<BTreeMap<AllocationId, AllocationState>, BackendError> {
        Ok(self.pilots.poll(ids, |_| Vec::new()))
    }

    async fn cancel(&self, ids: &[AllocationId]) -> Result<(), BackendError> {
        self.pilots.cancel(ids).await
    }

    async fn find(&self, tag: &ClusterTag) -> Result<Vec<AllocationId>, BackendError> {
        Ok(self.pilots.find(tag)?.into_keys().collect())
    }

    async fn nodes(&self, environment: &BTreeMap<String, String>) -> Result<Vec<Node>, BackendError> {
        self.site.nodes(environment).await
    }
}
