//! The engine host's shell, with engines that run simulated tasks.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use rpar_core::engine_host::{Effect, EngineHost, EngineHostConfig, Input};
use rpar_core::id::{AllocationId, EngineId, FunctionHash, LinkId, TaskId};
use rpar_core::resources::Resources;
use rpar_core::task::TaskStatus;
use rpar_core::wire::{BULK, Batch, BulkLength, Message, Outcomes, Output, Registration, Runs};

use super::net::{Peer, To};
use super::scenario::{GIVE_UP_AFTER, LOST_AFTER};
use super::task::Work;
use super::world::{Actor, Event, World};

/// How many times longer a slow host takes.
pub(super) const SLOWNESS: u32 = 20;

#[derive(Debug)]
pub(super) struct Host {
    pilot: usize,
    node: usize,
    pub(super) alive: bool,
    pub(super) machine: EngineHost,
    pub(super) link: Option<LinkId>,
    slots: Vec<Slot>,
    defined: BTreeSet<FunctionHash>,
    /// How many times slower than others it is.
    pub(super) slowness: u32,
}

#[derive(Debug, Default)]
struct Slot {
    queue: VecDeque<Task>,
    /// What runs, all of which is reported at once when the last of it has ended.
    running: Vec<Task>,
    serial: u64,
}

#[derive(Debug)]
struct Task {
    id: TaskId,
    engine: EngineId,
    attempt: u16,
    timeout: Option<Duration>,
    work: Work,
    cancelled: bool,
}

impl Task {
    fn time(&self, slowness: u32) -> Duration {
        let time = self.work.duration() * slowness;
        self.timeout.map_or(time, |limit| limit.min(time))
    }

    fn status(&self, slowness: u32) -> TaskStatus {
        if self.cancelled {
            TaskStatus::Cancelled
        } else if self.timeout.is_some_and(|limit| limit < self.work.duration() * slowness) {
            TaskStatus::TimedOut
        } else if self.attempt <= self.work.failures {
            TaskStatus::Failed
        } else {
            TaskStatus::Ok
        }
    }
}

impl Host {
    pub(super) fn new(
        pilot: usize,
        node: usize,
        pid: usize,
        ppn: u32,
        name: &str,
        (allocation, element): (&AllocationId, Option<u32>),
    ) -> Self {
        let registration = Registration {
            node: name.to_owned(),
            engines: ppn,
            pid: pid as u32,
            allocation: Some(allocation.clone()),
            element,
            labels: vec![if node.is_multiple_of(2) { "even".to_owned() } else { "odd".to_owned() }],
            resources: Resources { cpus: 3, gpus: node as u64 % 2, ..Resources::default() },
        };
        let config = EngineHostConfig { registration, give_up_after: GIVE_UP_AFTER, lost_after: LOST_AFTER };
        Host {
            pilot,
            node,
            alive: true,
            machine: EngineHost::new(config),
            link: None,
            slots: (0..ppn).map(|_| Slot::default()).collect(),
            defined: BTreeSet::new(),
            slowness: 1,
        }
    }

    /// Whether it has nothing to do and keeps nothing.
    pub(super) fn is_idle(&self) -> bool {
        self.machine.is_idle()
            && self.slots.iter().all(|slot| slot.queue.is_empty() && slot.running.is_empty())
    }
}

impl World {
    pub(super) fn step_host(&mut self, index: usize, input: Input) {
        let host = &mut self.hosts[index];
        if !host.alive {
            return;
        }
        let mut effects = Vec::new();
        host.machine.step(self.now, input, &mut effects);
        self.summary.steps += 1;
        let deadline = host.machine.deadline();
        effects.into_iter().for_each(|effect| self.host_does(index, effect));
        if self.hosts[index].alive {
            self.arm(Actor::Host(index), deadline);
        }
    }

