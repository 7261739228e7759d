//! Tasks submitted one by one, on their way to becoming one message.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use rpar_core::id::TaskId;
use rpar_core::task::TaskOptions;
use rpar_core::wire::{
    BATCH_TARGET_BYTES, BULK, BULK_LIMIT, Batch, BulkLength, Column, INLINE_LIMIT_BYTES, TASK_COST_BYTES,
};

use super::{Defined, Group};
use crate::clock::wall_micros;

/// Tasks of one group, function and options, with consecutive ids and indexes.
#[derive(Debug)]
pub(super) struct Open {
    tasks: Tasks,
    lengths: BytesMut,
    payload: BytesMut,
    bulk: Vec<BulkLength>,
    long: Vec<Bytes>,
}

/// Which tasks a batch holds.
#[derive(Clone, Debug)]
pub(super) struct Tasks {
    pub(super) base: TaskId,
    pub(super) group: Group,
    pub(super) index: usize,
    pub(super) count: u32,
    pub(super) function: Arc<Defined>,
    pub(super) options: Arc<TaskOptions>,
    pub(super) submitted_micros: u64,
}

/// A batch that takes no further tasks.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) tasks: Tasks,
    pub(super) batch: Batch,
    pub(super) long: Vec<Bytes>,
}

impl Open {
    pub(super) fn new(
        base: u64,
        group: &Group,
        index: usize,
        function: &Arc<Defined>,
        options: &Arc<TaskOptions>,
    ) -> Self {
        let (group, function, options) = (group.clone(), Arc::clone(function), Arc::clone(options));
        Open {
            tasks: Tasks {
                base: TaskId(base),
                group,
                index,
                count: 0,
                function,
                options,
                submitted_micros: wall_micros(),
            },
            lengths: BytesMut::new(),
            payload: BytesMut::new(),
            bulk: Vec::new(),
            long: Vec::new(),
        }
    }

    /// Whether a task may join. A batch costs at most what one message should hold, so that it leaves in one.
    pub(super) fn fits(
        &self,
        group: &Group,
        function: &Arc<Defined>,
        options: &Arc<TaskOptions>,
        argument: &Bytes,
    ) -> bool {
        let cost = self.payload.len() as u64 + (self.tasks.count as u64 + 1) * TASK_COST_BYTES;
        let fits = if is_long(argument) {
            self.bulk.len() < BULK_LIMIT && cost <= BATCH_TARGET_BYTES as u64
        } else {
            cost + argument.len() as u64 <= BATCH_TARGET_BYTES as u64
        };
        fits && self.tasks.group.is(group)
            && Arc::ptr_eq(&self.tasks.function, function)
            && Arc::ptr_eq(&self.tasks.options, options)
    }

    /// Adds a task; tells what it counts against the bound on what waits.
    pub(super) fn push(&mut self, argument: Bytes) -> u64 {
        let bytes = argument.len() as u64;
        if is_long(&argument) {
            self.lengths.put_u32_le(BULK);
            self.bulk.push(BulkLength { index: self.tasks.count, bytes });
            self.long.push(argument);
        } else {
            self.lengths.put_u32_le(argument.len() as u32);
            self.payload.put_slice(&argument);
        }
        self.tasks.count += 1;
        bytes + TASK_COST_BYTES
    }

    pub(super) fn close(self) -> Prepared {
        // four bytes a task were put there
        let lengths = Column::from_bytes(self.lengths.freeze()).unwrap_or_default();
        let batch = Batch { lengths, payload: self.payload.freeze(), bulk: self.bulk };
        Prepared { tasks: self.tasks, batch, long: self.long }
    }
}

fn is_long(argument: &Bytes) -> bool {
    argument.len() > INLINE_LIMIT_BYTES
}
