//! What tasks ask of the engine that runs them.

use std::sync::Arc;

use super::engines::Host;
use crate::id::EngineId;
use crate::resources::Resources;
use crate::task::TaskOptions;

/// What tasks ask of an engine. Those of one lane ask for the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Needs {
    /// Higher ones go first.
    pub(super) priority: i32,
    /// The engines that may run them, in order of their ids; `None` is any.
    pub(super) targets: Option<Arc<[EngineId]>>,
    /// Labels that the engine must have, in order.
    pub(super) labels: Vec<String>,
    pub(super) resources: Resources,
}

impl Needs {
    pub(super) fn of(options: &TaskOptions) -> Self {
        let mut labels = options.labels.clone();
        labels.sort_unstable();
        labels.dedup();
        let targets = options.targets.clone().map(|mut targets| {
            targets.sort_unstable();
            targets.dedup();
            targets.into()
        });
        Needs { priority: options.priority, targets, labels, resources: options.resources.clone() }
    }

    /// Whether any engine will do.
    pub(super) fn is_plain(&self) -> bool {
        self.targets.is_none() && self.labels.is_empty() && self.resources.is_empty()
    }

    /// Whether an engine may run them, if its host has room.
    pub(super) fn accept(&self, id: EngineId, host: &Host) -> bool {
        self.targets.as_ref().is_none_or(|targets| targets.binary_search(&id).is_ok())
            && self.labels.iter().all(|label| host.labels.contains(label))
            && host.pool.could_hold(&self.resources)
    }
}
