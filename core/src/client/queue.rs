//! Submissions that wait for room in the controller's window, in order.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::id::{FunctionHash, TaskId};
use crate::ranges::Ranges;
use crate::task::{Function, TaskOptions};
use crate::wire::{BATCH_TARGET_BYTES, Batch, BatchCutter, FRAME_LIMIT_BYTES, HEADER_LIMIT_BYTES};

/// The most targets that the header of a submission holds: at most 5 bytes each, beside 1,024 announcements.
const TARGETS_LIMIT: usize = HEADER_LIMIT_BYTES / 10;

/// Tasks that wait.
#[derive(Debug)]
pub(super) struct Submission {
    base: TaskId,
    function: Function,
    hash: FunctionHash,
    options: TaskOptions,
    batch: BatchCutter,
    bulk: VecDeque<Bytes>,
}

/// Tasks that leave in one message, or end without.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) base: TaskId,
    pub(super) function: Function,
    pub(super) hash: FunctionHash,
    pub(super) options: TaskOptions,
    pub(super) batch: Batch,
    pub(super) bulk: Vec<Bytes>,
}

impl Submission {
    pub(super) fn new(
        base: TaskId,
        function: Function,
        hash: FunctionHash,
        options: TaskOptions,
        batch: Batch,
        bulk: Vec<Bytes>,
    ) -> Self {
        Submission { base, function, hash, options, batch: BatchCutter::new(batch), bulk: bulk.into() }
    }

    fn take(&mut self, count: usize) -> Part {
        let base = self.base;
        let batch = self.batch.take(count);
        self.base = TaskId(base.0 + batch.lengths.len() as u64);
        let bulk = self.bulk.drain(..batch.bulk.len().min(self.bulk.len())).collect();
        Part {
            base,
            function: self.function.clone(),
            hash: self.hash,
            options: self.options.clone(),
            batch,
            bulk,
        }
    }
}

impl Part {
    /// The first id, and how many.
    pub(super) fn ids(&self) -> (TaskId, usize) {
        (self.base, self.batch.lengths.len())
    }

    /// Why no message can carry these tasks, if none can.
    pub(super) fn unsendable(&self) -> Option<String> {
        let (body, limit) = (self.function.body.len(), FRAME_LIMIT_BYTES - HEADER_LIMIT_BYTES - 64);
        if body > limit {
            return Some(format!(
                "the function takes {body} bytes, and at most {limit} can be sent; pass large data as an argument instead"
            ));
        }
        let targets = self.options.targets.as_ref().map_or(0, Vec::len);
        (targets > TARGETS_LIMIT)
            .then(|| format!("{targets} engines are named as targets, and at most {TARGETS_LIMIT} can be; name none to allow all"))
    }
}

/// All that wait, and the window. Bounded by the shell, which prepares only so much before [`super::Effect::Sent`].
#[derive(Debug)]
pub(super) struct Queue {
    waiting: VecDeque<Submission>,
    /// What may be sent at all before anything was granted.
    initial: u64,
    /// What may have been sent by now, and what was, since the link opened.
    window: u64,
    sent: u64,
}

impl Queue {
    pub(super) fn new(window: u64) -> Self {
        Queue { waiting: VecDeque::new(), initial: window, window, sent: 0 }
    }

    pub(super) fn push(&mut self, submission: Submission) {
        if submission.batch.remaining() > 0 {
            self.waiting.push_back(submission);
        }
    }

    /// Takes note of what the controller allows now.
    pub(super) fn widen(&mut self, window: u64) {
        self.window = self.window.max(window);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// The tasks that may leave now, as much as one message should hold. While little of the window is left, tasks wait
    /// for more of it rather than leave in crumbs.
    pub(super) fn next(&mut self) -> Option<Part> {
        let left = self.window - self.sent;
        let front = self.waiting.front_mut()?;
        let target = BATCH_TARGET_BYTES as u64;
        let count = match front.batch.fitting(left.min(target)) {
            // a single task may be longer than a message should be
            0 if front.batch.next_cost().is_some_and(|cost| cost <= left) => 1,
            count => count,
        };
        let whole = count == front.batch.remaining();
        if count == 0 || !whole && left < target.min(self.initial / 4) {
            return None;
        }
        let part = front.take(count);
        if whole {
            self.waiting.pop_front();
        }
        if part.unsendable().is_none() {
            self.sent += part.batch.cost();
        }
        Some(part)
    }

    /// Takes out the tasks among `unwanted`.
    pub(super) fn remove(&mut self, unwanted: &Ranges) -> Vec<Part> {
        let mut removed = Vec::new();
        for mut submission in std::mem::take(&mut self.waiting) {
            let (base, remaining) = (submission.base, submission.batch.remaining() as u64);
            for (first, count) in unwanted.within(base, remaining).collect::<Vec<_>>() {
                let before = (first.0 - submission.base.0) as usize;
                if before > 0 {
                    let Part { base, function, hash, options, batch, bulk } = submission.take(before);
                    self.push(Submission::new(base, function, hash, options, batch, bulk));
                }
                removed.push(submission.take(count as usize));
            }
            self.push(submission);
        }
        removed
    }
}
