//! What the program's threads and the client's thread exchange.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rpar_core::id::{SubmissionId, TaskId};
use rpar_core::task::{Failure, TaskOptions, TaskStatus};
use rpar_core::wire::{
    Agreement, Because, CLIENT_OUTPUT_WINDOW_BYTES, Change, ClusterStatus, Opened, Runs, Subject, TaskPage,
};
use tokio::sync::Notify;

use super::batch::{Open, Prepared};
use super::keep::Pace;
use super::{Defined, Group, Reading};

/// More than this should not wait to be sent: what a link carries in a tenth of a second, and a million small tasks.
const READY_BYTES: u64 = 64 << 20;

/// The most notices kept for a program that does not ask for them.
const NOTICES: usize = 100;

/// How much output the program takes before the client's thread is woken for it: an eighth of the window, so that
/// tasks that flood do not wait, and small pieces wake nobody.
const OUTPUT_TAKEN_BYTES: u64 = CLIENT_OUTPUT_WINDOW_BYTES / 8;

/// What the program wants beside running tasks.
#[derive(Debug)]
pub(super) enum Request {
    /// With those that run, or only what has not begun.
    Cancel {
        group: Group,
        indexes: Range<usize>,
        running: bool,
    },
    Open {
        name: String,
        answer: mpsc::SyncSender<Opened>,
    },
    Close {
        answer: mpsc::SyncSender<Opened>,
    },
    Read {
        submission: SubmissionId,
        results: bool,
        answer: mpsc::SyncSender<Reading>,
    },
    /// The same, of the submission that is read.
    CancelTasks {
        runs: Runs,
        running: bool,
    },
    Forget {
        upto: TaskId,
    },
    List {
        submission: SubmissionId,
        from: TaskId,
        answer: mpsc::SyncSender<TaskPage>,
    },
    Why {
        subjects: Vec<Subject>,
        answer: mpsc::SyncSender<Because>,
    },
    Ask {
        after: Option<u64>,
        answer: mpsc::SyncSender<ClusterStatus>,
    },
    Change {
        change: Box<Change>,
        answer: mpsc::SyncSender<Result<Agreement, String>>,
    },
    Stop,
    Leave,
}

/// How a link ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) reason: String,
    pub(super) orderly: bool,
}

impl End {
    /// What becomes of a task that had not ended.
    pub(super) fn failure(&self) -> Bytes {
        let reason = &self.reason;
        let message = if self.orderly {
            format!("the cluster has ended ({reason}) before the task did: start it again and resubmit")
        } else {
            format!(
                "the link to the controller was lost ({reason}): connect again and resubmit; `rpar status` tells whether the cluster still runs"
            )
        };
        Failure::new(message).encode()
    }
}

#[derive(Debug, Default)]
pub(super) struct Outbox {
    state: Mutex<State>,
    /// Wakes the client's thread.
    wake: Notify,
    /// Wakes it even while the link takes nothing.
    leave: Notify,
    /// Wakes threads of the program that wait for room, or for the end.
    changed: Condvar,
    /// The results of paced groups.
    pub(super) pace: Arc<Pace>,
}

#[derive(Debug, Default)]
struct State {
    next_task: u64,
    open: Option<Open>,
    prepared: Vec<Prepared>,
    requests: Vec<Request>,
    /// The client's thread knows that something waits, and need not be woken for more.
    awake: bool,
    /// What has not left yet, and long arguments whose tasks have not ended.
    pending_bytes: u64,
    notices: VecDeque<String>,
    /// What the program has taken of what tasks wrote.
    output_taken: u64,
    end: Option<End>,
}

/// All that waited.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) batches: Vec<Prepared>,
    pub(super) requests: Vec<Request>,
    pub(super) output_bytes: u64,
}

impl Outbox {
    pub(super) fn submit(
        &self,
        group: &Group,
        function: &Arc<Defined>,
        options: &Arc<TaskOptions>,
        argument: Bytes,
    ) -> usize {
        let mut state = self.lock();
        let index = group.add();
        if let Some(end) = &state.end {
            let why = end.failure();
            drop(state);
            group.end(index, TaskStatus::Lost, why);
            return index;
        }
        if state.open.as_ref().is_some_and(|open| !open.fits(group, function, options, &argument)) {
            state.close_batch();
        }
        let next_task = state.next_task;
        let open = state.open.get_or_insert_with(|| Open::new(next_task, group, index, function, options));
        let cost = open.push(argument);
        state.next_task += 1;
        state.pending_bytes += cost;
        self.wake(state);
        index
    }

