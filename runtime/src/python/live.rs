//! What tasks print, on its way to the client.
//!
//! What Python code writes to `sys.stdout` and `sys.stderr` comes over the child's socket, between its answers, so that it
//! is known whose it is. What others write to its descriptors 1 and 2, which are one pipe, is the running task's if the
//! child holds no other. A task with [`Live::Yes`] has its child for itself, so that this is always so.

use std::thread;
use std::time::Duration;

use rpar_core::task::Live;
use rpar_core::wire::CHUNK_BYTES;

use super::executor::PythonExecutor;
use super::frames::Reply;
use super::output::{BUFFER_BYTES, Output};
use crate::engine::{Feed, Task};

/// Both streams come through the pipe as one.
const STDOUT: u8 = 1;

/// What a pipe holds at most (pipe(7), `/proc/sys/fs/pipe-max-size`): what comes beyond is somebody else's.
const PIPE_BYTES: usize = 1 << 20;

/// How often it is looked for room when the task is over and has left something in the pipe: its reader is slower.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Whether what a task writes goes to the client.
pub(super) fn is_passed_on(task: &Task) -> bool {
    matches!(task.options.live, Live::Yes | Live::Printed)
}

/// Takes what is in the pipe: that of `writer` as far as there is room for it.
pub(super) fn pass(output: &mut Output, writer: Option<&Task>, feed: &mut Feed) {
    let Some(task) = writer else { return output.read() };
    let mut buffer = [0; BUFFER_BYTES];
    while feed.has_room()
        && let Some(bytes) = output.read_some(&mut buffer)
    {
        feed.write(task, STDOUT, bytes);
    }
}

/// Takes what a task that is over has left in the pipe: waits for room, but not for a reader who has gone.
pub(super) fn pass_rest(output: &mut Output, task: &Task, feed: &mut Feed) {
    let mut buffer = [0; BUFFER_BYTES];
    for _ in 0..PIPE_BYTES / BUFFER_BYTES {
        while !feed.has_room() {
            if feed.is_reset() || feed.is_cancelled(task.id) {
                return;
            }
            thread::sleep(LOOK_EVERY);
        }
        match output.read_some(&mut buffer) {
            Some(bytes) => feed.write(task, STDOUT, bytes),
            None => return,
        }
    }
}

impl PythonExecutor {
    /// Passes on what the running task has printed; holds it, and all that the child sends after it, while there is no
    /// room: then the child waits in the end. What is printed between tasks, or for nobody, goes to the log.
    pub(super) fn print(&mut self, feed: &mut Feed, stream: u8, print: Reply) {
        let ended = self.ending.is_some_and(|ending| ending.is_of(self.pipeline.head_number()));
        let Some(child) = &mut self.child else { return };
        match self.pipeline.head().filter(|task| is_passed_on(task)) {
            Some(task) if feed.has_room() => {
                child.output.note(&print.payload);
                for part in print.payload.chunks(CHUNK_BYTES) {
                    feed.write(task, stream, part);
                }
            }
            // what is ended by force does not wait for room
            Some(task) if ended || feed.is_cancelled(task.id) || feed.is_reset() => {}
            Some(_) => self.held = Some((stream, print)),
            None => {
                child.output.note(&print.payload);
                child.output.log(&print.payload);
            }
        }
    }

    /// Tries again to pass on what was held.
    pub(super) fn print_held(&mut self, feed: &mut Feed) {
        if let Some((stream, print)) = self.held.take() {
            self.print(feed, stream, print);
        }
    }

    /// Reads all that a dead child has left; waits for room for what its task has printed.
    pub(super) fn receive_rest(&mut self, feed: &mut Feed) {
        loop {
            let received = self.receive(feed);
            if self.held.is_some() {
                thread::sleep(LOOK_EVERY);
            } else if received.is_err() {
                return;
            }
        }
    }
}
