//! An engine's end of its lane: where its executors take tasks from and report how they ended.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use bytes::Bytes;
use rpar_core::id::{EngineId, TaskId};
use rpar_core::task::{Failure, FunctionKind, TaskStatus};

use super::executor::Task;

/// The tasks of one engine, in order, and the way back for their results.
#[derive(Debug)]
pub(crate) struct Feed {
    wake: OwnedFd,
}

impl Feed {
    /// The next task, if one is waiting and it is of this kind. Never blocks. Tasks that were cancelled while they
    /// waited are reported here and never come out.
    pub(crate) fn take(&mut self, kind: FunctionKind) -> Option<Task> {
        let _ = kind;
        None
    }

    /// Reports how a task ended. `ran` is how long it itself ran. Blocks only while too many results wait for the
    /// link.
    pub(crate) fn end(&mut self, task: TaskId, status: TaskStatus, ran: Duration, payload: Bytes) {
        let _ = (task, status, ran, payload);
    }

    /// Reports that a task did not end well.
    pub(crate) fn fail(&mut self, task: TaskId, status: TaskStatus, ran: Duration, failure: &Failure) {
        let _ = (task, status, ran, failure);
    }

    /// Passes on what a running task wrote: stream 1 is stdout, 2 is stderr. It goes before the task's end, and blocks
    /// as that does.
    pub(crate) fn output(&mut self, task: TaskId, stream: u8, data: Bytes) {
        let _ = (task, stream, data);
    }

    /// The engine's id at present.
    pub(crate) fn engine(&self) -> EngineId {
        EngineId(0)
    }

    /// Readable when there is something to [`heed`](Self::heed).
    pub(crate) fn wake(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// Takes in what was ordered, and makes [`wake`](Self::wake) quiet.
    pub(crate) fn heed(&mut self) {}

    /// Whether a task that was taken is not wanted any more. Cheap. Ask for every task held after each `heed`: the
    /// answer is forgotten once a task of a later batch was taken.
    pub(crate) fn is_cancelled(&self, task: TaskId) -> bool {
        let _ = task;
        false
    }

    /// Whether everything is to be ended and forgotten, because the controller is gone or the host ends.
    pub(crate) fn is_reset(&self) -> bool {
        false
    }
}
