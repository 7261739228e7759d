//! When the time of engines ends: their allocation's walltime, as far as that is known.
//!
//! A task that has told its time is not sent to an engine that ends sooner, and is taken back from the queue of one that has
//! no longer enough. In the last part of its time an engine gets one task at a time: none is lost that has not begun.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Controller;
use super::allocations::Allocation;
use super::host::Host;
use super::io::Effect;
use super::limits::{END_GRAIN, END_MARGIN, PILOT_NODES_LIMIT};
use super::needs::Needs;
use super::pilots::Pilot;
use super::site::Site;
use crate::id::{EngineId, LinkId};
use crate::profile::duration;
use crate::scheduler::{AllocationPhase, AllocationState};
use crate::time::Timestamp;

/// What is to be looked at as time runs out.
#[derive(Debug, Default)]
pub(super) struct Ends {
    /// Hosts, by when.
    due: BTreeSet<(Timestamp, LinkId)>,
    /// When some lane's tasks fit the time of no engine any more.
    unserved: Option<Timestamp>,
}

/// Who has told what of the end of one allocation.
#[derive(Debug, Default)]
pub(super) struct Told {
    site: Option<Timestamp>,
    /// The time left that the site has told last, and since when it tells that.
    counted: Option<(Duration, Timestamp)>,
    /// Its pilots, for their nodes; of an array, for each element's.
    nodes: BTreeMap<(Option<u32>, String), PilotTold>,
    /// Since when it is known to run.
    pub(super) since: Option<Timestamp>,
    /// The signals that its pilots got, by their nodes.
    pub(super) signals: BTreeMap<String, String>,
}

/// What a pilot has told of a node's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PilotTold {
    ends: Timestamp,
    /// Its process.
    pid: u32,
}

impl Allocation {
    /// Takes note of what the site tells of it while it runs. The elements of an array begin when they may, and end at
    /// different times: of them the pilots tell. Some sites count from time to time only, PBS's nodes every two minutes:
    /// what they tell again was true when they told it first.
    pub(super) fn heed_site(&mut self, now: Timestamp) {
        self.told.since.get_or_insert(now);
        let (state, walltime) = (&self.state, self.spec.walltime);
        let from_elapsed = || Some(walltime?.saturating_sub(state.elapsed?));
        let remaining = state.remaining.or_else(from_elapsed);
        let known = self.told.counted.filter(|(left, _)| Some(*left) == remaining);
        self.told.counted = known.or_else(|| Some((remaining?, now)));
        if let Some((left, at)) = self.told.counted.filter(|_| !self.spec.array) {
            self.told.site = Some(at + left);
        }
    }

    /// It does not run: its time may stand still.
    pub(super) fn stop_counting(&mut self) {
        self.told.counted = None;
    }

    /// Takes note of what a pilot tells of its nodes: when they end, or that it is there since then.
    pub(super) fn heed_pilot(&mut self, pilot: &Pilot) {
        let granted = self.spec.walltime.filter(|_| self.spec.array).map(|walltime| pilot.since + walltime);
        let Some(ends) = pilot.ends.or(granted) else { return };
        let told = PilotTold { ends, pid: pilot.pid };
        for node in &pilot.nodes {
            let key = (pilot.element, node.clone());
            // a pilot that links anew was there before; another one on the node is there because the site began anew
            let old = self.told.nodes.get(&key);
            let news = old.is_none_or(|old| old.pid != told.pid || pilot.ends.is_some() && *old != told);
            if news && (self.told.nodes.len() < PILOT_NODES_LIMIT || old.is_some()) {
                self.told.nodes.insert(key, told);
            }
        }
    }

    /// When its time ends, as far as is known; of a node, or the latest of all: the earliest that was told and is not
    /// over, since times may be prolonged; else the latest. Where nothing was told, what was asked for is granted.
    pub(super) fn end(&self, node: Option<(Option<u32>, &str)>, now: Timestamp) -> Option<Timestamp> {
        let Told { site, nodes, since, .. } = &self.told;
        let of_node = match node {
            Some((element, node)) => nodes.get(&(element, node.to_owned())).map(|told| told.ends),
            None => nodes.values().map(|told| told.ends).max(),
        };
        let told = || [*site, of_node].into_iter().flatten();
        let granted = || Some((*since)? + self.spec.walltime.filter(|_| !self.spec.array)?);
        told().filter(|end| *end > now).min().or_else(|| told().max()).or_else(granted)
    }

