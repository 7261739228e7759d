//! The engine host's machine: registers a node's engines, hands them their tasks, reports how those ended.
//!
//! The link comes and goes: whenever it is gone, all that runs is ended, and the host registers again under new ids.

mod backoff;
mod io;
mod link;
#[cfg(test)]
mod tests;
mod waiting;

pub use io::{Effect, EngineHostConfig, Input};

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use crate::id::{EngineId, FunctionHash, TaskId};
use crate::time::Timestamp;
use crate::transfer::Offers;
use crate::wire::{
    BATCH_TARGET_BYTES, BULK_LIMIT, Message, Outcomes, OutcomesCutter, Output, Runs, Transfer,
};
use link::{Link, State};
use waiting::{Task, Waiting};

/// The machine.
#[derive(Debug)]
pub struct EngineHost {
    config: EngineHostConfig,
    link: Link,
    /// The first of this host's engine ids, once they are known.
    first: Option<EngineId>,
    defined: BTreeSet<FunctionHash>,
    waiting: Waiting,
    results: Offers,
}

impl EngineHost {
    /// A host that is not linked yet; dials in its first step.
    pub fn new(config: EngineHostConfig) -> Self {
        EngineHost {
            link: Link::new(&config),
            config,
            first: None,
            defined: BTreeSet::new(),
            waiting: Waiting::default(),
            results: Offers::default(),
        }
    }

    /// Takes one input at `now` and appends what is to be done to `effects`, in order.
    pub fn step(&mut self, now: Timestamp, input: Input, effects: &mut Vec<Effect>) {
        if matches!(self.link.state, State::Ended) {
            return;
        }
        match input {
            Input::Received(message) if self.link.is_up() => {
                self.link.heard(now);
                if let Err(reason) = self.receive(now, message, effects) {
                    self.send(now, Message::Goodbye { reason: reason.clone() }, effects);
                    effects.push(Effect::Hangup);
                    self.lose(now, &reason, effects);
                }
            }
            // what was still in the shell's hands when the link ended
            Input::Received(_) => {}
            Input::LinkUp { heartbeat } => {
                self.link.up(now, heartbeat);
                self.send(now, Message::Register(self.config.registration.clone()), effects);
            }
            Input::LinkDown { reason } => self.lose(now, &reason, effects),
            Input::Refused { reason } => {
                self.exit(false, format!("the controller refused this host: {reason}"), effects)
            }
            Input::Ended { outcomes, bulk } => self.ended(now, outcomes, bulk, effects),
            Input::Output(output) => self.output(now, output, effects),
            Input::Interrupted => {
                self.leave(now, "a signal has asked the engine host to end".to_owned(), effects)
            }
            Input::Tick => {}
        }
        self.keep_time(now, effects);
    }

