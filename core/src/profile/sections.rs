//! The sections of a resolved profile that rpar itself reads. Those of scheduler, launcher and transport are parsed
//! by the backend that their `kind` names.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Scalar, duration, size};
use crate::resources::Resources;

/// `[controller]`: where it runs and how it behaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControllerSection {
    /// Where the controller runs.
    pub r#where: Place,
    /// The host that it runs on with [`Place::Ssh`], as ssh knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// How long its own allocation lasts with [`Place::Allocation`]; `None` is as long as those of the engines.
    #[serde(default, with = "duration::optional", skip_serializing_if = "Option::is_none")]
    pub walltime: Option<Duration>,
    /// How it chooses an engine for a task.
    pub policy: Policy,
    /// How often peers say something at least.
    #[serde(with = "duration::text")]
    pub heartbeat: Duration,
    /// A link that has been silent for this long is lost.
    #[serde(with = "duration::text")]
    pub lost_after: Duration,
    /// How often the site is asked for the states of allocations.
    #[serde(with = "duration::text")]
    pub poll_every: Duration,
    /// How much work is kept queued at an engine, in time.
    #[serde(with = "duration::text")]
    pub queue_ahead: Duration,
    /// How often a task whose engine was lost is tried, before it is taken to be the cause.
    pub attempts_limit: u16,
    /// How many bytes of unfinished submissions one client may have at the controller.
    pub submit_window_bytes: u64,
    /// How many bytes of results the controller keeps for submissions before no further task of theirs is dispatched.
    pub result_bytes: u64,
}

/// Where a controller runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// On the host that `rpar start` is typed on.
    #[default]
    Local,
    /// On another host, which shares the cluster's directory.
    Ssh,
    /// As the first process of an allocation of its own.
    Allocation,
}

/// How the controller chooses an engine for a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// The engine with the fewest tasks.
    #[default]
    Leastload,
    /// The engine that was used longest ago.
    Lru,
    /// Any engine, each as likely as any other.
    Plainrandom,
    /// Of two engines drawn at random, the one with fewer tasks.
    Twobin,
    /// Of two engines drawn at random, one with half the tasks twice as likely, the one with fewer tasks.
    Weighted,
}

/// `[engines]`: how many, and how each node's engine host is started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnginesSection {
    /// How many nodes.
    pub nodes: u32,
    /// Engines on each node.
    pub ppn: u32,
    /// Engines in all: `nodes * ppn`, or fewer when the last node is short.
    pub total: u32,
    /// Shell lines that run on every node, in the shell that becomes the engine host.
    #[serde(default)]
    pub setup: Vec<String>,
    /// The program that the nodes run, absolute; `None` is the program that starts the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// What tasks may ask for by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// What each node has for tasks to ask for: `cpus`, `gpus`, `memory` as a size, and counts of anything else.
    /// What of the first three is not said, the node tells.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<String, Scalar>,
    /// How long an engine host without a controller tries to reach it, before it ends.
    #[serde(with = "duration::text")]
    pub give_up_after: Duration,
    /// How often in ten minutes a node's dead engine host is started again.
    pub restarts: u32,
}

impl EnginesSection {
    /// The resources as numbers; what is not said is 0.
    pub fn resources(&self) -> Resources {
        let mut resources = Resources::default();
        for (name, amount) in &self.resources {
            let number = Self::amount(name, amount).unwrap_or_default();
            match name.as_str() {
                "cpus" => resources.cpus = number,
                "gpus" => resources.gpus = number,
                "memory" => resources.memory_bytes = number,
                _ => _ = resources.custom.insert(name.clone(), number),
            }
        }
        resources
    }

    /// The first of the resources whose amount makes no sense, and what is expected of it.
    pub fn wrong_resource(&self) -> Option<(&str, &'static str)> {
        let wrong = self.resources.iter().find(|(name, amount)| Self::amount(name, amount).is_none());
        wrong.map(|(name, _)| {
            (name.as_str(), if name == "memory" { size::FORMS } else { "a whole number from 0 on" })
        })
    }

    fn amount(name: &str, amount: &Scalar) -> Option<u64> {
        match amount {
            Scalar::Text(text) if name == "memory" => size::parse(text),
            Scalar::Int(number) if name != "memory" => u64::try_from(*number).ok(),
            _ => None,
        }
    }
}

/// `[python]`: the interpreter of the engines' children.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PythonSection {
    /// A path, or a name to look up on the engines' PATH after `setup`; `None` if none was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executable: Option<String>,
}

/// `[storage]`: where clusters keep their files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StorageSection {
    /// The directory above `PROFILE/CLUSTER_ID`, absolute; `None` is the user's state directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dir: Option<String>,
    /// Whether the nodes see the cluster's directory, and the program. Where they do not, the launcher brings them what
    /// they need.
    pub shared: bool,
}

/// What nodes are asked for as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// One allocation of all nodes: they begin and end together.
    #[default]
    One,
    /// An allocation for each node: they begin as the site has room, and end each for itself.
    Each,
    /// One job array with an element for each node: as `Each`, but one allocation for the site's rules, and for its users.
    Array,
}

/// What is asked of any scheduler: the keys of `[scheduler]` that no backend needs to know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestSection {
    /// First part of the job's name; the cluster's tag is this, `-` and 8 digits.
    pub name: String,
    /// What the nodes are asked for as.
    #[serde(default)]
    pub shape: Shape,
    /// The site's queue or partition; `None` leaves it to the site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// The account to charge; `None` leaves it to the site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// How long; `None` leaves it to the site.
    #[serde(default, with = "duration::optional", skip_serializing_if = "Option::is_none")]
    pub walltime: Option<Duration>,
    /// Shell lines that run before the pilot, on the allocation's first node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub setup: Vec<String>,
    /// A whole job script to be rendered in place of the scheduler's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
}
