//! What a live task prints, on its way to the client.
//!
//! The child's stdout and stderr are one pipe, and it does not say whose output that is. So a live task has its child
//! for itself, and what is in the pipe when its answer comes is its own.

use std::thread;
use std::time::Duration;

use rpar_core::task::Live;

use super::output::{BUFFER_BYTES, Output};
use crate::engine::{Feed, Task};

/// Both streams come as one.
const STDOUT: u8 = 1;

/// What a pipe holds at most (pipe(7), `/proc/sys/fs/pipe-max-size`): what comes beyond is somebody else's.
const PIPE_BYTES: usize = 1 << 20;

/// How often it is looked for room when the task is over and has left something in the pipe: its reader is slower.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Takes what the task that runs has printed: that of a live one as far as there is room for it.
pub(super) fn pass(output: &mut Output, running: Option<&Task>, feed: &mut Feed) {
    let Some(task) = running.filter(|task| task.options.live == Live::Yes) else { return output.read() };
    let mut buffer = [0; BUFFER_BYTES];
    while feed.has_room()
        && let Some(bytes) = output.read_some(&mut buffer)
    {
        feed.write(task, STDOUT, bytes);
    }
}

/// Takes the rest of what a live task has printed that is over: waits for room, but not for a reader who has gone.
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
