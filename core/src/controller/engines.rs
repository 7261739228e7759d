//! The engines that are there, and which of them may get tasks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::engine::{Engine, nanos};
use super::functions::Functions;
use super::policy::Choice;
use crate::id::{EngineId, LinkId};
use crate::profile::Policy;
use crate::time::Timestamp;

/// How many of the best engines are asked for room: nearly always the first has it, and every other will report.
const LOOK_LIMIT: usize = 64;

/// All engines.
#[derive(Debug)]
pub(super) struct Engines {
    all: BTreeMap<EngineId, Engine>,
    next: u32,
    /// Those that may get tasks, best first.
    open: BTreeSet<(u64, EngineId)>,
    /// Those of them that have nothing: not all policies put them first, but they have nothing to report, either.
    pub(super) idle: BTreeSet<EngineId>,
    /// Those that may get tasks of lanes that have them as targets, and were not looked at since.
    hot: BTreeSet<EngineId>,
    /// Those that may be slow, by when they are to be looked at.
    pub(super) watches: BTreeSet<(Timestamp, EngineId)>,
    /// Those that retire and have nothing left to do; none between steps.
    drained: BTreeSet<EngineId>,
    choice: Choice,
}

impl Engines {
    pub(super) fn new(policy: Policy, seed: u64) -> Self {
        Engines {
            all: BTreeMap::new(),
            next: 0,
            open: BTreeSet::new(),
            idle: BTreeSet::new(),
            hot: BTreeSet::new(),
            watches: BTreeSet::new(),
            drained: BTreeSet::new(),
            choice: Choice::new(policy, seed),
        }
    }

    /// Adds a host's engines; tells their ids, or that none are left.
    pub(super) fn add(&mut self, host: LinkId, count: u32) -> Option<std::ops::Range<u32>> {
        let ids = self.next..self.next.checked_add(count)?;
        self.next = ids.end;
        self.all.extend(ids.clone().map(|id| (EngineId(id), Engine::new(host))));
        Some(ids)
    }

    /// Takes out an engine.
    pub(super) fn remove(&mut self, id: EngineId) {
        let Some(engine) = self.all.remove(&id) else { return };
        self.hot.remove(&id);
        self.drained.remove(&id);
        if let Some(due) = engine.watch.due {
            self.watches.remove(&(due, id));
        }
        if let Some(rank) = engine.rank {
            self.open.remove(&(rank, id));
            self.idle.remove(&id);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn get(&self, id: EngineId) -> Option<&Engine> {
        self.all.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: EngineId) -> Option<&mut Engine> {
        self.all.get_mut(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (EngineId, &Engine)> {
        self.all.iter().map(|(id, engine)| (*id, engine))
    }

    /// Puts an engine where it belongs now that something about it has changed.
    pub(super) fn rank(&mut self, id: EngineId, functions: &Functions, ahead: Duration) {
        let Some(engine) = self.all.get_mut(&id) else { return };
        let open = engine.is_open(functions, nanos(ahead));
        let rank = open.then(|| self.choice.rank(engine));
        if engine.retiring && engine.is_idle() {
            self.drained.insert(id);
        }
        if open && !engine.lanes.is_empty() {
            self.hot.insert(id);
        }
        if open && engine.is_idle() {
            self.idle.insert(id);
        } else if !self.idle.is_empty() {
            self.idle.remove(&id);
        }
        if rank == engine.rank {
            return;
        }
        if let Some(old) = std::mem::replace(&mut engine.rank, rank) {
            self.open.remove(&(old, id));
        }
        if let Some(rank) = rank {
            self.open.insert((rank, id));
        }
    }

    /// The open engine that is to get the next tasks, of those that have room for them. It is to be ranked anew.
    pub(super) fn choose(
        &mut self,
        functions: &Functions,
        ahead: Duration,
        has_room: impl Fn(&Engine) -> bool,
    ) -> Option<EngineId> {
        let has_room = |id: &EngineId| self.all.get(id).is_some_and(&has_room);
        let mut drawn = self.open.iter().take(LOOK_LIMIT).copied().filter(|(_, id)| has_room(id));
        let Some((rank, first)) = drawn.next() else {
            return self.idle.iter().copied().find(has_room);
        };
        let second = if self.choice.draws_two() { drawn.next() } else { None };
        drop(drawn);
        let Some((later, second)) = second else {
            self.choice.drawn(rank);
            return Some(first);
        };
        self.choice.drawn(later);
        let load = |id| self.all.get(&id).map_or(0, Engine::load);
        let (chosen, other) = if load(second) < load(first) { (second, first) } else { (first, second) };
        self.rank(other, functions, ahead);
        Some(chosen)
    }

    /// Takes note that an engine gets tasks.
    pub(super) fn used(&mut self, id: EngineId) {
        let at = self.choice.next_use();
        if let Some(engine) = self.all.get_mut(&id) {
            engine.used = at;
        }
    }

    /// Whether an engine may get tasks.
    pub(super) fn is_open(&self, id: EngineId) -> bool {
        self.all.get(&id).is_some_and(|engine| engine.rank.is_some())
    }

    /// Whether an engine is there, and is to stay.
    pub(super) fn stays(&self, id: EngineId) -> bool {
        self.all.get(&id).is_some_and(|engine| !engine.retiring)
    }

    /// An engine gets no more tasks; `false` if that was so already. It is to be ranked anew.
    pub(super) fn retire(&mut self, id: EngineId) -> bool {
        self.all.get_mut(&id).is_some_and(|engine| !std::mem::replace(&mut engine.retiring, true))
    }

    /// Those that retire and have nothing left to do.
    pub(super) fn take_drained(&mut self) -> BTreeSet<EngineId> {
        std::mem::take(&mut self.drained)
    }

    /// Has an engine look at a lane that does not take just any.
    pub(super) fn look_at(&mut self, id: EngineId, lane: u32, priority: i32) {
        if let Some(engine) = self.all.get_mut(&id) {
            engine.lanes.insert(lane, priority);
            self.hot.insert(id);
        }
    }

    /// No engine need look at a lane any more.
    pub(super) fn forget_lane(&mut self, lane: u32, priority: i32) {
        self.all.values_mut().for_each(|engine| engine.lanes.remove(lane, priority));
    }

    /// Has every engine looked at again for its lanes.
    pub(super) fn heat(&mut self) {
        let waited_for = self.all.iter().filter(|(_, engine)| !engine.lanes.is_empty());
        self.hot.extend(waited_for.map(|(id, _)| *id));
    }

    /// The same, without taking them.
    pub(super) fn hot(&self) -> &BTreeSet<EngineId> {
        &self.hot
    }

    /// The engines to look at for their lanes.
    pub(super) fn take_hot(&mut self) -> BTreeSet<EngineId> {
        std::mem::take(&mut self.hot)
    }

    /// Has an engine looked at again.
    pub(super) fn keep_hot(&mut self, id: EngineId) {
        self.hot.insert(id);
    }
}
