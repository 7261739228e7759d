//! Whose tasks they are, and what is kept for each such owner: its window, its batches, its functions.

use std::collections::{BTreeMap, BTreeSet};

use super::limits::FAILED_LIMIT;
use crate::id::{LinkId, SubmissionId, TaskId};
use crate::ranges::Ranges;

/// Whose tasks they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    /// A client's, for as long as its link is there.
    Link(LinkId),
    /// They outlive the client that has submitted them.
    Submission(SubmissionId),
}

/// What is kept for an owner.
#[derive(Debug)]
pub(super) struct Account {
    /// The least id that its next submission may have.
    pub(super) next: u64,
    /// Its batches that have unfinished tasks: its id of the first task, and the controller's.
    pub(super) batches: BTreeMap<u64, u64>,
    pub(super) window: SubmitWindow,
    pub(super) functions: BTreeSet<u32>,
    pub(super) function_bytes: u64,
    /// Its tasks that did not end well, for those that are to run after them.
    pub(super) failed: Ranges,
    /// What its batches take here, finished tasks among them.
    pub(super) kept: u64,
}

impl Account {
    pub(super) fn new(submit_window: u64) -> Self {
        Account {
            next: 0,
            batches: BTreeMap::new(),
            window: SubmitWindow { size: submit_window, received: 0, ended: 0, announced: submit_window },
            functions: BTreeSet::new(),
            function_bytes: 0,
            failed: Ranges::default(),
            kept: 0,
        }
    }
}

impl Account {
    /// Takes note that tasks did not end well. Where there are very many stretches of them, the oldest are taken
    /// together with what is between.
    pub(super) fn note_failed(&mut self, first: TaskId, count: u64) {
        self.failed.insert(first, count);
        if self.failed.len() > FAILED_LIMIT {
            self.failed.join_first();
        }
    }
}

/// How much an owner may have submitted. Counted as [`Batch::cost`](crate::wire::Batch::cost).
#[derive(Debug)]
pub(super) struct SubmitWindow {
    size: u64,
    received: u64,
    ended: u64,
    announced: u64,
}

impl SubmitWindow {
    /// Takes note of a submission; `false` if it does not fit.
    pub(super) fn receive(&mut self, cost: u64) -> bool {
        self.received = self.received.saturating_add(cost);
        self.received <= self.announced
    }

    /// Takes note that tasks have ended.
    pub(super) fn end(&mut self, cost: u64) {
        self.ended += cost;
    }

    /// What the unfinished tasks count.
    pub(super) fn unfinished(&self) -> u64 {
        self.received - self.ended
    }

    /// The new limit, if the client should hear of it: each eighth of the window.
    pub(super) fn announce(&mut self) -> Option<u64> {
        let limit = self.size.saturating_add(self.ended);
        if limit - self.announced < (self.size / 8).max(1) {
            return None;
        }
        self.announced = limit;
        Some(limit)
    }
}
