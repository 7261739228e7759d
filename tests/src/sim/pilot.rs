//! The pilot of an allocation: starts engine hosts, starts dead ones again, leaves when it is told to or left alone.

use std::time::Duration;

use rpar_core::id::{AllocationId, LinkId};
use rpar_core::scheduler::AllocationRequest;
use rpar_core::time::Timestamp;
use rpar_core::wire::{Message, PilotInfo};

use super::host::{Host, SLOWNESS};
use super::net::{Peer, To};
use super::scenario::{GIVE_UP_AFTER, HEARTBEAT};
use super::world::{Event, World};

const RESTARTS_LIMIT: u32 = 5;
const FAREWELL: Duration = Duration::from_secs(5);
const GRACE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Pilot {
    allocation: usize,
    id: AllocationId,
    element: Option<u32>,
    nodes: Vec<Node>,
    pub(super) alive: bool,
    link: Option<LinkId>,
    /// Whether it has introduced itself there.
    known: bool,
    /// Since when there is no controller.
    alone: Option<Timestamp>,
    leaving: bool,
}

#[derive(Debug)]
struct Node {
    name: String,
    /// How many engines its host has at its next start.
    engines: u32,
    host: Option<usize>,
    restarts: u32,
    over: bool,
}

impl Pilot {
    pub(super) fn new(
        allocation: usize,
        id: AllocationId,
        element: Option<u32>,
        spec: &AllocationRequest,
    ) -> Self {
        // elements of an array may share a node
        let name = |node| match element {
            Some(element) => format!("a{allocation}n{}", element / 2),
            None => format!("a{allocation}n{node}"),
        };
        let nodes = if element.is_some() { 1 } else { spec.nodes };
        let node = |node| Node { name: name(node), engines: spec.ppn, host: None, restarts: 0, over: false };
        Pilot {
            allocation,
            id,
            element,
            nodes: (0..nodes).map(node).collect(),
            alive: true,
            link: None,
            known: false,
            alone: None,
            leaving: false,
        }
    }

    fn info(&self, pid: usize, remaining: Option<Duration>) -> PilotInfo {
        PilotInfo {
            node: self.nodes.first().map(|node| node.name.clone()).unwrap_or_default(),
            pid: pid as u32,
            allocation: Some(self.id.clone()),
            element: self.element,
            nodes: self.nodes.iter().map(|node| node.name.clone()).collect(),
            remaining_ms: remaining.map(|remaining| remaining.as_millis() as u64),
        }
    }
}

impl World {
    /// How long a pilot's allocation has left, if it knows: not every site tells its pilots.
    pub(super) fn time_left(&self, pilot: usize) -> Option<Duration> {
        if !pilot.is_multiple_of(2) {
            return None;
        }
        self.site.allocations[self.pilots[pilot].allocation].remaining(self.now)
    }

    pub(super) fn pilot_dials(&mut self, index: usize) {
        let pilot = &mut self.pilots[index];
        if !pilot.alive || pilot.leaving || pilot.link.is_some() {
            return;
        }
        let since = *pilot.alone.get_or_insert(self.now);
        if self.now.since(since) > GIVE_UP_AFTER {
            return self.pilot_begins_to_leave(index);
        }
        if self.controller.is_some() {
            pilot.alone = None;
            let link = self.link_up(Peer::Pilot(index));
            self.pilots[index].link = Some(link);
            self.pilots[index].known = false;
        } else {
            self.after(Duration::from_secs(1), Event::PilotDials(index));
        }
    }

    pub(super) fn pilot_up(&mut self, index: usize, link: LinkId) {
        let info = self.pilots[index].info(index, self.time_left(index));
        self.send(link, To::Controller, &Message::Pilot(info));
        self.pilots[index].known = true;
        self.after(HEARTBEAT, Event::PilotBeats { pilot: index, link });
        for node in 0..self.pilots[index].nodes.len() {
            let at = &self.pilots[index].nodes[node];
            if at.host.is_none() && at.restarts == 0 && !at.over {
                self.pilots[index].nodes[node].restarts = 1;
                let delay = self.rng.duration(Duration::from_millis(5), Duration::from_millis(500));
                self.after(delay, Event::HostStarts { pilot: index, node });
            }
        }
    }