    /// What is known of it, with the time that is left if it runs: of an array, until the first element's ends.
    pub(super) fn shown(&self, now: Timestamp) -> AllocationState {
        let counted = self.told.counted.filter(|_| self.spec.array).map(|(left, at)| at + left);
        let running = self.state.phase == AllocationPhase::Running;
        let end = counted.or_else(|| self.end(None, now)).filter(|_| running);
        AllocationState { remaining: end.map(|end| end.since(now)), ..self.state.clone() }
    }

    /// How long its engines have, as far as is known.
    fn time(&self, now: Timestamp) -> Option<Duration> {
        match self.end(None, now) {
            Some(end) => Some(end.since(now)),
            None => self.spec.walltime,
        }
    }

    /// Whether engines of it that are to come may have so much time.
    pub(super) fn may_have(&self, time: Option<Duration>, now: Timestamp) -> bool {
        let Some(time) = time else { return true };
        self.time(now).is_none_or(|left| left >= time + END_MARGIN)
    }
}

impl Site {
    /// When the time of a host's node ends, as far as is known.
    fn end(&self, host: &Host, now: Timestamp) -> Option<Timestamp> {
        let (id, node) = (host.allocation.as_ref(), (host.element, &*host.node));
        match self.place(id) {
            Some(place) => self.all[place].end(Some(node), now),
            // its pilot may be here before the site has told of it
            None => self.pilots.values().find_map(|pilot| pilot.end(id, node)),
        }
    }

    /// The longest time that engines have which are to come.
    fn longest_to_come(&self, now: Timestamp) -> Option<Duration> {
        let coming = self.all.iter().filter(|one| one.is_coming());
        coming.filter_map(|one| one.time(now)).max()
    }
}

impl Host {
    /// Whether its time is enough for such tasks, if they begin now.
    pub(super) fn has_time(&self, needs: &Needs, now: Timestamp) -> bool {
        needs.time.is_none_or(|time| self.ends.is_none_or(|ends| now + time + END_MARGIN <= ends))
    }
}

impl Controller {
    /// Takes note of when each host's time ends.
    pub(super) fn set_ends(&mut self) {
        self.allocations.heed_pilots();
        self.hosts.keys().copied().collect::<Vec<_>>().into_iter().for_each(|link| self.set_end(link));
    }

    /// Takes note of when a host's time ends.
    pub(super) fn set_end(&mut self, link: LinkId) {
        let Some(host) = self.hosts.get_mut(&link) else { return };
        let new = self.allocations.end(host, self.now);
        let same = match (host.ends, new) {
            (Some(old), Some(new)) => old <= new && new.since(old) < END_GRAIN,
            (old, new) => old == new,
        };
        if same {
            return;
        }
        let later = new.zip(host.ends).is_none_or(|(new, old)| new > old);
        host.ends = new;
        self.board.version += 1;
        let soon = new.is_some_and(|ends| ends <= self.now + END_MARGIN);
        let ids = host.engines.clone().map(EngineId);
        for id in ids {
            if let Some(engine) = self.engines.get_mut(id) {
                engine.ending &= soon;
            }
            self.engines.rank(id, &self.functions, self.config.queue_ahead);
        }
        self.look_at_end(link, new.map(|ends| ends - END_MARGIN));
        if later {
            self.look_at_waiting(link);
        }
    }

    /// Has a host looked at by then, and no more for what was due before.
    fn look_at_end(&mut self, link: LinkId, at: Option<Timestamp>) {
        let Some(host) = self.hosts.get_mut(&link) else { return };
        if let Some(old) = std::mem::replace(&mut host.look, at) {
            self.ends.due.remove(&(old, link));
        }
        self.ends.due.extend(at.map(|at| (at, link)));
    }

    /// A host is gone.
    pub(super) fn forget_end(&mut self, link: LinkId, host: &Host) {
        if let Some(at) = host.look {
            self.ends.due.remove(&(at, link));
        }
    }

