//! Results of one engine that have not been sent: they pile up here while the link is busy, and leave together.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use rpar_core::id::{EngineId, TaskId};
use rpar_core::task::TaskStatus;
use rpar_core::wire::{
    BULK, Batch, BulkLength, Column, INLINE_LIMIT_BYTES, Outcomes, RunsBuilder, pack_duration,
};

use crate::clock::wall_micros;

/// An engine waits when this much has not been taken: the link is slower than the engine, and memory is not endless.
const LIMIT_BYTES: usize = 16 << 20;

/// Columns of results.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    life: u64,
    dead: bool,
    engine: EngineId,
    ids: RunsBuilder,
    count: u32,
    /// Empty while all are `Ok`.
    codes: BytesMut,
    ran: BytesMut,
    lengths: BytesMut,
    payload: BytesMut,
    bulk: Vec<BulkLength>,
    long: Vec<Bytes>,
    bytes: usize,
}

/// What has left an outbox.
#[derive(Debug)]
pub(super) struct Drained {
    /// If tasks have ended.
    pub(super) outcomes: Option<Outcomes>,
    /// The long results that they announce.
    pub(super) bulk: Vec<Bytes>,
    /// The engine's thread is gone.
    pub(super) dead: bool,
}

impl Outbox {
    pub(super) fn life(&self) -> u64 {
        self.life
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes >= LIMIT_BYTES
    }

    /// Forgets everything; from here on results of `life` are taken.
    pub(super) fn restart(&mut self, life: u64) {
        *self = Outbox { life, dead: self.dead, ..Outbox::default() };
    }

    pub(super) fn die(&mut self) {
        self.dead = true;
    }

    /// Adds how a task ended.
    pub(super) fn end(
        &mut self,
        engine: EngineId,
        task: TaskId,
        status: TaskStatus,
        ran: Duration,
        payload: Bytes,
    ) {
        self.engine = engine;
        if status != TaskStatus::Ok && self.codes.is_empty() {
            self.codes.resize(self.count as usize, TaskStatus::Ok as u8);
        }
        if status != TaskStatus::Ok || !self.codes.is_empty() {
            self.codes.put_u8(status as u8);
        }
        self.ids.push(task);
        self.ran.put_u32_le(pack_duration(ran));
        // 16: what the columns take
        self.bytes += payload.len() + 16;
        if payload.len() > INLINE_LIMIT_BYTES {
            self.lengths.put_u32_le(BULK);
            self.bulk.push(BulkLength { index: self.count, bytes: payload.len() as u64 });
            self.long.push(payload);
        } else {
            self.lengths.put_u32_le(payload.len() as u32);
            self.payload.put_slice(&payload);
        }
        self.count += 1;
    }

    /// Takes out all that is there.
    pub(super) fn take(&mut self) -> Drained {
        let bulk = std::mem::take(&mut self.long);
        let outcomes = (self.count > 0).then(|| Outcomes {
            engine: Some(self.engine),
            runs: std::mem::take(&mut self.ids).finish(),
            codes: self.codes.split().freeze(),
            ran: column(&mut self.ran),
            ended_micros: wall_micros(),
            batch: Batch {
                lengths: column(&mut self.lengths),
                payload: self.payload.split().freeze(),
                bulk: std::mem::take(&mut self.bulk),
            },
            ..Outcomes::default()
        });
        (self.count, self.bytes) = (0, 0);
        Drained { outcomes, bulk, dead: self.dead }
    }
}

fn column(bytes: &mut BytesMut) -> Column {
    // only whole numbers were put in
    Column::from_bytes(bytes.split().freeze()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_agree_whatever_was_added() {
        let mut outbox = Outbox::default();
        let long = Bytes::from(vec![7; INLINE_LIMIT_BYTES + 1]);
        outbox.end(
            EngineId(3),
            TaskId(4),
            TaskStatus::Ok,
            Duration::from_micros(10),
            Bytes::from_static(b"ab"),
        );
        outbox.end(EngineId(3), TaskId(5), TaskStatus::Failed, Duration::from_micros(20), long.clone());
        outbox.end(EngineId(3), TaskId(9), TaskStatus::Ok, Duration::from_micros(30), Bytes::new());
        let drained = outbox.take();
        let outcomes = drained.outcomes.unwrap();
        assert_eq!(outcomes.engine, Some(EngineId(3)));
        assert_eq!(outcomes.runs.ids().collect::<Vec<_>>(), [TaskId(4), TaskId(5), TaskId(9)]);
        assert_eq!(outcomes.codes.as_ref(), [0, 1, 0]);
        assert_eq!(outcomes.ran.iter().collect::<Vec<_>>(), [10, 20, 30]);
        assert_eq!(outcomes.batch.lengths.iter().collect::<Vec<_>>(), [2, BULK, 0]);
        assert_eq!(outcomes.batch.payload.as_ref(), b"ab");
        assert_eq!(outcomes.batch.bulk, [BulkLength { index: 1, bytes: long.len() as u64 }]);
        assert_eq!(drained.bulk, [long]);
        assert!(outbox.is_empty());
    }

    #[test]
    fn codes_are_left_out_while_all_is_well() {
        let mut outbox = Outbox::default();
        outbox.end(EngineId(0), TaskId(0), TaskStatus::Ok, Duration::from_micros(1), Bytes::new());
        assert!(outbox.take().outcomes.unwrap().codes.is_empty());
        assert!(outbox.take().outcomes.is_none());
    }

    #[test]
    fn it_is_full_at_its_limit_and_empty_after_a_restart() {
        let mut outbox = Outbox::default();
        while !outbox.is_full() {
            outbox.end(
                EngineId(0),
                TaskId(0),
                TaskStatus::Ok,
                Duration::from_micros(1),
                Bytes::from_static(&[0; 4096]),
            );
        }
        outbox.restart(1);
        assert!(!outbox.is_full() && outbox.is_empty() && outbox.life() == 1);
    }
}
