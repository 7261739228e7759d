//! An engine's end of its lane: where its executors take tasks from and report how they ended.

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rpar_core::id::{EngineId, TaskId};
use rpar_core::task::{Failure, FunctionKind, TaskStatus};
use rpar_core::wire::BULK;

use super::executor::Task;
use super::lane::{Lane, RunBatch};
use super::orders::Cancelled;

/// The tasks of one engine, in order, and the way back for their results.
#[derive(Debug)]
pub(crate) struct Feed {
    lane: Arc<Lane>,
    engine: EngineId,
    current: Option<Current>,
    cancels: Vec<Cancelled>,
    /// Cancels were seen of which the executor does not know yet: they may mean tasks that it holds.
    unheeded: bool,
    seen: u64,
    life: u64,
    /// The life that begins once the executor has ended what it holds.
    next_life: Option<u64>,
    closed: bool,
}

/// A batch that is being taken apart.
#[derive(Debug)]
struct Current {
    number: u64,
    batch: RunBatch,
    /// The ids left of the run at `run - 1`.
    id: u64,
    left: u32,
    run: usize,
    /// Which task is next, and where its argument begins.
    index: usize,
    payload: usize,
    bulk: usize,
}

impl Current {
    fn new(number: u64, batch: RunBatch) -> Self {
        Current { number, batch, id: 0, left: 0, run: 0, index: 0, payload: 0, bulk: 0 }
    }

    /// The next task, which was claimed.
    fn next(&mut self) -> Option<Task> {
        while self.left == 0 {
            let (first, count) = self.batch.runs.get(self.run)?;
            (self.id, self.left, self.run) = (first.0, count, self.run + 1);
        }
        let id = TaskId(self.id);
        (self.id, self.left) = (self.id + 1, self.left - 1);
        let argument = self.argument();
        let RunBatch { function, options, .. } = &self.batch;
        Some(Task { id, function: Arc::clone(function), options: Arc::clone(options), argument })
    }

    fn argument(&mut self) -> Bytes {
        let length = self.batch.batch.lengths.get(self.index);
        self.index += 1;
        if length == BULK {
            self.bulk += 1;
            return self.batch.bulk.get(self.bulk - 1).cloned().unwrap_or_default();
        }
        let payload = &self.batch.batch.payload;
        let start = self.payload.min(payload.len());
        self.payload = (start + length as usize).min(payload.len());
        payload.slice(start..self.payload)
    }
}

impl Feed {
    pub(super) fn new(lane: Arc<Lane>) -> Self {
        Feed {
            lane,
            engine: EngineId(0),
            current: None,
            cancels: Vec::new(),
            unheeded: false,
            seen: 0,
            life: 0,
            next_life: None,
            closed: false,
        }
    }

    /// The next task, if one is waiting and it is of this kind. Never blocks. Tasks that were cancelled or taken back while
    /// they waited are reported here and never come out. Gives none of a later batch before cancels were heeded.
    pub(crate) fn take(&mut self, kind: FunctionKind) -> Option<Task> {
        loop {
            if self.peek()? != kind {
                return None;
            }
            if !self.lane.claims().claim() {
                // the rest was given back just now
                continue;
            }
            let task = self.current.as_mut()?.next()?;
            if !self.drop_unwanted(task.id) {
                return Some(task);
            }
        }
    }

    /// Whether a task that was taken is cancelled, or wanted elsewhere, unless it has begun. Cheap.
    pub(crate) fn is_unwanted(&mut self, task: TaskId) -> bool {
        self.glance();
        self.cancels.iter().any(|cancelled| cancelled.contains(task.0))
    }

    /// Reports a task that was taken and has not begun, if it is unwanted; tells whether it was.
    pub(crate) fn drop_unwanted(&mut self, task: TaskId) -> bool {
        if !self.is_unwanted(task) {
            return false;
        }
        if self.cancels.iter().all(|order| order.is_withdrawal() || !order.contains(task.0)) {
            let engine = self.engine;
            self.lane.report(self.life, |outbox| outbox.give_back(engine, task));
        } else {
            let why = Failure::new("cancelled before it ran");
            self.fail(task, TaskStatus::Cancelled, Duration::ZERO, &why);
        }
        true
    }