    /// A task of so much time waits at a host, behind others or for room: it no longer does once that is not left.
    pub(super) fn mind_time(&mut self, link: LinkId, time: Duration) {
        let Some(host) = self.hosts.get(&link) else { return };
        let Some(ends) = host.ends else { return };
        let at = Timestamp((ends - END_MARGIN - time).0 + 1);
        if host.look.is_some_and(|look| at < look) {
            self.look_at_end(link, Some(at));
        }
    }

    /// When time runs short somewhere.
    pub(super) fn ends_deadline(&self) -> Option<Timestamp> {
        if self.stop.is_some() {
            return None;
        }
        self.ends.due.first().map(|(at, _)| *at).into_iter().chain(self.ends.unserved).min()
    }

    /// Sees to the engines whose time runs short, and to the tasks for which it does.
    pub(super) fn advance_ends(&mut self, effects: &mut Vec<Effect>) {
        if self.ends_deadline().is_none_or(|at| at > self.now) {
            return;
        }
        while let Some((_, link)) = self.ends.due.first().copied().filter(|(at, _)| *at <= self.now) {
            let Some(host) = self.hosts.get(&link) else { break };
            let (margin, ids) = (host.ends.map(|ends| ends - END_MARGIN), host.engines.clone());
            let ending = margin.is_some_and(|margin| margin <= self.now);
            self.look_at_end(link, margin.filter(|_| !ending));
            self.stop_saving_in_vain(link);
            for id in ids.map(EngineId) {
                if let Some(engine) = self.engines.get_mut(id) {
                    engine.ending = ending;
                }
                self.ask_for_queued(id, effects);
                self.engines.rank(id, &self.functions, self.config.queue_ahead);
            }
        }
        if self.ends.unserved.is_some_and(|at| at <= self.now) {
            self.give_up_unserved(effects);
        }
    }

    /// A host is no longer saved up for tasks that it has no time for.
    fn stop_saving_in_vain(&mut self, link: LinkId) {
        let Some(host) = self.hosts.get(&link) else { return };
        let Some(lane) = host.reserved else { return };
        if self.ready.lane(lane).is_some_and(|waiting| !host.has_time(&waiting.needs, self.now)) {
            self.stop_saving_for(lane);
        }
    }

    /// Finds when lanes are to be looked at again because time runs out for their tasks: those that an engine serves which
    /// is there. What comes is told of when it does.
    pub(super) fn note_unserved(&mut self) {
        let served = self.ready.lanes().filter_map(|(_, lane)| {
            let time = lane.needs.time?;
            let ends = |id| self.hosts.get(&self.engines.get(id)?.host).map(|host| host.ends);
            let stay = self.engines_for(&lane.needs).into_iter().filter(|id| self.engines.stays(*id));
            let ends = stay.filter_map(ends).map(|ends| ends.unwrap_or(Timestamp(u64::MAX)));
            let latest = ends.max().filter(|latest| latest.0 < u64::MAX)?;
            let until = latest - END_MARGIN - time;
            Some(Timestamp(until.0 + 1))
        });
        self.ends.unserved = served.min();
    }

    /// What a task asks for more of than any engine has, and the longest that there is.
    pub(super) fn too_long(&self, needs: &Needs) -> Option<String> {
        let time = needs.time?;
        if self.hosts.values().any(|host| host.has_time(needs, self.now)) {
            return None;
        }
        let left = self.hosts.values().filter_map(|host| host.ends).map(|ends| ends.since(self.now)).max();
        let longest = left.max(self.allocations.longest_to_come(self.now));
        let there = match longest {
            Some(longest) => format!("the longest allocation has {} left", rounded(longest)),
            None => "there is no allocation".to_owned(),
        };
        Some(format!(
            "this task needs {}, and {} to spare; {there}. `rpar engines add --walltime` asks for a longer one",
            duration::display(time),
            duration::display(END_MARGIN)
        ))
    }
}

/// For people: whole seconds, and from some minutes on whole minutes.
pub(super) fn rounded(time: Duration) -> String {
    let seconds = time.as_secs();
    let whole = if seconds >= 600 { seconds / 60 * 60 } else { seconds };
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    let parts = [(hours, "h"), (minutes, "m"), (seconds, "s")];
    let told: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect();
    if told.is_empty() { "0s".to_owned() } else { told.concat() }
}
