//! The engines that are there, the hosts they are on, and what each has ahead.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::functions::{Functions, Pace};
use super::limits::{ENGINE_BYTES_LIMIT, ENGINE_RELAYS_LIMIT, ENGINE_TASKS_LIMIT};
use super::policy::Choice;
use super::pool::{Claim, Pool};
use super::ready::Range;
use super::refusals::Refusals;
use super::rotation::Rotation;
use super::withdrawals::Watch;
use crate::id::{AllocationId, EngineId, LinkId};
use crate::profile::Policy;
use crate::time::Timestamp;
use crate::wire::{Allowance, ENGINE_OUTPUT_WINDOW_BYTES};

/// One process that holds a node's engines.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) node: Arc<str>,
    pub(super) pid: u32,
    pub(super) allocation: Option<AllocationId>,
    pub(super) engines: std::ops::Range<u32>,
    /// The functions that were sent to it.
    pub(super) defined: BTreeSet<u32>,
    /// What tasks may ask for by name.
    pub(super) labels: BTreeSet<String>,
    pub(super) pool: Pool,
    /// The lane for which its room is saved up: its tasks ask for more than there is at once.
    pub(super) reserved: Option<u32>,
    /// Whether it was told to leave, as none of its engines is to stay.
    pub(super) leaving: bool,
}

/// One engine.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) host: LinkId,
    /// Tasks sent to it that have not ended, and their arguments' bytes.
    pub(super) assigned: u32,
    pub(super) bytes: u64,
    /// Long results of it that are on their way.
    pub(super) relays: u32,
    /// When it got its last tasks, counted in uses of any engine; 0 is never.
    pub(super) used: u64,
    pub(super) completed: u64,
    /// How many of the assigned tasks are of which function.
    load: Vec<(u32, u32)>,
    /// What was sent to it, in order; tasks that have left since are still in there.
    spans: VecDeque<Range>,
    /// Whether nothing is sent behind what it has: one of its tasks has lost engines before, or must not run again, and
    /// what waited behind it would be lost with it; or it was asked for what it had not begun.
    pub(super) closed: bool,
    pub(super) watch: Watch,
    /// What its tasks take of its host.
    pub(super) claim: Option<Claim>,
    /// What its tasks write, on its way to their clients.
    pub(super) output: Allowance,
    /// Lanes that do not take just any engine, but this one.
    pub(super) lanes: Rotation,
    /// Whether it got its last tasks from one of those.
    pub(super) targeted_last: bool,
    /// Whether it gets no more tasks, and leaves when it has none.
    pub(super) retiring: bool,
    /// What it cannot run.
    pub(super) refusals: Refusals,
    /// Its rank among the open engines, if it is one of them.
    rank: Option<u64>,
}

impl Engine {
    fn new(host: LinkId) -> Self {
        Engine {
            host,
            assigned: 0,
            bytes: 0,
            relays: 0,
            used: 0,
            completed: 0,
            load: Vec::new(),
            spans: VecDeque::new(),
            closed: false,
            watch: Watch::default(),
            claim: None,
            output: Allowance::new(ENGINE_OUTPUT_WINDOW_BYTES),
            lanes: Rotation::default(),
            targeted_last: false,
            retiring: false,
            refusals: Refusals::default(),
            rank: None,
        }
    }

    /// How many tasks it has, or has run without having got rid of their results.
    pub(super) fn load(&self) -> u64 {
        self.assigned as u64 + self.relays as u64
    }

    /// The work ahead, in nanoseconds.
    pub(super) fn backlog(&self, functions: &Functions) -> u64 {
        self.load.iter().fold(0, |sum: u64, (function, count)| {
            sum.saturating_add(functions.pace(*function).mean.saturating_mul(*count as u64))
        })
    }

