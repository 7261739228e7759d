//! What is known of each client: its windows, its batches, and results that wait for it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::wire::Outcomes;

/// One client.
#[derive(Debug)]
pub(super) struct Client {
    /// The least id that its next submission may have.
    pub(super) next: u64,
    /// Its batches that have unfinished tasks: its id of the first task, and the controller's.
    pub(super) batches: BTreeMap<u64, u64>,
    pub(super) window: SubmitWindow,
    pub(super) outbox: Outbox,
    pub(super) functions: BTreeSet<u32>,
    pub(super) function_bytes: u64,
    /// Questions that wait for a status newer than a version.
    pub(super) asks: Vec<(u32, u64)>,
    /// What its tasks wrote that was passed on since it was last heard of.
    pub(super) output_bytes: u64,
    pub(super) output_dropped: bool,
    /// What its batches take here, finished tasks among them.
    pub(super) kept: u64,
}

impl Client {
    pub(super) fn new(submit_window: u64, result_window: u64) -> Self {
        Client {
            next: 0,
            batches: BTreeMap::new(),
            window: SubmitWindow { size: submit_window, received: 0, ended: 0, announced: submit_window },
            outbox: Outbox { held: VecDeque::new(), held_bytes: 0, sent: 0, limit: result_window },
            functions: BTreeSet::new(),
            function_bytes: 0,
            asks: Vec::new(),
            output_bytes: 0,
            output_dropped: false,
            kept: 0,
        }
    }
}

/// How much the client may submit. Counted as [`Batch::cost`](crate::wire::Batch::cost).
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

/// Results on their way to the client, and those that wait until it has taken some.
#[derive(Debug)]
pub(super) struct Outbox {
    held: VecDeque<Outcomes>,
    held_bytes: u64,
    sent: u64,
    limit: u64,
}

impl Outbox {
    /// Adds results behind the others.
    pub(super) fn push(&mut self, outcomes: Outcomes) {
        self.held_bytes += outcomes.batch.cost();
        self.held.push_back(outcomes);
    }

    /// The next results that may be sent. They may pass the window's end by one message, so that none is too long.
    pub(super) fn next(&mut self) -> Option<Outcomes> {
        if self.sent >= self.limit {
            return None;
        }
        let outcomes = self.held.pop_front()?;
        self.held_bytes -= outcomes.batch.cost();
        self.sent += outcomes.batch.cost();
        Some(outcomes)
    }

    /// Takes note of what the client allows.
    pub(super) fn widen(&mut self, limit: u64) {
        self.limit = self.limit.max(limit);
    }

    /// How much waits.
    pub(super) fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    /// Takes out what waits and matches; only announcements of long results ever need to be.
    pub(super) fn withdraw(&mut self, mut matches: impl FnMut(&Outcomes) -> bool) {
        self.held.retain(|outcomes| !matches(outcomes));
        self.held_bytes = self.held.iter().map(|outcomes| outcomes.batch.cost()).sum();
    }

    /// What is wrong with the counts, if anything is.
    pub(super) fn check(&self) -> Option<&'static str> {
        let held: u64 = self.held.iter().map(|outcomes| outcomes.batch.cost()).sum();
        match () {
            _ if held != self.held_bytes => Some("held results are counted wrongly"),
            _ if !self.held.is_empty() && self.sent < self.limit => Some("results wait without need"),
            _ => None,
        }
    }
}
