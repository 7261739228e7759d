//! The tasks of one submission: their arguments as they came, and a few bytes for each of where it is.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::accounts::Owner;
use super::blame::{Loss, Losses};
use super::limits::COPY_LIMIT_BYTES;
use super::needs::Needs;
use crate::id::{AllocationId, EngineId, TaskId};
use crate::task::TaskOptions;
use crate::wire::{BATCH_TARGET_BYTES, BULK, Batch as WireBatch, BulkLength, Column, TASK_COST_BYTES};

/// Where a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Waiting for other tasks.
    Waiting,
    /// In a lane, waiting for an engine.
    Queued,
    /// At its engine.
    Assigned,
    /// It has run; its long result is on its way from the engine host to the client.
    Relayed,
    /// Its end was reported; nothing more comes of it.
    Ended,
}

/// What its client still wants of a task that is at an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wanted {
    /// Nothing: it was cancelled.
    No,
    /// To run to its end if it has begun, and never again.
    OnceBegun,
    /// Its result.
    Yes,
}

/// What is known of one task: 12 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    /// Where it is, or was last.
    pub(super) engine: EngineId,
    /// How often it was sent to an engine, but for one that gave it back.
    pub(super) attempt: u16,
    /// How often its own code failed.
    pub(super) failures: u16,
    /// How often its engine was lost for reasons of the site or the user.
    pub(super) excused: u16,
    pub(super) place: Place,
    pub(super) wanted: Wanted,
}

impl Slot {
    /// How often its engine was lost, perhaps by its doing (or, while it is at one, may turn out to be).
    pub(super) fn losses(&self) -> u16 {
        self.attempt.saturating_sub(self.failures).saturating_sub(self.excused)
    }
}

/// What the tasks of a submission share.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub(super) owner: Owner,
    pub(super) function: u32,
    pub(super) options: Arc<TaskOptions>,
    pub(super) needs: Arc<Needs>,
}

impl Origin {
    /// Whether what goes for tasks of the one goes for those of the other.
    pub(super) fn is_like(&self, other: &Origin) -> bool {
        (self.owner, self.function) == (other.owner, other.function) && self.needs == other.needs
    }
}

/// Tasks with neighbouring ids. A task's *index* counts from the batch's first id and never changes; its *position* is
/// its place in the columns, from which finished tasks are removed when they take too much room.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) origin: Origin,
    /// The controller's id of index 0, and the client's.
    pub(super) first: u64,
    pub(super) base: u64,
    /// How many ids belong to the batch.
    pub(super) count: u32,
    /// How many tasks have not ended.
    pub(super) live: u32,
    /// The index at each position, once they differ.
    indices: Option<Vec<u32>>,
    slots: Vec<Slot>,
    /// Where each argument begins in the payload, and where the last one ends.
    offsets: Vec<u32>,
    lengths: Column,
    payload: Bytes,
    /// The lengths of arguments that their client keeps until an engine host pulls them, by index.
    bulk: BTreeMap<u32, u64>,
    /// Rare, and small where there are none.
    losses: Option<Box<Losses>>,
}

impl Batch {
    pub(super) fn new(origin: Origin, first: u64, base: u64, batch: WireBatch, place: Place) -> Self {
        let small = batch.cost() < COPY_LIMIT_BYTES as u64;
        let lengths = if small { batch.lengths.iter().collect() } else { batch.lengths };
        let payload = if small { Bytes::copy_from_slice(&batch.payload) } else { batch.payload };
        let slot =
            Slot { engine: EngineId(0), attempt: 0, failures: 0, excused: 0, place, wanted: Wanted::Yes };
        Batch {
            origin,
            first,
            base,
            count: lengths.len() as u32,
            live: lengths.len() as u32,
            indices: None,
            slots: vec![slot; lengths.len()],
            offsets: offsets(&lengths),
            lengths,
            payload,
            bulk: batch.bulk.iter().map(|bulk| (bulk.index, bulk.bytes)).collect(),
            losses: None,
        }
    }

    /// The first id that belongs to no task of this batch.
    pub(super) fn end(&self) -> u64 {
        self.first + self.count as u64
    }

    /// The id of a task on its client's link.
    pub(super) fn client_id(&self, index: u32) -> TaskId {
        TaskId(self.base + index as u64)
    }

    /// The positions of the indices `from..to` that are still kept.
    pub(super) fn positions(&self, from: u32, to: u32) -> Range<usize> {
        match &self.indices {
            None => from as usize..to.min(self.count) as usize,
            Some(indices) => {
                indices.partition_point(|index| *index < from)..indices.partition_point(|index| *index < to)
            }
        }
    }

    /// The index at a position.
    pub(super) fn index(&self, position: usize) -> u32 {
        self.indices.as_ref().map_or(position as u32, |indices| indices[position])
    }

    /// A task that is still kept.
    pub(super) fn slot(&self, index: u32) -> Option<&Slot> {
        self.slots.get(self.positions(index, index + 1))?.first()
    }

    /// The same, to be changed.
    pub(super) fn slot_mut(&mut self, index: u32) -> Option<&mut Slot> {
        let position = self.positions(index, index + 1);
        self.slots.get_mut(position)?.first_mut()
    }

    pub(super) fn at(&self, position: usize) -> &Slot {
        &self.slots[position]
    }

    pub(super) fn at_mut(&mut self, position: usize) -> &mut Slot {
        &mut self.slots[position]
    }

    /// How many bytes of argument the tasks at these positions brought along.
    pub(super) fn bytes(&self, positions: Range<usize>) -> u64 {
        (self.offsets[positions.end] - self.offsets[positions.start]) as u64
    }

