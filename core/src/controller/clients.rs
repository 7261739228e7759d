//! What is known of each client's link: what waits to be sent to it, and what it has asked.

use std::collections::VecDeque;

use super::store::Kept;
use crate::id::SubmissionId;
use crate::transfer::Offers;
use crate::wire::{BULK, CLIENT_OUTPUT_WINDOW_BYTES, Credit, Outcomes, Output, Transfer};

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
}

impl Client {
    pub(super) fn new(result_window: u64) -> Self {
        Client {
            outbox: Outbox {
                held: VecDeque::new(),
                held_bytes: 0,
                sent: 0,
                limit: result_window,
                output: Credit::new(CLIENT_OUTPUT_WINDOW_BYTES),
            },
            submission: None,
            offers: Offers::default(),
            asks: Vec::new(),
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

/// Results and output on their way to the client, in order, and those that wait until it has taken some.
#[derive(Debug)]
pub(super) struct Outbox {
    held: VecDeque<Held>,
    /// What the results among them count.
    held_bytes: u64,
    sent: u64,
    limit: u64,
    /// How much of what its tasks write may be sent.
    pub(super) output: Credit,
}

/// What waits in an outbox.
#[derive(Debug)]
pub(super) enum Held {
    Results(Outcomes),
    Output(Output),
}

impl Outbox {
    /// Adds results behind what waits.
    pub(super) fn push(&mut self, outcomes: Outcomes) {
        self.held_bytes += outcomes.batch.cost();
        self.held.push_back(Held::Results(outcomes));
    }

    /// Adds what a task wrote behind what waits. The engines' windows bound how much that is.
    pub(super) fn push_output(&mut self, output: Output) {
        self.held.push_back(Held::Output(output));
    }

    /// Whether what is pushed now has to wait.
    pub(super) fn holds_back(&self) -> bool {
        !self.held.is_empty() || !self.output.is_open()
    }

    /// The next that may be sent. It may pass the window's end by one message, so that none is too long.
    pub(super) fn next(&mut self) -> Option<Held> {
        if !self.is_open() {
            return None;
        }
        let held = self.held.pop_front()?;
        match &held {
            Held::Results(outcomes) => {
                self.held_bytes -= outcomes.batch.cost();
                self.sent += outcomes.batch.cost();
            }
            Held::Output(output) => self.output.spend(output.cost()),
        }
        Some(held)
    }

    /// Whether the first that waits may be sent.
    fn is_open(&self) -> bool {
        match self.held.front() {
            Some(Held::Results(_)) => self.sent < self.limit,
            Some(Held::Output(_)) => self.output.is_open(),
            None => false,
        }
    }

    /// What tasks wrote that waits.
    pub(super) fn held_output(&self) -> impl Iterator<Item = &Output> {
        self.held.iter().filter_map(|held| match held {
            Held::Output(output) => Some(output),
            Held::Results(_) => None,
        })
    }

    fn held_results(&self) -> impl Iterator<Item = &Outcomes> {
        self.held.iter().filter_map(|held| match held {
            Held::Results(outcomes) => Some(outcomes),
            Held::Output(_) => None,
        })
    }

    /// Takes note of what the client allows.
    pub(super) fn widen(&mut self, limit: u64) {
        self.limit = self.limit.max(limit);
    }

    /// How much the results that wait count.
    pub(super) fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    /// Takes out what waits and matches; only announcements of long results ever need to be.
    pub(super) fn withdraw(&mut self, mut matches: impl FnMut(&Outcomes) -> bool) {
        self.held.retain(|held| !matches!(held, Held::Results(outcomes) if matches(outcomes)));
        self.held_bytes = self.held_results().map(|outcomes| outcomes.batch.cost()).sum();
    }

    /// What is wrong with the counts, if anything is.
    pub(super) fn check(&self) -> Option<&'static str> {
        let held: u64 = self.held_results().map(|outcomes| outcomes.batch.cost()).sum();
        match () {
            _ if held != self.held_bytes => Some("held results are counted wrongly"),
            _ if self.is_open() => Some("results or output wait without need"),
            _ => None,
        }
    }
}
