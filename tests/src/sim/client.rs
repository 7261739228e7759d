//! The user's programs: they submit, cancel, ask, read at their own pace, and leave.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use rpar_core::client::{Client, ClientConfig, Effect, Input};
use rpar_core::id::{EngineId, LinkId, RequestId, TaskId};
use rpar_core::resources::Resources;
use rpar_core::task::{After, AfterEnd, Function, FunctionKind, TaskOptions, TaskStatus};
use rpar_core::wire::{About, BULK, Batch, BulkLength, Message, Outcomes, Runs, Subject};

use super::book::Record;
use super::net::{Peer, To};
use super::rng::Rng;
use super::scenario::LOST_AFTER;
use super::task::Work;
use super::world::{Actor, Event, World};

/// The longest that any task takes on a host that is not slow.
const ENDLESS: Duration = Duration::from_secs(2);

/// The question that is asked when all is done.
const LAST_QUESTION: u32 = u32::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Connect,
    Submit { count: u64 },
    Cancel,
    Ask,
    Resize,
    Take { bytes: u64 },
    Leave,
    Stop,
}

#[derive(Debug)]
pub(super) struct Program {
    pub(super) machine: Option<Client>,
    pub(super) link: Option<LinkId>,
    pub(super) alive: bool,
    pub(super) lost: bool,
    next: u64,
    /// How long results lie until they are taken, at most.
    laziness: Duration,
    questions: BTreeSet<u32>,
    asked: u32,
    /// The cost of what was submitted, and of what has left.
    submitted: u64,
    sent: u64,
}

impl Program {
    pub(super) fn new(rng: &mut Rng) -> Self {
        Program {
            machine: None,
            link: None,
            alive: true,
            lost: false,
            next: 0,
            laziness: rng.pick(&[1, 20, 1500]) * Duration::from_millis(1),
            questions: BTreeSet::new(),
            asked: 0,
            submitted: 0,
            sent: 0,
        }
    }

    /// Whether it can still be expected to get its results.
    pub(super) fn is_linked(&self) -> bool {
        self.alive && !self.lost && self.machine.is_some()
    }

    /// Whether nothing is missing.
    pub(super) fn is_idle(&self) -> bool {
        let idle = self.machine.as_ref().is_none_or(Client::is_idle);
        assert!(
            !idle || self.submitted == self.sent,
            "{} bytes submitted, {} sent",
            self.submitted,
            self.sent
        );
        idle
    }
}

impl World {
    pub(super) fn client_acts(&mut self, index: usize, act: Act) {
        let program = &mut self.clients[index];
        if !program.alive || program.lost {
            return;
        }
        match act {
            Act::Connect => {
                if self.controller.is_some() {
                    let link = self.link_up(Peer::Client(index));
                    self.clients[index].link = Some(link);
                } else {
                    program.alive = false;
                }
            }
            Act::Submit { count } => self.submit_tasks(index, count),
            Act::Cancel => self.cancel_some(index),
            Act::Ask => {
                let after = self.rng.percent(30).then_some(0);
                self.ask(index, after);
                let subjects =
                    vec![Subject::Waiting, Subject::Engine(EngineId(0)), Subject::Request(RequestId(0))];
                self.step_client(index, Input::Why { question: 0, subjects });
            }
            Act::Resize => self.resize(index),
            Act::Take { bytes } => self.step_client(index, Input::Taken { bytes }),
            Act::Stop => self.step_client(index, Input::Stop),
            Act::Leave => {
                self.trace.line(self.now, || format!("client {index} leaves"));
                program.alive = false;
                if let Some(link) = program.link.take() {
                    self.close(link, To::Peer, "the client is gone");
                }
            }
        }
    }

    pub(super) fn client_up(&mut self, index: usize, link: LinkId) {
        if self.clients[index].link != Some(link) {
            return;
        }
        let config = ClientConfig {
            heartbeat: self.scenario.config.heartbeat,
            lost_after: LOST_AFTER,
            submit_window_bytes: self.scenario.config.submit_window_bytes,
            result_window_bytes: self.scenario.config.result_window_bytes,
        };
        self.clients[index].machine = Some(Client::new(config));
        self.step_client(index, Input::Tick);
        let span = self.scenario.trouble.as_micros() as u64 / 2;
        let mut left = self.scenario.tasks;
        while left > 0 {
            let count = self.rng.between(1, left.min(40));
            left -= count;
            let at = if self.rng.percent(40) { 0 } else { self.rng.below(span) };
            self.after(Duration::from_micros(at), Event::Client(index, Act::Submit { count }));
        }
        let cancels = if self.rng.percent(self.scenario.task_trouble) { 2 } else { 0 };
        let changes = std::iter::repeat_n(Act::Resize, self.scenario.changes);
        let cancels = std::iter::repeat_n(Act::Cancel, cancels);
        for act in [Act::Ask, Act::Ask].into_iter().chain(cancels).chain(changes) {
            let at = self.rng.below(span);
            self.after(Duration::from_micros(at), Event::Client(index, act));
        }
    }

