//! Queued tasks go to engines that have room for them.

use std::sync::Arc;

use super::Controller;
use super::accounts::Owner;
use super::batch::Place;
use super::engine::{Engine, crumb};
use super::io::Effect;
use super::limits::{BATCH_TASKS_LIMIT, ENGINE_BYTES_LIMIT};
use super::ready::{Fate, Range};
use crate::id::{EngineId, TaskId};
use crate::task::RunOptions;
use crate::wire::{Message, Runs, Transfer};

impl Controller {
    /// Sends tasks to engines until no engine has room for any that wait, those of a higher priority first.
    pub(super) fn dispatch(&mut self, effects: &mut Vec<Effect>) {
        if self.stop.is_some() {
            return;
        }
        let mut class = self.ready.highest();
        while let Some(priority) = class {
            let below = self.ready.below(priority);
            let hot = below.map(|_| self.engines.hot().clone());
            // each round ends with every open engine looked at; a second is for engines that had left their own lanes'
            // tasks for others, which then were not there
            while self.dispatch_picky(priority, effects) | self.dispatch_common(priority, effects) {}
            hot.into_iter().flatten().for_each(|id| self.engines.keep_hot(id));
            // nothing overtakes tasks that any engine could run
            class = below.filter(|_| self.ready.common.len(priority) == 0);
        }
        self.save_room();
    }

    /// One portion for each engine that lanes wait for; every second one is left to the common lanes.
    fn dispatch_picky(&mut self, priority: i32, effects: &mut Vec<Effect>) -> bool {
        let mut progress = false;
        for id in self.engines.take_hot() {
            if !self.engines.is_open(id) {
                // it is looked at again when it has room
                continue;
            }
            let common = self.ready.common.len(priority) > 0;
            let Some(engine) = self.engines.get_mut(id) else { continue };
            if common && engine.targeted_last {
                engine.targeted_last = false;
                self.engines.keep_hot(id);
                progress = true;
                continue;
            }
            for _ in 0..engine.lanes.len(priority) {
                let turn = self.engines.get_mut(id).and_then(|engine| engine.lanes.turn(priority));
                let Some(lane) = turn else { break };
                let share = self.ready.lane(lane).map_or(0, |lane| lane.share(self.engines.len()));
                if self.send(lane, id, share, effects) {
                    progress = true;
                    if let Some(engine) = self.engines.get_mut(id) {
                        engine.targeted_last = true;
                    }
                    self.engines.keep_hot(id);
                    break;
                }
            }
        }
        progress
    }

    /// Serves the common lanes in turn, each from the best engine, until a whole round finds no room.
    fn dispatch_common(&mut self, priority: i32, effects: &mut Vec<Effect>) -> bool {
        let (mut progress, mut vain) = (false, 0);
        while vain < self.ready.common.len(priority) {
            let Some(lane) = self.ready.common.turn(priority) else { break };
            // few tasks are spread over all engines
            let share = self.ready.common_tasks.div_ceil(self.engines.len().max(1) as u64);
            if self.send_to_best(lane, share, effects) {
                (progress, vain) = (true, 0);
            } else {
                vain += 1;
            }
        }
        progress
    }

    fn send_to_best(&mut self, number: u32, share: u64, effects: &mut Vec<Effect>) -> bool {
        let Some(function) = self.front_function(number) else { return false };
        let Some(lane) = self.ready.lane(number) else { return false };
        let (avoided, now) = (self.avoids(number), self.now);
        let (functions, ahead) = (&self.functions, self.config.queue_ahead);
        let may_begin = |engine: &Engine| {
            let host = self.hosts.get(&engine.host);
            !engine.refuses(now, avoided)
                && host.is_some_and(|host| host.may_begin(&self.ready, engine, Some(number), &lane.needs))
        };
        let best = self.engines.choose(functions, ahead, |engine| {
            engine.credit(function, functions, ahead) > 0 && may_begin(engine)
        });
        best.is_some_and(|engine| self.send(number, engine, share, effects))
    }

    pub(super) fn front_function(&self, lane: u32) -> Option<u32> {
        let front = self.ready.lane(lane)?.queue.front()?;
        self.tasks.batch(front.first).map(|batch| batch.origin.function)
    }

