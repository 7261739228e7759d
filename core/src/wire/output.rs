//! What running tasks write, and the windows that bound how much of it is on its way.

use bytes::Bytes;

use super::TASK_COST_BYTES;
use crate::id::{EngineId, TaskId};

/// How much of what one engine's tasks write may be on its way to a client, or wait at the controller: a few fills of a
/// pipe, so that a flood is never short of room on a fast link; and what a thousand engines fill, should a client stop
/// to read, still fits a login node.
pub const ENGINE_OUTPUT_WINDOW_BYTES: u64 = 256 << 10;

/// How much of what its tasks write may be on its way to one client: what a fast link carries within the time of a
/// slow one's round trip.
pub const CLIENT_OUTPUT_WINDOW_BYTES: u64 = 8 << 20;

/// What a running task wrote. All of it comes before the task's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The engine that runs the task.
    pub engine: EngineId,
    /// Which task.
    pub task: TaskId,
    /// Which try at it, from 1. Each writes from the start.
    pub attempt: u16,
    /// 1 is stdout, 2 is stderr.
    pub stream: u8,
    /// The bytes, at most [`CHUNK_BYTES`](super::CHUNK_BYTES).
    pub data: Bytes,
}

impl Output {
    /// What it counts against a window: its bytes, and [`TASK_COST_BYTES`] for the message.
    pub fn cost(&self) -> u64 {
        self.data.len() as u64 + TASK_COST_BYTES
    }
}

/// The sender's side of a window.
#[derive(Clone, Debug)]
pub struct Credit {
    sent: u64,
    limit: u64,
}

impl Credit {
    /// So much may be sent before the receiver has said anything.
    pub fn new(window: u64) -> Self {
        Credit { sent: 0, limit: window }
    }

    /// Whether another message may be sent. It may pass the window's end, so that none is too long for it.
    pub fn is_open(&self) -> bool {
        self.sent < self.limit
    }

    /// Takes note of what was sent.
    pub fn spend(&mut self, cost: u64) {
        self.sent = self.sent.saturating_add(cost);
    }

    /// Takes note of how much may have been sent by now, since the start.
    pub fn widen(&mut self, limit: u64) {
        self.limit = self.limit.max(limit);
    }
}

/// The receiver's side of a window.
#[derive(Clone, Debug)]
pub struct Allowance {
    window: u64,
    received: u64,
    passed: u64,
    told: u64,
}

impl Allowance {
    /// The sender begins with this window too.
    pub fn new(window: u64) -> Self {
        Allowance { window, received: 0, passed: 0, told: window }
    }

    /// Takes note of a message; false if the sender was not allowed to send it.
    pub fn receive(&mut self, cost: u64) -> bool {
        let allowed = self.received < self.told;
        self.received = self.received.saturating_add(cost);
        allowed
    }

    /// Takes note that some of what came is here no longer; the new limit, if the sender should hear of it: each half of
    /// the window.
    pub fn pass(&mut self, cost: u64) -> Option<u64> {
        self.passed = self.passed.saturating_add(cost);
        let limit = self.window.saturating_add(self.passed);
        if limit - self.told < (self.window / 2).max(1) {
            return None;
        }
        self.told = limit;
        Some(limit)
    }

    /// How much is here.
    pub fn held(&self) -> u64 {
        self.received - self.passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn both_sides_agree(costs in proptest::collection::vec((1u64..400, any::<bool>()), 1..200)) {
            let (mut credit, mut allowance) = (Credit::new(1000), Allowance::new(1000));
            let (mut here, mut told) = (Vec::new(), Vec::new());
            for (cost, hears) in costs {
                if credit.is_open() {
                    credit.spend(cost);
                    prop_assert!(allowance.receive(cost));
                    here.push(cost);
                } else {
                    told.extend(here.drain(..).filter_map(|cost| allowance.pass(cost)));
                    prop_assert!(!told.is_empty(), "a full window that was emptied stays shut");
                }
                prop_assert_eq!(allowance.held(), here.iter().sum::<u64>());
                prop_assert!(allowance.held() < 1400);
                if hears || !credit.is_open() {
                    told.drain(..).for_each(|limit| credit.widen(limit));
                }
            }
        }
    }

    #[test]
    fn who_sends_too_much_is_seen() {
        let mut allowance = Allowance::new(100);
        assert!(allowance.receive(99) && allowance.receive(500));
        assert!(!allowance.receive(1));
        assert_eq!(allowance.pass(49), None);
        assert_eq!(allowance.pass(600), Some(749));
        assert!(allowance.receive(1));
    }
}
