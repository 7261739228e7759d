//! Pilots, the engine hosts of their nodes, and what becomes of an allocation for want of them.

use std::collections::BTreeSet;
use std::time::Duration;

use super::allocations::{Allocation, Cancel, Stage};
use super::limits::{OWN_END_WAIT, STOP_FIRST_POLL, STOP_POLL};
use super::site::Site;
use crate::id::{AllocationId, LinkId};
use crate::time::Timestamp;
use crate::wire::PilotInfo;

/// What a pilot has said of itself.
#[derive(Debug)]
pub(super) struct Pilot {
    /// Which allocation it serves, which may come before the site has told of that.
    allocation: Option<AllocationId>,
    /// Which element of that, if it is an array.
    pub(super) element: Option<u32>,
    /// Its process, on its node.
    pub(super) pid: u32,
    /// The nodes on which it has not given up.
    pub(super) nodes: BTreeSet<String>,
    /// Since when it is here.
    pub(super) since: Timestamp,
    /// When its allocation ends, as far as it has told.
    pub(super) ends: Option<Timestamp>,
}

impl Pilot {
    /// When the time of a node of it ends, as far as it has told.
    pub(super) fn end(&self, id: Option<&AllocationId>, node: (Option<u32>, &str)) -> Option<Timestamp> {
        let serves = self.allocation.as_ref() == id && self.element == node.0 && self.nodes.contains(node.1);
        self.ends.filter(|_| serves)
    }
}

impl Site {
    /// Engines have registered.
    pub(super) fn engines_came(&mut self, now: Timestamp, id: Option<&AllocationId>) {
        if let Some(place) = self.place(id) {
            self.all[place].seen = true;
            self.all[place].given_up = false;
            self.all[place].shows_life(now);
        }
    }

    /// How many engines may be on a node; `None` is as many as come.
    pub(super) fn room_on(&self, id: Option<&AllocationId>, element: Option<u32>, node: &str) -> Option<u32> {
        let one = &self.all[self.place(id)?];
        if one.retired { Some(0) } else { one.released.get(&(element, node.to_owned())).copied() }
    }

    /// A pilot has come; tells what it is to release, as it may know nothing of that.
    pub(super) fn pilot_came(&mut self, now: Timestamp, link: LinkId, info: PilotInfo) -> Vec<(String, u32)> {
        let (id, element) = (info.allocation.as_ref(), info.element);
        let room = |node: &String| Some((node.clone(), self.room_on(id, element, node)?));
        let released: Vec<(String, u32)> = info.nodes.iter().filter_map(room).collect();
        let ends = info.remaining_ms.map(|millis| now + Duration::from_millis(millis));
        if let Some(place) = self.place(id) {
            self.all[place].shows_life(now);
            // the site may have begun it anew
            self.all[place].told.signals.retain(|node, _| !info.nodes.contains(node));
        }
        let mut nodes: BTreeSet<String> = info.nodes.into_iter().collect();
        nodes.retain(|node| !released.contains(&(node.clone(), 0)));
        let allocation = self.own_name(info.allocation);
        self.pilots.insert(link, Pilot { allocation, element, pid: info.pid, nodes, since: now, ends });
        released
    }

    /// Takes note of what pilots have told of their nodes' ends, as far as the site has told of their allocations.
    pub(super) fn heed_pilots(&mut self) {
        for pilot in self.pilots.values() {
            let place = match &pilot.allocation {
                Some(id) => self.all.iter().position(|one| one.id.as_ref() == Some(id)),
                None => (self.all.len() == 1).then_some(0),
            };
            if let Some(place) = place {
                self.all[place].heed_pilot(pilot);
            }
        }
    }

    /// Takes note that a pilot got a signal; tells its allocation.
    pub(super) fn note_signal(&mut self, link: LinkId, signal: &str) -> Option<AllocationId> {
        let pilot = self.pilots.get(&link)?;
        let place = self.place(pilot.allocation.as_ref())?;
        let one = &mut self.all[place];
        one.told.signals.extend(pilot.nodes.iter().map(|node| (node.clone(), signal.to_owned())));
        one.id.clone()
    }

    /// The pilots of an allocation.
    fn pilots_of(&self, place: usize) -> Vec<LinkId> {
        let serves = |pilot: &Pilot| self.place(pilot.allocation.as_ref()) == Some(place);
        self.pilots.iter().filter(|(_, pilot)| serves(pilot)).map(|(link, _)| *link).collect()
    }

