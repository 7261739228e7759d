//! The messages.
//!
//! ```text
//! dialler                      controller
//!   Hello            ->
//!                    <-         Welcome | Refused
//! client                       controller                   engine host
//!   Define, Submit   ->                          <-           Register
//!                               Registered, Define, Run ->
//!                                                 <-           Done
//!                    <-         Results, Window
//!   Cancel           ->         Cancel           ->
//!   Ask              ->
//!                    <-         Status
//!   Grow, Retire     ->
//!                    <-         Agreed | Declined
//!   Stop             ->         Stop             ->           (ends)
//! ```
//! A payload longer than [`INLINE_LIMIT_BYTES`](super::INLINE_LIMIT_BYTES) is announced in its batch and then pulled by
//! whoever needs it: `Grant` asks for it up to an offset, `Chunk` brings it.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::frame::FrameError;
use super::{Column, Growth, Retirees, Runs};
use crate::id::{EngineId, FunctionHash, RequestId, SubmissionId, TaskId};
use crate::task::{Function, RunOptions, TaskOptions};
use crate::wire::{
    Because, ClusterStatus, Hello, Opened, Output, PilotInfo, Registration, Subject, TaskPage, Welcome,
};

/// The value in a column of lengths that says: this payload is announced in `bulk`, not in the payload segment.
pub const BULK: u32 = u32::MAX;

/// All that is said on a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The first word of whoever dials.
    Hello(Hello),
    /// The proof was right; the link is open.
    Welcome(Welcome),
    /// The link will not be opened.
    Refused {
        /// Why, for people.
        reason: String,
        /// The versions that the controller speaks.
        supported: Vec<u16>,
        /// The controller's build.
        build: String,
    },
    /// Sent when nothing else was for a while.
    Heartbeat,
    /// The last word: the sender closes the link on purpose.
    Goodbye {
        /// Why, for people.
        reason: String,
    },
    /// Makes a function known.
    Define(Function),
    /// New tasks, ids from `base` on.
    Submit {
        /// The first task's id.
        base: TaskId,
        /// What to run.
        function: FunctionHash,
        /// How to run it.
        options: TaskOptions,
        /// The arguments.
        batch: Batch,
    },
    /// These tasks are not wanted any more.
    Cancel {
        /// Which.
        runs: Runs,
        /// Whether those that run are ended too; else they run to their end, and only what has not begun is dropped.
        running: bool,
    },
    /// The other side may have sent this many bytes of batches since the link opened.
    Window {
        /// Counted from the link's opening; only grows.
        bytes: u64,
    },
    /// Asks for the cluster's status.
    Ask {
        /// Comes back with the answer.
        question: u32,
        /// Answer only once the status is newer than this version.
        after: Option<u64>,
    },
    /// The cluster's status.
    Status {
        /// The question it answers.
        question: u32,
        /// The answer.
        status: Box<ClusterStatus>,
    },
    /// What is submitted on this link from here on is a submission that outlives it. Answered by `Opened`.
    Open {
        /// What people call it.
        name: String,
    },
    /// This link is for a submission. Answered by `Opened`.
    Read {
        /// Which.
        submission: SubmissionId,
        /// Whether its results are wanted: those that are kept, and those to come.
        results: bool,
    },
    /// A submission as it is now: the answer to `Open`, `Read` and `Close`, and told again to who reads it when tasks
    /// are added.
    Opened(Opened),
    /// The submission of this link is complete: no more tasks come. Answered by `Opened`.
    Close,
    /// The results of the submission of this link are not needed any more, up to a task.
    Forget {
        /// The first task that is still needed.
        upto: TaskId,
    },
    /// Asks for what is known of a submission's tasks.
    List {
        /// Comes back with the answer.
        question: u32,
        /// Which.
        submission: SubmissionId,
        /// From which task on.
        from: TaskId,
    },
    /// What is known of a submission's tasks.
    Listed {
        /// The question it answers.
        question: u32,
        /// The answer.
        page: TaskPage,
    },
    /// Asks why things are as they are; answered by `Because`.
    Why {
        /// Comes back with the answer.
        question: u32,
        /// What the question is about.
        subjects: Vec<Subject>,
    },
    /// Why things are as they are.
    Because {
        /// The question it answers.
        question: u32,
        /// The answer.
        because: Box<Because>,
    },
    /// The cluster is to end.
    Stop,
    /// Something that the user should know now.
    Notice {
        /// For people.
        text: String,
    },
    /// An engine host presents its engines.
    Register(Registration),
    /// The engines' ids: `count` from `first` on.
    Registered {
        /// The first engine's id.
        first: EngineId,
    },
    /// Tasks for one engine.
    Run {
        /// Which engine.
        engine: EngineId,
        /// What to run; defined before on this link.
        function: FunctionHash,
        /// How to run them.
        options: RunOptions,
        /// Which tasks.
        runs: Runs,
        /// Their arguments.
        batch: Batch,
    },
    /// Tasks are wanted elsewhere: an engine gives back those that it has not begun, as [`RETURNED`](super::RETURNED).
    Withdraw {
        /// Which engine.
        engine: EngineId,
        /// Which tasks: the last ones that it was sent.
        runs: Runs,
    },
    /// Tasks that have ended on an engine, or are given back.
    Done(Outcomes),
    /// Tasks that have ended, for the client.
    Results(Outcomes),
    /// Asks for a long payload up to (not including) an offset. Only grows, but for 0, which ends the transfer: a sender
    /// then starts an argument anew at the next grant (it is needed again on another engine), and forgets a result.
    /// A grant for a payload that the sender does not have is ignored.
    Grant {
        /// Which payload.
        transfer: Transfer,
        /// Up to where.
        upto: u64,
    },
    /// Part of a long payload, in order of its parts. One at offset 0 starts anew; one for a payload that the receiver
    /// does not expect (any more) is ignored.
    Chunk {
        /// Which payload.
        transfer: Transfer,
        /// Where this part begins.
        offset: u64,
        /// The part.
        data: Bytes,
    },
    /// What a running task wrote.
    Output(Output),
    /// The other side may have sent this much of what tasks wrote since the link opened, see [`Output::cost`].
    Room {
        /// Which engine's tasks are meant; `None` towards the controller, where all are.
        engine: Option<EngineId>,
        /// Counted from the link's opening; only grows.
        bytes: u64,
    },
    /// A pilot presents itself.
    Pilot(PilotInfo),
    /// A pilot tells that an engine host ended.
    Report {
        /// On which node.
        node: String,
        /// What is known: exit status or signal, last lines of its log.
        text: String,
        /// Whether the pilot starts another one.
        restarting: bool,
    },
    /// A pilot tells that it was asked to end, mostly by the site: its engines will be gone in a moment.
    Ending {
        /// The signal that asked.
        signal: String,
    },
    /// Asks for further engines; answered by `Agreed` or `Declined`.
    Grow {
        /// Comes back with the answer.
        question: u32,
        /// What is wanted.
        growth: Box<Growth>,
    },
    /// Has engines leave; answered by `Agreed` or `Declined`.
    Retire {
        /// Comes back with the answer.
        question: u32,
        /// Whether they leave at once, and their tasks run elsewhere; else they first finish what they have.
        now: bool,
        /// Which engines.
        retirees: Retirees,
    },
    /// A change of the cluster's size has begun.
    Agreed {
        /// The question it answers.
        question: u32,
        /// The request for the further allocation, if that was asked for.
        request: Option<RequestId>,
        /// The engines that leave.
        engines: Vec<EngineId>,
    },
    /// A change of the cluster's size will not be made.
    Declined {
        /// The question it answers.
        question: u32,
        /// Why, for people.
        reason: String,
    },
    /// A pilot is to keep only so many engines on a node.
    Release {
        /// The node.
        node: String,
        /// How many engines it starts there from now on; none is the end of the node's engine host.
        engines: u32,
    },
}