    pub(super) fn pilot_beats(&mut self, index: usize, link: LinkId) {
        if self.pilots[index].alive && self.pilots[index].link == Some(link) {
            self.send(link, To::Controller, &Message::Heartbeat);
            self.after(HEARTBEAT, Event::PilotBeats { pilot: index, link });
        }
    }

    pub(super) fn pilot_received(&mut self, index: usize, _link: LinkId, message: Message) {
        match message {
            Message::Stop | Message::Goodbye { .. } => self.pilot_begins_to_leave(index),
            Message::Release { node, engines } => self.pilot_releases(index, &node, engines),
            Message::Heartbeat | Message::Notice { .. } => {}
            other => panic!("a pilot is sent {}", other.name()),
        }
    }

    pub(super) fn pilot_down(&mut self, index: usize, link: LinkId) {
        let pilot = &mut self.pilots[index];
        if pilot.link == Some(link) {
            pilot.link = None;
            pilot.alone = Some(self.now);
            self.after(Duration::from_millis(500), Event::PilotDials(index));
        }
    }

    pub(super) fn host_starts(&mut self, index: usize, node: usize) {
        let pilot = &mut self.pilots[index];
        if pilot.alive && !pilot.leaving && !pilot.nodes[node].over {
            let pid = self.hosts.len();
            let at = &mut pilot.nodes[node];
            at.host = Some(pid);
            let mut host = Host::new(index, node, pid, at.engines, &at.name, (&pilot.id, pilot.element));
            if self.rng.percent(self.scenario.slow_hosts) {
                host.slowness = SLOWNESS;
                self.summary.faults += 1;
            }
            self.hosts.push(host);
            self.step_host(pid, rpar_core::engine_host::Input::Tick);
        }
    }

    /// An engine host has ended.
    pub(super) fn host_gone(&mut self, index: usize, node: usize, well: bool, text: &str) {
        let pilot = &mut self.pilots[index];
        if !pilot.alive {
            return;
        }
        let (leaving, at) = (pilot.leaving, &mut pilot.nodes[node]);
        at.host = None;
        let quiet = leaving || at.over;
        at.over |= leaving || at.restarts > RESTARTS_LIMIT;
        // one that has left in good order is only started again when no end of the cluster follows
        let delay = if well { FAREWELL } else { Duration::from_millis(500) * (1 << at.restarts.min(5)) };
        at.restarts += 1;
        let (over, name, link) = (at.over, at.name.clone(), pilot.link.filter(|_| pilot.known));
        if !over {
            self.after(delay, Event::HostStarts { pilot: index, node });
        }
        if let (Some(link), false) = (link, quiet || well && !over) {
            let report = Message::Report { node: name, text: text.to_owned(), restarting: !over };
            self.send(link, To::Controller, &report);
        }
        self.pilot_may_leave(index);
    }

    /// A node is to have fewer engines, or none.
    fn pilot_releases(&mut self, index: usize, node: &str, engines: u32) {
        let pilot = &mut self.pilots[index];
        let at = pilot.nodes.iter_mut().find(|at| at.name == node).expect("a node of this pilot");
        assert!(engines <= at.engines, "a pilot is to have more engines than it had");
        at.engines = engines;
        at.over |= engines == 0;
        self.pilot_may_leave(index);
    }

    fn pilot_may_leave(&mut self, index: usize) {
        if self.pilots[index].nodes.iter().all(|node| node.over && node.host.is_none()) {
            self.at(self.now, Event::PilotLeaves(index));
        }
    }

    fn pilot_begins_to_leave(&mut self, index: usize) {
        if !self.pilots[index].leaving {
            self.pilots[index].leaving = true;
            self.after(GRACE, Event::PilotLeaves(index));
        }
    }

    pub(super) fn pilot_leaves(&mut self, index: usize) {
        if self.pilots[index].alive {
            self.share_ends(self.pilots[index].allocation, index);
        }
    }

    /// The site takes the nodes away.
    pub(super) fn kill_pilot(&mut self, index: usize) {
        let pilot = &mut self.pilots[index];
        pilot.alive = false;
        let link = pilot.link.take();
        let hosts: Vec<usize> = pilot.nodes.iter().filter_map(|node| node.host).collect();
        if let Some(link) = link {
            self.close(link, To::Peer, "the pilot was ended");
        }
        hosts.into_iter().for_each(|host| self.kill_host(host, "ended by the site"));
    }
}