    /// Whether engines may come that are not there, on nodes other than those that have some: from allocations that are
    /// asked for or begin, or nodes whose pilot goes on; and that they may have so much time.
    pub(super) fn more_come(
        &self,
        now: Timestamp,
        time: Option<Duration>,
        has_host: impl Fn(&str) -> bool,
    ) -> bool {
        let brings = |(place, one): (usize, &Allocation)| {
            let pilots = self.pilots_of(place);
            let mut nodes =
                pilots.iter().filter_map(|link| self.pilots.get(link)).flat_map(|pilot| &pilot.nodes);
            match one.stage {
                _ if !one.is_coming() || !one.may_have(time, now) => false,
                Stage::Live if one.spec.array && (pilots.len() as u32) < one.elements_due() => true,
                Stage::Live if pilots.is_empty() => !one.seen,
                Stage::Live => nodes.any(|node| !has_host(node)),
                _ => true,
            }
        };
        self.all.iter().enumerate().any(brings)
    }

    /// Only so many engines are to stay on a node of an allocation, or of an element of it; tells the pilots' links.
    pub(super) fn release(
        &mut self,
        place: usize,
        element: Option<u32>,
        node: &str,
        left: u32,
    ) -> Vec<LinkId> {
        let mut pilots = self.pilots_of(place);
        pilots.retain(|link| self.pilots.get(link).is_some_and(|pilot| pilot.element == element));
        let (mut over, array) = (self.all[place].wanted == 0, self.all[place].spec.array);
        for link in &pilots {
            let Some(pilot) = self.pilots.get_mut(link).filter(|_| left == 0) else { continue };
            pilot.nodes.remove(node);
            // of an array, only that element is over
            over |= pilot.nodes.is_empty() && !array;
        }
        let one = &mut self.all[place];
        one.released.insert((element, node.to_owned()), left);
        if over {
            one.retire();
        }
        pilots
    }

    /// Nothing of an allocation is wanted any more; tells its pilots' links, and the nodes that each is to release.
    pub(super) fn retire(&mut self, place: usize) -> Vec<(LinkId, BTreeSet<String>)> {
        self.all[place].retire();
        let pilots = self.pilots_of(place);
        let nodes = |link: &LinkId| self.pilots.get_mut(link).map(|pilot| std::mem::take(&mut pilot.nodes));
        let nodes: Vec<_> = pilots.iter().filter_map(nodes).collect();
        pilots.into_iter().zip(nodes).collect()
    }

    /// Gives back the allocations of which nothing is wanted and no engine host is left: what its pilots end by themselves,
    /// once they have had the time to.
    pub(super) fn give_back(&mut self, now: Timestamp, has_hosts: impl Fn(&AllocationId) -> bool) {
        for place in 0..self.all.len() {
            let one = &self.all[place];
            let held = one.retired && one.stage == Stage::Live && one.cancel == Cancel::No;
            if held && one.id.as_ref().is_some_and(|id| !has_hosts(id)) {
                let wait = self.own_end(place);
                self.all[place].cancel = Cancel::Due(now + wait);
                if wait > Duration::ZERO {
                    self.ask_soon(now);
                }
            }
        }
    }

    /// How long an allocation may take to end by itself now that its pilots are told to: nothing where none is there, or
    /// where elements of an array still wait.
    pub(super) fn own_end(&self, place: usize) -> Duration {
        let pilots = self.pilots_of(place).len() as u32;
        let one = &self.all[place];
        let all = one.state.elements.is_some_and(|told| pilots >= told.waiting.saturating_add(told.running));
        let whole = pilots > 0 && (all || !one.spec.array);
        if whole { OWN_END_WAIT } else { Duration::ZERO }
    }

    /// Whether an allocation is to be given back once its engine hosts have left.
    pub(super) fn any_retires(&self) -> bool {
        self.all.iter().any(|one| one.retired && one.cancel == Cancel::No)
    }

    /// A pilot starts no more engine hosts on a node.
    pub(super) fn node_given_up(&mut self, link: LinkId, node: &str) {
        let Some(pilot) = self.pilots.get_mut(&link) else { return };
        pilot.nodes.remove(node);
        if !pilot.nodes.is_empty() {
            return;
        }
        let allocation = pilot.allocation.clone();
        if let Some(place) = self.place(allocation.as_ref()) {
            let one = &mut self.all[place];
            if one.spec.array {
                // the others go on; this element ends, and with the last one the site says so of the array
                return;
            }
            one.given_up = true;
            if !one.released.is_empty() {
                // its other nodes were given back: so is this
                one.retire();
            }
        }
    }

    /// A pilot is gone; its allocation may be about to end.
    pub(super) fn pilot_left(&mut self, now: Timestamp, link: LinkId, stopping: bool) {
        if self.pilots.remove(&link).is_some() {
            let pause = if stopping { STOP_FIRST_POLL } else { STOP_POLL };
            self.poll_due = self.poll_due.min(now + pause);
        }
    }
}
