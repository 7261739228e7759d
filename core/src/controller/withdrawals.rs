//! Tasks are taken back from an engine that is slow, for others that have nothing to do.
//!
//! Engines that have more than one task are looked at only while others have none, and each only when it may be slow by
//! then. It is asked once until it has nothing left, and gets no more until then: nothing goes to and fro. What has begun
//! stays where it is, which only the engine's host knows; so what is asked for is its own until it has given that back.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Controller;
use super::batch::{Origin, Place, Wanted};
use super::engine::Engine;
use super::engines::Engines;
use super::io::Effect;
use super::limits::{WITHDRAW_AFTER, WITHDRAW_GRAIN};
use crate::id::{EngineId, TaskId};
use crate::time::Timestamp;
use crate::wire::{Message, RunsBuilder};

/// How an engine gets on with its tasks.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// When one of its tasks left it last, or it got its first.
    heard: Timestamp,
    /// When it is to be looked at, if it is among those that are.
    pub(super) due: Option<Timestamp>,
    /// Whether it was asked for what it had not begun, and has had tasks ever since.
    pub(super) asked: bool,
}

impl Watch {
    /// Takes note that an engine that had no tasks gets some.
    pub(super) fn begin(&mut self, now: Timestamp) {
        (self.heard, self.asked) = (now, false);
    }

    /// Takes note that tasks have left it.
    pub(super) fn hear(&mut self, now: Timestamp) {
        self.heard = now;
    }
}

impl Engine {
    /// Whether it has tasks that it might be asked for, and nobody will look.
    pub(super) fn is_overlooked(&self) -> bool {
        self.assigned > 1 && self.watch.due.is_none() && !self.watch.asked
    }
}

impl Engines {
    /// Has an engine that may be slow looked at `patience` after it was last heard of, or from now.
    fn watch(&mut self, id: EngineId, now: Timestamp, patience: Duration) {
        let Some(engine) = self.get_mut(id).filter(|engine| engine.is_overlooked()) else { return };
        let at = engine.watch.heard + patience;
        let at = if at > now { at } else { now + patience };
        // together with others
        let grain = WITHDRAW_GRAIN.as_micros() as u64;
        let due = Timestamp(at.0.div_ceil(grain).saturating_mul(grain));
        engine.watch.due = Some(due);
        self.watches.insert((due, id));
    }

    /// An engine is not looked at any more.
    fn unwatch(&mut self, id: EngineId) {
        let due = self.get_mut(id).and_then(|engine| engine.watch.due.take());
        if let Some(due) = due {
            self.watches.remove(&(due, id));
        }
    }

    /// Those that are to be looked at by now; they are watched no more.
    fn take_due(&mut self, now: Timestamp) -> Vec<EngineId> {
        let later = self.watches.split_off(&(Timestamp(now.0.saturating_add(1)), EngineId(0)));
        let due: Vec<EngineId> =
            std::mem::replace(&mut self.watches, later).into_iter().map(|(_, id)| id).collect();
        for id in &due {
            if let Some(engine) = self.get_mut(*id) {
                engine.watch.due = None;
            }
        }
        due
    }
}

impl Controller {
    /// Has an engine that got tasks looked at, should it be slow.
    pub(super) fn watch(&mut self, id: EngineId) {
        self.engines.watch(id, self.now, self.patience());
    }

    fn patience(&self) -> Duration {
        WITHDRAW_AFTER.max(self.config.queue_ahead.saturating_mul(4))
    }

    /// When engines are to be looked at, if at all: while others are idle, although all was dispatched that could be.
    pub(super) fn withdraw_deadline(&self) -> Option<Timestamp> {
        let (due, _) = self.engines.watches.first()?;
        (self.stop.is_none() && !self.engines.idle.is_empty()).then_some(*due)
    }

    /// Asks slow engines for what they have not begun, if others have nothing to do.
    pub(super) fn withdraw(&mut self, effects: &mut Vec<Effect>) {
        if self.withdraw_deadline().is_none_or(|at| at > self.now) {
            return;
        }
        for id in self.engines.take_due(self.now) {
            let tasks = self.surplus(id);
            if tasks.is_empty() {
                self.watch(id);
                continue;
            }
            self.ask_for(id, tasks, effects);
        }
    }