    fn host_does(&mut self, index: usize, effect: Effect) {
        let host = &mut self.hosts[index];
        match effect {
            Effect::Send(message) => {
                if let Message::Goodbye { reason } = &message {
                    assert_eq!(reason, "the controller let it go", "an engine host hangs up");
                }
                let link = host.link.expect("an engine host sends on a link that is up");
                self.send(link, To::Controller, &message);
            }
            Effect::Dial => {
                let delay = self.delay();
                self.after(delay, Event::HostDials(index));
            }
            Effect::Hangup => {
                if let Some(link) = host.link.take() {
                    self.close(link, To::Peer, "the engine host hung up");
                }
            }
            Effect::Define { hash, function } => {
                assert_eq!(hash, function.hash());
                host.defined.insert(hash);
            }
            Effect::Run { slot, engine, function, options, runs, batch, bulk } => {
                assert!(host.defined.contains(&function), "a function that was not defined");
                let slot = slot as usize;
                let at = &host.slots[slot];
                let old = at.queue.iter().chain(&at.running).find(|task| task.engine != engine);
                assert!(old.is_none(), "engine {engine} still has a task of an earlier life: {old:?}");
                let payloads = payloads(&batch, bulk);
                assert_eq!(payloads.len() as u64, runs.count());
                for (id, payload) in runs.ids().zip(payloads) {
                    let work = Work::read(&payload);
                    host.slots[slot].queue.push_back(Task {
                        id,
                        engine,
                        attempt: options.attempt,
                        timeout: options.timeout(),
                        work,
                        cancelled: false,
                    });
                }
                self.start_tasks(index, slot);
            }
            Effect::Cancel { runs, running } => self.cancel_tasks(index, &runs, running),
            Effect::Withdraw { slot, runs } => self.withdraw_tasks(index, slot as usize, &runs),
            // its tasks write a few bytes each
            Effect::Room { .. } => {}
            Effect::Reset => self.reset_slots(index),
            Effect::Log { text } => self.trace.line(self.now, || format!("host {index} logs: {text}")),
            Effect::Exit { ok, reason } => {
                self.trace.line(self.now, || format!("host {index} exits, ok {ok}: {reason}"));
                self.host_ends(index, ok, &reason);
            }
        }
    }

    pub(super) fn host_dials(&mut self, index: usize) {
        if !self.hosts[index].alive {
            return;
        }
        if self.controller.is_none() || self.rng.percent(self.scenario.faults) {
            return self.step_host(index, Input::LinkDown { reason: "connection refused".into() });
        }
        let link = self.link_up(Peer::Host(index));
        self.hosts[index].link = Some(link);
    }

    pub(super) fn host_up(&mut self, index: usize, link: LinkId) {
        if self.hosts[index].link == Some(link) {
            self.step_host(index, Input::LinkUp { heartbeat: self.scenario.config.heartbeat });
        }
    }

    pub(super) fn host_received(&mut self, index: usize, link: LinkId, message: Message) {
        if self.hosts[index].link == Some(link) {
            self.step_host(index, Input::Received(message));
        }
    }

    pub(super) fn host_down(&mut self, index: usize, link: LinkId, reason: String) {
        if self.hosts[index].link == Some(link) {
            self.hosts[index].link = None;
            self.step_host(index, Input::LinkDown { reason });
        }
    }

    /// The process dies on the spot.
    pub(super) fn kill_host(&mut self, index: usize, why: &str) {
        self.trace.line(self.now, || format!("host {index} is killed: {why}"));
        self.host_ends(index, false, why);
    }

    fn host_ends(&mut self, index: usize, well: bool, why: &str) {
        let host = &mut self.hosts[index];
        if !host.alive {
            return;
        }
        host.alive = false;
        host.slots.iter_mut().for_each(|slot| *slot = Slot { serial: slot.serial + 1, ..Slot::default() });
        let (pilot, node) = (host.pilot, host.node);
        if let Some(link) = host.link.take() {
            self.close(link, To::Peer, "the engine host is gone");
        }
        self.host_gone(pilot, node, well, why);
    }

    /// What runs is ended. What had just ended may still be on its way to the machine, which must not take it for
    /// something of its new life.
    fn reset_slots(&mut self, index: usize) {
        for slot in 0..self.hosts[index].slots.len() {
            let host = &mut self.hosts[index];
            let at = &mut host.slots[slot];
            let tasks = std::mem::take(&mut at.running);
            *at = Slot { serial: at.serial + 1, ..Slot::default() };
            let slowness = host.slowness;
            for (outcomes, bulk) in outcomes(&tasks, slowness) {
                let delay = self.rng.duration(Duration::from_micros(1), Duration::from_secs(2));
                let report = Box::new(Input::Ended { outcomes, bulk });
                self.after(delay, Event::Report { host: index, report });
            }
        }
    }

    fn start_tasks(&mut self, index: usize, slot: usize) {
        // a pilot whose link is cut cannot tell
        let left = self.time_left(self.hosts[index].pilot).filter(|_| self.summary.faults == 0);
        let host = &mut self.hosts[index];
        let (at, slowness) = (&mut host.slots[slot], host.slowness);
        if !at.running.is_empty() || at.queue.is_empty() {
            return;
        }
        // short tasks end in groups, as those of a real host do
        let group = 1 + self.rng.below(6) as usize;
        let mut time = Duration::ZERO;
        while at.running.len() < group && time < Duration::from_millis(5) {
            let Some(task) = at.queue.pop_front() else { break };
            time += task.time(slowness);
            self.book.started(&task.work, left);
            at.running.push(task);
        }
        let serial = at.serial;
        self.after(time, Event::TaskEnds { host: index, slot, serial });
    }

