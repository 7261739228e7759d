//! What the user's code writes to stdout and stderr: it goes to the engine host's log, or to the client while a live task
//! runs, and its end into crash reports.

use std::io::{self, ErrorKind, PipeReader, Read};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::ioctl_fionbio;

/// As much as a crash report shows.
const TAIL_BYTES: usize = 4 << 10;
const TAIL_LINES: usize = 20;

/// One read.
pub(super) const BUFFER_BYTES: usize = 16 << 10;

/// What a pipe usually holds (pipe(7)).
const PIPE_BYTES: usize = 64 << 10;

/// A line of the log is cut here.
const LINE_BYTES: usize = 4 << 10;

/// The reading end of the child's output.
#[derive(Debug)]
pub(super) struct Output {
    pipe: PipeReader,
    open: bool,
    slot: u32,
    tail: Vec<u8>,
    line: Vec<u8>,
}

impl Output {
    pub(super) fn new(pipe: PipeReader, slot: u32) -> io::Result<Self> {
        ioctl_fionbio(&pipe, true)?;
        Ok(Output { pipe, open: true, slot, tail: Vec::new(), line: Vec::new() })
    }

    /// The descriptor to wait for; none once the child has closed its end.
    pub(super) fn waits(&self) -> Option<BorrowedFd<'_>> {
        self.open.then(|| self.pipe.as_fd())
    }

    /// Takes what is there, at most a pipe's fill: a flood must not keep results waiting.
    pub(super) fn read(&mut self) {
        let mut buffer = [0; BUFFER_BYTES];
        for _ in 0..PIPE_BYTES / BUFFER_BYTES {
            match self.read_some(&mut buffer) {
                Some(bytes) => self.log(bytes),
                None => return,
            }
        }
    }

    /// Takes some of what is there, which then is not logged; `None` when nothing is there now.
    pub(super) fn read_some<'a>(&mut self, buffer: &'a mut [u8; BUFFER_BYTES]) -> Option<&'a [u8]> {
        loop {
            match self.pipe.read(buffer) {
                Ok(0) => {
                    self.open = false;
                    return None;
                }
                Ok(count) => {
                    self.note(&buffer[..count]);
                    return Some(&buffer[..count]);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.open = error.kind() == ErrorKind::WouldBlock;
                    return None;
                }
            }
        }
    }

    /// Takes bytes into the last lines.
    pub(super) fn note(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        let surplus = self.tail.len().saturating_sub(TAIL_BYTES);
        self.tail.drain(..surplus);
    }

    /// Writes bytes to the log, line by line.
    pub(super) fn log(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") || self.line.len() >= LINE_BYTES {
                let line = String::from_utf8_lossy(&self.line);
                tracing::info!(slot = self.slot, "python: {}", line.trim_end());
                self.line.clear();
            }
        }
    }

    /// The last lines that were written.
    pub(super) fn tail(&self) -> String {
        let text = String::from_utf8_lossy(&self.tail);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }
}
