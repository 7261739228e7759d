//! The machine's invariants, for tests and the simulator.

use std::collections::{BTreeMap, BTreeSet};

use super::Controller;
use super::accounts::Owner;
use super::batch::Place;
use super::engine::Engine;
use super::limits::{ENGINE_BYTES_LIMIT, ENGINE_TASKS_LIMIT};
use crate::id::{EngineId, TaskId};

/// What is counted over all tasks.
#[derive(Default)]
struct Census {
    queued: BTreeSet<u64>,
    waiting: BTreeSet<u64>,
    assigned: u64,
    engines: BTreeMap<EngineId, (u32, u64, u32)>,
    unfinished: BTreeMap<Owner, (u64, u64)>,
    /// What waits of each engine's output.
    output: BTreeMap<EngineId, u64>,
}

impl Controller {
    /// Asserts that the machine's parts agree: every task is in one place, none sits at a lost engine, counts and
    /// windows are right.
    ///
    /// # Panics
    /// When they do not: the machine is broken.
    pub fn check(&self) {
        let census = self.census();
        self.check_queue(&census);
        self.check_engines(&census);
        self.check_room();
        self.check_sizes();
        for (owner, account) in &self.accounts {
            let (cost, kept) = census.unfinished.get(owner).copied().unwrap_or_default();
            assert_eq!(account.window.unfinished(), cost, "the window of {owner:?}");
            assert_eq!(account.kept, kept, "the memory of {owner:?}");
            assert!(account.functions.iter().all(|key| self.functions.get(*key).is_some()));
        }
        for (link, client) in &self.clients {
            assert_eq!(client.outbox.check(), None, "the results of client {link}");
        }
        let kept: u64 = self.submissions.iter().map(|(_, submission)| submission.store.check()).sum();
        assert_eq!(self.submissions.kept_bytes, kept + self.disk.check(), "what submissions keep");
        for (id, _) in self.submissions.iter() {
            let owner = Owner::Submission(id);
            assert!(self.accounts.contains_key(&owner), "submission {id} has no account");
            assert_eq!(self.ready.is_muted(owner), self.submissions.paused, "the pause of submission {id}");
        }
        self.transfers.check();
        for (task, relay) in &self.transfers.results {
            let place = self.tasks.find(*task).and_then(|(batch, index)| Some(batch.slot(index)?.place));
            assert_eq!(place, Some(Place::Relayed), "task {task} has a relay");
            assert!(self.hosts.contains_key(&relay.host) && self.accounts.contains_key(&relay.owner));
            assert!(
                relay.passed <= relay.granted || relay.bytes == 0,
                "more of {task} passed than was asked for"
            );
        }
        for task in self.transfers.arguments.keys() {
            let place = self.tasks.find(*task).and_then(|(batch, index)| Some(batch.slot(index)?.place));
            assert_eq!(place, Some(Place::Assigned), "task {task} has an argument on its way");
        }
        assert!(!self.exited || self.deadline().is_none());
    }

    fn check_sizes(&self) {
        for (link, host) in &self.hosts {
            let mut ids = host.engines.clone().map(EngineId);
            let empty = ids.all(|id| self.engines.get(id).is_none());
            assert_eq!(host.leaving, empty, "host {link} leaves when it has no engine");
        }
        for one in &self.allocations.all {
            assert!(!one.retired || one.wanted == 0, "{} is given back, and wanted", one.name());
        }
    }

    fn census(&self) -> Census {
        let mut census = Census::default();
        for output in self.clients.values().flat_map(|client| client.outbox.held_output()) {
            *census.output.entry(output.engine).or_default() += output.cost();
        }
        for (engine, cost) in self.disk.pieces() {
            *census.output.entry(engine).or_default() += cost;
        }
        for batch in self.tasks.batches() {
            assert!(self.accounts.contains_key(&batch.origin.owner), "batch {} has no owner", batch.first);
            let (mut live, mut cost) = (0, 0);
            for position in batch.positions(0, batch.count) {
                let (slot, id) = (batch.at(position), batch.first + batch.index(position) as u64);
                let bytes = batch.bytes(position..position + 1);
                if slot.place != Place::Ended {
                    live += 1;
                    cost += batch.cost(position..position + 1);
                }
                assert!(
                    slot.failures + slot.excused <= slot.attempt,
                    "task {id} failed more often than it ran"
                );
                let engine = census.engines.entry(slot.engine);
                match slot.place {
                    Place::Waiting => _ = census.waiting.insert(id),
                    Place::Queued => _ = census.queued.insert(id),
                    Place::Assigned => {
                        let (assigned, sum, _) = engine.or_default();
                        (*assigned, *sum) = (*assigned + 1, *sum + bytes);
                        census.assigned += 1;
                    }
                    Place::Relayed => {
                        engine.or_default().2 += 1;
                        census.assigned += 1;
                        assert!(self.transfers.results.contains_key(&TaskId(id)), "task {id} has no relay");
                    }
                    Place::Ended => {}
                }
            }
            assert_eq!(batch.live, live, "unfinished tasks of batch {}", batch.first);
            assert!(live > 0, "batch {} is finished and still there", batch.first);
            let sums = census.unfinished.entry(batch.origin.owner).or_default();
            *sums = (sums.0 + cost, sums.1 + batch.footprint());
        }
        census
    }

