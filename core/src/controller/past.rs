//! Engines that are gone, for who asks what became of them.

use std::collections::VecDeque;
use std::sync::Arc;

use super::limits::PAST_LIMIT;
use super::status::shortened;
use crate::id::{AllocationId, EngineId};
use crate::wire::GoneEngine;

/// Engines that went together.
#[derive(Debug)]
struct Farewell {
    engines: Vec<EngineId>,
    node: Arc<str>,
    allocation: Option<AllocationId>,
    micros: u64,
    why: String,
    again: u64,
}

/// The latest of them.
#[derive(Debug, Default)]
pub(super) struct Past {
    all: VecDeque<Farewell>,
}

impl Past {
    /// Takes note of engines that are gone; the oldest are forgotten.
    pub(super) fn note(
        &mut self,
        engines: &[EngineId],
        (node, allocation): (&Arc<str>, Option<&AllocationId>),
        micros: u64,
        why: &str,
        again: u64,
    ) {
        if self.all.len() == PAST_LIMIT {
            self.all.pop_front();
        }
        let (engines, why) = (engines.to_vec(), shortened(why));
        let (node, allocation) = (Arc::clone(node), allocation.cloned());
        self.all.push_back(Farewell { engines, node, allocation, micros, why, again });
    }

    /// What became of an engine.
    pub(super) fn find(&self, id: EngineId) -> Option<GoneEngine> {
        let farewell = self.all.iter().rev().find(|farewell| farewell.engines.contains(&id))?;
        Some(GoneEngine {
            id,
            node: farewell.node.to_string(),
            allocation: farewell.allocation.clone(),
            gone_micros: farewell.micros,
            why: farewell.why.clone(),
            again: farewell.again,
            together: farewell.engines.len() as u32,
        })
    }
}
