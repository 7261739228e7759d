//! What is known of each client's link: results that wait for it, and what it has asked.

use std::collections::VecDeque;

use super::store::Kept;
use crate::id::SubmissionId;
use crate::transfer::Offers;
use crate::wire::{BULK, Outcomes, Transfer};

/// One client.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) outbox: Outbox,
    /// The submission that it fills or reads.
    pub(super) submission: Option<SubmissionId>,
    /// The long results of that submission that were announced to it.
    pub(super) offers: Offers,
    /// Questions that wait for a status newer than a version.
    pub(super) asks: Vec<(u32, u64)>,
    /// What its tasks wrote that was passed on since it was last heard of.
    pub(super) output_bytes: u64,
    pub(super) output_dropped: bool,
}

impl Client {
    pub(super) fn new(result_window: u64) -> Self {
        Client {
            outbox: Outbox { held: VecDeque::new(), held_bytes: 0, sent: 0, limit: result_window },
            submission: None,
            offers: Offers::default(),
            asks: Vec::new(),
            output_bytes: 0,
            output_dropped: false,
        }
    }

    /// Puts results that are kept behind the others that it is to get.
    pub(super) fn offer(&mut self, kept: &Kept) {
        let ids = kept.outcomes.runs.ids();
        let announced = ids.enumerate().filter(|(at, _)| kept.outcomes.batch.lengths.get(*at) == BULK);
        for ((_, id), data) in announced.zip(&kept.bulk) {
            self.offers.keep(Transfer::Result(id), data.clone());
        }
        self.outbox.push(kept.outcomes.clone());
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