    /// Reports how a task ended. `ran` is how long it itself ran. Blocks only while too many results wait for the
    /// link.
    pub(crate) fn end(&mut self, task: TaskId, status: TaskStatus, ran: Duration, payload: Bytes) {
        let engine = self.engine;
        self.lane.report(self.life, |outbox| outbox.end(engine, task, status, ran, payload));
    }

    /// Reports that a task did not end well.
    pub(crate) fn fail(&mut self, task: TaskId, status: TaskStatus, ran: Duration, failure: &Failure) {
        self.end(task, status, ran, failure.encode());
    }

    /// Whether what a task writes can be passed on now. When there is room again, [`wake`](Self::wake) is readable.
    pub(crate) fn has_room(&self) -> bool {
        self.lane.has_room(self.life)
    }

    /// Passes on what a running task wrote, to be called while there is room for it. All of it comes before the task's
    /// end.
    pub(crate) fn write(&mut self, task: &Task, stream: u8, data: &[u8]) {
        let (engine, attempt) = (self.engine, task.options.attempt);
        self.lane.report(self.life, |outbox| outbox.write(engine, task.id, attempt, stream, data));
    }

    /// The engine's id at present.
    pub(crate) fn engine(&self) -> EngineId {
        self.engine
    }

    /// Readable when there is something to [`heed`](Self::heed).
    pub(crate) fn wake(&self) -> BorrowedFd<'_> {
        self.lane.wake()
    }

    /// Takes in what was ordered, and makes [`wake`](Self::wake) quiet.
    pub(crate) fn heed(&mut self) {
        self.lane.quiet();
        self.look();
        self.unheeded = false;
    }

    /// Whether a task that was taken is not wanted any more. Cheap. Ask for every task held after each
    /// [`heed`](Self::heed): the answer is forgotten once a task of a later batch was taken.
    pub(crate) fn is_cancelled(&mut self, task: TaskId) -> bool {
        self.glance();
        self.cancels.iter().any(|cancelled| cancelled.reaches_running() && cancelled.contains(task.0))
    }

    /// Whether everything is to be ended and forgotten, because the controller is gone or the host ends.
    pub(crate) fn is_reset(&mut self) -> bool {
        self.glance();
        self.next_life.is_some()
    }

    /// Waits for the next task, with nothing in any executor's hands, and tells its kind; `None` when there will be no
    /// more.
    pub(super) fn wait(&mut self) -> Option<FunctionKind> {
        loop {
            if let Some(life) = self.next_life.take() {
                self.life = life;
            }
            self.unheeded = false;
            if let Some(kind) = self.peek() {
                return Some(kind);
            }
            if self.closed {
                return None;
            }
            if !self.is_reset() {
                self.lane.wait(self.seen);
            }
        }
    }

    /// The kind of the next task, if one is waiting.
    fn peek(&mut self) -> Option<FunctionKind> {
        if self.is_reset() || self.closed {
            return None;
        }
        while self.current.is_none() || self.lane.claims().is_over() {
            self.current = None;
            // an executor that holds tasks heeds first: a later batch makes cancels of the earlier ones forgotten
            if self.unheeded {
                return None;
            }
            let (number, batch) = self.lane.take_batch(self.life, self.seen)?;
            self.cancels.retain(|cancelled| cancelled.reaches(number));
            self.engine = batch.engine;
            self.current = Some(Current::new(number, batch));
        }
        self.current.as_ref().map(|current| current.batch.function.kind)
    }

    /// One atomic read while there are no orders.
    fn glance(&mut self) {
        if self.lane.orders() != self.seen {
            self.look();
        }
    }

    fn look(&mut self) {
        self.seen = self.lane.orders();
        let orders = self.lane.take_orders();
        if orders.life != self.life {
            self.next_life = Some(orders.life);
            self.current = None;
            self.cancels.clear();
        }
        self.closed = orders.closed;
        let number = self.current.as_ref().map_or(0, |current| current.number);
        self.unheeded |= !orders.cancels.is_empty();
        self.cancels.extend(orders.cancels.into_iter().filter(|cancelled| cancelled.reaches(number)));
    }
}
