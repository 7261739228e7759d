//! The event heap, the clock, and the order of a run.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use rpar_core::controller::{self, Controller};
use rpar_core::id::LinkId;
use rpar_core::time::Timestamp;

use super::Summary;
use super::book::Book;
use super::client::{Act, Program};
use super::host::Host;
use super::net::{Net, To};
use super::pilot::Pilot;
use super::rng::Rng;
use super::scenario::{Ending, Scenario};
use super::site::Site;
use super::trace::Trace;

/// A run that takes more steps than this goes in circles; the longest take about a tenth.
const STEPS_LIMIT: u64 = 300_000;

/// More ticks than this at one moment mean that a deadline does not move on.
const TICKS_LIMIT: u32 = 50;

/// How long all tasks may take after the last trouble: many times the work there is.
const DRAIN_LIMIT: Duration = Duration::from_secs(1200);

/// How long a stop may take: the controller waits for allocations and hosts for at most about a minute.
const STOP_LIMIT: Duration = Duration::from_secs(300);

/// How long everything else may take to leave once the controller has.
const LEAVE_LIMIT: Duration = Duration::from_secs(120);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Actor {
    Controller,
    Host(usize),
    Client(usize),
}

#[derive(Debug)]
pub(super) enum Event {
    Arrive {
        link: LinkId,
        to: To,
    },
    Tick(Actor),
    Question(Box<controller::Effect>),
    Answer(Box<controller::Input>),
    AllocationStarts(usize),
    AllocationEnds(usize),
    HostStarts {
        pilot: usize,
        node: usize,
    },
    HostDials(usize),
    TaskEnds {
        host: usize,
        slot: usize,
        serial: u64,
    },
    /// What an engine had to say comes late.
    Report {
        host: usize,
        report: Box<rpar_core::engine_host::Input>,
    },
    PilotDials(usize),
    PilotBeats {
        pilot: usize,
        link: LinkId,
    },
    PilotLeaves(usize),
    Client(usize, Act),
    Fault,
    Finish,
    Insist,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) now: Timestamp,
    pub(super) rng: Rng,
    pub(super) trace: Trace,
    pub(super) scenario: Scenario,
    pub(super) controller: Option<Controller>,
    pub(super) net: Net,
    pub(super) site: Site,
    pub(super) pilots: Vec<Pilot>,
    pub(super) hosts: Vec<Host>,
    pub(super) clients: Vec<Program>,
    pub(super) book: Book,
    /// Somebody has asked the cluster to end.
    pub(super) stopping: Option<Timestamp>,
    pub(super) exited: Option<Timestamp>,
    pub(super) summary: Summary,
    heap: BinaryHeap<Reverse<(Timestamp, u64)>>,
    events: BTreeMap<u64, Event>,
    sequence: u64,
    due: BTreeMap<Actor, Timestamp>,
    ticks: (Timestamp, u32),
}

impl World {
    pub(super) fn new(seed: u64, trace: Trace) -> Self {
        let mut rng = Rng::new(seed);
        let scenario = Scenario::new(&mut rng);
        trace.line(Timestamp::default(), || format!("{scenario:#?}"));
        let mut world = World {
            now: Timestamp::default(),
            controller: Some(Controller::new(scenario.config.clone())),
            net: Net::default(),
            site: Site::default(),
            pilots: Vec::new(),
            hosts: Vec::new(),
            clients: Vec::new(),
            book: Book::default(),
            stopping: None,
            exited: None,
            summary: Summary::default(),
            heap: BinaryHeap::new(),
            events: BTreeMap::new(),
            sequence: 0,
            due: BTreeMap::new(),
            ticks: Default::default(),
            rng,
            trace,
            scenario,
        };
        world.plan();
        world
    }

    fn plan(&mut self) {
        self.at(self.now, Event::Tick(Actor::Controller));
        self.due.insert(Actor::Controller, self.now);
        let trouble = self.scenario.trouble.as_micros() as u64;
        for client in 0..self.scenario.clients {
            self.clients.push(Program::new(&mut self.rng));
            let at = Timestamp(self.rng.below(2_000_000));
            self.at(at, Event::Client(client, Act::Connect));
        }
        for _ in 0..self.scenario.faults {
            let at = Timestamp(self.rng.below(trouble));
            self.at(at, Event::Fault);
        }
        let finish = match self.scenario.ending {
            Ending::Drained | Ending::Ephemeral => trouble,
            Ending::Stopped | Ending::Interrupted => self.rng.below(trouble),
        };
        self.at(Timestamp(finish), Event::Finish);
    }

