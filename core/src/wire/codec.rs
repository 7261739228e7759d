//! How each message becomes a frame, and back. Every count that a peer claims is compared with what came along.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::compose::frame_of;
use super::frame::{self, Frame};
use super::kind;
use super::message::{BULK, Batch, BulkLength, Message, Outcomes, WireError};
use super::{Column, Output, Runs};
use crate::id::{EngineId, FunctionHash, TaskId};
use crate::task::{Function, FunctionKind, RunOptions, TaskOptions};

#[derive(Serialize, Deserialize)]
pub(super) struct SubmitHeader {
    pub(super) base: TaskId,
    pub(super) function: FunctionHash,
    pub(super) options: TaskOptions,
    pub(super) bulk: Vec<BulkLength>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct RunHeader {
    pub(super) engine: EngineId,
    pub(super) function: FunctionHash,
    pub(super) options: RunOptions,
    pub(super) bulk: Vec<BulkLength>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct OutcomesHeader {
    pub(super) engine: Option<EngineId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) node: Option<Arc<str>>,
    pub(super) ended_micros: u64,
    pub(super) bulk: Vec<BulkLength>,
}

/// Appends a message's frame to `out`.
pub fn encode(message: &Message, out: &mut BytesMut) {
    encode_around(message, usize::MAX, out, |_, _| {});
}

/// Appends a message's frame to `out`, without its segments of at least `apart_bytes`: they stay where they are, and are
/// handed to `apart` with the length that `out` then has.
pub fn encode_around(
    message: &Message,
    apart_bytes: usize,
    out: &mut BytesMut,
    mut apart: impl FnMut(usize, Bytes),
) {
    let frame = frame_of(message);
    frame.put_head(out);
    for segment in frame.segments {
        match segment.len() < apart_bytes {
            true => out.extend_from_slice(&segment),
            false => apart(out.len(), segment),
        }
    }
}

/// Takes one message off the front of `buffer`; `None` while it is incomplete. Long segments share the buffer's memory.
///
/// # Errors
/// When what came is no message, or longer than `limit` bytes. The link cannot be used any further.
pub fn decode(buffer: &mut BytesMut, limit: usize) -> Result<Option<Message>, WireError> {
    match frame::take(buffer, limit)? {
        Some(frame) => Reader { frame, next: 0 }.message().map(Some),
        None => Ok(None),
    }
}

/// Takes a frame apart.
struct Reader {
    frame: Frame,
    next: usize,
}

impl Reader {
    fn message(mut self) -> Result<Message, WireError> {
        let message = match self.frame.kind {
            kind::HELLO => Message::Hello(self.header()?),
            kind::WELCOME => Message::Welcome(self.header()?),
            kind::REFUSED => {
                let (reason, supported, build) = self.header()?;
                Message::Refused { reason, supported, build }
            }
            kind::HEARTBEAT => Message::Heartbeat,
            kind::GOODBYE => Message::Goodbye { reason: self.header()? },
            kind::DEFINE => {
                let kind: FunctionKind = self.header()?;
                Message::Define(Function { kind, body: self.segment()? })
            }
            kind::SUBMIT => {
                let SubmitHeader { base, function, options, bulk } = self.header()?;
                let batch = self.batch(bulk)?;
                if base.0.checked_add(batch.lengths.len() as u64).is_none() {
                    return Err(self.malformed("ids past the last one"));
                }
                Message::Submit { base, function, options, batch }
            }
            kind::CANCEL => Message::Cancel { running: self.header()?, runs: self.runs()? },
            kind::WINDOW => Message::Window { bytes: self.header()? },
            kind::ASK => {
                let (question, after) = self.header()?;
                Message::Ask { question, after }
            }
            kind::STATUS => {
                let question = self.header()?;
                let body = self.segment()?;
                Message::Status { question, status: Box::new(self.parse(&body)?) }
            }
            kind::STOP => Message::Stop,
            kind::NOTICE => Message::Notice { text: self.header()? },
            kind::REGISTER => Message::Register(self.header()?),
            kind::REGISTERED => Message::Registered { first: self.header()? },
            kind::RUN => self.run()?,
            kind::WITHDRAW => Message::Withdraw { engine: self.header()?, runs: self.runs()? },
            kind::DONE => Message::Done(self.outcomes()?),
            kind::RESULTS => Message::Results(self.outcomes()?),
            kind::GRANT => {
                let (transfer, upto) = self.header()?;
                Message::Grant { transfer, upto }
            }
            kind::CHUNK => {
                let (transfer, offset) = self.header()?;
                Message::Chunk { transfer, offset, data: self.segment()? }
            }
            kind::OUTPUT => {
                let (engine, task, attempt, stream) = self.header()?;
                Message::Output(Output { engine, task, attempt, stream, data: self.segment()? })
            }
            kind::ROOM => {
                let (engine, bytes) = self.header()?;
                Message::Room { engine, bytes }
            }
            kind::PILOT => {
                let body = self.segment()?;
                Message::Pilot(self.parse(&body)?)
            }
            kind::REPORT => {
                let (node, text, restarting) = self.header()?;
                Message::Report { node, text, restarting }
            }
            kind::ENDING => Message::Ending { signal: self.header()? },
            kind::OPEN..=kind::LISTED => self.about_submissions()?,
            _ => self.about_the_cluster()?,
        };
        Ok(message)
    }

