//! Room on hosts for tasks that ask for resources: taken, given back, and saved up for those that ask for much.

use std::time::Duration;

use super::Controller;
use super::engine::Engine;
use super::host::Host;
use super::io::Effect;
use super::needs::Needs;
use super::ready::Ready;
use crate::id::{EngineId, LinkId};
use crate::profile::size;
use crate::resources::Resources;
use crate::task::TaskStatus;

impl Host {
    /// Whether one of its engines may begin tasks of a lane as far as the host is concerned.
    pub(super) fn may_begin(&self, ready: &Ready, engine: &Engine, lane: Option<u32>, needs: &Needs) -> bool {
        // what goes before the lane that it is saved up for takes it all the same
        let saved =
            self.reserved.filter(|saved_for| Some(*saved_for) != lane).and_then(|lane| ready.lane(lane));
        let saved = saved.filter(|saved_for| !ready.is_muted(saved_for.owner));
        if saved.is_some_and(|saved_for| saved_for.needs.priority >= needs.priority) {
            return false;
        }
        match engine.claim {
            // it has its share, for as long as it has tasks that ask for nothing
            Some(_) => !needs.ask(),
            None => self.pool.fits(&self.pool.claim(needs)),
        }
    }
}

impl Controller {
    /// Takes what a task asks for, now that it is sent to an engine.
    pub(super) fn claim(&mut self, lane: u32, id: EngineId, needs: &Needs) {
        let Some(engine) = self.engines.get_mut(id) else { return };
        let Some(host) = self.hosts.get_mut(&engine.host) else { return };
        if engine.claim.is_none() {
            let claim = host.pool.claim(needs);
            host.pool.take(&claim);
            engine.claim = Some(claim);
        }
        if needs.ask() {
            self.stop_saving_for(lane);
        }
    }

    /// Gives back what an engine without tasks had taken, for others on its host.
    pub(super) fn give_back(&mut self, id: EngineId) {
        let Some(engine) = self.engines.get_mut(id).filter(|engine| engine.assigned == 0) else { return };
        let Some(claim) = engine.claim.take() else { return };
        let Some(host) = self.hosts.get_mut(&engine.host) else { return };
        host.pool.give_back(&claim);
        if !self.ready.asking.is_empty() {
            let ids = host.engines.clone().map(EngineId);
            ids.for_each(|id| self.engines.keep_hot(id));
        }
    }

    /// The same, of an engine that is lost with all its tasks.
    pub(super) fn give_back_lost(&mut self, id: EngineId) {
        let Some(engine) = self.engines.get_mut(id) else { return };
        if let (Some(claim), Some(host)) = (engine.claim.take(), self.hosts.get_mut(&engine.host)) {
            host.pool.give_back(&claim);
        }
    }

    /// Saves up a host for every lane whose tasks wait for cores or an engine: others leave it alone until they fit there.
    /// The host with the fewest busy engines is the first to be free. One host a lane, so that the others go on; until
    /// one of its tasks has begun, wherever that is.
    pub(super) fn save_room(&mut self) {
        for lane in self.ready.asking.clone() {
            if self.hosts.values().any(|host| host.reserved == Some(lane)) {
                continue;
            }
            let waiting = self.ready.lane(lane).filter(|lane| !self.ready.is_muted(lane.owner));
            let Some(needs) = waiting.map(|lane| &lane.needs) else { continue };
            let mut best: Option<(usize, LinkId)> = None;
            for id in self.engines_for(needs) {
                let Some(engine) = self.engines.get(id).filter(|engine| !engine.retiring) else { continue };
                let host = self.hosts.get(&engine.host).filter(|host| host.reserved.is_none());
                let host = host.filter(|host| host.pool.lacks_cores_only(needs));
                let Some(host) = host else { continue };
                let ids = host.engines.clone().map(EngineId);
                let busy =
                    ids.filter(|id| self.engines.get(*id).is_some_and(|other| other.claim.is_some())).count();
                best = best.into_iter().chain([(busy, engine.host)]).min();
            }
            let (time, best) = (needs.time, best.map(|(_, link)| link));
            if let Some(host) = best.and_then(|link| self.hosts.get_mut(&link)) {
                host.reserved = Some(lane);
            }
            if let Some((link, time)) = best.zip(time) {
                self.mind_time(link, time);
            }
        }
    }

