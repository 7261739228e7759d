//! All tasks that have not ended, by the controller's ids.

use std::collections::BTreeMap;

use super::batch::{Batch, Origin, Place};
use crate::id::TaskId;
use crate::wire::Batch as WireBatch;

/// The table of tasks.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    batches: BTreeMap<u64, Batch>,
    next: u64,
    /// How many tasks are queued, and at engines or on their way from there.
    pub(super) queued: u64,
    pub(super) assigned: u64,
    /// How many wait for other tasks.
    pub(super) waiting: u64,
}

impl Tasks {
    /// Adds tasks; tells their first id. They are in nobody's hands yet.
    pub(super) fn add(&mut self, origin: Origin, base: u64, batch: WireBatch, place: Place) -> u64 {
        let first = self.next;
        let batch = Batch::new(origin, first, base, batch, place);
        self.next = batch.end();
        self.batches.insert(first, batch);
        first
    }

    /// Whether these ids were ever given out.
    pub(super) fn were_given(&self, first: TaskId, count: u32) -> bool {
        first.0.checked_add(count as u64).is_some_and(|end| end <= self.next)
    }

    /// The batch that begins at `first`.
    pub(super) fn batch(&self, first: u64) -> Option<&Batch> {
        self.batches.get(&first)
    }

    /// The same, to be changed.
    pub(super) fn batch_mut(&mut self, first: u64) -> Option<&mut Batch> {
        self.batches.get_mut(&first)
    }

    /// The batch to which an id belongs, and its index there.
    pub(super) fn find(&self, id: TaskId) -> Option<(&Batch, u32)> {
        let (_, batch) = self.batches.range(..=id.0).next_back()?;
        (id.0 < batch.end()).then(|| (batch, (id.0 - batch.first) as u32))
    }

    /// The first batch that has ids in `from..to`.
    pub(super) fn first_within(&mut self, from: u64, to: u64) -> Option<&mut Batch> {
        let first = match self.batches.range(..=from).next_back() {
            Some((first, batch)) if from < batch.end() && from < to => *first,
            _ => *self.batches.range(from..to).next()?.0,
        };
        self.batches.get_mut(&first)
    }

    /// Takes out a batch.
    pub(super) fn remove(&mut self, first: u64) -> Option<Batch> {
        self.batches.remove(&first)
    }

    /// All batches, to be changed.
    pub(super) fn batches_mut(&mut self) -> impl Iterator<Item = &mut Batch> {
        self.batches.values_mut()
    }

    /// All batches, by id.
    pub(super) fn batches(&self) -> impl Iterator<Item = &Batch> {
        self.batches.values()
    }
}