    /// Adds a task that ends at once, without being sent.
    pub(super) fn reject(&self, group: &Group, why: Bytes) -> usize {
        let mut state = self.lock();
        let index = group.add();
        // the indexes of a batch are consecutive
        state.close_batch();
        drop(state);
        group.end(index, TaskStatus::Failed, why);
        index
    }

    /// What the group's tasks are called on the link.
    pub(super) fn ids(&self, group: &Group) -> Vec<(TaskId, u32)> {
        self.lock().close_batch();
        group.ids()
    }

    pub(super) fn request(&self, request: Request) {
        let mut state = self.lock();
        if state.end.is_none() {
            state.requests.push(request);
            self.wake(state);
        }
    }

    /// The program leaves.
    pub(super) fn leave(&self) {
        self.request(Request::Leave);
        self.leave.notify_one();
    }

    /// Waits until the program leaves. Cancel-safe.
    pub(super) async fn left(&self) {
        self.leave.notified().await;
    }

    fn wake(&self, mut state: MutexGuard<'_, State>) {
        let awake = std::mem::replace(&mut state.awake, true);
        drop(state);
        if !awake {
            self.wake.notify_one();
        }
    }

    /// Takes all that waits. Once more does, [`woken`](Self::woken) returns.
    pub(super) fn take(&self) -> Taken {
        let mut state = self.lock();
        state.awake = false;
        state.close_batch();
        state.take()
    }

    /// Waits until there is something to take. Cancel-safe.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Makes room for as much as has left, or has ended.
    pub(super) fn release(&self, bytes: u64) {
        let mut state = self.lock();
        let full = state.pending_bytes >= READY_BYTES;
        state.pending_bytes = state.pending_bytes.saturating_sub(bytes);
        if full && state.pending_bytes < READY_BYTES {
            self.changed.notify_all();
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.lock().is_ready()
    }

    /// Whether there is room, waiting for it until `deadline`.
    pub(super) fn wait_ready(&self, deadline: Option<Instant>) -> bool {
        let mut state = self.lock();
        while !state.is_ready() {
            state = match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => return false,
                Some(left) => {
                    let waited = self.changed.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        true
    }

    /// Marks the link's end; gives back what had not been taken before it. Only the first end counts.
    pub(super) fn end(&self, end: End) -> Taken {
        let mut state = self.lock();
        state.close_batch();
        state.end.get_or_insert(end);
        self.changed.notify_all();
        state.take()
    }

    pub(super) fn lost(&self) -> Option<End> {
        self.lock().end.clone()
    }

    /// Waits for the link's end; `None` if that does not come before `deadline`.
    pub(super) fn wait_lost(&self, deadline: Instant) -> Option<End> {
        let mut state = self.lock();
        while state.end.is_none() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.end.clone()
    }

    pub(super) fn notice(&self, text: String) {
        let mut state = self.lock();
        if state.notices.len() == NOTICES {
            state.notices.pop_front();
        }
        state.notices.push_back(text);
    }

    pub(super) fn take_notices(&self) -> Vec<String> {
        self.lock().notices.drain(..).collect()
    }

    /// The program does not keep this any longer of what tasks wrote.
    pub(super) fn output_taken(&self, bytes: u64) {
        let mut state = self.lock();
        state.output_taken += bytes;
        if state.output_taken >= OUTPUT_TAKEN_BYTES && state.end.is_none() {
            self.wake(state);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // each change is whole before anything that can panic
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_ready(&self) -> bool {
        self.pending_bytes < READY_BYTES || self.end.is_some()
    }

    fn take(&mut self) -> Taken {
        Taken {
            batches: std::mem::take(&mut self.prepared),
            requests: std::mem::take(&mut self.requests),
            output_bytes: std::mem::take(&mut self.output_taken),
        }
    }

    fn close_batch(&mut self) {
        let Some(prepared) = self.open.take().map(Open::close) else { return };
        let tasks = &prepared.tasks;
        tasks.group.name(tasks.index, tasks.base, tasks.count);
        self.prepared.push(prepared);
    }
}