    fn ask_for(&mut self, id: EngineId, tasks: BTreeSet<TaskId>, effects: &mut Vec<Effect>) {
        let Some(engine) = self.engines.get_mut(id) else { return };
        (engine.closed, engine.watch.asked) = (true, true);
        let mut runs = RunsBuilder::default();
        tasks.into_iter().for_each(|task| runs.push(task));
        let message = Message::Withdraw { engine: id, runs: runs.finish() };
        effects.push(Effect::Send { link: engine.host, message });
        self.engines.rank(id, &self.functions, self.config.queue_ahead);
    }

    /// Asks an engine for all but the task that it is at: its time runs short. What it has been asked for before it is
    /// asked for again, which changes nothing.
    pub(super) fn ask_for_queued(&mut self, id: EngineId, effects: &mut Vec<Effect>) {
        let Some(engine) = self.engines.get(id) else { return };
        let tasks = self.last_of(id, engine.assigned.saturating_sub(1) as usize, |_| true);
        if !tasks.is_empty() {
            self.engines.unwatch(id);
            self.ask_for(id, tasks, effects);
        }
    }

    /// What an engine has to give to those that are idle: all but the task that it is at, if it was not heard of for long;
    /// all but its part, if the whole takes long.
    fn surplus(&self, id: EngineId) -> BTreeSet<TaskId> {
        let Some(engine) = self.engines.get(id).filter(|engine| engine.assigned > 1) else {
            return BTreeSet::new();
        };
        let keep = if self.now.since(engine.watch.heard) >= self.patience() {
            1
        } else if Duration::from_nanos(engine.backlog(&self.functions)) >= self.patience() {
            engine.assigned.div_ceil(self.engines.idle.len() as u32 + 1)
        } else {
            return BTreeSet::new();
        };
        let most = engine.assigned.saturating_sub(keep) as usize;
        self.last_of(id, most, |origin| self.is_anyone_free_for(origin))
    }

    /// The last tasks that an engine was sent, at most so many, of those that are wanted elsewhere.
    fn last_of(&self, id: EngineId, most: usize, wanted: impl Fn(&Origin) -> bool) -> BTreeSet<TaskId> {
        let mut surplus = BTreeSet::new();
        let Some(engine) = self.engines.get(id) else { return surplus };
        let mut last: Option<(&Origin, bool)> = None;
        for span in engine.spans().rev() {
            let Some(batch) = self.tasks.batch(span.first) else { continue };
            let like = match last {
                Some((origin, like)) if origin.is_like(&batch.origin) => like,
                _ => wanted(&batch.origin),
            };
            last = Some((&batch.origin, like));
            for position in batch.positions(span.from, span.to).rev().filter(|_| like) {
                let slot = batch.at(position);
                if surplus.len() == most {
                    return surplus;
                }
                if slot.place == Place::Assigned && slot.engine == id && slot.wanted == Wanted::Yes {
                    surplus.insert(TaskId(batch.first + batch.index(position) as u64));
                }
            }
        }
        surplus
    }

    /// Whether an idle engine could begin such tasks now.
    fn is_anyone_free_for(&self, origin: &Origin) -> bool {
        let Origin { owner, function, needs, .. } = origin;
        if self.ready.is_muted(*owner) {
            return false;
        }
        let kind = self.functions.get(*function).map(|known| known.function.kind);
        let is_free = |id: &EngineId| {
            let Some(engine) = self.engines.get(*id) else { return false };
            let host = self.hosts.get(&engine.host);
            !engine.refuses(self.now, kind)
                && host.is_some_and(|host| {
                    needs.accept(*id, host, self.now) && host.may_begin(&self.ready, engine, None, needs)
                })
        };
        let idle = &self.engines.idle;
        match &needs.targets {
            Some(targets) => targets.iter().filter(|id| idle.contains(id)).any(is_free),
            None => idle.iter().any(is_free),
        }
    }
}
