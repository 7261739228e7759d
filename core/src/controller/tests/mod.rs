//! Tests of the whole machine, against hosts and clients of a few lines.

mod causes;
mod detached;
mod disk;
mod ends;
mod flow;
mod losses;
mod memory;
mod output;
mod policies;
mod protocol;
mod random;
mod refusals;
mod room;
mod site;
mod size;
mod stop;
mod waits;
mod why;
mod withdrawals;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use super::{Controller, ControllerConfig, Effect, Input};
use crate::connection::Role;
use crate::id::{AllocationId, EngineId, FunctionHash, LinkId, TaskId};
use crate::profile::Policy;
use crate::scheduler::AllocationRequest;
use crate::task::{Failure, Function, FunctionKind, TaskOptions, TaskStatus};
use crate::time::Timestamp;
use crate::wire::{
    Batch, ClusterStatus, Column, ControllerStatus, FRAME_LIMIT_BYTES, Growth, Message, Outcomes, Portion,
    Registration, Runs,
};

/// A client's link.
const CLIENT: LinkId = LinkId(1);

fn config() -> ControllerConfig {
    ControllerConfig {
        epoch_micros: 1_000_000,
        result_bytes: 1 << 20,
        identity: ControllerStatus { cluster: "test/default".into(), ..Default::default() },
        tag: "rpar-test".into(),
        requests: Vec::new(),
        engines_wanted: 2,
        heartbeat: Duration::from_secs(1),
        lost_after: Duration::from_secs(5),
        poll_every: Duration::from_secs(10),
        queue_ahead: Duration::from_millis(10),
        policy: Policy::default(),
        seed: 1,
        attempts_limit: 3,
        submit_window_bytes: 64 << 20,
        result_window_bytes: 64 << 20,
        ephemeral: false,
    }
}

fn request(nodes: u32) -> AllocationRequest {
    AllocationRequest {
        tag: "rpar-test".into(),
        nodes,
        array: false,
        ppn: 2,
        walltime: None,
        queue: None,
        account: None,
        pilot: vec!["/bin/rpar".into(), "pilot".into()],
        setup: Vec::new(),
        directory: "/tmp".into(),
        script: None,
    }
}

/// One further allocation.
fn grown(request: AllocationRequest, engines: u32) -> Growth {
    Growth { portions: vec![Portion { request, times: 1, engines }] }
}

fn echo() -> Function {
    Function { kind: FunctionKind::Native, body: Bytes::from_static(b"echo") }
}

/// A task at an engine of the bench.
#[derive(Clone, Debug)]
struct Held {
    id: TaskId,
    argument: Bytes,
    attempt: u16,
}

/// The machine with links around it. Every step is followed by a check of all invariants.
struct Bench {
    controller: Controller,
    now: Timestamp,
    /// What each engine has, in order.
    engines: BTreeMap<EngineId, VecDeque<Held>>,
    hosts: BTreeMap<LinkId, Vec<EngineId>>,
    defined: BTreeMap<LinkId, BTreeSet<FunctionHash>>,
    /// Results of each client, by its id.
    results: BTreeMap<(LinkId, TaskId), (TaskStatus, Bytes)>,
    next: BTreeMap<LinkId, u64>,
    notices: Vec<String>,
    answers: Vec<ClusterStatus>,
    goodbyes: BTreeMap<LinkId, String>,
    /// Messages to hosts that the bench does not act on, and all that concerns the site.
    other: Vec<Effect>,
    runs: Vec<(EngineId, usize)>,
    exit: Option<String>,
}

impl Bench {
    fn new(config: ControllerConfig) -> Self {
        let mut bench = Bench {
            controller: Controller::new(config),
            now: Timestamp(1_000_000),
            engines: BTreeMap::new(),
            hosts: BTreeMap::new(),
            defined: BTreeMap::new(),
            results: BTreeMap::new(),
            next: BTreeMap::new(),
            notices: Vec::new(),
            answers: Vec::new(),
            goodbyes: BTreeMap::new(),
            other: Vec::new(),
            runs: Vec::new(),
            exit: None,
        };
        bench.step(Input::Tick);
        bench
    }