    fn submit_tasks(&mut self, index: usize, count: u64) {
        let program = &mut self.clients[index];
        let base = program.next;
        program.next += count;
        let options = self.options(base);
        let (mut lengths, mut payload, mut announced, mut bulk) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for task in base..base + count {
            let work = self.work(index as u32, task);
            let (bytes, long) = self.size(28);
            let argument = work.argument(bytes);
            if long {
                lengths.push(BULK);
                let place = (task - base) as u32;
                announced.push(BulkLength { index: place, bytes: argument.len() as u64 });
                bulk.push(argument);
            } else {
                lengths.push(argument.len() as u32);
                payload.extend_from_slice(&argument);
            }
            self.book.submitted((index as u32, task), Record::new(work, &options));
        }
        self.summary.submitted += count;
        let body = Bytes::from(format!("function {}", self.rng.below(3)));
        let function = Function { kind: FunctionKind::Native, body };
        let hash = function.hash();
        let batch =
            Batch { lengths: lengths.into_iter().collect(), payload: payload.into(), bulk: announced };
        self.clients[index].submitted += batch.cost();
        let base = TaskId(base);
        self.step_client(index, Input::Submit { base, function, hash, options, batch, bulk });
    }

    /// The options of tasks from `base` on.
    fn options(&mut self, base: u64) -> TaskOptions {
        let trouble = self.scenario.task_trouble;
        let rng = &mut self.rng;
        let on = rng.pick(&[AfterEnd::Success, AfterEnd::Failure, AfterEnd::Any]);
        let first = rng.below(base.max(1));
        let count = rng.between(1, 4).min(base - first.min(base)) as u32;
        let waits = base > 0 && rng.percent(trouble);
        TaskOptions {
            priority: rng.below(3) as i32 - 1,
            labels: if rng.percent(trouble) {
                vec![rng.pick(&["even", "odd", "none"]).to_owned()]
            } else {
                vec![]
            },
            resources: if rng.percent(trouble) {
                Resources { cpus: rng.between(0, 4), gpus: rng.below(2), ..Resources::default() }
            } else {
                Resources::default()
            },
            after: waits.then(|| After {
                tasks: vec![(TaskId(first), count)],
                any: first.is_multiple_of(2),
                on,
                ..After::default()
            }),
            retries: if rng.percent(trouble) { rng.below(4) as u16 } else { 0 },
            rerun: !rng.percent(trouble),
            time_ms: rng.percent(10).then(|| rng.pick(&[1, 10, 40, 150]) * 1000),
            timeout_ms: rng.percent(trouble).then(|| rng.between(1, 1000)),
            targets: rng
                .percent(trouble)
                .then(|| (0..rng.between(1, 3)).map(|_| EngineId(rng.below(6) as u32)).collect()),
            ..TaskOptions::default()
        }
    }

    fn work(&mut self, client: u32, task: u64) -> Work {
        let trouble = self.scenario.task_trouble;
        let (result_bytes, long) = self.size(12);
        let rng = &mut self.rng;
        let time = rng.duration(Duration::from_micros(1), self.scenario.longest_task);
        let endless = rng.percent(self.scenario.endless_tasks);
        let time = if endless { (time * 1000).min(ENDLESS) } else { time };
        Work {
            client,
            task,
            failures: if rng.percent(trouble) { rng.between(1, 3) as u16 } else { 0 },
            fatal: trouble > 0 && rng.percent(1),
            long,
            result_bytes: result_bytes as u32,
            micros: if rng.percent(20) { 0 } else { time.as_micros() as u64 },
        }
    }

    /// How long a payload is, and whether it travels by itself.
    fn size(&mut self, least: u64) -> (usize, bool) {
        let rng = &mut self.rng;
        let (bytes, long) = match rng.below(4000) {
            // longer than a transfer's window
            0 => (rng.between(9_000_000, 12_000_000), true),
            1..12 => (rng.between(200_000, 700_000), true),
            12..260 => (rng.between(least, 5000), true),
            260..1300 => (rng.between(least, 3000), false),
            _ => (least + rng.below(40), false),
        };
        (bytes as usize, long)
    }

    fn cancel_some(&mut self, index: usize) {
        let next = self.clients[index].next;
        let first = self.rng.below(next);
        let count = self.rng.below(next - first + 1);
        for task in first..first + count {
            self.book.cancelled((index as u32, task));
        }
        let (runs, running) = (Runs::one(TaskId(first), count as u32), self.rng.percent(50));
        self.step_client(index, Input::Cancel { runs, running });
    }

    fn ask(&mut self, index: usize, after: Option<u64>) {
        let question = self.question(index);
        self.step_client(index, Input::Ask { question, after });
    }

    pub(super) fn question(&mut self, index: usize) -> u32 {
        let program = &mut self.clients[index];
        program.asked += 1;
        program.questions.insert(program.asked);
        program.asked
    }

