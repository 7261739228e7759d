//! The frames between engine and interpreter child. Numbers are little-endian.
//!
//! To the child: kind (u8), function number (u32), count (u32), length of what follows (u64), then
//! - `DEFINE`: the function's body, a pickle of (how it takes its argument, the callable);
//! - `RUN`: arguments, a pickle each; their lengths (u32 each) before them unless there is but one.
//!
//! From the child: length of what follows (u64), microseconds (u32), code (u8), then
//! - at its start `READY`, the microseconds being the protocol's version: executable, newline, version; or a failure, and
//!   it ends;
//! - for each task, in order: the pickled result, or a failure: message, detail and pickled exception, each after its
//!   length (u64);
//! - between the answers, what the running task prints.

use std::io;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use rpar_core::task::Failure;

/// Version of these frames; engine and script are of one build, so it only guards against mix-ups.
pub(super) const PROTOCOL: u32 = 1;

const DEFINE: u8 = 1;
const RUN: u8 = 2;
/// The length of a reply's head.
pub(super) const REPLY_HEAD: usize = 13;

/// The head of a `DEFINE`.
pub(super) fn define(number: u32, body_length: usize) -> Bytes {
    head(DEFINE, number, 1, body_length as u64).freeze()
}

/// Tasks of one function, gathered into one frame.
#[derive(Debug)]
pub(super) struct RunFrame {
    number: u32,
    lengths: BytesMut,
    payload: BytesMut,
}

impl RunFrame {
    pub(super) fn new(number: u32) -> Self {
        RunFrame { number, lengths: BytesMut::new(), payload: BytesMut::new() }
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    pub(super) fn push(&mut self, argument: &Bytes) {
        self.lengths.put_u32_le(argument.len() as u32);
        self.payload.put_slice(argument);
    }

    /// The frame; empty if no task is in it.
    pub(super) fn finish(self) -> Bytes {
        let count = self.lengths.len() / 4;
        let lengths = if count > 1 { &self.lengths[..] } else { &[] };
        if count == 0 {
            return Bytes::new();
        }
        let mut frame = head(RUN, self.number, count as u32, (lengths.len() + self.payload.len()) as u64);
        frame.put_slice(lengths);
        frame.put_slice(&self.payload);
        frame.freeze()
    }
}

/// The head of a `RUN` of one long argument, which follows it uncopied.
pub(super) fn run_one(number: u32, length: usize) -> Bytes {
    head(RUN, number, 1, length as u64).freeze()
}

fn head(kind: u8, number: u32, count: u32, length: u64) -> BytesMut {
    let mut head = BytesMut::with_capacity(17);
    head.put_u8(kind);
    head.put_u32_le(number);
    head.put_u32_le(count);
    head.put_u64_le(length);
    head
}

/// What a reply says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// At the child's start: it is ready. Later: the task has returned.
    Ok,
    /// The task's code raised an exception.
    Failed,
    /// The task was interrupted by the signal that was meant for it.
    Interrupted,
    /// The task was revoked before it began.
    Skipped,
    /// No answer: what was printed to stdout.
    Stdout,
    /// What was printed to stderr.
    Stderr,
}

impl Code {
    /// The stream that was printed to: 1 is stdout, 2 is stderr.
    pub(super) fn stream(self) -> Option<u8> {
        match self {
            Code::Stdout => Some(1),
            Code::Stderr => Some(2),
            _ => None,
        }
    }
}

/// One answer of the child.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) code: Code,
    pub(super) micros: u32,
    pub(super) payload: Bytes,
}

impl Reply {
    pub(super) fn ran(&self) -> Duration {
        Duration::from_micros(self.micros as u64)
    }
}

/// The head of a reply, and with it how much follows.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReplyHead {
    pub(super) code: Code,
    pub(super) micros: u32,
    pub(super) length: u64,
}

/// Looks at the head of the reply at the front of `buffer`; `None` while it is incomplete.
///
/// # Errors
/// When something else writes on the child's socket.
pub(super) fn peek_head(mut buffer: &[u8]) -> io::Result<Option<ReplyHead>> {
    if buffer.len() < REPLY_HEAD {
        return Ok(None);
    }
    let (length, micros, code) = (buffer.get_u64_le(), buffer.get_u32_le(), buffer.get_u8());
    let code = match code {
        0 => Code::Ok,
        1 => Code::Failed,
        2 => Code::Interrupted,
        3 => Code::Skipped,
        4 => Code::Stdout,
        5 => Code::Stderr,
        _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "no reply")),
    };
    Ok(Some(ReplyHead { code, micros, length }))
}

/// Reads the failure that a reply carries.
pub(super) fn failure(mut payload: Bytes) -> Failure {
    let mut next = || {
        let length = if payload.len() < 8 { 0 } else { payload.get_u64_le() as usize };
        payload.split_to(length.min(payload.len()))
    };
    let (message, detail, exception) = (next(), next(), next());
    Failure {
        message: String::from_utf8_lossy(&message).into_owned(),
        detail: String::from_utf8_lossy(&detail).into_owned(),
        exception: exception.to_vec(),
        ..Failure::default()
    }
}
