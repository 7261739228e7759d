//! Tasks that were submitted together, and how their outcomes are read.

use std::time::{Duration, Instant};

use rpar_runtime::client::Outcome;

use super::callable::Decode;
use super::{Client, Metadata, TaskError};
use crate::raw::Group;

/// What all results are made of.
#[derive(Debug)]
pub(super) struct Tasks<T> {
    pub(super) client: Client,
    pub(super) group: Group,
    pub(super) decode: Decode<T>,
    pub(super) exit: fn(&Outcome) -> Option<i32>,
    pub(super) begun: Instant,
}

impl<T> Tasks<T> {
    /// What became of a task that has ended.
    pub(super) fn result(&self, index: usize, outcome: &Outcome) -> Result<T, TaskError> {
        (self.decode)(outcome).map_err(|failure| TaskError::new(index, outcome, failure))
    }

    pub(super) fn metadata(&self, outcome: &Outcome) -> Metadata {
        Metadata::new(outcome, (self.exit)(outcome))
    }

    /// How a task has ended, if it has.
    pub(super) fn outcome(&self, index: usize) -> Option<Outcome> {
        self.group.wait(index, Some(self.begun))
    }

    /// Waits for a task's end.
    pub(super) fn wait(&self, index: usize) -> Outcome {
        loop {
            // without a deadline it comes
            if let Some(outcome) = self.group.wait(index, None) {
                return outcome;
            }
        }
    }

    /// How the tasks that have ended did.
    pub(super) fn outcomes(&self) -> impl Iterator<Item = Option<Outcome>> {
        (0..self.group.len()).map(|index| self.outcome(index))
    }

    pub(super) fn is_ready(&self) -> bool {
        self.group.finished() >= self.group.len()
    }

    /// From submission to the latest end that is known.
    pub(super) fn wall_time(&self) -> Duration {
        self.group.latest().unwrap_or(self.begun).saturating_duration_since(self.begun)
    }
}