    /// Asks whether the controller, too, thinks that nothing is left.
    pub(super) fn ask_at_last(&mut self, index: usize) {
        self.clients[index].questions.insert(LAST_QUESTION);
        self.step_client(index, Input::Ask { question: LAST_QUESTION, after: None });
    }

    pub(super) fn step_client(&mut self, index: usize, input: Input) {
        let program = &mut self.clients[index];
        let Some(machine) = program.machine.as_mut().filter(|_| program.alive) else { return };
        let mut effects = Vec::new();
        machine.step(self.now, input, &mut effects);
        self.summary.steps += 1;
        let deadline = machine.deadline();
        effects.into_iter().for_each(|effect| self.client_does(index, effect));
        self.arm(Actor::Client(index), deadline);
    }

    fn client_does(&mut self, index: usize, effect: Effect) {
        match effect {
            Effect::Send(message) => {
                assert!(!matches!(message, Message::Goodbye { .. }), "client {index} hangs up: {message:?}");
                if let Some(link) = self.clients[index].link {
                    self.send(link, To::Controller, &message);
                }
            }
            Effect::Deliver { outcomes, bulk } => self.deliver(index, &outcomes, bulk),
            Effect::Output(output) => {
                let task = output.task;
                assert_eq!(output.data, format!("{index}/{task}").as_bytes(), "output of task {task}");
                self.step_client(index, Input::OutputTaken { bytes: output.cost() });
            }
            Effect::Because { because, .. } => {
                assert!(
                    because.about.iter().any(|about| matches!(about, About::Tasks { .. })),
                    "{because:?}"
                );
            }
            Effect::Answer { question, status } => {
                assert!(self.clients[index].questions.remove(&question), "an answer without a question");
                if question == LAST_QUESTION {
                    let left = status.tasks.queued + status.tasks.assigned;
                    assert_eq!(left, 0, "the controller still has tasks: {:?}", status.tasks);
                    let (there, wanted) = (status.engines.len(), status.engines_wanted as usize);
                    // a site in trouble may have granted more than it has told of
                    let sure = self.summary.faults == 0 && self.scenario.site_trouble == 0;
                    assert!(there <= wanted || !sure, "{there} engines, {wanted} wanted");
                    self.book.agreed = true;
                }
            }
            Effect::Opened(_) | Effect::Listed { .. } => panic!("no client here opens a submission"),
            Effect::Changed { question, answer } => {
                assert!(self.clients[index].questions.remove(&question), "an answer without a question");
                self.resized(index, answer);
            }
            Effect::Notice { text } => {
                self.trace.line(self.now, || format!("client {index} is told: {text}"))
            }
            Effect::Sent { bytes } => self.clients[index].sent += bytes,
            Effect::Lost { reason, orderly } => {
                self.trace.line(self.now, || format!("client {index} is lost, orderly {orderly}: {reason}"));
                let ends = self.stopping.is_some() || self.scenario.config.ephemeral;
                let fault = self.summary.faults > 0;
                assert!(fault || orderly && ends, "a client lost its healthy link: {reason}");
                self.clients[index].lost = true;
                if let Some(link) = self.clients[index].link.take() {
                    self.close(link, To::Peer, "the client has closed its link");
                }
            }
        }
    }

    fn deliver(&mut self, index: usize, outcomes: &Outcomes, bulk: Vec<Bytes>) {
        let faulty = self.summary.faults > 0;
        let calm = !faulty && !self.site.disturbed && self.stopping.is_none();
        let (mut at, mut bulk) = (0, bulk.into_iter());
        for (place, (id, length)) in outcomes.runs.ids().zip(outcomes.batch.lengths.iter()).enumerate() {
            let payload = if length == BULK {
                bulk.next().expect("every long result comes along")
            } else {
                at += length as usize;
                outcomes.batch.payload.slice(at - length as usize..at)
            };
            let code = outcomes.codes.get(place).copied().unwrap_or_default();
            let status = TaskStatus::from_code(code).expect("a code has a status");
            self.book.delivered((index as u32, id.0), status, &payload, (calm, faulty));
            self.summary.delivered += 1;
        }
        let wait = self.rng.duration(Duration::from_micros(10), self.clients[index].laziness);
        self.after(wait, Event::Client(index, Act::Take { bytes: outcomes.batch.cost() }));
    }

    pub(super) fn client_received(&mut self, index: usize, link: LinkId, message: Message) {
        if self.clients[index].link == Some(link) {
            self.step_client(index, Input::Received(message));
        }
    }

    pub(super) fn client_down(&mut self, index: usize, link: LinkId, reason: String) {
        if self.clients[index].link == Some(link) {
            self.clients[index].link = None;
            if self.clients[index].machine.is_none() {
                self.clients[index].lost = true;
            }
            self.step_client(index, Input::LinkDown { reason });
        }
    }
}
