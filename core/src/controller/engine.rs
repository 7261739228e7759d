//! One engine: what it has ahead, and how much more it may get.

use std::collections::VecDeque;
use std::time::Duration;

use super::functions::{Functions, Pace};
use super::limits::{ENGINE_BYTES_LIMIT, ENGINE_RELAYS_LIMIT, ENGINE_TASKS_LIMIT};
use super::pool::Claim;
use super::ready::Range;
use super::refusals::Refusals;
use super::rotation::Rotation;
use super::withdrawals::Watch;
use crate::id::LinkId;
use crate::wire::{Allowance, ENGINE_OUTPUT_WINDOW_BYTES};

/// One engine.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) host: LinkId,
    /// Tasks sent to it that have not ended, and their arguments' bytes.
    pub(super) assigned: u32,
    pub(super) bytes: u64,
    /// Long results of it that are on their way.
    pub(super) relays: u32,
    /// When it got its last tasks, counted in uses of any engine; 0 is never.
    pub(super) used: u64,
    pub(super) completed: u64,
    /// How many of the assigned tasks are of which function.
    load: Vec<(u32, u32)>,
    /// What was sent to it, in order; tasks that have left since are still in there.
    spans: VecDeque<Range>,
    /// Whether nothing is sent behind what it has: one of its tasks has lost engines before, or must not run again, and
    /// what waited behind it would be lost with it; or it was asked for what it had not begun.
    pub(super) closed: bool,
    /// Whether its time is nearly over: it gets one task at a time, so that none waits there to be lost with it.
    pub(super) ending: bool,
    pub(super) watch: Watch,
    /// What its tasks take of its host.
    pub(super) claim: Option<Claim>,
    /// What its tasks write, on its way to their clients.
    pub(super) output: Allowance,
    /// Lanes that do not take just any engine, but this one.
    pub(super) lanes: Rotation,
    /// Whether it got its last tasks from one of those.
    pub(super) targeted_last: bool,
    /// Whether it gets no more tasks, and leaves when it has none.
    pub(super) retiring: bool,
    /// What it cannot run.
    pub(super) refusals: Refusals,
    /// Its rank among the open engines, if it is one of them.
    pub(super) rank: Option<u64>,
}

impl Engine {
    pub(super) fn new(host: LinkId) -> Self {
        Engine {
            host,
            assigned: 0,
            bytes: 0,
            relays: 0,
            used: 0,
            completed: 0,
            load: Vec::new(),
            spans: VecDeque::new(),
            closed: false,
            ending: false,
            watch: Watch::default(),
            claim: None,
            output: Allowance::new(ENGINE_OUTPUT_WINDOW_BYTES),
            lanes: Rotation::default(),
            targeted_last: false,
            retiring: false,
            refusals: Refusals::default(),
            rank: None,
        }
    }

    /// How many tasks it has, or has run without having got rid of their results.
    pub(super) fn load(&self) -> u64 {
        self.assigned as u64 + self.relays as u64
    }

    /// The work ahead, in nanoseconds.
    pub(super) fn backlog(&self, functions: &Functions) -> u64 {
        self.load.iter().fold(0, |sum: u64, (function, count)| {
            sum.saturating_add(functions.pace(*function).mean.saturating_mul(*count as u64))
        })
    }

    pub(super) fn is_open(&self, functions: &Functions, ahead: u64) -> bool {
        let room = !self.retiring
            && !self.closed
            && self.relays <= ENGINE_RELAYS_LIMIT
            && self.assigned < ENGINE_TASKS_LIMIT
            && self.bytes < ENGINE_BYTES_LIMIT;
        // a nearly full engine waits for a better filled frame
        room && (self.assigned == 0 || !self.ending && self.backlog(functions) <= ahead - ahead / 8)
    }

    /// How many tasks of a function it may get now: as many as fill the time ahead, but no more than have been
    /// measured; one if it has none.
    pub(super) fn credit(&self, function: u32, functions: &Functions, ahead: Duration) -> u32 {
        let pace = functions.pace(function);
        let least = (self.assigned == 0) as u64;
        if pace.samples == 0 || self.ending {
            return least as u32;
        }
        let time = nanos(ahead).saturating_sub(self.backlog(functions)) / pace.mean.max(1);
        let running = self.load.iter().find(|(key, _)| *key == function).map_or(0, |(_, count)| *count);
        let evidence = pace.samples.saturating_add(1).saturating_sub(running as u64);
        let room = ENGINE_TASKS_LIMIT.saturating_sub(self.assigned) as u64;
        // and their results are to fit into as much memory as their arguments
        let results = (ENGINE_BYTES_LIMIT / pace.bytes.max(1)).saturating_sub(running as u64);
        let credit = time.min(evidence).min(results).min(room);
        // evidence comes in crumbs, from every engine at once: no frame for each
        let worthwhile = credit >= crumb(pace, ahead).min(running as u64 / 2);
        if worthwhile { credit.max(least) as u32 } else { least as u32 }
    }

    /// Takes note that tasks were sent to it.
    pub(super) fn assign(&mut self, span: Range, function: u32, bytes: u64, closes: bool) {
        let count = span.len() as u32;
        self.assigned += count;
        self.bytes += bytes;
        self.closed |= closes;
        match self.load.iter_mut().find(|(key, _)| *key == function) {
            Some((_, running)) => *running += count,
            None => self.load.push((function, count)),
        }
        match self.spans.back_mut() {
            Some(last) if last.first == span.first && last.to == span.from => last.to = span.to,
            _ => self.spans.push_back(span),
        }
    }

    /// Takes note that tasks have left it.
    pub(super) fn release(&mut self, function: u32, count: u32, bytes: u64) {
        self.assigned -= count;
        self.bytes -= bytes;
        if let Some(at) = self.load.iter().position(|(key, _)| *key == function) {
            self.load[at].1 -= count;
            if self.load[at].1 == 0 {
                self.load.swap_remove(at);
            }
        }
        if self.assigned == 0 {
            self.closed = false;
        }
    }

    /// Whether nothing of it is unfinished.
    pub(super) fn is_idle(&self) -> bool {
        self.assigned == 0 && self.relays == 0
    }

    /// Forgets what has left it; `first_here` tells the first task of a span that has not.
    pub(super) fn trim(&mut self, mut first_here: impl FnMut(Range) -> Option<u32>) {
        if self.is_idle() {
            self.spans.clear();
        } else if self.spans.len() > 2 * (self.assigned + self.relays) as usize + 64 {
            self.spans.retain(|span| first_here(*span).is_some());
        }
        while let Some(span) = self.spans.front_mut() {
            if let Some(from) = first_here(*span) {
                span.from = from;
                break;
            }
            self.spans.pop_front();
        }
    }

    /// What was sent to it, in order.
    pub(super) fn spans(&self) -> impl DoubleEndedIterator<Item = Range> + '_ {
        self.spans.iter().copied()
    }
}

/// How many tasks are too few to make a difference between engines: an eighth of the time ahead, but one at least.
pub(super) fn crumb(pace: Pace, ahead: Duration) -> u64 {
    (nanos(ahead) / 8 / pace.mean.max(1)).max(1)
}

/// A time in nanoseconds.
pub(super) fn nanos(duration: Duration) -> u64 {
    duration.as_nanos().min(u64::MAX as u128) as u64
}
