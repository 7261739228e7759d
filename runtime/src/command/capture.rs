//! What a command writes, from its two pipes.

use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// The most that is kept of each stream: a result is one piece in memory, here and wherever it goes.
pub(super) const LIMIT_BYTES: usize = 64 << 20;

/// What a pipe holds at most (pipe(7), `/proc/sys/fs/pipe-max-size`): so much can be left in it by what has ended.
pub(super) const PIPE_BYTES: usize = 1 << 20;

/// How much is read at once: what a pipe usually holds (pipe(7)).
pub(super) const CHUNK_BYTES: usize = 64 << 10;

/// How much is kept of each stream of a command whose output is passed on while it runs: the last words of a failure.
const TAIL_BYTES: usize = 4 << 10;

/// One stream.
#[derive(Debug)]
pub(super) struct Stream {
    pipe: Option<OwnedFd>,
    /// What was written; only the last of it when it is passed on.
    pub(super) data: Vec<u8>,
    passed_on: bool,
}

impl Stream {
    pub(super) fn new(pipe: Option<impl Into<OwnedFd>>, passed_on: bool) -> Self {
        Stream { pipe: pipe.map(Into::into), data: Vec::new(), passed_on }
    }

    /// From here on what is read is passed on; takes out what was kept until now.
    pub(super) fn pass_on(&mut self) -> Vec<u8> {
        self.passed_on = true;
        let data = std::mem::take(&mut self.data);
        self.keep_last(&data);
        data
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

    /// Reads once from a pipe that is readable, and keeps what is to be kept: what comes past the limit is dropped.
    pub(super) fn read<'a>(&mut self, buffer: &'a mut [u8]) -> &'a [u8] {
        let Some(pipe) = &self.pipe else { return &[] };
        let read = match rustix::io::read(pipe, &mut *buffer) {
            Ok(count) if count > 0 => &buffer[..count],
            Err(Errno::INTR | Errno::AGAIN) => &[],
            Ok(_) | Err(_) => {
                self.pipe = None;
                &[]
            }
        };
        if self.passed_on {
            self.keep_last(read);
        } else {
            let room = (LIMIT_BYTES + 1).saturating_sub(self.data.len());
            self.data.extend_from_slice(&read[..read.len().min(room)]);
        }
        read
    }

    fn keep_last(&mut self, read: &[u8]) {
        let last = &read[read.len().saturating_sub(TAIL_BYTES)..];
        let surplus = (self.data.len() + last.len()).saturating_sub(TAIL_BYTES);
        self.data.drain(..surplus);
        self.data.extend_from_slice(last);
    }

    /// Whether something is there to be read now.
    pub(super) fn is_readable(&self) -> bool {
        let Some(pipe) = &self.pipe else { return false };
        let mut fds = [PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)];
        poll(&mut fds, Some(&Timespec::default())).is_ok_and(|count| count > 0)
    }

    /// Closes the pipe, whoever else still holds it.
    pub(super) fn close(&mut self) {
        self.pipe = None;
    }
}
