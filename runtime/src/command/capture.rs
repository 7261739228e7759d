//! What a command writes, from its two pipes.

use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// The most that is kept of each stream: a result is one piece in memory, here and wherever it goes.
pub(super) const LIMIT_BYTES: usize = 64 << 20;

/// What a pipe holds at most (pipe(7), `/proc/sys/fs/pipe-max-size`): so much can be left in it by what has ended.
const PIPE_BYTES: usize = 1 << 20;

/// How much is read at once: what a pipe usually holds (pipe(7)).
pub(super) const CHUNK_BYTES: usize = 64 << 10;

/// One stream.
#[derive(Debug)]
pub(super) struct Stream {
    pipe: Option<OwnedFd>,
    pub(super) data: Vec<u8>,
}

impl Stream {
    pub(super) fn new(pipe: Option<impl Into<OwnedFd>>) -> Self {
        Stream { pipe: pipe.map(Into::into), data: Vec::new() }
    }

    /// The pipe, until its end was read.
    pub(super) fn pipe(&self) -> Option<&OwnedFd> {
        self.pipe.as_ref()
    }

    pub(super) fn is_over(&self) -> bool {
        self.pipe.is_none()
    }

    /// More was written than is kept.
    pub(super) fn is_full(&self) -> bool {
        self.data.len() > LIMIT_BYTES
    }

    /// Reads once from a pipe that is readable. What comes past the limit is dropped.
    pub(super) fn read(&mut self, buffer: &mut [u8]) {
        let Some(pipe) = &self.pipe else { return };
        match rustix::io::read(pipe, &mut *buffer) {
            Ok(0) => self.pipe = None,
            Ok(count) => {
                let room = (LIMIT_BYTES + 1).saturating_sub(self.data.len());
                self.data.extend_from_slice(&buffer[..count.min(room)]);
            }
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => self.pipe = None,
        }
    }

    /// Reads what is there, and closes the pipe whoever else still holds it.
    pub(super) fn finish(&mut self, buffer: &mut [u8]) {
        for _ in 0..PIPE_BYTES / CHUNK_BYTES {
            if !self.pipe.as_ref().is_some_and(is_readable) {
                break;
            }
            self.read(buffer);
        }
        self.pipe = None;
    }
}

fn is_readable(pipe: &OwnedFd) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)];
    poll(&mut fds, Some(&Timespec::default())).is_ok_and(|count| count > 0)
}