    pub(super) fn task_ends(&mut self, index: usize, slot: usize, serial: u64) {
        let host = &mut self.hosts[index];
        if !host.alive || host.slots[slot].serial != serial {
            return;
        }
        let tasks = std::mem::take(&mut host.slots[slot].running);
        host.slots[slot].serial += 1;
        let slowness = host.slowness;
        if tasks.iter().any(|task| task.work.fatal && !task.cancelled) {
            self.summary.faults += 1;
            return self.kill_host(index, "segmentation fault");
        }
        if let (Some(task), true) = (tasks.first(), self.rng.percent(10)) {
            let data = Bytes::from(format!("{}/{}", task.work.client, task.work.task));
            let (engine, task, attempt) = (task.engine, task.id, task.attempt);
            self.step_host(index, Input::Output(Output { engine, task, attempt, stream: 1, data }));
        }
        for (outcomes, bulk) in outcomes(&tasks, slowness) {
            self.step_host(index, Input::Ended { outcomes, bulk });
        }
        if self.hosts[index].alive {
            self.start_tasks(index, slot);
        }
    }

    /// Waiting tasks end at once, running ones at their time.
    fn cancel_tasks(&mut self, index: usize, runs: &Runs, running: bool) {
        let unwanted =
            |id: TaskId| runs.iter().any(|(first, count)| id >= first && id.0 - first.0 < count as u64);
        let mut ended = Vec::new();
        for slot in &mut self.hosts[index].slots {
            let told = slot.running.iter_mut().filter(|task| running && unwanted(task.id));
            told.for_each(|task| task.cancelled = true);
            let (mut gone, kept): (Vec<Task>, Vec<Task>) =
                slot.queue.drain(..).partition(|task| unwanted(task.id));
            slot.queue = kept.into();
            gone.iter_mut().for_each(|task| task.cancelled = true);
            ended.extend(outcomes(&gone, 1));
        }
        ended.into_iter().for_each(|(outcomes, bulk)| self.step_host(index, Input::Ended { outcomes, bulk }));
    }

    /// Waiting tasks are given back.
    fn withdraw_tasks(&mut self, index: usize, slot: usize, runs: &Runs) {
        let wanted: BTreeSet<TaskId> = runs.ids().collect();
        let slot = &mut self.hosts[index].slots[slot];
        let (back, kept): (Vec<Task>, Vec<Task>) =
            slot.queue.drain(..).partition(|task| wanted.contains(&task.id));
        slot.queue = kept.into();
        let Some(engine) = back.first().map(|task| task.engine) else { return };
        self.summary.returned += back.len() as u64;
        let outcomes = Outcomes::returned(engine, back.iter().map(|task| task.id).collect(), back.len());
        self.step_host(index, Input::Ended { outcomes, bulk: Vec::new() });
    }
}

/// Each task's argument.
fn payloads(batch: &Batch, bulk: Vec<Bytes>) -> Vec<Bytes> {
    let (mut at, mut bulk) = (0, bulk.into_iter());
    let payload = |length: u32| {
        if length == BULK {
            return bulk.next().expect("every long argument comes along");
        }
        at += length as usize;
        batch.payload.slice(at - length as usize..at)
    };
    batch.lengths.iter().map(payload).collect()
}

/// One report for each engine among `tasks`; a slot has one engine but for a registration that was renewed.
fn outcomes(tasks: &[Task], slowness: u32) -> Vec<(Outcomes, Vec<Bytes>)> {
    tasks.chunk_by(|a, b| a.engine == b.engine).map(|tasks| report(tasks, slowness)).collect()
}

fn report(tasks: &[Task], slowness: u32) -> (Outcomes, Vec<Bytes>) {
    let statuses: Vec<TaskStatus> = tasks.iter().map(|task| task.status(slowness)).collect();
    let (mut lengths, mut payload, mut bulk, mut announced) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (index, (task, status)) in tasks.iter().zip(&statuses).enumerate() {
        let ok = *status == TaskStatus::Ok;
        let result = if ok { task.work.result() } else { task.work.failure(*status) };
        if ok && task.work.long {
            lengths.push(BULK);
            announced.push(BulkLength { index: index as u32, bytes: result.len() as u64 });
            bulk.push(result);
        } else {
            lengths.push(result.len() as u32);
            payload.extend_from_slice(&result);
        }
    }
    let all_ok = statuses.iter().all(|status| *status == TaskStatus::Ok);
    let codes: Vec<u8> = if all_ok { vec![] } else { statuses.iter().map(|status| *status as u8).collect() };
    let outcomes = Outcomes {
        engine: tasks.first().map(|task| task.engine),
        runs: tasks.iter().map(|task| task.id).collect(),
        codes: codes.into(),
        ran: tasks.iter().map(|task| task.time(slowness).as_micros() as u32).collect(),
        batch: Batch { lengths: lengths.into_iter().collect(), payload: payload.into(), bulk: announced },
        ..Outcomes::default()
    };
    (outcomes, bulk)
}
