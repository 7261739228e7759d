//! How peers introduce themselves.

use serde::{Deserialize, Serialize};

use crate::connection::Role;
use crate::id::{AllocationId, Incarnation};
use crate::resources::Resources;

/// The first word of whoever dials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The versions that the dialler speaks.
    pub versions: Vec<u16>,
    /// The dialler's build.
    pub build: String,
    /// The role it wants.
    pub role: Role,
    /// The cluster it means, as `PROFILE/CLUSTER_ID`.
    pub cluster: String,
    /// The controller's life that it means.
    pub incarnation: Incarnation,
    /// Proof of the role, see [`Claim`](crate::connection::Claim).
    #[serde(with = "serde_bytes")]
    pub proof: Vec<u8>,
}

/// The controller's answer to a right proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The version that is spoken from here on.
    pub version: u16,
    /// The controller's build.
    pub build: String,
    /// How often the dialler says something at least, in milliseconds.
    pub heartbeat_ms: u32,
    /// How many bytes of batches the dialler may send at first, see [`Message::Window`](super::Message::Window).
    pub window_bytes: u64,
}

/// An engine host's introduction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The node's name, as the site calls it.
    pub node: String,
    /// How many engines.
    pub engines: u32,
    /// The engine host's process id on its node.
    pub pid: u32,
    /// The allocation it runs in, if any.
    pub allocation: Option<AllocationId>,
    /// Which element of the allocation it is in, from 1 on, where that is an array.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub element: Option<u32>,
    /// What tasks may ask for by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// What its node has for its engines together.
    #[serde(default, skip_serializing_if = "Resources::is_empty")]
    pub resources: Resources,
}

/// A pilot's introduction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PilotInfo {
    /// The node it runs on.
    pub node: String,
    /// Its process id there.
    pub pid: u32,
    /// The allocation it serves, if the site gave an id.
    pub allocation: Option<AllocationId>,
    /// Which element of the allocation it is in, from 1 on, where that is an array.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub element: Option<u32>,
    /// The nodes on which it starts engine hosts.
    pub nodes: Vec<String>,
    /// How many milliseconds are left until the site ends the allocation, as far as the pilot knows from its environment.
    /// Not a moment: clocks differ between hosts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining_ms: Option<u64>,
}