    /// Sends an engine the first tasks of a lane, as many as it has room for, but not many more than its `share`.
    fn send(&mut self, number: u32, id: EngineId, share: u64, effects: &mut Vec<Effect>) -> bool {
        let ahead = self.config.queue_ahead;
        let Some(lane) = self.ready.lane(number) else { return false };
        let Some(engine) = self.engines.get(id) else { return false };
        let host = self.hosts.get(&engine.host);
        if self.ready.is_muted(lane.owner)
            || engine.refuses(self.now, self.avoids(number))
            || host.is_none_or(|host| {
                !host.has_time(&lane.needs, self.now)
                    || !host.may_begin(&self.ready, engine, Some(number), &lane.needs)
            })
        {
            return false;
        }
        let needs = Arc::clone(&lane.needs);
        let Some(range) = lane.queue.front().copied() else { return false };
        let (Some(batch), Some(engine)) = (self.tasks.batch_mut(range.first), self.engines.get_mut(id))
        else {
            return false;
        };
        let function = batch.origin.function;
        let credit = engine.credit(function, &self.functions, ahead) as u64;
        let crumb = crumb(self.functions.pace(function), ahead);
        // what must not run again goes alone: an engine that is lost then has one such task that may have begun; what asks
        // for resources has them from its beginning to its end
        let alone = !batch.origin.options.rerun || needs.ask();
        let most = if alone { 1 } else { BATCH_TASKS_LIMIT };
        let limit = credit.min(share.max(crumb)).min(most as u64) as u32;
        if limit == 0 {
            return false;
        }
        let room = ENGINE_BYTES_LIMIT.saturating_sub(engine.bytes);
        let count = batch.stretch(range.from, range.to, limit, room);
        let span = Range { to: range.from + count, ..range };
        let positions = batch.positions(span.from, span.to);
        let bytes = batch.bytes(positions.clone());
        let (mut attempt, mut closes) = (1, alone);
        for position in positions {
            let slot = batch.at_mut(position);
            closes |= slot.losses() > 0;
            slot.attempt = slot.attempt.saturating_add(1);
            (slot.place, slot.engine) = (Place::Assigned, id);
            attempt = slot.attempt;
        }
        if engine.assigned == 0 {
            engine.watch.begin(self.now);
        }
        engine.assign(span, function, bytes, closes);
        let (host, overlooked, waits) = (engine.host, engine.is_overlooked(), engine.assigned > 1);
        if overlooked {
            self.watch(id);
        }
        if let (Some(time), true) = (needs.time, waits) {
            self.mind_time(host, time);
        }
        self.claim(number, id, &needs);
        self.tasks.queued -= count as u64;
        self.tasks.assigned += count as u64;
        let fate = self.ready.take(number, count);
        self.lane_changed(number, fate);
        self.engines.used(id);
        self.engines.rank(id, &self.functions, ahead);
        self.send_run(host, id, span, attempt, effects);
        true
    }

    fn send_run(
        &mut self,
        link: crate::id::LinkId,
        engine: EngineId,
        span: Range,
        attempt: u16,
        effects: &mut Vec<Effect>,
    ) {
        let Some(batch) = self.tasks.batch(span.first) else { return };
        let (key, count) = (batch.origin.function, span.len() as u32);
        let Some(known) = self.functions.get(key) else { return };
        if self.hosts.get_mut(&link).is_some_and(|host| host.defined.insert(key)) {
            effects.push(Effect::Send { link, message: Message::Define(known.function.clone()) });
        }
        let first = TaskId(span.first + span.from as u64);
        if let Some(bytes) = batch.bulk(span.from) {
            // an earlier engine may have pulled some of it
            let client_id = batch.client_id(span.from);
            if let (Owner::Link(link), true) = (batch.origin.owner, attempt > 1) {
                let message = Message::Grant { transfer: Transfer::Argument(client_id), upto: 0 };
                effects.push(Effect::Send { link, message });
            }
            self.transfers.begin_argument(first, link, bytes);
        }
        let message = Message::Run {
            engine,
            function: known.hash,
            options: RunOptions {
                attempt,
                timeout_ms: batch.origin.options.timeout_ms,
                shift: batch.base.wrapping_sub(batch.first) as i64,
                live: batch.origin.options.live,
                resources: batch.origin.options.resources.clone(),
            },
            runs: Runs::one(first, count),
            batch: batch.arguments(span.from, count),
        };
        effects.push(Effect::Send { link, message });
    }

    /// Forgets a lane that is empty.
    pub(super) fn lane_changed(&mut self, number: u32, fate: Fate) {
        if let Fate::Gone(priority) = fate {
            self.engines.forget_lane(number, priority);
            self.stop_saving_for(number);
        }
    }

    /// Forgets what was sent to an engine and has left it.
    pub(super) fn trim(&mut self, id: EngineId) {
        let tasks = &self.tasks;
        let Some(engine) = self.engines.get_mut(id) else { return };
        engine.trim(|span| {
            let batch = tasks.batch(span.first)?;
            let mut positions = batch.positions(span.from, span.to);
            let here = positions.find(|position| {
                let slot = batch.at(*position);
                slot.engine == id && matches!(slot.place, Place::Assigned | Place::Relayed)
            });
            here.map(|position| batch.index(position))
        });
    }
}
