//! The client's machine: sends submissions within the controller's window, and delivers every result once.

mod io;
mod queue;
mod results;
#[cfg(test)]
mod tests;

pub use io::{ClientConfig, Effect, Input};

use std::collections::BTreeSet;

use crate::id::{FunctionHash, SubmissionId, TaskId};
use crate::ranges::Ranges;
use crate::time::Timestamp;
use crate::transfer::Offers;
use crate::wire::{
    Agreement, Allowance, CLIENT_OUTPUT_WINDOW_BYTES, Message, Opened, Runs, RunsBuilder, Transfer,
};
use queue::{Queue, Submission};
use results::Results;

/// The most runs in one `Cancel`: 12 bytes each, far below a frame's limit.
const CANCEL_LIMIT: usize = 1 << 14;

/// The machine.
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    /// When something was last said and heard; `None` before the first step.
    spoke: Option<Timestamp>,
    heard: Option<Timestamp>,
    lost: bool,
    defined: BTreeSet<FunctionHash>,
    queue: Queue,
    /// Sent, and not delivered yet.
    outstanding: Ranges,
    /// The submission is complete, but not all of it has been sent.
    closing: bool,
    /// The submission that is read, and the first of its tasks that is not known here.
    reads: Option<(SubmissionId, u64)>,
    /// Long arguments of outstanding tasks.
    arguments: Offers,
    results: Results,
    /// What running tasks write.
    output: Allowance,
}

impl Client {
    /// A client whose link was just welcomed.
    pub fn new(config: ClientConfig) -> Self {
        Client {
            spoke: None,
            heard: None,
            lost: false,
            defined: BTreeSet::new(),
            queue: Queue::new(config.submit_window_bytes),
            outstanding: Ranges::default(),
            closing: false,
            reads: None,
            arguments: Offers::default(),
            results: Results::new(config.result_window_bytes),
            output: Allowance::new(CLIENT_OUTPUT_WINDOW_BYTES),
            config,
        }
    }

    /// Takes one input at `now` and appends what is to be done to `effects`, in order.
    pub fn step(&mut self, now: Timestamp, input: Input, effects: &mut Vec<Effect>) {
        if self.lost {
            return;
        }
        let before = effects.len();
        let heard = matches!(input, Input::Received(_)) || self.heard.is_none();
        if heard {
            self.heard = Some(now);
        }
        match input {
            Input::Received(message) => {
                if let Err(reason) = self.receive(now, message, effects) {
                    effects.push(Effect::Send(Message::Goodbye { reason: reason.clone() }));
                    self.lose(reason, false, effects);
                }
            }
            Input::LinkDown { reason } => self.lose(reason, false, effects),
            Input::Submit { base, function, hash, options, batch, bulk } => {
                self.queue.push(Submission::new(base, function, hash, options, batch, bulk));
                self.submit(effects);
            }
            Input::Cancel { runs, running } => self.cancel(&runs, running, effects),
            Input::Open { name } => effects.push(Effect::Send(Message::Open { name })),
            Input::Close => {
                self.closing = true;
                self.submit(effects);
            }
            Input::Read { submission, results } => {
                self.reads = Some((submission, 0));
                effects.push(Effect::Send(Message::Read { submission, results }));
            }
            Input::Forget { upto } => effects.push(Effect::Send(Message::Forget { upto })),
            Input::List { question, submission, from } => {
                effects.push(Effect::Send(Message::List { question, submission, from }))
            }
            Input::Why { question, subjects } => {
                effects.push(Effect::Send(Message::Why { question, subjects }))
            }
            Input::Ask { question, after } => effects.push(Effect::Send(Message::Ask { question, after })),
            Input::Change { question, change } => effects.push(Effect::Send(change.message(question))),
            Input::Taken { bytes } => effects.extend(self.results.taken(bytes).map(Effect::Send)),
            Input::OutputTaken { bytes } => {
                let room = self.output.pass(bytes).map(|bytes| Message::Room { engine: None, bytes });
                effects.extend(room.map(Effect::Send));
            }
            Input::Stop => effects.push(Effect::Send(Message::Stop)),
            Input::Tick => {}
        }
        self.keep_time(now, before, effects);
    }

    /// When the machine wants an [`Input::Tick`], if at all.
    pub fn deadline(&self) -> Option<Timestamp> {
        match (self.spoke, self.heard) {
            _ if self.lost => None,
            (Some(spoke), Some(heard)) => {
                Some((spoke + self.config.heartbeat).min(heard + self.config.lost_after))
            }
            _ => Some(Timestamp::default()),
        }
    }

