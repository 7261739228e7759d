//! Which engine is the best for the next tasks.

use super::engines::Engine;

/// Ranks engines; the least rank gets tasks first, and among equals the least id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Policy {
    /// The engine with the fewest tasks.
    #[default]
    LeastLoad,
}

impl Policy {
    /// The engine's rank, as long as nothing about it changes.
    pub(super) fn rank(self, engine: &Engine) -> u64 {
        match self {
            Policy::LeastLoad => engine.assigned as u64 + engine.relays as u64,
        }
    }
}