    /// What they count against their client's window.
    pub(super) fn cost(&self, positions: Range<usize>) -> u64 {
        self.bytes(positions.clone()) + positions.len() as u64 * TASK_COST_BYTES
    }

    /// The length of a long argument.
    pub(super) fn bulk(&self, index: u32) -> Option<u64> {
        self.bulk.get(&index).copied()
    }

    /// Takes note that a task's engine was lost.
    pub(super) fn note_loss(&mut self, index: u32, loss: Loss) {
        self.losses.get_or_insert_default().note(index, loss);
    }

    /// How a task's engines were lost, as far as is remembered, the latest last.
    pub(super) fn losses(&self, index: u32) -> &[Loss] {
        self.losses.as_ref().map_or(&[], |losses| losses.of(index))
    }

    /// What was lost with this allocation was not the tasks' doing.
    pub(super) fn forgive(&mut self, allocation: &AllocationId) {
        let forgiven = self.losses.as_mut().map(|losses| losses.forgive(allocation));
        for (index, times) in forgiven.into_iter().flatten() {
            if let Some(slot) = self.slot_mut(index) {
                slot.excused = slot.excused.saturating_add(times);
            }
        }
    }

    /// Whether any of its tasks has lost an engine.
    pub(super) fn has_losses(&self) -> bool {
        self.losses.is_some()
    }

    /// How many of the queued tasks from `from` on can go to an engine in one message: at most `limit`, up to `to`, and
    /// `budget` bytes of argument but for the first; all in the same state, and a long argument alone.
    pub(super) fn stretch(&self, from: u32, to: u32, limit: u32, budget: u64) -> u32 {
        let positions = self.positions(from, to);
        let (start, end) =
            (positions.start, positions.end.min(positions.start.saturating_add(limit as usize)));
        let Some(slot) = self.slots.get(start) else { return 0 };
        // a task whose engine was lost goes alone, so that the next loss tells whether it was the cause
        if slot.losses() > 0 || self.bulk.contains_key(&from) {
            return 1;
        }
        let budget = budget.min(BATCH_TARGET_BYTES as u64).saturating_add(self.offsets[start] as u64);
        let within = self.offsets[start + 1..=end].partition_point(|offset| *offset as u64 <= budget).max(1);
        let alike = self.slots[start..start + within]
            .iter()
            .take_while(|next| (next.attempt, next.losses()) == (slot.attempt, slot.losses()))
            .count() as u32;
        match self.bulk.range(from..from + alike).next() {
            Some((index, _)) => index - from,
            None => alike,
        }
    }

    /// The arguments of `count` neighbouring tasks that are all kept.
    pub(super) fn arguments(&self, from: u32, count: u32) -> WireBatch {
        let positions = self.positions(from, from + count);
        let payload = self.offsets[positions.start] as usize..self.offsets[positions.end] as usize;
        let bulk = self.bulk.range(from..from + count);
        WireBatch {
            lengths: self.lengths.slice(positions),
            payload: self.payload.slice(payload),
            bulk: bulk.map(|(index, bytes)| BulkLength { index: index - from, bytes: *bytes }).collect(),
        }
    }

    /// How much memory the batch keeps, as its client's window counts it.
    pub(super) fn footprint(&self) -> u64 {
        self.payload.len() as u64 + self.slots.len() as u64 * TASK_COST_BYTES
    }

    /// Lets go of finished tasks' memory if that frees at least half.
    pub(super) fn compact(&mut self) {
        let live: Vec<usize> =
            (0..self.slots.len()).filter(|at| self.slots[*at].place != Place::Ended).collect();
        let kept: u64 = live.iter().map(|at| self.cost(*at..*at + 1)).sum();
        if kept.saturating_mul(2) > self.footprint() {
            return;
        }
        let mut payload =
            BytesMut::with_capacity(live.iter().map(|at| self.bytes(*at..*at + 1)).sum::<u64>() as usize);
        for at in &live {
            payload
                .extend_from_slice(&self.payload[self.offsets[*at] as usize..self.offsets[*at + 1] as usize]);
        }
        let indices: Vec<u32> = live.iter().map(|at| self.index(*at)).collect();
        self.bulk.retain(|index, _| indices.binary_search(index).is_ok());
        if let Some(losses) = &mut self.losses {
            losses.retain(|index| indices.binary_search(&index).is_ok());
        }
        self.lengths = live.iter().map(|at| self.lengths.get(*at)).collect();
        self.offsets = offsets(&self.lengths);
        self.slots = live.iter().map(|at| self.slots[*at]).collect();
        self.payload = payload.freeze();
        self.indices = Some(indices);
    }

    /// How many bytes are kept beside the payload.
    #[cfg(test)]
    pub(super) fn bookkeeping(&self) -> usize {
        size_of::<Self>()
            + self.slots.capacity() * size_of::<Slot>()
            + self.offsets.capacity() * 4
            + self.lengths.as_bytes().len()
            + self.indices.as_ref().map_or(0, |indices| indices.capacity() * 4)
            + self.bulk.len() * 24
    }
}

/// A frame's payload is far below 4 GiB, so that 32 bits hold every offset.
fn offsets(lengths: &Column) -> Vec<u32> {
    let mut offsets = Vec::with_capacity(lengths.len() + 1);
    let mut end = 0u32;
    offsets.push(end);
    for length in lengths.iter() {
        end = end.saturating_add(if length == BULK { 0 } else { length });
        offsets.push(end);
    }
    offsets
}
