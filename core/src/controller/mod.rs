//! The controller's machine: knows every engine, task and allocation, and passes work and results between clients and
//! engines. Synchronous and deterministic: the same inputs at the same times give the same effects.

mod io;

pub use io::{ControllerConfig, Effect, Input};

use crate::time::Timestamp;

/// The machine.
#[derive(Debug)]
pub struct Controller {
    config: ControllerConfig,
}

impl Controller {
    /// A controller with no links and no allocations yet; asks for its allocations in the first step.
    pub fn new(config: ControllerConfig) -> Self {
        Controller { config }
    }

    /// Takes one input at `now` and appends what is to be done to `effects`, in order.
    pub fn step(&mut self, now: Timestamp, input: Input, effects: &mut Vec<Effect>) {
        let _ = (now, input, effects, &self.config);
    }

    /// When the machine wants an [`Input::Tick`], if at all.
    pub fn deadline(&self) -> Option<Timestamp> {
        None
    }
}