    fn check_queue(&self, census: &Census) {
        assert_eq!(self.tasks.waiting, census.waiting.len() as u64, "tasks that wait for others");
        let waits: BTreeSet<u64> = self
            .waits
            .ranges()
            .flat_map(|range| (range.from..range.to).map(move |at| range.first + at as u64))
            .collect();
        assert!(census.waiting.is_subset(&waits), "a task waits, and nothing will end that");
        assert_eq!(self.tasks.queued, census.queued.len() as u64, "queued tasks");
        assert_eq!(self.tasks.assigned, census.assigned, "assigned tasks");
        let (mut in_lanes, mut common) = (BTreeSet::new(), 0);
        for (number, lane) in self.ready.lanes() {
            let mut tasks = 0;
            for range in &lane.queue {
                for index in range.from..range.to {
                    assert!(in_lanes.insert(range.first + index as u64), "a task waits twice");
                }
                tasks += range.len();
            }
            assert!(tasks > 0 && tasks == lane.tasks, "the tasks of lane {number}");
            let (needs, plain) = (&lane.needs, lane.needs.is_plain());
            common += if plain { tasks } else { 0 };
            let muted = self.ready.is_muted(lane.owner);
            let waits = self.ready.common.contains(number, needs.priority);
            assert_eq!(waits, plain && !muted, "the turn of lane {number}");
            assert_eq!(self.ready.asking.contains(&number), needs.ask());
            let accepting = self.engines_for(needs);
            if !plain {
                let overlooked = |id: &EngineId| {
                    !self.engines.get(*id).is_some_and(|engine| engine.lanes.contains(number, needs.priority))
                };
                assert!(!accepting.iter().any(overlooked), "lane {number} is overlooked");
            }
            if needs.targets.is_some() {
                let stays = accepting.iter().any(|id| self.engines.stays(*id));
                assert!(stays, "lane {number} waits for engines that are lost");
            }
        }
        assert_eq!(in_lanes, census.queued, "what waits in lanes");
        assert_eq!(self.ready.common_tasks, common, "tasks that may run anywhere");
    }

    fn check_room(&self) {
        for (link, host) in &self.hosts {
            let engines = host.engines.clone().filter_map(|id| self.engines.get(EngineId(id)));
            host.pool.check(engines.filter_map(|engine| engine.claim.as_ref()));
            if let Some(lane) = host.reserved {
                assert!(
                    self.ready.asking.contains(&lane),
                    "host {link} is saved up for lane {lane}, which is gone"
                );
            }
        }
        for (id, engine) in self.engines.iter() {
            assert_eq!(
                engine.claim.is_some(),
                engine.assigned > 0,
                "engine {id} has a claim while it has tasks"
            );
        }
    }

    fn check_watch(&self, id: EngineId, engine: &Engine) {
        let idle = self.engines.is_open(id) && engine.is_idle();
        assert_eq!(self.engines.idle.contains(&id), idle, "whether engine {id} is idle");
        let watch = &engine.watch;
        let watched = self.engines.watches.iter().find(|(_, watched)| *watched == id);
        assert_eq!(watched.map(|(due, _)| *due), watch.due, "when engine {id} is looked at");
        assert!(!engine.is_overlooked(), "engine {id} may be slow, and nobody looks");
        assert!(
            engine.assigned == 0 || !watch.asked || engine.closed,
            "engine {id} gives tasks back, and gets more"
        );
    }

    fn check_engines(&self, census: &Census) {
        for (id, engine) in self.engines.iter() {
            let (assigned, bytes, relays) = census.engines.get(&id).copied().unwrap_or_default();
            assert_eq!(
                (engine.assigned, engine.bytes, engine.relays),
                (assigned, bytes, relays),
                "engine {id}"
            );
            assert!(assigned <= ENGINE_TASKS_LIMIT, "engine {id} has too many tasks");
            let most = ENGINE_BYTES_LIMIT + crate::wire::INLINE_LIMIT_BYTES as u64;
            assert!(bytes <= most, "engine {id} has too many bytes");
            let host = self.hosts.get(&engine.host);
            assert!(host.is_some_and(|host| host.engines.contains(&id.0)), "engine {id} has no host");
            assert!(!engine.retiring || !engine.is_idle(), "engine {id} has nothing left to do, and stays");
            assert!(
                !engine.retiring || !self.engines.is_open(id),
                "engine {id} retires, and would get tasks"
            );
            let held = census.output.get(&id).copied().unwrap_or_default();
            assert_eq!(engine.output.held(), held, "the output of engine {id}");
            self.check_watch(id, engine);
            let sent: u64 = engine.spans().map(|span| span.len()).sum();
            assert!(sent >= (assigned + relays) as u64, "engine {id} has tasks that were not sent");
        }
        for (id, (assigned, _, relays)) in &census.engines {
            assert!(
                *assigned + *relays == 0 || self.engines.get(*id).is_some(),
                "tasks sit at engine {id}, which is lost"
            );
        }
    }
}
