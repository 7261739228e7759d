//! Messages become frames.

use bytes::Bytes;
use serde::Serialize;

use super::codec::{OutcomesHeader, RunHeader, SubmitHeader};
use super::frame::Frame;
use super::kind;
use super::message::{Batch, Message, Outcomes};
use super::{Output, Runs};
use crate::id::{FunctionHash, TaskId};
use crate::task::TaskOptions;

/// The frame of a message.
pub(super) fn frame_of(message: &Message) -> Frame {
    match message {
        Message::Hello(hello) => plain(kind::HELLO, hello),
        Message::Welcome(welcome) => plain(kind::WELCOME, welcome),
        Message::Refused { reason, supported, build } => plain(kind::REFUSED, &(reason, supported, build)),
        Message::Heartbeat => frame(kind::HEARTBEAT, Bytes::new(), vec![]),
        Message::Goodbye { reason } => plain(kind::GOODBYE, reason),
        Message::Define(function) => frame(kind::DEFINE, cbor(&function.kind), vec![function.body.clone()]),
        Message::Submit { base, function, options, batch } => {
            submit_frame(*base, *function, options.clone(), batch)
        }
        Message::Cancel { runs, running } => {
            frame(kind::CANCEL, cbor(running), vec![runs.as_bytes().clone()])
        }
        Message::Window { bytes } => plain(kind::WINDOW, bytes),
        Message::Ask { question, after } => plain(kind::ASK, &(question, after)),
        Message::Status { question, status } => frame(kind::STATUS, cbor(question), vec![cbor(status)]),
        Message::Open { name } => plain(kind::OPEN, name),
        Message::Read { submission, results } => plain(kind::READ, &(submission, results)),
        Message::Opened(opened) => plain(kind::OPENED, opened),
        Message::Close => frame(kind::CLOSE, Bytes::new(), vec![]),
        Message::Forget { upto } => plain(kind::FORGET, upto),
        Message::List { question, submission, from } => plain(kind::LIST, &(question, submission, from)),
        Message::Listed { question, page } => frame(kind::LISTED, cbor(question), vec![cbor(page)]),
        Message::Why { question, subjects } => frame(kind::WHY, cbor(question), vec![cbor(subjects)]),
        Message::Because { question, because } => frame(kind::BECAUSE, cbor(question), vec![cbor(because)]),
        Message::Stop => frame(kind::STOP, Bytes::new(), vec![]),
        Message::Notice { text } => plain(kind::NOTICE, text),
        Message::Register(registration) => plain(kind::REGISTER, registration),
        Message::Registered { first } => plain(kind::REGISTERED, first),
        Message::Run { engine, function, options, runs, batch } => {
            let header = RunHeader {
                engine: *engine,
                function: *function,
                options: options.clone(),
                bulk: batch.bulk.clone(),
            };
            run_frame(&header, runs, batch)
        }
        Message::Withdraw { engine, runs } => {
            frame(kind::WITHDRAW, cbor(engine), vec![runs.as_bytes().clone()])
        }
        Message::Done(outcomes) => outcomes_frame(kind::DONE, outcomes),
        Message::Results(outcomes) => outcomes_frame(kind::RESULTS, outcomes),
        Message::Grant { transfer, upto } => plain(kind::GRANT, &(transfer, upto)),
        Message::Chunk { transfer, offset, data } => {
            frame(kind::CHUNK, cbor(&(transfer, offset)), vec![data.clone()])
        }
        Message::Output(Output { engine, task, attempt, stream, data }) => {
            frame(kind::OUTPUT, cbor(&(engine, task, attempt, stream)), vec![data.clone()])
        }
        Message::Room { engine, bytes } => plain(kind::ROOM, &(engine, bytes)),
        // the names of thousands of nodes do not fit a header
        Message::Pilot(info) => frame(kind::PILOT, Bytes::new(), vec![cbor(info)]),
        Message::Report { node, text, restarting } => plain(kind::REPORT, &(node, text, restarting)),
        Message::Ending { signal } => plain(kind::ENDING, signal),
        // a job script, or thousands of ids, do not fit a header
        Message::Grow { question, growth } => frame(kind::GROW, cbor(question), vec![cbor(growth)]),
        Message::Retire { question, now, retirees } => {
            frame(kind::RETIRE, cbor(&(question, now)), vec![cbor(retirees)])
        }
        Message::Agreed { question, request, engines } => {
            frame(kind::AGREED, cbor(&(question, request)), vec![cbor(engines)])
        }
        Message::Declined { question, reason } => plain(kind::DECLINED, &(question, reason)),
        Message::Release { node, engines } => plain(kind::RELEASE, &(node, engines)),
    }
}

fn submit_frame(base: TaskId, function: FunctionHash, options: TaskOptions, batch: &Batch) -> Frame {
    let header = SubmitHeader { base, function, options, bulk: batch.bulk.clone() };
    frame(kind::SUBMIT, cbor(&header), vec![batch.lengths.as_bytes().clone(), batch.payload.clone()])
}

fn run_frame(header: &RunHeader, runs: &Runs, batch: &Batch) -> Frame {
    let segments = vec![runs.as_bytes().clone(), batch.lengths.as_bytes().clone(), batch.payload.clone()];
    frame(kind::RUN, cbor(header), segments)
}

fn outcomes_frame(kind: u8, outcomes: &Outcomes) -> Frame {
    let header = OutcomesHeader {
        engine: outcomes.engine,
        node: outcomes.node.clone(),
        ended_micros: outcomes.ended_micros,
        bulk: outcomes.batch.bulk.clone(),
    };
    let segments = vec![
        outcomes.runs.as_bytes().clone(),
        outcomes.codes.clone(),
        outcomes.ran.as_bytes().clone(),
        outcomes.attempts.clone(),
        outcomes.batch.lengths.as_bytes().clone(),
        outcomes.batch.payload.clone(),
    ];
    frame(kind, cbor(&header), segments)
}

fn frame(kind: u8, header: Bytes, segments: Vec<Bytes>) -> Frame {
    Frame { kind, header, segments }
}

fn plain<T: Serialize>(kind: u8, header: &T) -> Frame {
    frame(kind, cbor(header), vec![])
}

fn cbor<T: Serialize>(value: &T) -> Bytes {
    let mut out = Vec::with_capacity(64);
    // writing plain data to memory has no way to fail
    let _ = ciborium::into_writer(value, &mut out);
    out.into()
}
