//! What a client says to change the size of a running cluster.

use serde::{Deserialize, Serialize};

use super::Message;
use crate::id::{AllocationId, EngineId, RequestId};
use crate::scheduler::AllocationRequest;

/// A change of the cluster's size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Further engines.
    Grow(Growth),
    /// Fewer engines.
    Retire {
        /// Which leave.
        retirees: Retirees,
        /// Whether they do so at once, and their tasks run elsewhere.
        now: bool,
    },
}

impl Change {
    /// What a client says for it.
    pub fn message(self, question: u32) -> Message {
        match self {
            Change::Grow(growth) => Message::Grow { question, growth: Box::new(growth) },
            Change::Retire { retirees, now } => Message::Retire { question, now, retirees },
        }
    }
}

/// A change that has begun.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// The request for the further allocation, if that was asked for.
    pub request: Option<RequestId>,
    /// The engines that leave.
    pub engines: Vec<EngineId>,
}

/// A further allocation, and the engines that are to come of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Growth {
    /// What is asked of the scheduler. The tag is the cluster's.
    pub request: AllocationRequest,
    /// How many engines: at most as many as fit the nodes; the last node may get fewer.
    pub engines: u32,
}

/// Which engines are to leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Retirees {
    /// These.
    Engines(Vec<EngineId>),
    /// All on a node.
    Node(String),
    /// All of an allocation, those that have not come yet among them.
    Allocation(AllocationId),
    /// All of the allocation that the controller has asked for, or will ask for, with this request.
    Request(RequestId),
}