    pub(super) fn run(mut self) -> Summary {
        while let Some(Reverse((at, sequence))) = self.heap.pop() {
            self.now = at;
            if let Some(event) = self.events.remove(&sequence) {
                self.happen(event);
            }
            assert!(self.summary.steps < STEPS_LIMIT, "no end after {STEPS_LIMIT} steps");
            if self.exited.is_some_and(|exited| self.now.since(exited) > LEAVE_LIMIT) {
                break;
            }
            if let (Some(since), None) = (self.stopping, self.exited) {
                assert!(
                    self.now.since(since) < STOP_LIMIT,
                    "the controller has not left {STOP_LIMIT:?} after it was asked to"
                );
            }
        }
        self.check_the_end();
        self.trace.line(self.now, || format!("all is well: {:?}", self.summary));
        self.summary
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrive { link, to } => self.arrive(link, to),
            Event::Tick(actor) => self.tick(actor),
            Event::Question(question) => self.site_answers(*question),
            Event::Answer(input) => {
                self.trace.line(self.now, || format!("  at controller: {input:?}"));
                self.step_controller(*input);
            }
            Event::AllocationStarts(allocation) => self.allocation_starts(allocation),
            Event::AllocationEnds(allocation) => self.allocation_ends(allocation),
            Event::HostStarts { pilot, node } => self.host_starts(pilot, node),
            Event::HostDials(host) => self.host_dials(host),
            Event::TaskEnds { host, slot, serial } => self.task_ends(host, slot, serial),
            Event::Report { host, report } => self.step_host(host, *report),
            Event::PilotDials(pilot) => self.pilot_dials(pilot),
            Event::PilotBeats { pilot, link } => self.pilot_beats(pilot, link),
            Event::PilotLeaves(pilot) => self.pilot_leaves(pilot),
            Event::Client(client, act) => self.client_acts(client, act),
            Event::Fault => self.fault(),
            Event::Finish => self.finish(),
            Event::Insist => self.step_controller(controller::Input::Interrupted),
        }
    }

    /// Puts an event on the heap.
    pub(super) fn at(&mut self, at: Timestamp, event: Event) {
        self.sequence += 1;
        self.heap.push(Reverse((at.max(self.now), self.sequence)));
        self.events.insert(self.sequence, event);
    }

    pub(super) fn after(&mut self, delay: Duration, event: Event) {
        self.at(self.now + delay, event);
    }

    /// How long a message is on its way.
    pub(super) fn delay(&mut self) -> Duration {
        self.rng.duration(Duration::from_micros(50), self.scenario.longest_delay)
    }

    /// Takes note of when a machine wants to be told the time.
    pub(super) fn arm(&mut self, actor: Actor, deadline: Option<Timestamp>) {
        let Some(deadline) = deadline else { return };
        let at = deadline.max(self.now);
        if self.due.get(&actor).is_none_or(|due| at < *due) {
            self.due.insert(actor, at);
            self.at(at, Event::Tick(actor));
        }
    }

    fn tick(&mut self, actor: Actor) {
        if self.due.get(&actor) != Some(&self.now) {
            return;
        }
        self.due.remove(&actor);
        self.ticks = if self.ticks.0 == self.now { (self.now, self.ticks.1 + 1) } else { (self.now, 0) };
        assert!(self.ticks.1 < TICKS_LIMIT, "{actor:?} wants a tick at {:?} again and again", self.now);
        match actor {
            Actor::Controller => self.step_controller(controller::Input::Tick),
            Actor::Host(host) => self.step_host(host, rpar_core::engine_host::Input::Tick),
            Actor::Client(client) => self.step_client(client, rpar_core::client::Input::Tick),
        }
    }

    /// Makes the run's fingerprint depend on these bytes.
    pub(super) fn mix(&mut self, bytes: &[u8]) {
        let now = self.now.0;
        let mut hash = self.summary.fingerprint ^ now;
        for byte in bytes.iter().take(64) {
            hash = (hash ^ *byte as u64).wrapping_mul(0x0000_0100_0000_01b3);
        }
        self.summary.fingerprint = hash.rotate_left(7) ^ bytes.len() as u64;
    }

    fn finish(&mut self) {
        if self.stopping.is_some() || self.exited.is_some() {
            return;
        }
        if matches!(self.scenario.ending, Ending::Drained | Ending::Ephemeral) && !self.is_drained() {
            let waited = self.now.since(Timestamp::default() + self.scenario.trouble);
            if waited < DRAIN_LIMIT {
                return self.after(Duration::from_millis(500), Event::Finish);
            }
            assert!(self.site.has_waiting(), "tasks that never ended: {}", self.unfinished());
        }
        let client = (0..self.clients.len()).find(|client| self.clients[*client].is_linked());
        if let (Ending::Drained, false, false, Some(client)) =
            (self.scenario.ending, self.book.agreed, self.site.has_waiting(), client)
        {
            self.ask_at_last(client);
            return self.after(Duration::from_secs(5), Event::Finish);
        }
        self.trace.line(self.now, || "the end begins".to_owned());
        self.stopping = Some(self.now);
        // the client's word may be lost with its link
        self.after(Duration::from_secs(30), Event::Insist);
        match (self.scenario.ending, client) {
            (Ending::Ephemeral, Some(client)) => self.client_acts(client, Act::Leave),
            (Ending::Drained | Ending::Stopped, Some(client)) => self.client_acts(client, Act::Stop),
            _ => self.step_controller(controller::Input::Interrupted),
        }
    }
}
