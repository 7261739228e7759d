//! The state of the link to the controller, and when something is due on it.

use std::time::Duration;

use super::EngineHostConfig;
use super::backoff::Backoff;
use crate::time::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// No step was made yet.
    New,
    /// Until it is time to dial again.
    Waiting {
        until: Timestamp,
    },
    Dialling,
    Up {
        heartbeat: Duration,
        spoke: Timestamp,
        heard: Timestamp,
    },
    /// The machine has left; nothing has any effect now.
    Ended,
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) state: State,
    backoff: Backoff,
    /// When this host began to look for its controller; `None` while it is registered.
    looking: Option<Timestamp>,
    lost_after: Duration,
    give_up_after: Duration,
}

impl Link {
    pub(super) fn new(config: &EngineHostConfig) -> Self {
        Link {
            state: State::New,
            backoff: Backoff::new(&config.registration),
            looking: None,
            lost_after: config.lost_after,
            give_up_after: config.give_up_after,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(self.state, State::Up { .. })
    }

    pub(super) fn up(&mut self, now: Timestamp, heartbeat: Duration) {
        self.state = State::Up { heartbeat, spoke: now, heard: now };
    }

    /// The link has proven useful: the next search starts afresh.
    pub(super) fn registered(&mut self) {
        self.backoff.reset();
        self.looking = None;
    }

    pub(super) fn heard(&mut self, now: Timestamp) {
        if let State::Up { heard, .. } = &mut self.state {
            *heard = now;
        }
    }

    pub(super) fn spoke(&mut self, now: Timestamp) {
        if let State::Up { spoke, .. } = &mut self.state {
            *spoke = now;
        }
    }

    /// Takes note that the link is gone, or could not be made; `false` if that was known.
    pub(super) fn down(&mut self, now: Timestamp) -> bool {
        let news = self.is_up() || self.state == State::Dialling;
        if news {
            self.looking.get_or_insert(now);
            self.state = State::Waiting { until: now + self.backoff.next() };
        }
        news
    }

    pub(super) fn is_silent(&self, now: Timestamp) -> bool {
        matches!(self.state, State::Up { heard, .. } if now.since(heard) >= self.lost_after)
    }

    pub(super) fn has_given_up(&self, now: Timestamp) -> bool {
        let searching = matches!(self.state, State::Waiting { .. } | State::Dialling);
        searching && self.looking.is_some_and(|since| now.since(since) >= self.give_up_after)
    }

    /// Whether it is time to dial; if so, that has begun.
    pub(super) fn dials(&mut self, now: Timestamp) -> bool {
        let due = match self.state {
            State::New => true,
            State::Waiting { until } => now >= until,
            _ => false,
        };
        if due {
            self.looking.get_or_insert(now);
            self.state = State::Dialling;
        }
        due
    }

    /// Whether nothing was said for half of a heartbeat.
    pub(super) fn was_quiet(&self, now: Timestamp) -> bool {
        matches!(self.state, State::Up { heartbeat, spoke, .. } if now.since(spoke) >= heartbeat / 2)
    }

    pub(super) fn owes_heartbeat(&self, now: Timestamp) -> bool {
        matches!(self.state, State::Up { heartbeat, spoke, .. } if now.since(spoke) >= heartbeat)
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let give_up = self.looking.map(|since| since + self.give_up_after);
        match self.state {
            State::New => Some(Timestamp::default()),
            State::Waiting { until } => Some(give_up.map_or(until, |at| at.min(until))),
            State::Dialling => give_up,
            State::Up { heartbeat, spoke, heard } => Some((spoke + heartbeat).min(heard + self.lost_after)),
            State::Ended => None,
        }
    }
}
