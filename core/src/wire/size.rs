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
    /// The request for the first of the further allocations, if such were asked for; the next ones have the numbers that
    /// follow.
    pub request: Option<RequestId>,
    /// The engines that leave.
    pub engines: Vec<EngineId>,
}

/// Further allocations, and the engines that are to come of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Growth {
    /// Those that are alike are one portion. They are asked for in this order.
    pub portions: Vec<Portion>,
}

/// Allocations that are alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Portion {
    /// What is asked of the scheduler for each. The tag is the cluster's.
    pub request: AllocationRequest,
    /// How many there are.
    pub times: u32,
    /// How many engines each has: at most as many as fit its nodes; the last node may get fewer.
    pub engines: u32,
}

impl Growth {
    /// How many allocations there are.
    pub fn allocations(&self) -> u64 {
        self.portions.iter().map(|portion| u64::from(portion.times)).sum()
    }

    /// How many engines they have together.
    pub fn engines(&self) -> u64 {
        self.portions.iter().fold(0, |sum, portion| {
            u64::from(portion.times).saturating_mul(portion.engines.into()).saturating_add(sum)
        })
    }
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