    /// Whether every task submitted so far has been delivered.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty()
            && self.outstanding.is_empty()
            && self.arguments.is_empty()
            && self.results.is_empty()
    }

    fn receive(&mut self, now: Timestamp, message: Message, effects: &mut Vec<Effect>) -> Result<(), String> {
        match message {
            Message::Heartbeat => self.pull(now, effects),
            Message::Results(outcomes) => {
                let runs = outcomes.runs.clone();
                self.results.receive(outcomes, &mut self.outstanding, effects);
                self.settle(now, &runs, effects);
            }
            Message::Chunk { transfer: transfer @ Transfer::Result(task), offset, data } => {
                self.results.chunk(now, transfer, offset, data, &mut self.outstanding, effects)?;
                self.settle(now, &Runs::one(task, 1), effects);
            }
            Message::Grant { transfer: transfer @ Transfer::Argument(_), upto } => {
                self.arguments.grant(transfer, upto, |message| effects.push(Effect::Send(message)));
            }
            Message::Window { bytes } => {
                self.queue.widen(bytes);
                self.submit(effects);
            }
            Message::Output(output) => {
                if !self.output.receive(output.cost()) {
                    return Err("the controller sent more output than was asked for".to_owned());
                }
                effects.push(Effect::Output(output));
            }
            Message::Opened(opened) => self.opened(opened, effects),
            Message::Listed { question, page } => effects.push(Effect::Listed { question, page }),
            Message::Because { question, because } => effects.push(Effect::Because { question, because }),
            Message::Status { question, status } => effects.push(Effect::Answer { question, status }),
            Message::Agreed { question, request, engines } => {
                effects.push(Effect::Changed { question, answer: Ok(Agreement { request, engines }) });
            }
            Message::Declined { question, reason } => {
                effects.push(Effect::Changed { question, answer: Err(reason) });
            }
            Message::Notice { text } => effects.push(Effect::Notice { text }),
            Message::Goodbye { reason } => self.lose(reason, true, effects),
            other => return Err(format!("the controller sent {}, which does not fit here", other.name())),
        }
        Ok(())
    }

    /// Expects the results of a submission's tasks that are new.
    fn opened(&mut self, opened: Opened, effects: &mut Vec<Effect>) {
        if let Some((submission, known)) = &mut self.reads
            && *submission == opened.submission
        {
            let from = (*known).max(opened.forgotten.0);
            self.outstanding.insert(TaskId(from), opened.tasks.saturating_sub(from));
            *known = opened.tasks.max(*known);
        }
        effects.push(Effect::Opened(opened));
    }

    /// Drops the arguments of what was delivered, and asks for more of the results that are being pulled.
    fn settle(&mut self, now: Timestamp, runs: &Runs, effects: &mut Vec<Effect>) {
        if !self.arguments.is_empty() {
            for (first, count) in runs.iter() {
                self.arguments.forget_arguments(first, count as u64, |id| self.outstanding.contains(id, 1));
            }
        }
        self.pull(now, effects);
    }

    /// Asks for more of the results that are being pulled.
    fn pull(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        self.results.grant(now, |message| effects.push(Effect::Send(message)));
    }

    fn submit(&mut self, effects: &mut Vec<Effect>) {
        while let Some(part) = self.queue.next() {
            if let Some(reason) = part.unsendable() {
                self.results.fail(part, &reason, effects);
                continue;
            }
            if self.defined.insert(part.hash) {
                effects.push(Effect::Send(Message::Define(part.function.clone())));
            }
            let (cost, ids) = (part.batch.cost(), part.ids());
            self.outstanding.insert(ids.0, ids.1 as u64);
            for (announced, data) in part.batch.bulk.iter().zip(part.bulk) {
                self.arguments.keep(Transfer::Argument(TaskId(ids.0.0 + announced.index as u64)), data);
            }
            let submit = Message::Submit {
                base: part.base,
                function: part.hash,
                options: part.options,
                batch: part.batch,
            };
            effects.extend([Effect::Send(submit), Effect::Sent { bytes: cost }]);
        }
        if self.closing && self.queue.is_empty() {
            self.closing = false;
            effects.push(Effect::Send(Message::Close));
        }
    }

    /// Tasks that have not left yet end here; the controller ends the others.
    fn cancel(&mut self, runs: &Runs, running: bool, effects: &mut Vec<Effect>) {
        for part in self.queue.remove(&Ranges::from(runs)) {
            self.results.cancel(part, effects);
        }
        let mut ids: Vec<(TaskId, u64)> = Vec::new();
        for (first, count) in runs.iter() {
            ids.extend(self.outstanding.within(first, count as u64));
        }
        for ids in ids.chunks(CANCEL_LIMIT) {
            let mut runs = RunsBuilder::default();
            // each lies within a run, whose length has 32 bits
            ids.iter().for_each(|(first, count)| runs.push_run(*first, *count as u32));
            effects.push(Effect::Send(Message::Cancel { runs: runs.finish(), running }));
        }
        self.submit(effects);
    }

    fn lose(&mut self, reason: String, orderly: bool, effects: &mut Vec<Effect>) {
        self.lost = true;
        self.queue.clear();
        self.outstanding = Ranges::default();
        self.arguments.clear();
        self.results.clear();
        effects.push(Effect::Lost { reason, orderly });
    }

    fn keep_time(&mut self, now: Timestamp, before: usize, effects: &mut Vec<Effect>) {
        let spoke = *self.spoke.get_or_insert(now);
        let silent = self.heard.is_some_and(|heard| now.since(heard) >= self.config.lost_after);
        if effects[before..].iter().any(|effect| matches!(effect, Effect::Send(_))) {
            self.spoke = Some(now);
        } else if !self.lost && now.since(spoke) >= self.config.heartbeat {
            self.spoke = Some(now);
            effects.push(Effect::Send(Message::Heartbeat));
        }
        if silent && !self.lost {
            self.lose(
                format!("the controller has been silent for {:?}", self.config.lost_after),
                false,
                effects,
            );
        }
    }
}