    /// With a client and a host of `engines`.
    fn with(config: ControllerConfig, engines: u32) -> Self {
        let mut bench = Bench::new(config);
        bench.host(LinkId(100), engines, None);
        bench.client(CLIENT);
        bench
    }

    fn step(&mut self, input: Input) {
        let mut effects = Vec::new();
        self.controller.step(self.now, input, &mut effects);
        self.controller.check();
        effects.into_iter().for_each(|effect| self.take(effect));
    }

    fn say(&mut self, link: LinkId, message: Message) {
        self.step(Input::Received { link, message });
    }

    fn client(&mut self, link: LinkId) {
        self.step(Input::LinkUp { link, role: Role::Client, address: "here".into() });
        self.say(link, Message::Define(echo()));
    }

    fn host(&mut self, link: LinkId, engines: u32, allocation: Option<&str>) {
        self.step(Input::LinkUp { link, role: Role::Engine, address: "there".into() });
        let allocation = allocation.map(AllocationId::from);
        self.hosts.insert(link, Vec::new());
        let node = format!("node{link}");
        self.say(
            link,
            Message::Register(Registration { node, engines, pid: 7, allocation, ..Registration::default() }),
        );
        let first = self.hosts[&link][0].0;
        self.hosts.insert(link, (first..first + engines).map(EngineId).collect());
        (first..first + engines).for_each(|id| _ = self.engines.entry(EngineId(id)).or_default());
    }

    fn drop_host(&mut self, link: LinkId) {
        for engine in self.hosts.remove(&link).unwrap() {
            self.engines.remove(&engine);
        }
        self.step(Input::LinkDown { link, reason: "gone".into() });
    }

    /// Submits `count` tasks, whose arguments are their ids; tells the first id.
    fn submit(&mut self, link: LinkId, count: u64, options: TaskOptions) -> u64 {
        let base = *self.next.entry(link).or_default();
        self.next.insert(link, base + count);
        let batch: Batch = (base..base + count).map(argument).collect();
        self.say(link, Message::Submit { base: TaskId(base), function: echo().hash(), options, batch });
        base
    }

    fn take(&mut self, effect: Effect) {
        let Effect::Send { link, message } = effect else {
            if let Effect::Exit { reason } = &effect {
                self.exit = Some(reason.clone());
            }
            self.other.push(effect);
            return;
        };
        let mut frame = bytes::BytesMut::new();
        crate::wire::encode(&message, &mut frame);
        assert!(frame.len() <= FRAME_LIMIT_BYTES, "{} bytes of {}", frame.len(), message.name());
        match message {
            Message::Registered { first } => _ = self.hosts.insert(link, vec![first]),
            Message::Define(function) => {
                assert!(self.defined.entry(link).or_default().insert(function.hash()), "defined twice");
            }
            Message::Run { engine, function, options, runs, batch } => {
                assert!(self.defined[&link].contains(&function), "not defined");
                let mut at = 0;
                self.runs.push((engine, batch.lengths.len()));
                for (id, length) in runs.ids().zip(batch.lengths.iter()) {
                    let length = if length == crate::wire::BULK { 0 } else { length as usize };
                    let argument = batch.payload.slice(at..at + length);
                    at += length;
                    self.engines.entry(engine).or_default().push_back(Held {
                        id,
                        argument,
                        attempt: options.attempt,
                    });
                }
            }
            Message::Results(outcomes) => {
                let mut at = 0;
                for (index, id) in outcomes.runs.ids().enumerate() {
                    let length = outcomes.batch.lengths.get(index);
                    if length == crate::wire::BULK {
                        continue;
                    }
                    let payload = outcomes.batch.payload.slice(at..at + length as usize);
                    at += length as usize;
                    let code = outcomes.codes.get(index).copied().unwrap_or(0);
                    let result = (TaskStatus::from_code(code).unwrap(), payload);
                    assert_eq!(
                        self.results.insert((link, id), result),
                        None,
                        "task {id} was delivered twice"
                    );
                }
                assert_eq!(outcomes.batch.payload.len(), at);
                self.other.push(Effect::Send { link, message: Message::Results(outcomes) });
            }
            Message::Notice { text } => self.notices.push(text),
            Message::Status { status, .. } => self.answers.push(*status),
            Message::Goodbye { reason } => _ = self.goodbyes.insert(link, reason),
            Message::Heartbeat => {}
            message => self.other.push(Effect::Send { link, message }),
        }
    }

