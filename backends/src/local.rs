//! This machine as a site without a queue: an allocation is a pilot process, and its nodes are pretended.
//!
//! A request for N nodes is granted as N nodes of this one host, called `HOST-1` to `HOST-N` (`HOST` when it is one).
//! The pilot learns of them from `RPAR_LOCAL_NODES` (how many) and `RPAR_LOCAL_PPN` (slots on each).

use std::collections::BTreeMap;

use async_trait::async_trait;
use rpar_core::error::{Action, BackendError};
use rpar_core::id::{AllocationId, ClusterTag};
use rpar_core::launcher::Node;
use rpar_core::scheduler::{AllocationRequest, AllocationState, JobScript, Scheduler, SchedulerInfo};
use serde::{Deserialize, Serialize};

use crate::beside::Beside;

const NODES: &str = "RPAR_LOCAL_NODES";
const PPN: &str = "RPAR_LOCAL_PPN";

/// The keys of `[scheduler]` under `kind = "local"`, besides those of any scheduler: none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {}

/// This machine.
#[derive(Debug)]
pub struct Local {
    pilots: Beside,
}

impl Local {
    /// This machine.
    pub fn new(_config: Config) -> Self {
        Local { pilots: Beside::new("local") }
    }
}

#[async_trait]
impl Scheduler for Local {
    fn info(&self) -> SchedulerInfo {
        SchedulerInfo {
            name: "local".into(),
            queued: false,
            remote_pilot: false,
            walltime: false,
            arrays: false,
        }
    }

    fn preview(&self, request: &AllocationRequest) -> Result<JobScript, BackendError> {
        Ok(self.pilots.preview(request, &granted(request)))
    }

    async fn submit(&self, request: &AllocationRequest) -> Result<AllocationId, BackendError> {
        self.pilots.submit(request, &granted(request)).await
    }

    async fn poll(
        &self,
        ids: &[AllocationId],
    ) -> Result<BTreeMap<AllocationId, AllocationState>, BackendError> {
        Ok(self.pilots.poll(ids, |_| vec![host()]))
    }

    async fn cancel(&self, ids: &[AllocationId]) -> Result<(), BackendError> {
        self.pilots.cancel(ids).await
    }

    async fn find(&self, tag: &ClusterTag) -> Result<Vec<AllocationId>, BackendError> {
        Ok(self.pilots.find(tag)?.into_keys().collect())
    }

    async fn nodes(&self, environment: &BTreeMap<String, String>) -> Result<Vec<Node>, BackendError> {
        let number = |name: &str| {
            let text = environment.get(name).map(String::as_str).unwrap_or_default();
            text.parse::<u32>().map_err(|_| {
                let reason = format!("`{text}` in {name} is no number: no pilot of `local`");
                self.pilots.error(Action::Nodes, reason, None)
            })
        };
        let (nodes, slots) = (number(NODES)?, number(PPN)?);
        let host = host();
        if nodes == 1 {
            return Ok(vec![Node { name: host, slots }]);
        }
        Ok((1..=nodes).map(|n| Node { name: format!("{host}-{n}"), slots }).collect())
    }
}

fn granted(request: &AllocationRequest) -> [(&'static str, String); 2] {
    [(NODES, request.nodes.to_string()), (PPN, request.ppn.to_string())]
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
