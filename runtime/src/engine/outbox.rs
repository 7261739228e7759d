//! Results of one engine, and what its tasks wrote, that have not been sent: they pile up here while the link is busy, and
//! leave together.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use rpar_core::id::{EngineId, TaskId};
use rpar_core::task::TaskStatus;
use rpar_core::wire::{
    BULK, Batch, BulkLength, Column, Credit, ENGINE_OUTPUT_WINDOW_BYTES, INLINE_LIMIT_BYTES, Outcomes,
    Output, RETURNED, RunsBuilder, TASK_COST_BYTES, pack_duration,
};

use crate::clock::wall_micros;

/// An engine waits when this much has not been taken: the link is slower than the engine, and memory is not endless.
const LIMIT_BYTES: usize = 16 << 20;

/// What a task writes in small pieces is gathered up to this length: a pipe's usual fill (pipe(7)).
const GATHER_BYTES: usize = 64 << 10;

/// Columns of results, and what running tasks have written, all of which came before their ends.
#[derive(Debug)]
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
    output: VecDeque<Written>,
    credit: Credit,
}

/// What a task wrote to one stream.
#[derive(Debug)]
struct Written {
    engine: EngineId,
    task: TaskId,
    attempt: u16,
    stream: u8,
    data: BytesMut,
}

/// What has left an outbox.
#[derive(Debug)]
pub(super) struct Drained {
    /// What tasks wrote, before those that have ended did.
    pub(super) output: Vec<Output>,
    /// If tasks have ended.
    pub(super) outcomes: Option<Outcomes>,
    /// The long results that they announce.
    pub(super) bulk: Vec<Bytes>,
    /// The engine's thread is gone.
    pub(super) dead: bool,
}

impl Default for Outbox {
    fn default() -> Self {
        Outbox::new(0, false)
    }
}

impl Outbox {
    fn new(life: u64, dead: bool) -> Self {
        Outbox {
            life,
            dead,
            engine: EngineId::default(),
            ids: RunsBuilder::default(),
            count: 0,
            codes: BytesMut::new(),
            ran: BytesMut::new(),
            lengths: BytesMut::new(),
            payload: BytesMut::new(),
            bulk: Vec::new(),
            long: Vec::new(),
            bytes: 0,
            output: VecDeque::new(),
            credit: Credit::new(ENGINE_OUTPUT_WINDOW_BYTES),
        }
    }

    pub(super) fn life(&self) -> u64 {
        self.life
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0 && self.output.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes >= LIMIT_BYTES
    }

    /// Forgets everything; from here on results of `life` are taken.
    pub(super) fn restart(&mut self, life: u64) {
        *self = Outbox::new(life, self.dead);
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
        self.add(engine, task, status as u8, ran, payload);
    }

    /// Adds a task that has not begun, and is wanted elsewhere.
    pub(super) fn give_back(&mut self, engine: EngineId, task: TaskId) {
        self.add(engine, task, RETURNED, Duration::ZERO, Bytes::new());
    }

    fn add(&mut self, engine: EngineId, task: TaskId, code: u8, ran: Duration, payload: Bytes) {
        const OK: u8 = TaskStatus::Ok as u8;
        self.engine = engine;
        if code != OK && self.codes.is_empty() {
            self.codes.resize(self.count as usize, OK);
        }
        if code != OK || !self.codes.is_empty() {
            self.codes.put_u8(code);
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

    /// Whether the engine's tasks may write something.
    pub(super) fn has_room(&self) -> bool {
        self.credit.is_open()
    }

    /// So much may have been written by now; tells whether there was no room before.
    pub(super) fn widen(&mut self, bytes: u64) -> bool {
        let shut = !self.credit.is_open();
        self.credit.widen(bytes);
        shut
    }

    /// Adds what a running task wrote.
    pub(super) fn write(&mut self, engine: EngineId, task: TaskId, attempt: u16, stream: u8, data: &[u8]) {
        if let Some(last) = self.output.back_mut()
            && (last.task, last.attempt, last.stream) == (task, attempt, stream)
            && last.data.len() + data.len() <= GATHER_BYTES
        {
            last.data.extend_from_slice(data);
            self.credit.spend(data.len() as u64);
        } else {
            self.output.push_back(Written { engine, task, attempt, stream, data: data.into() });
            self.credit.spend(data.len() as u64 + TASK_COST_BYTES);
        }
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
        let output = self.output.drain(..).map(|Written { engine, task, attempt, stream, data }| Output {
            engine,
            task,
            attempt,
            stream,
            data: data.freeze(),
        });
        Drained { output: output.collect(), outcomes, bulk, dead: self.dead }
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
    fn what_is_written_is_gathered_within_the_credit() {
        let mut outbox = Outbox::default();
        let mut written = 0;
        while outbox.has_room() {
            let stream = 1 + (written / 100_000 % 2) as u8;
            outbox.write(EngineId(3), TaskId(4), 1, stream, &[7; 1000]);
            written += 1000;
        }
        let output = outbox.take().output;
        assert!(output.len() < 10, "{}", output.len());
        assert!(output.iter().all(|output| output.data.len() <= GATHER_BYTES));
        let cost: u64 = output.iter().map(Output::cost).sum();
        assert!((ENGINE_OUTPUT_WINDOW_BYTES..ENGINE_OUTPUT_WINDOW_BYTES + 2000).contains(&cost), "{cost}");
        assert_eq!(output.iter().map(|output| output.data.len()).sum::<usize>(), written);
        assert!(outbox.is_empty() && !outbox.has_room() && outbox.widen(2 * cost) && outbox.has_room());
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
