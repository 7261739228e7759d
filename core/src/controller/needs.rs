//! What tasks ask of the engine that runs them.

use std::sync::Arc;
use std::time::Duration;

use super::host::Host;
use crate::id::EngineId;
use crate::resources::Resources;
use crate::task::TaskOptions;
use crate::time::Timestamp;

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
    /// How long each takes at most, if that was told.
    pub(super) time: Option<Duration>,
    /// Their next loss is their last. No two such tasks are on a node at once, so that none is taken for the cause of what
    /// another one did.
    pub(super) last_try: bool,
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
        let resources = options.resources.clone();
        let time = options.time_ms.map(Duration::from_millis);
        Needs { priority: options.priority, targets, labels, resources, time, last_try: false }
    }

    /// The same, of tasks whose next loss is their last.
    pub(super) fn for_last_try(&self) -> Arc<Self> {
        Arc::new(Needs { last_try: true, ..self.clone() })
    }

    /// Whether any engine will do, whatever else is on its host.
    pub(super) fn is_plain(&self) -> bool {
        !self.is_choosy() && !self.last_try
    }

    /// Whether there may be engines that will never do.
    pub(super) fn is_choosy(&self) -> bool {
        self.targets.is_some() || !self.labels.is_empty() || !self.resources.is_empty() || self.time.is_some()
    }

    /// Whether they wait for an idle engine, and for room on its host.
    pub(super) fn ask(&self) -> bool {
        !self.resources.is_empty() || self.last_try
    }

    /// Whether an engine may run them, if its host has room. One whose time runs out may no longer.
    pub(super) fn accept(&self, id: EngineId, host: &Host, now: Timestamp) -> bool {
        self.targets.as_ref().is_none_or(|targets| targets.binary_search(&id).is_ok())
            && self.labels.iter().all(|label| host.labels.contains(label))
            && host.pool.could_hold(self)
            && host.has_time(self, now)
    }
}