    /// When the machine wants an [`Input::Tick`], if at all.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.link.deadline()
    }

    /// Whether the machine keeps anything that belongs to a task.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.results.is_empty()
    }

    fn receive(&mut self, now: Timestamp, message: Message, effects: &mut Vec<Effect>) -> Result<(), String> {
        match message {
            Message::Heartbeat => {
                self.pull(now, effects);
                // one that is due soon goes now, while this host is awake
                if self.link.was_quiet(now) {
                    self.send(now, Message::Heartbeat, effects);
                }
            }
            Message::Registered { first } if self.first.is_none() => {
                self.first = Some(first);
                self.link.registered();
            }
            Message::Define(function) => {
                let hash = function.hash();
                self.defined.insert(hash);
                effects.push(Effect::Define { hash, function });
            }
            Message::Run { engine, function, options, runs, batch } => {
                let slot = self
                    .slot(engine)
                    .ok_or_else(|| format!("tasks came for engine {engine}, which is not here"))?;
                if !self.defined.contains(&function) {
                    return Err(format!("tasks came for function {function:?}, which was not defined"));
                }
                let task = Task { slot, engine, function, options: Arc::new(options) };
                self.waiting.add(task, runs, batch, effects);
                self.pull(now, effects);
            }
            Message::Cancel { runs, running } => self.cancel(now, runs, running, effects),
            Message::Withdraw { engine, runs } => self.withdraw(now, engine, runs, effects)?,
            Message::Chunk { transfer, offset, data } => {
                self.waiting.chunk(now, transfer, offset, data, effects)?;
                self.pull(now, effects);
            }
            Message::Grant { transfer, upto } => {
                let sent = self.results.grant(transfer, upto, |message| effects.push(Effect::Send(message)));
                if sent || upto == 0 {
                    self.results.forget(transfer);
                }
                self.link.spoke(now);
            }
            Message::Room { engine: Some(engine), bytes } => {
                let slot = self
                    .slot(engine)
                    .ok_or_else(|| format!("room came for engine {engine}, which is not here"))?;
                effects.push(Effect::Room { slot, bytes });
            }
            Message::Notice { text } => effects.push(Effect::Log { text }),
            Message::Stop => self.leave(now, "the controller let it go".to_owned(), effects),
            Message::Goodbye { reason } => self.exit(true, format!("the controller left: {reason}"), effects),
            other => return Err(format!("the controller sent {}, which does not fit here", other.name())),
        }
        Ok(())
    }

    fn slot(&self, engine: EngineId) -> Option<u32> {
        let slot = engine.0.checked_sub(self.first?.0)?;
        (slot < self.config.registration.engines).then_some(slot)
    }

    fn pull(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let before = effects.len();
        self.waiting.grant(now, |message| effects.push(Effect::Send(message)));
        if effects.len() > before {
            self.link.spoke(now);
        }
    }

    /// Tasks that still wait for their arguments end here; the shell ends the others.
    fn cancel(&mut self, now: Timestamp, runs: Runs, running: bool, effects: &mut Vec<Effect>) {
        for outcomes in self.waiting.cancel(&runs, effects) {
            self.report(now, outcomes, effects);
        }
        effects.push(Effect::Cancel { runs, running });
        self.pull(now, effects);
    }

    /// The same for tasks that an engine gives back.
    fn withdraw(
        &mut self,
        now: Timestamp,
        engine: EngineId,
        runs: Runs,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        let slot = self
            .slot(engine)
            .ok_or_else(|| format!("tasks are wanted of engine {engine}, which is not here"))?;
        for outcomes in self.waiting.withdraw(&runs, effects) {
            self.report(now, outcomes, effects);
        }
        effects.push(Effect::Withdraw { slot, runs });
        self.pull(now, effects);
        Ok(())
    }

    fn ended(&mut self, now: Timestamp, outcomes: Outcomes, bulk: Vec<Bytes>, effects: &mut Vec<Effect>) {
        // an engine of an earlier registration: its tasks are the controller's again
        if !self.link.is_up() || outcomes.engine.and_then(|engine| self.slot(engine)).is_none() {
            return;
        }
        if !bulk.is_empty() {
            let ids: Vec<TaskId> = outcomes.runs.ids().take(outcomes.batch.lengths.len()).collect();
            for (announced, data) in outcomes.batch.bulk.iter().zip(bulk) {
                if let Some(task) = ids.get(announced.index as usize) {
                    self.results.keep(Transfer::Result(*task), data);
                }
            }
        }
        self.report(now, outcomes, effects);
    }

    /// Tells how tasks ended, in as many messages as that takes.
    fn report(&mut self, now: Timestamp, outcomes: Outcomes, effects: &mut Vec<Effect>) {
        if outcomes.batch.cost() <= BATCH_TARGET_BYTES as u64 && outcomes.batch.bulk.len() <= BULK_LIMIT {
            return self.send(now, Message::Done(outcomes), effects);
        }
        let mut rest = OutcomesCutter::new(outcomes);
        while rest.batch().remaining() > 0 {
            let count = rest.batch().fitting(BATCH_TARGET_BYTES as u64).max(1);
            let part = rest.take(count);
            self.send(now, Message::Done(part), effects);
        }
    }

    fn output(&mut self, now: Timestamp, output: Output, effects: &mut Vec<Effect>) {
        // an engine of an earlier registration writes for nobody
        if self.link.is_up() && self.slot(output.engine).is_some() {
            self.send(now, Message::Output(output), effects);
        }
    }

    fn send(&mut self, now: Timestamp, message: Message, effects: &mut Vec<Effect>) {
        self.link.spoke(now);
        effects.push(Effect::Send(message));
    }

    /// The link is gone: what belonged to it goes too.
    fn lose(&mut self, now: Timestamp, reason: &str, effects: &mut Vec<Effect>) {
        if self.link.is_up() {
            self.forget(effects);
        }
        if self.link.down(now) {
            effects.push(Effect::Log { text: format!("no link to the controller: {reason}") });
        }
    }

    fn leave(&mut self, now: Timestamp, reason: String, effects: &mut Vec<Effect>) {
        if self.link.is_up() {
            self.send(now, Message::Goodbye { reason: reason.clone() }, effects);
        }
        self.exit(true, reason, effects);
    }

    fn exit(&mut self, ok: bool, reason: String, effects: &mut Vec<Effect>) {
        self.forget(effects);
        self.link.state = State::Ended;
        effects.push(Effect::Exit { ok, reason });
    }

    fn forget(&mut self, effects: &mut Vec<Effect>) {
        self.first = None;
        self.defined.clear();
        self.waiting.clear();
        self.results.clear();
        effects.push(Effect::Reset);
    }

    fn keep_time(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.link.is_silent(now) {
            effects.push(Effect::Hangup);
            let reason = format!("it has been silent for {:?}", self.config.lost_after);
            self.lose(now, &reason, effects);
        }
        if self.link.has_given_up(now) {
            let limit = self.config.give_up_after;
            self.exit(
                false,
                format!("no controller within {limit:?}; is the cluster still running?"),
                effects,
            );
        } else if self.link.dials(now) {
            effects.push(Effect::Dial);
        } else if self.link.owes_heartbeat(now) {
            self.send(now, Message::Heartbeat, effects);
        }
    }
}
