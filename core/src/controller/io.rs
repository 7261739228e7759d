//! What goes into the controller's machine, and what comes out.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use crate::connection::Role;
use crate::error::BackendError;
use crate::id::{AllocationId, ClusterTag, LinkId, RequestId, SubmissionId, TaskId};
use crate::profile::Policy;
use crate::scheduler::{AllocationRequest, AllocationState};
use crate::wire::{ControllerStatus, Message};

/// What the machine is told at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerConfig {
    /// How it describes itself in answers. `uptime_seconds` and `clients` are filled in by the machine.
    pub identity: ControllerStatus,
    /// The wall clock at the timestamp 0, in microseconds since 1970.
    pub epoch_micros: u64,
    /// Marks the cluster's allocations.
    pub tag: ClusterTag,
    /// The allocations to ask for.
    pub requests: Vec<AllocationRequest>,
    /// How many engines the cluster is meant to have.
    pub engines_wanted: u32,
    /// How often peers say something at least.
    pub heartbeat: Duration,
    /// A link that has been silent for this long is lost.
    pub lost_after: Duration,
    /// How often the site is asked for the states of allocations that have not ended.
    pub poll_every: Duration,
    /// How much work is kept queued at an engine, in time: enough to bridge a round trip, little enough to balance.
    pub queue_ahead: Duration,
    /// How it chooses among the engines that have room for a task.
    pub policy: Policy,
    /// Decides what it chooses at random.
    pub seed: u64,
    /// How often a task whose engine was lost is tried, before it is taken to be the cause.
    pub attempts_limit: u16,
    /// How many bytes of unfinished submissions one client may have here (arguments, and 64 bytes a task).
    pub submit_window_bytes: u64,
    /// How many bytes of results may be on their way to one client, whose own machine starts with the same number. As
    /// many more are kept here for a client that does not take them, before its tasks wait.
    pub result_window_bytes: u64,
    /// How many bytes of submissions' results are kept here before no further task of theirs is sent to an engine.
    pub result_bytes: u64,
    /// Ends the cluster when the first client's link goes: for throw-away clusters.
    pub ephemeral: bool,
}

/// Something that has happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// A peer has proven its role and was welcomed.
    LinkUp {
        /// The new link.
        link: LinkId,
        /// What the peer may do.
        role: Role,
        /// Where it is, for people.
        address: String,
    },
    /// A message came.
    Received {
        /// From whom.
        link: LinkId,
        /// What.
        message: Message,
    },
    /// A link is gone. Never follows an [`Effect::Close`] of the same link.
    LinkDown {
        /// Which.
        link: LinkId,
        /// Why, for people.
        reason: String,
    },
    /// The scheduler's answer to [`Effect::Submit`].
    Submitted {
        /// Which request.
        request: RequestId,
        /// The answer.
        answer: Result<AllocationId, BackendError>,
    },
    /// The scheduler's answer to [`Effect::Find`].
    Found {
        /// Which request it was asked for.
        request: RequestId,
        /// The answer.
        answer: Result<Vec<AllocationId>, BackendError>,
    },
    /// The scheduler's answer to [`Effect::Poll`].
    Polled {
        /// The answer.
        answer: Result<BTreeMap<AllocationId, AllocationState>, BackendError>,
    },
    /// The scheduler's answer to [`Effect::Cancel`].
    Cancelled {
        /// Which allocations.
        allocations: Vec<AllocationId>,
        /// The answer.
        answer: Result<(), BackendError>,
    },
    /// The last lines that an allocation wrote, as asked for by [`Effect::ReadOutput`]; empty if there are none.
    Output {
        /// Which allocation.
        allocation: AllocationId,
        /// The text.
        text: String,
    },
    /// What has become of the oldest of the [`Effect::Write`]s, of each in order: the reason if it could not be done.
    Written {
        /// Each one's.
        answers: Vec<Result<(), String>>,
    },
    /// The host wants the cluster to end (a signal, the machine's shutdown).
    Interrupted,
    /// Nobody new can find this cluster any more: it is to end once its clients have left.
    Orphaned {
        /// Why, for people.
        reason: String,
    },
    /// Time has passed; nothing else.
    Tick,
}

/// Something to be done by the shell, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send a message. To a link that is gone: forget it.
    Send {
        /// To whom.
        link: LinkId,
        /// What.
        message: Message,
    },
    /// Close a link once what was sent before has gone out.
    Close {
        /// Which.
        link: LinkId,
        /// Why; for the log.
        reason: String,
    },
    /// Ask the scheduler for an allocation; answered by [`Input::Submitted`].
    Submit {
        /// Comes back with the answer.
        request: RequestId,
        /// What to ask for.
        spec: AllocationRequest,
    },
    /// Look for allocations by tag; answered by [`Input::Found`].
    Find {
        /// Comes back with the answer.
        request: RequestId,
        /// The cluster's tag.
        tag: ClusterTag,
    },
    /// Ask the scheduler for states; answered by [`Input::Polled`]. At most one is under way.
    Poll {
        /// Of which allocations.
        allocations: Vec<AllocationId>,
    },
    /// Give allocations back, with one request to the site; answered by [`Input::Cancelled`].
    Cancel {
        /// Which.
        allocations: Vec<AllocationId>,
    },
    /// Read the end of what an allocation wrote; answered by [`Input::Output`].
    ReadOutput {
        /// Which.
        allocation: AllocationId,
    },
    /// Add to the files that hold what a submission's task writes; answered by [`Input::Written`]. After one of the same
    /// task that failed, others may come.
    Write {
        /// Which submission.
        submission: SubmissionId,
        /// Which of its tasks.
        task: TaskId,
        /// 1 is stdout, 2 is stderr.
        stream: u8,
        /// Its files begin anew with this: what an earlier try wrote goes away.
        begins: bool,
        /// The bytes.
        data: Bytes,
    },
    /// Remove the files that hold what tasks wrote.
    Discard {
        /// Of which submission.
        submission: SubmissionId,
        /// Which of its tasks; those without files too.
        tasks: Vec<TaskId>,
    },
    /// Tell the log.
    Log {
        /// For people; one line.
        text: String,
    },
    /// Everything has ended: leave, once what was sent before has gone out.
    Exit {
        /// Why; for the log.
        reason: String,
    },
}
