//! What running tasks write, on its way to the program.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rpar_core::id::EngineId;
use rpar_core::wire::Output;

use super::group::{Group, Outcome};
use super::outbox::Outbox;

/// What a running task wrote. While the program keeps it, it takes room in the client's window of 8 MiB: when that is
/// full, the tasks that write wait.
pub struct TaskOutput {
    /// The task's index in its group.
    pub index: usize,
    /// The engine that runs it.
    pub engine: EngineId,
    /// Which try at it, from 1. Each writes from the start.
    pub attempt: u16,
    /// 1 is stdout, 2 is stderr.
    pub stream: u8,
    /// The bytes.
    pub data: Bytes,
    room: Room,
}

impl TaskOutput {
    pub(super) fn new(index: usize, room: Room, output: Output) -> Self {
        let Output { engine, attempt, stream, data, .. } = output;
        TaskOutput { index, engine, attempt, stream, data, room }
    }
}

impl fmt::Debug for TaskOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TaskOutput { index, engine, attempt, stream, data, room } = self;
        f.debug_struct("TaskOutput")
            .field("index", index)
            .field("engine", engine)
            .field("attempt", attempt)
            .field("stream", stream)
            .field("data", data)
            .field("room_bytes", &room.bytes)
            .finish()
    }
}

/// The room that output takes until it is dropped.
pub(super) struct Room {
    outbox: Arc<Outbox>,
    bytes: u64,
}

impl Room {
    pub(super) fn new(outbox: &Arc<Outbox>, output: &Output) -> Self {
        Room { outbox: Arc::clone(outbox), bytes: output.cost() }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.outbox.output_taken(self.bytes);
    }
}

/// What happens to the tasks of a group.
#[derive(Debug)]
pub enum Event {
    /// One has written something. Only tasks with [`live`](rpar_core::task::TaskOptions::live) do.
    Output(TaskOutput),
    /// One has ended, and all that it has written came before.
    Ended(usize, Outcome),
}

impl Group {
    /// Takes the next event; each comes once. `None` when all submitted tasks have been taken, or when nothing happens
    /// before `deadline`.
    ///
    /// A program whose tasks are live takes their output here: they wait while it does not.
    pub fn next_event(&self, deadline: Option<Instant>) -> Option<Event> {
        let mut state = self.lock();
        let mut late = false;
        loop {
            if let Some(output) = state.output.pop_front() {
                return Some(Event::Output(output));
            }
            if let Some(index) = state.take_next() {
                // a slot in the order is finished
                return state.outcome(index).map(|outcome| Event::Ended(index, outcome));
            }
            if late || state.finished >= self.len() {
                return None;
            }
            state.any += 1;
            (state, late) = self.sleep(state, deadline);
            state.any -= 1;
        }
    }

    /// Adds what a task wrote, and wakes who waits for it.
    pub(super) fn write(&self, output: TaskOutput) {
        let mut state = self.lock();
        let left = state.keep_printed(output);
        let wake = left.is_none() && state.any > 0;
        // room is given back without the group's lock
        drop(state);
        drop(left);
        if wake {
            self.wake();
        }
    }
}
