//! What tasks take of a node, and what nodes have: cores, GPUs, memory, and whatever else a site counts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a task takes of its node while it runs, or what a node has. What is 0 is left out on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// Processor cores. A task that names none takes an engine's share: the node's cores by its engines.
    #[serde(skip_serializing_if = "is_zero")]
    pub cpus: u64,
    /// GPUs. A task sees those that it was given, and no others.
    #[serde(skip_serializing_if = "is_zero")]
    pub gpus: u64,
    /// Memory in bytes. A task that names none is not counted.
    #[serde(skip_serializing_if = "is_zero")]
    pub memory_bytes: u64,
    /// What else is counted, by the site's or the user's name for it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub custom: BTreeMap<String, u64>,
}

impl Resources {
    /// Whether nothing is named.
    pub fn is_empty(&self) -> bool {
        self.cpus == 0 && self.gpus == 0 && self.memory_bytes == 0 && self.custom.is_empty()
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}