/// Arguments of many tasks, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The length of each task's argument, or [`BULK`].
    pub lengths: Column,
    /// The arguments, one after the other, without the bulk ones.
    pub payload: Bytes,
    /// The bulk ones, in order.
    pub bulk: Vec<BulkLength>,
}

/// Announces one long payload of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkLength {
    /// The task's place in the batch.
    pub index: u32,
    /// The payload's length.
    pub bytes: u64,
}

impl Batch {
    /// What the batch counts against a window: its payload and [`TASK_COST_BYTES`](super::TASK_COST_BYTES) a task. Long
    /// payloads do not count: they are pulled within windows of their own.
    pub fn cost(&self) -> u64 {
        self.payload.len() as u64 + self.lengths.len() as u64 * super::TASK_COST_BYTES
    }
}

/// How many tasks ended, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// The engine that ran them; `None` for tasks that ended without one.
    pub engine: Option<EngineId>,
    /// The node it is on; an engine host leaves that to the controller.
    pub node: Option<Arc<str>>,
    /// When the latest of them ended, by the clock of the node where that was: microseconds since 1970.
    pub ended_micros: u64,
    /// Which tasks.
    pub runs: Runs,
    /// Each task's [`TaskStatus`](crate::task::TaskStatus) as a byte; empty when all are `Ok`.
    pub codes: Bytes,
    /// How long each ran, see [`pack_duration`](super::pack_duration).
    pub ran: Column,
    /// How often each was sent to an engine, 255 for more; empty when that is once. An engine host leaves it empty.
    pub attempts: Bytes,
    /// The results.
    pub batch: Batch,
}

/// Names a long payload on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Transfer {
    /// A task's argument, on its way to the engine.
    Argument(TaskId),
    /// A task's result, on its way to the client.
    Result(TaskId),
}

/// What came is a frame, but no message.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WireError {
    /// The frame itself is unusable.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// No message has this kind.
    #[error("unknown message kind {kind}")]
    Kind {
        /// The kind.
        kind: u8,
    },
    /// The header or the segments do not fit the kind.
    #[error("malformed message of kind {kind}: {reason}")]
    Malformed {
        /// The kind.
        kind: u8,
        /// What does not fit.
        reason: String,
    },
}
