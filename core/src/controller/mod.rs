//! The controller's machine: knows every engine, task and allocation, and passes work and results between clients and
//! engines. Synchronous and deterministic: the same inputs at the same times give the same effects.

mod accounts;
mod allocations;
mod arrivals;
mod batch;
mod blame;
mod cancel;
mod cause;
mod check;
mod clients;
mod delivery;
mod detached;
mod disk;
mod dispatch;
mod ends;
mod engine;
mod engines;
mod functions;
mod giving_back;
mod growth;
mod host;
mod io;
mod limits;
mod listing;
mod loss;
mod needs;
mod output;
mod past;
mod peers;
mod pilots;
mod policy;
mod pool;
mod ready;
mod refusals;
mod results;
mod retirement;
mod room;
mod rotation;
mod site;
mod sorting;
mod status;
mod stopping;
mod store;
mod submissions;
mod tasks;
#[cfg(test)]
mod tests;
mod transfers;
mod waits;
mod why;
mod withdrawals;

pub use io::{ControllerConfig, Effect, Input};

use std::collections::{BTreeMap, BTreeSet};

use crate::id::LinkId;
use crate::time::Timestamp;
use crate::wire::Message;
use accounts::{Account, Owner};
use clients::Client;
use detached::Submissions;
use disk::Disk;
use ends::Ends;
use engines::Engines;
use functions::Functions;
use host::Host;
use past::Past;
use peers::{Part, Peers};
use ready::Ready;
use site::Site;
use status::Board;
use stopping::Stop;
use tasks::Tasks;
use transfers::Transfers;
use waits::Waits;

/// The machine.
#[derive(Debug)]
pub struct Controller {
    config: ControllerConfig,
    now: Timestamp,
    started: Option<Timestamp>,
    peers: Peers,
    clients: BTreeMap<LinkId, Client>,
    accounts: BTreeMap<Owner, Account>,
    submissions: Submissions,
    disk: Disk,
    /// Whether a client was ever there.
    served: bool,
    hosts: BTreeMap<LinkId, Host>,
    engines: Engines,
    ends: Ends,
    functions: Functions,
    tasks: Tasks,
    ready: Ready,
    waits: Waits,
    /// Owners whose finished tasks take much memory; none between steps.
    crowded: BTreeSet<Owner>,
    transfers: Transfers,
    allocations: Site,
    board: Board,
    past: Past,
    /// Since when there has been no engine.
    bare_since: Timestamp,
    stop: Option<Stop>,
    /// Whether an engine has ever refused tasks.
    refused: bool,
    /// Why nobody new can find this cluster, if that is so.
    orphaned: Option<String>,
    exited: bool,
}

impl Controller {
    /// A controller with no links and no allocations yet; asks for its allocations in the first step.
    pub fn new(config: ControllerConfig) -> Self {
        Controller {
            allocations: Site::new(&config),
            engines: Engines::new(config.policy, config.seed),
            config,
            now: Timestamp::default(),
            started: None,
            peers: Peers::default(),
            clients: BTreeMap::new(),
            accounts: BTreeMap::new(),
            submissions: Submissions::default(),
            disk: Disk::default(),
            served: false,
            hosts: BTreeMap::new(),
            ends: Ends::default(),
            functions: Functions::default(),
            tasks: Tasks::default(),
            ready: Ready::default(),
            waits: Waits::default(),
            crowded: BTreeSet::new(),
            transfers: Transfers::default(),
            past: Past::default(),
            board: Board { version: 1, ..Board::default() },
            bare_since: Timestamp::default(),
            stop: None,
            refused: false,
            orphaned: None,
            exited: false,
        }
    }

