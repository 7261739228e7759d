//! Links: ordered, delayed, and now and then cut or stalled.

use std::collections::{BTreeMap, VecDeque};

use bytes::BytesMut;
use rpar_core::connection::Role;
use rpar_core::controller;
use rpar_core::id::LinkId;
use rpar_core::time::Timestamp;
use rpar_core::wire::{FRAME_LIMIT_BYTES, Message, decode, encode};

use super::describe::describe;
use super::watch::Watch;
use super::world::{Event, World};

/// Who is at the other end of a controller's link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Peer {
    Host(usize),
    Pilot(usize),
    Client(usize),
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum To {
    Controller,
    Peer,
}

#[derive(Debug)]
pub(super) enum Item {
    Welcome,
    Frame(BytesMut),
    /// The other end is closed, or the network says so.
    End(String),
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) peer: Peer,
    pub(super) controller_open: bool,
    pub(super) peer_open: bool,
    pub(super) stalled_until: Timestamp,
    to_controller: Way,
    to_peer: Way,
    pub(super) watch: Watch,
}

#[derive(Debug, Default)]
struct Way {
    items: VecDeque<Item>,
    last: Timestamp,
}

impl Link {
    fn way(&mut self, to: To) -> &mut Way {
        match to {
            To::Controller => &mut self.to_controller,
            To::Peer => &mut self.to_peer,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Net {
    pub(super) links: BTreeMap<LinkId, Link>,
    next: u64,
}

impl World {
    /// A peer has dialled and proven its role.
    pub(super) fn link_up(&mut self, peer: Peer) -> LinkId {
        let id = LinkId(self.net.next);
        self.net.next += 1;
        let link = Link {
            peer,
            controller_open: true,
            peer_open: true,
            stalled_until: Timestamp::default(),
            to_controller: Way::default(),
            to_peer: Way::default(),
            watch: Watch::new(&self.scenario.config),
        };
        self.net.links.insert(id, link);
        let role = if matches!(peer, Peer::Client(_)) { Role::Client } else { Role::Engine };
        self.push_item(id, To::Peer, Item::Welcome);
        self.step_controller(controller::Input::LinkUp { link: id, role, address: format!("{peer:?}") });
        id
    }

    pub(super) fn send(&mut self, link: LinkId, to: To, message: &Message) {
        let peer = self.net.links.get(&link).map(|link| link.peer);
        let arrow = if to == To::Peer { "->" } else { "<-" };
        self.trace
            .line(self.now, || format!("controller {arrow} {peer:?} (link {link}): {}", describe(message)));
        let mut frame = BytesMut::new();
        encode(message, &mut frame);
        assert!(frame.len() <= FRAME_LIMIT_BYTES, "a frame of {} bytes: {}", frame.len(), describe(message));
        self.mix(&frame);
        self.push_item(link, to, Item::Frame(frame));
    }

    /// The end that is named closes: the other one hears of it after all that was sent.
    pub(super) fn close(&mut self, id: LinkId, by: To, reason: &str) {
        let Some(link) = self.net.links.get_mut(&id) else { return };
        let other = match by {
            To::Controller => {
                link.controller_open = false;
                To::Peer
            }
            To::Peer => {
                link.peer_open = false;
                To::Controller
            }
        };
        self.push_item(id, other, Item::End(reason.to_owned()));
    }

    fn push_item(&mut self, id: LinkId, to: To, item: Item) {
        let delay = self.delay();
        let now = self.now;
        let Some(link) = self.net.links.get_mut(&id) else { return };
        let stalled = link.stalled_until;
        let way = link.way(to);
        let at = (now + delay).max(way.last).max(stalled);
        way.last = at;
        way.items.push_back(item);
        self.at(at, Event::Arrive { link: id, to });
    }

    pub(super) fn arrive(&mut self, id: LinkId, to: To) {
        let now = self.now;
        let Some(link) = self.net.links.get_mut(&id) else { return };
        if now < link.stalled_until {
            let until = link.stalled_until;
            return self.at(until, Event::Arrive { link: id, to });
        }
        let Some(item) = link.way(to).items.pop_front() else { return };
        let (open, peer) = match to {
            To::Controller => (link.controller_open, link.peer),
            To::Peer => (link.peer_open, link.peer),
        };
        if open {
            match item {
                Item::Welcome => self.peer_up(peer, id),
                Item::Frame(frame) => self.frame_arrives(id, to, peer, frame),
                Item::End(reason) => self.end_arrives(id, to, peer, reason),
            }
        }
        if self.net.links.get(&id).is_some_and(|link| !link.controller_open && !link.peer_open) {
            self.net.links.remove(&id);
        }
    }

    fn frame_arrives(&mut self, id: LinkId, to: To, peer: Peer, mut frame: BytesMut) {
        let message = decode(&mut frame, FRAME_LIMIT_BYTES).expect("what was encoded is decoded");
        let message = message.expect("a whole frame is a message");
        if let Some(link) = self.net.links.get_mut(&id) {
            link.watch.see(to, &message);
        }
        self.trace.line(self.now, || format!("  at {}: {}", at(to, peer), describe(&message)));
        match to {
            To::Controller => self.step_controller(controller::Input::Received { link: id, message }),
            To::Peer => self.peer_received(peer, id, message),
        }
    }

    fn end_arrives(&mut self, id: LinkId, to: To, peer: Peer, reason: String) {
        self.trace.line(self.now, || format!("  at {}: end of link {id}: {reason}", at(to, peer)));
        let Some(link) = self.net.links.get_mut(&id) else { return };
        match to {
            To::Controller => {
                link.controller_open = false;
                self.step_controller(controller::Input::LinkDown { link: id, reason });
            }
            To::Peer => {
                link.peer_open = false;
                self.peer_down(peer, id, reason);
            }
        }
    }

    /// The network loses something: both ends hear that the link is gone, and nothing else.
    pub(super) fn cut(&mut self, id: LinkId, reason: &str) {
        self.trace.line(self.now, || format!("link {id}: {reason}"));
        let Some(link) = self.net.links.get_mut(&id) else { return };
        for to in [To::Controller, To::Peer] {
            // a part of what is under way still arrives
            let keep = link.way(to).items.len() / 2;
            link.way(to).items.truncate(keep);
        }
        self.push_item(id, To::Controller, Item::End(reason.to_owned()));
        self.push_item(id, To::Peer, Item::End(reason.to_owned()));
    }

    /// Nothing gets through for a while; then everything does, in order.
    pub(super) fn stall(&mut self, id: LinkId, until: Timestamp) {
        self.trace.line(self.now, || format!("link {id} is stalled until {:.3}", until.0 as f64 / 1e6));
        if let Some(link) = self.net.links.get_mut(&id) {
            link.stalled_until = link.stalled_until.max(until);
            link.watch.stalled = true;
        }
    }

    fn peer_up(&mut self, peer: Peer, link: LinkId) {
        match peer {
            Peer::Host(host) => self.host_up(host, link),
            Peer::Pilot(pilot) => self.pilot_up(pilot, link),
            Peer::Client(client) => self.client_up(client, link),
        }
    }

    fn peer_received(&mut self, peer: Peer, link: LinkId, message: Message) {
        match peer {
            Peer::Host(host) => self.host_received(host, link, message),
            Peer::Pilot(pilot) => self.pilot_received(pilot, link, message),
            Peer::Client(client) => self.client_received(client, link, message),
        }
    }

    fn peer_down(&mut self, peer: Peer, link: LinkId, reason: String) {
        match peer {
            Peer::Host(host) => self.host_down(host, link, reason),
            Peer::Pilot(pilot) => self.pilot_down(pilot, link),
            Peer::Client(client) => self.client_down(client, link, reason),
        }
    }
}

fn at(to: To, peer: Peer) -> String {
    match to {
        To::Controller => format!("controller from {peer:?}"),
        To::Peer => format!("{peer:?}"),
    }
}
