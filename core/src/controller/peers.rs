//! Links: what each peer is, and when something was last heard from it and said to it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::connection::Role;
use crate::id::LinkId;
use crate::time::Timestamp;

/// What a peer has turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Client,
    /// An engine host or a pilot that has not said which.
    Unknown,
    Host,
    Pilot,
}

/// One peer.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) part: Part,
    pub(super) address: String,
    heard: Timestamp,
    said: Timestamp,
}

/// All links.
#[derive(Debug, Default)]
pub(super) struct Peers {
    all: BTreeMap<LinkId, Peer>,
    /// When the silent are looked for next.
    next_round: Option<Timestamp>,
}

/// Whom a round has found.
#[derive(Debug, Default)]
pub(super) struct Silent {
    /// They were told nothing for a while.
    pub(super) untold: Vec<LinkId>,
    /// They said nothing for too long.
    pub(super) lost: Vec<LinkId>,
}

impl Peers {
    pub(super) fn add(&mut self, now: Timestamp, link: LinkId, role: Role, address: String) {
        let part = match role {
            Role::Client => Part::Client,
            Role::Engine => Part::Unknown,
        };
        self.all.insert(link, Peer { part, address, heard: now, said: now });
        self.next_round.get_or_insert(now);
    }

    pub(super) fn get(&self, link: LinkId) -> Option<&Peer> {
        self.all.get(&link)
    }

    pub(super) fn set_part(&mut self, link: LinkId, part: Part) {
        if let Some(peer) = self.all.get_mut(&link) {
            peer.part = part;
        }
    }

    pub(super) fn remove(&mut self, link: LinkId) -> Option<Peer> {
        let peer = self.all.remove(&link);
        if self.all.is_empty() {
            self.next_round = None;
        }
        peer
    }

    /// Takes note that something came; tells what the peer is, or that it is gone.
    pub(super) fn heard(&mut self, now: Timestamp, link: LinkId) -> Option<Part> {
        let peer = self.all.get_mut(&link)?;
        peer.heard = now;
        Some(peer.part)
    }

    /// Takes note that something was sent.
    pub(super) fn said(&mut self, now: Timestamp, link: LinkId) {
        if let Some(peer) = self.all.get_mut(&link) {
            peer.said = now;
        }
    }

    /// The links of one kind.
    pub(super) fn links(&self, wanted: impl Fn(Part) -> bool) -> Vec<LinkId> {
        self.all.iter().filter(|(_, peer)| wanted(peer.part)).map(|(link, _)| *link).collect()
    }

    /// When the next round is due: four times in a heartbeat, one look at each link, rather than a timer for each.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.next_round
    }

    /// Looks for silent links, if it is time.
    pub(super) fn round(&mut self, now: Timestamp, heartbeat: Duration, lost_after: Duration) -> Silent {
        let mut silent = Silent::default();
        if self.next_round.is_none_or(|due| now < due) {
            return silent;
        }
        let pause = (heartbeat / 4).max(Duration::from_millis(1));
        self.next_round = Some(now + pause);
        for (link, peer) in &self.all {
            if now.since(peer.heard) >= lost_after {
                silent.lost.push(*link);
            } else if now.since(peer.said) >= 3 * pause {
                silent.untold.push(*link);
            }
        }
        silent
    }
}