    /// Takes one input at `now` and appends what is to be done to `effects`, in order.
    pub fn step(&mut self, now: Timestamp, input: Input, effects: &mut Vec<Effect>) {
        if self.exited {
            return;
        }
        let (before, version) = (effects.len(), self.board.version);
        // a clock that steps back stands still
        self.now = self.now.max(now);
        if self.started.is_none() {
            self.started = Some(self.now);
            self.bare_since = self.now;
        }
        match input {
            Input::LinkUp { link, role, address } => self.link_up(link, role, address, effects),
            Input::Received { link, message } => self.received(link, message, effects),
            Input::LinkDown { link, reason } => self.lose_link(link, &reason, effects),
            Input::Interrupted => self.begin_stop("it was interrupted", effects),
            Input::Orphaned { reason } => self.orphaned(reason, effects),
            Input::Written { answers } => self.written(answers, effects),
            Input::Tick => {}
            answer => self.answered(answer, effects),
        }
        self.keep_time(effects);
        self.let_go(effects);
        let mut seen = version;
        loop {
            self.advance_waits(effects);
            if self.board.version != seen {
                // engines have come or gone, or none will come
                seen = self.board.version;
                self.give_up_unserved(effects);
            }
            self.dispatch(effects);
            self.give_up_unplaceable(effects);
            // what ended here may be what others wait for
            if !self.waits.is_stirred() {
                break;
            }
        }
        self.withdraw(effects);
        self.compact();
        if self.board.version != version {
            self.answer(effects);
        }
        self.note_sent(&effects[before..]);
    }

    /// When the machine wants an [`Input::Tick`], if at all.
    pub fn deadline(&self) -> Option<Timestamp> {
        if self.exited {
            return None;
        }
        if self.started.is_none() {
            return Some(Timestamp::default());
        }
        let stop = self.stop_deadline();
        let waits = self.waits_deadline();
        let allocations = self.allocations.deadline(self.stop.is_some());
        let withdraw = self.withdraw_deadline();
        let ends = self.ends_deadline();
        [self.peers.deadline(), stop, waits, allocations, withdraw, ends].into_iter().flatten().min()
    }

    fn keep_time(&mut self, effects: &mut Vec<Effect>) {
        let silent = self.peers.round(self.now, self.config.heartbeat, self.config.lost_after);
        for link in silent.untold {
            effects.push(Effect::Send { link, message: Message::Heartbeat });
        }
        for link in silent.lost {
            // without a goodbye, which would tell a peer that was only cut off to leave for good
            let reason = format!("silent for {:?}", self.config.lost_after);
            effects.push(Effect::Close { link, reason: reason.clone() });
            self.lose_link(link, &reason, effects);
        }
        self.pull_results(effects);
        self.advance_allocations(effects);
        self.advance_ends(effects);
        self.advance_stop(effects);
    }

    fn note_sent(&mut self, effects: &[Effect]) {
        for effect in effects {
            if let Effect::Send { link, .. } = effect {
                self.peers.said(self.now, *link);
            }
        }
    }

    /// Takes a message; a peer that breaks the protocol is sent away.
    fn received(&mut self, link: LinkId, message: Message, effects: &mut Vec<Effect>) {
        let Some(part) = self.peers.heard(self.now, link) else { return };
        if let Message::Goodbye { reason } = message {
            effects.push(Effect::Close { link, reason: format!("the peer left: {reason}") });
            self.lose_link(link, &reason, effects);
            return;
        }
        let result = match part {
            _ if matches!(message, Message::Heartbeat) => Ok(()),
            Part::Client => self.client_says(link, message, effects),
            Part::Unknown => self.stranger_says(link, message, effects),
            Part::Host => self.host_says(link, message, effects),
            Part::Pilot => self.pilot_says(link, message, effects),
        };
        if let Err(reason) = result {
            self.dismiss(link, &format!("broke the protocol: {reason}"), effects);
        }
    }

    /// Says goodbye to a peer and does without it.
    fn dismiss(&mut self, link: LinkId, reason: &str, effects: &mut Vec<Effect>) {
        effects.push(Effect::Send { link, message: Message::Goodbye { reason: reason.to_owned() } });
        effects.push(Effect::Close { link, reason: reason.to_owned() });
        self.lose_link(link, reason, effects);
    }
}
