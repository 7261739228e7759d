//! What goes into the client's machine, and what comes out.

use std::time::Duration;

use bytes::Bytes;

use crate::id::{FunctionHash, SubmissionId, TaskId};
use crate::task::{Function, TaskOptions};
use crate::wire::{
    Agreement, Batch, Because, Change, ClusterStatus, Message, Opened, Outcomes, Output, Runs, Subject,
    TaskPage,
};

/// What the machine is told at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// How often the controller wants to hear something, as its `Welcome` said.
    pub heartbeat: Duration,
    /// A controller that has been silent for this long is lost.
    pub lost_after: Duration,
    /// How many bytes of batches may be sent at first, as `Welcome` said.
    pub submit_window_bytes: u64,
    /// How many bytes of results may be on their way here: more is granted as they are taken.
    pub result_window_bytes: u64,
}

/// Something that has happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// A message came.
    Received(Message),
    /// The link is gone.
    LinkDown {
        /// Why, for people.
        reason: String,
    },
    /// The user's program submits tasks; ids are consecutive over all submissions. Long arguments are announced in
    /// `batch` and stand in `bulk`, in order.
    Submit {
        /// The first task's id.
        base: TaskId,
        /// What to run.
        function: Function,
        /// Its hash, which the shell computes once for each function.
        hash: FunctionHash,
        /// How to run it.
        options: TaskOptions,
        /// The arguments.
        batch: Batch,
        /// The long arguments.
        bulk: Vec<Bytes>,
    },
    /// The user's program does not want these any more.
    Cancel {
        /// Which.
        runs: Runs,
        /// Whether those that run are ended too.
        running: bool,
    },
    /// What the user's program submits from here on is to outlive it.
    Open {
        /// What people call it.
        name: String,
    },
    /// The submission that was opened is complete. The controller is told once all of it has been sent.
    Close,
    /// The user's program wants to cancel or forget tasks of a submission, and maybe its results. Nothing else may be
    /// submitted on this link.
    Read {
        /// Which.
        submission: SubmissionId,
        /// Whether its results are wanted.
        results: bool,
    },
    /// The user's program does not need a submission's results any more, up to a task.
    Forget {
        /// The first task that is still needed.
        upto: TaskId,
    },
    /// The user's program asks for what is known of a submission's tasks.
    List {
        /// Comes back with the answer.
        question: u32,
        /// Which.
        submission: SubmissionId,
        /// From which task on.
        from: TaskId,
    },
    /// The user's program asks why things are as they are.
    Why {
        /// Comes back with the answer.
        question: u32,
        /// What the question is about.
        subjects: Vec<Subject>,
    },
    /// The user's program asks for the status.
    Ask {
        /// Comes back with the answer.
        question: u32,
        /// Only once it is newer than this version.
        after: Option<u64>,
    },
    /// The user's program wants the cluster to have more engines, or fewer.
    Change {
        /// Comes back with the answer.
        question: u32,
        /// What is wanted.
        change: Box<Change>,
    },
    /// The user's program has taken delivered results: what [`Batch::cost`] says of each `outcomes.batch`.
    Taken {
        /// Since the last time.
        bytes: u64,
    },
    /// The user's program has taken output, or does without it: what [`Output::cost`] says of it.
    OutputTaken {
        /// Since the last time.
        bytes: u64,
    },
    /// The user's program wants the cluster to end.
    Stop,
    /// Time has passed; nothing else.
    Tick,
}

/// Something to be done by the shell, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send a message to the controller.
    Send(Message),
    /// Hand results to the user's program. Each task is delivered once. Long results are announced in `outcomes.batch`
    /// and stand in `bulk`, in order.
    Deliver {
        /// How the tasks ended.
        outcomes: Outcomes,
        /// The long results.
        bulk: Vec<Bytes>,
    },
    /// Hand over what a running task wrote; its end comes later.
    Output(Output),
    /// Answer a question.
    Answer {
        /// Which.
        question: u32,
        /// The answer.
        status: Box<ClusterStatus>,
    },
    /// Answer a question for reasons.
    Because {
        /// Which.
        question: u32,
        /// The answer.
        because: Box<Because>,
    },
    /// A submission is opened, read or closed, or has got more tasks. Comes before any result of those.
    Opened(Opened),
    /// Answer a question about tasks.
    Listed {
        /// Which.
        question: u32,
        /// The answer.
        page: TaskPage,
    },
    /// Answer whether a change of the cluster's size has begun.
    Changed {
        /// The question.
        question: u32,
        /// What has begun, or why nothing has, for people.
        answer: Result<Agreement, String>,
    },
    /// Tell the user.
    Notice {
        /// For people.
        text: String,
    },
    /// Submissions have left, or ended without: the program may prepare as many more. Counted as [`Batch::cost`] says.
    Sent {
        /// Since the last time.
        bytes: u64,
    },
    /// The link is gone for good; nothing undelivered will come. The shell closes it once what was sent before has gone out.
    Lost {
        /// Why, for people.
        reason: String,
        /// Whether the controller said goodbye, as it does when the cluster is stopped.
        orderly: bool,
    },
}