    fn is_open(&self, functions: &Functions, ahead: u64) -> bool {
        let room = !self.retiring
            && !self.closed
            && self.relays <= ENGINE_RELAYS_LIMIT
            && self.assigned < ENGINE_TASKS_LIMIT
            && self.bytes < ENGINE_BYTES_LIMIT;
        // a nearly full engine waits for a better filled frame
        room && (self.assigned == 0 || self.backlog(functions) <= ahead - ahead / 8)
    }

    /// How many tasks of a function it may get now: as many as fill the time ahead, but no more than have been
    /// measured; one if it has none.
    pub(super) fn credit(&self, function: u32, functions: &Functions, ahead: Duration) -> u32 {
        let pace = functions.pace(function);
        let least = (self.assigned == 0) as u64;
        if pace.samples == 0 {
            return least as u32;
        }
        let time = nanos(ahead).saturating_sub(self.backlog(functions)) / pace.mean.max(1);
        let running = self.load.iter().find(|(key, _)| *key == function).map_or(0, |(_, count)| *count);
        let evidence = pace.samples.saturating_add(1).saturating_sub(running as u64);
        let room = ENGINE_TASKS_LIMIT.saturating_sub(self.assigned) as u64;
        // and their results are to fit into as much memory as their arguments
        let results = (ENGINE_BYTES_LIMIT / pace.bytes.max(1)).saturating_sub(running as u64);
        let credit = time.min(evidence).min(results).min(room);
        // evidence comes in crumbs, from every engine at once: no frame for each
        let worthwhile = credit >= crumb(pace, ahead).min(running as u64 / 2);
        if worthwhile { credit.max(least) as u32 } else { least as u32 }
    }

    /// Takes note that tasks were sent to it.
    pub(super) fn assign(&mut self, span: Range, function: u32, bytes: u64, closes: bool) {
        let count = span.len() as u32;
        self.assigned += count;
        self.bytes += bytes;
        self.closed |= closes;
        match self.load.iter_mut().find(|(key, _)| *key == function) {
            Some((_, running)) => *running += count,
            None => self.load.push((function, count)),
        }
        match self.spans.back_mut() {
            Some(last) if last.first == span.first && last.to == span.from => last.to = span.to,
            _ => self.spans.push_back(span),
        }
    }

    /// Takes note that tasks have left it.
    pub(super) fn release(&mut self, function: u32, count: u32, bytes: u64) {
        self.assigned -= count;
        self.bytes -= bytes;
        if let Some(at) = self.load.iter().position(|(key, _)| *key == function) {
            self.load[at].1 -= count;
            if self.load[at].1 == 0 {
                self.load.swap_remove(at);
            }
        }
        if self.assigned == 0 {
            self.closed = false;
        }
    }

    /// Whether nothing of it is unfinished.
    pub(super) fn is_idle(&self) -> bool {
        self.assigned == 0 && self.relays == 0
    }

    /// Forgets what has left it; `first_here` tells the first task of a span that has not.
    pub(super) fn trim(&mut self, mut first_here: impl FnMut(Range) -> Option<u32>) {
        if self.is_idle() {
            self.spans.clear();
        } else if self.spans.len() > 2 * (self.assigned + self.relays) as usize + 64 {
            self.spans.retain(|span| first_here(*span).is_some());
        }
        while let Some(span) = self.spans.front_mut() {
            if let Some(from) = first_here(*span) {
                span.from = from;
                break;
            }
            self.spans.pop_front();
        }
    }

    /// What was sent to it, in order.
    pub(super) fn spans(&self) -> impl DoubleEndedIterator<Item = Range> + '_ {
        self.spans.iter().copied()
    }
}

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

/// How many tasks are too few to make a difference between engines: an eighth of the time ahead, but one at least.
pub(super) fn crumb(pace: Pace, ahead: Duration) -> u64 {
    (nanos(ahead) / 8 / pace.mean.max(1)).max(1)
}

fn nanos(duration: Duration) -> u64 {
    duration.as_nanos().min(u64::MAX as u128) as u64
}