    fn about_the_cluster(&mut self) -> Result<Message, WireError> {
        let message = match self.frame.kind {
            kind::GROW => {
                let question = self.header()?;
                let body = self.segment()?;
                Message::Grow { question, growth: Box::new(self.parse(&body)?) }
            }
            kind::RETIRE => {
                let (question, now) = self.header()?;
                let body = self.segment()?;
                Message::Retire { question, now, retirees: self.parse(&body)? }
            }
            kind::AGREED => {
                let (question, request) = self.header()?;
                let body = self.segment()?;
                Message::Agreed { question, request, engines: self.parse(&body)? }
            }
            kind::DECLINED => {
                let (question, reason) = self.header()?;
                Message::Declined { question, reason }
            }
            kind::WHY => {
                let question = self.header()?;
                let body = self.segment()?;
                Message::Why { question, subjects: self.parse(&body)? }
            }
            kind::BECAUSE => {
                let question = self.header()?;
                let body = self.segment()?;
                Message::Because { question, because: Box::new(self.parse(&body)?) }
            }
            kind::RELEASE => {
                let (node, engines) = self.header()?;
                Message::Release { node, engines }
            }
            kind => return Err(WireError::Kind { kind }),
        };
        Ok(message)
    }

    fn about_submissions(&mut self) -> Result<Message, WireError> {
        let message = match self.frame.kind {
            kind::OPEN => Message::Open { name: self.header()? },
            kind::READ => {
                let (submission, results) = self.header()?;
                Message::Read { submission, results }
            }
            kind::OPENED => Message::Opened(self.header()?),
            kind::CLOSE => Message::Close,
            kind::FORGET => Message::Forget { upto: self.header()? },
            kind::LIST => {
                let (question, submission, from) = self.header()?;
                Message::List { question, submission, from }
            }
            kind::LISTED => {
                let question = self.header()?;
                let body = self.segment()?;
                Message::Listed { question, page: self.parse(&body)? }
            }
            kind => return Err(WireError::Kind { kind }),
        };
        Ok(message)
    }

    fn run(&mut self) -> Result<Message, WireError> {
        let RunHeader { engine, function, options, bulk } = self.header()?;
        let runs = self.runs()?;
        let batch = self.batch(bulk)?;
        if runs.count() != batch.lengths.len() as u64 {
            return Err(self.malformed("ids and lengths differ in number"));
        }
        Ok(Message::Run { engine, function, options, runs, batch })
    }

    fn outcomes(&mut self) -> Result<Outcomes, WireError> {
        let OutcomesHeader { engine, node, ended_micros, bulk } = self.header()?;
        let runs = self.runs()?;
        let codes = self.segment()?;
        let ran = self.column()?;
        let attempts = self.segment()?;
        let batch = self.batch(bulk)?;
        let count = batch.lengths.len();
        if runs.count() != count as u64
            || ran.len() != count
            || !(codes.is_empty() || codes.len() == count)
            || !(attempts.is_empty() || attempts.len() == count)
        {
            return Err(self.malformed("columns differ in length"));
        }
        Ok(Outcomes { engine, node, ended_micros, runs, codes, ran, attempts, batch })
    }

    fn batch(&mut self, bulk: Vec<BulkLength>) -> Result<Batch, WireError> {
        let lengths = self.column()?;
        let payload = self.segment()?;
        let inline: u64 = lengths.iter().filter(|length| *length != BULK).map(u64::from).sum();
        if inline != payload.len() as u64 {
            return Err(self.malformed("lengths do not add up to the payload"));
        }
        let announced = lengths.iter().enumerate().filter(|(_, length)| *length == BULK);
        if !announced.map(|(index, _)| index as u64).eq(bulk.iter().map(|b| b.index as u64)) {
            return Err(self.malformed("bulk payloads are not announced in order"));
        }
        Ok(Batch { lengths, payload, bulk })
    }

    fn header<T: DeserializeOwned>(&self) -> Result<T, WireError> {
        self.parse(&self.frame.header)
    }

    fn parse<T: DeserializeOwned>(&self, bytes: &Bytes) -> Result<T, WireError> {
        ciborium::from_reader(bytes.as_ref()).map_err(|error| self.malformed(&error.to_string()))
    }

    fn segment(&mut self) -> Result<Bytes, WireError> {
        let segment =
            self.frame.segments.get(self.next).cloned().ok_or_else(|| self.malformed("a segment is missing"));
        self.next += 1;
        segment
    }

    fn column(&mut self) -> Result<Column, WireError> {
        Column::from_bytes(self.segment()?).ok_or_else(|| self.malformed("a torn column"))
    }

    fn runs(&mut self) -> Result<Runs, WireError> {
        Runs::from_bytes(self.segment()?).ok_or_else(|| self.malformed("torn or overflowing ids"))
    }

    fn malformed(&self, reason: &str) -> WireError {
        WireError::Malformed { kind: self.frame.kind, reason: reason.to_owned() }
    }
}