    /// A task of a lane has begun, or the lane has none any more.
    pub(super) fn stop_saving_for(&mut self, lane: u32) {
        for host in self.hosts.values_mut().filter(|host| host.reserved == Some(lane)) {
            host.reserved = None;
            host.engines.clone().map(EngineId).for_each(|id| self.engines.keep_hot(id));
        }
    }

    /// Ends the tasks of lanes that no engine accepts, and none that may come can: engine ids are never used again, and
    /// what has labels or resources may still come.
    pub(super) fn give_up_unserved(&mut self, effects: &mut Vec<Effect>) {
        let lanes = self.ready.lanes().filter(|(_, lane)| lane.needs.is_choosy());
        for number in lanes.map(|(number, _)| number).collect::<Vec<_>>() {
            let Some(needs) = self.ready.lane(number).map(|lane| lane.needs.clone()) else { continue };
            let served = self.engines_for(&needs).into_iter().any(|id| self.engines.stays(id));
            if served || (needs.targets.is_none() && self.more_come(needs.time)) {
                continue;
            }
            let why = self.why_unserved(&needs);
            let ranges = self.empty_lane(number);
            self.end_all(&ranges, TaskStatus::Unplaced, None, &why, effects);
        }
        self.note_unserved();
    }

    /// Whether engines come beside those that are there, with so much time.
    fn more_come(&self, time: Option<Duration>) -> bool {
        let has_host = |node: &str| self.hosts.values().any(|host| *host.node == *node);
        self.stop.is_none() && self.allocations.more_come(self.now, time, has_host)
    }

    pub(super) fn why_unserved(&self, needs: &Needs) -> String {
        if let Some(targets) =
            needs.targets.as_ref().filter(|ids| !ids.iter().any(|id| self.engines.stays(*id)))
        {
            let named: Vec<String> = targets.iter().take(8).map(EngineId::to_string).collect();
            let more = if targets.len() > named.len() { ", ..." } else { "" };
            return format!(
                "none of the engines that may run this task is there (engine {}{more}); a lost engine comes back under a \
                 new id: `rpar status` lists those that are there",
                named.join(", ")
            );
        }
        let hosts = || self.hosts.values();
        let missing = needs.labels.iter().find(|label| !hosts().any(|host| host.labels.contains(*label)));
        if let Some(label) = missing {
            let mut known: Vec<&str> = hosts().flat_map(|host| &host.labels).map(String::as_str).collect();
            known.sort_unstable();
            known.dedup();
            let known = if known.is_empty() {
                "no engine has any".to_owned()
            } else {
                format!("there are {}", known.join(", "))
            };
            return format!("no engine has the label `{label}`, and none is coming; {known}");
        }
        let pools: Vec<&Resources> = hosts().map(|host| host.pool.has()).collect();
        too_much(&needs.resources, &pools)
            .or_else(|| self.too_long(needs))
            .unwrap_or_else(|| "no engine has all of what this task asks for, and none is coming".to_owned())
    }
}

/// What a request has more of than any node.
fn too_much(request: &Resources, nodes: &[&Resources]) -> Option<String> {
    let largest = |of: &dyn Fn(&Resources) -> u64| nodes.iter().map(|node| of(node)).max().unwrap_or(0);
    let told = |asked: String, what: &str, most: String| {
        format!("this task asks for {asked} {what}; the largest node has {most}")
    };
    let exceeds = |asked: u64, of: &dyn Fn(&Resources) -> u64, what: &str| {
        let most = largest(of);
        (asked > most).then(|| told(asked.to_string(), what, most.to_string()))
    };
    let memory = || {
        let (asked, most) = (request.memory_bytes, largest(&|node| node.memory_bytes));
        // what is told alike differs in bytes
        let alike = size::display(asked) == size::display(most);
        let size = |bytes| if alike { format!("{bytes} bytes") } else { size::display(bytes) };
        (asked > most).then(|| told(size(asked), "of memory", size(most)))
    };
    let custom = || {
        request.custom.iter().find_map(|(name, asked)| {
            exceeds(
                *asked,
                &|node: &Resources| node.custom.get(name).copied().unwrap_or(0),
                &format!("of `{name}`"),
            )
        })
    };
    exceeds(request.cpus, &|node| if node.cpus == 0 { u64::MAX } else { node.cpus }, "cpus")
        .or_else(|| exceeds(request.gpus, &|node| node.gpus, "gpus"))
        .or_else(memory)
        .or_else(custom)
}