    /// The engine ends its first `count` tasks, each after `micros`, with their arguments as results.
    fn finish(&mut self, engine: EngineId, count: usize, micros: u32, status: TaskStatus) {
        let held = self.engines.get_mut(&engine).unwrap();
        let tasks: Vec<Held> = held.drain(..count.min(held.len())).collect();
        let link = *self.hosts.iter().find(|(_, ids)| ids.contains(&engine)).unwrap().0;
        self.say(link, Message::Done(outcomes(engine, &tasks, micros, status)));
    }

    /// All engines work until nothing is left; tells how many rounds that took.
    fn work(&mut self, micros: u32) -> usize {
        let mut rounds = 0;
        while self.engines.values().any(|held| !held.is_empty()) {
            for engine in self.engines.keys().copied().collect::<Vec<_>>() {
                self.finish(engine, usize::MAX, micros, TaskStatus::Ok);
            }
            rounds += 1;
            assert!(rounds < 1_000_000, "no progress");
        }
        rounds
    }

    /// Time passes, with a tick at every deadline.
    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.controller.deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            let before = self.controller.deadline();
            self.step(Input::Tick);
            for link in self.hosts.keys().copied().chain([CLIENT]).collect::<Vec<_>>() {
                self.say(link, Message::Heartbeat);
            }
            assert_ne!(self.controller.deadline(), before, "a deadline that stays is a busy loop");
        }
        self.now = until;
    }

    fn result(&self, id: u64) -> Option<(TaskStatus, String)> {
        let (status, payload) = self.results.get(&(CLIENT, TaskId(id)))?;
        let text = match status {
            TaskStatus::Ok => String::from_utf8_lossy(payload).into_owned(),
            _ => Failure::decode(payload)
                .map_or_else(|_| String::from_utf8_lossy(payload).into_owned(), |f| f.message),
        };
        Some((*status, text))
    }

    /// Every one of a client's tasks ended well, with its argument as its result.
    fn all_ok(&self, link: LinkId) {
        let count = self.next[&link];
        for id in 0..count {
            let result = self.results.get(&(link, TaskId(id)));
            assert_eq!(result, Some(&(TaskStatus::Ok, argument(id))), "task {id}");
        }
        assert_eq!(self.controller.tasks.batches().count(), 0);
    }

    fn others<T>(&self, pick: impl Fn(&Effect) -> Option<T>) -> Vec<T> {
        self.other.iter().filter_map(pick).collect()
    }
}

fn argument(id: u64) -> Bytes {
    format!("argument {id}").into()
}

fn outcomes(engine: EngineId, tasks: &[Held], micros: u32, status: TaskStatus) -> Outcomes {
    Outcomes {
        engine: Some(engine),
        runs: tasks.iter().map(|task| task.id).collect::<Runs>(),
        codes: if status == TaskStatus::Ok { Bytes::new() } else { vec![status as u8; tasks.len()].into() },
        ran: tasks.iter().map(|_| micros).collect::<Column>(),
        batch: tasks.iter().map(|task| task.argument.clone()).collect(),
        ..Outcomes::default()
    }
}
