//! The scheduler's answers, and the end of the cluster.

use super::Controller;
use super::allocations::News;
use super::host::Host;
use super::io::{Effect, Input};
use super::limits::{EPHEMERAL_WAIT, LEAVE_WAIT, STOP_WAIT};
use super::peers::Part;
use crate::id::AllocationId;
use crate::time::Timestamp;
use crate::wire::Message;

/// A stop that is under way.
#[derive(Debug)]
pub(super) struct Stop {
    reason: String,
    /// Until when the site is waited for.
    until: Timestamp,
    /// Since when all allocations have ended, and only engine hosts may be left.
    over_since: Option<Timestamp>,
}

impl Controller {
    /// Takes an answer of the scheduler.
    pub(super) fn answered(&mut self, input: Input, effects: &mut Vec<Effect>) {
        let (now, stopping, mut news) = (self.now, self.stop.is_some(), News::default());
        match input {
            Input::Submitted { request, answer } => {
                self.allocations.submitted(now, request, answer, stopping, &mut news)
            }
            Input::Found { request, answer } => {
                self.allocations.found(now, request, answer, stopping, &mut news)
            }
            Input::Polled { answer } => {
                let hosts = &self.hosts;
                let linked = |id: &AllocationId| {
                    hosts.values().any(|host| {
                        host.allocation.as_ref().is_none_or(|allocation| id.is_known_as(allocation))
                    })
                };
                self.allocations.polled(now, answer, linked, stopping, &mut news);
                self.set_ends();
            }
            Input::Cancelled { allocations, answer } => {
                self.allocations.cancelled(now, &allocations, answer, stopping, &mut news)
            }
            Input::Output { allocation, text } => self.allocations.output(&allocation, &text, &mut news),
            _ => {}
        }
        self.publish(news, effects);
    }

    fn publish(&mut self, news: News, effects: &mut Vec<Effect>) {
        self.board.version += news.changed as u64;
        for text in &news.problems {
            self.problem(text, effects);
        }
        effects.extend(news.read.into_iter().map(|allocation| Effect::ReadOutput { allocation }));
        for allocation in &news.ended {
            self.reconsider(allocation);
            self.leave_nodes(allocation, effects);
        }
    }

    /// Engine hosts do not stay on nodes that are not ours any more: a killed pilot leaves them behind, and so does a
    /// site that does not clean its nodes.
    fn leave_nodes(&mut self, ended: &AllocationId, effects: &mut Vec<Effect>) {
        let theirs = |host: &Host| host.allocation.as_ref().is_some_and(|id| ended.is_known_as(id));
        let there = self.hosts.iter().filter(|(_, host)| theirs(host));
        for link in there.map(|(link, _)| *link).collect::<Vec<_>>() {
            self.dismiss(link, &format!("allocation {ended} has ended"), effects);
        }
    }

    /// Asks the scheduler for what is due.
    pub(super) fn advance_allocations(&mut self, effects: &mut Vec<Effect>) {
        let mut news = News::default();
        self.allocations.advance(self.now, self.stop.is_some(), effects, &mut news);
        self.publish(news, effects);
    }

    /// When tasks or the cluster have waited long enough.
    pub(super) fn waits_deadline(&self) -> Option<Timestamp> {
        let ephemeral = self.ephemeral_until();
        [self.unplaceable_deadline(), ephemeral].into_iter().flatten().min()
    }

    fn ephemeral_until(&self) -> Option<Timestamp> {
        let waits = self.config.ephemeral && !self.served && self.stop.is_none();
        waits.then(|| self.started.unwrap_or_default() + EPHEMERAL_WAIT)
    }

    /// When the stop goes on by itself.
    pub(super) fn stop_deadline(&self) -> Option<Timestamp> {
        let stop = self.stop.as_ref()?;
        Some(stop.over_since.map_or(stop.until, |since| since + LEAVE_WAIT))
    }

    /// Begins to end the cluster: nothing new is dispatched, engine hosts and pilots leave, allocations are given back.
    pub(super) fn begin_stop(&mut self, reason: &str, effects: &mut Vec<Effect>) {
        if self.stop.is_some() {
            return;
        }
        let until = self.now + STOP_WAIT;
        self.stop = Some(Stop { reason: reason.to_owned(), until, over_since: None });
        self.board.version += 1;
        effects.push(Effect::Log { text: format!("the cluster stops: {reason}") });
        for link in self.peers.links(|part| part != Part::Client) {
            effects.push(Effect::Send { link, message: Message::Stop });
        }
        self.allocations.stop(self.now);
    }

    /// Nobody new can find this cluster: those who are here may finish.
    pub(super) fn orphaned(&mut self, reason: String, effects: &mut Vec<Effect>) {
        if self.orphaned.is_none() && self.stop.is_none() {
            self.problem(&format!("{reason}; the cluster ends with its last client"), effects);
            self.orphaned = Some(reason);
        }
    }

    /// Leaves once everything has ended, or was waited for long enough.
    pub(super) fn advance_stop(&mut self, effects: &mut Vec<Effect>) {
        if self.clients.is_empty()
            && let Some(reason) = self.orphaned.take()
        {
            self.begin_stop(&reason, effects);
            self.advance_allocations(effects);
        }
        if self.ephemeral_until().is_some_and(|until| self.now >= until) {
            self.begin_stop("no client came", effects);
            self.advance_allocations(effects);
        }
        let Some(stop) = &mut self.stop else { return };
        if self.allocations.is_over() {
            stop.over_since.get_or_insert(self.now);
        }
        let given_up = self.now >= stop.until && stop.over_since.is_none();
        let over = stop.over_since.is_some_and(|since| {
            self.now >= since + LEAVE_WAIT || self.peers.links(|part| part != Part::Client).is_empty()
        });
        if !given_up && !over {
            return;
        }
        let mut reason = format!("the cluster was stopped: {}", stop.reason);
        if given_up {
            let left = self.allocations.unconfirmed().join(", ");
            reason = format!("{reason}; the site has not confirmed the end of {left}: look for it there");
        }
        // that would tell who has stopped the cluster that nothing is left of it
        let clients = self.peers.links(|part| given_up && part == Part::Client);
        for link in self.peers.links(|_| true) {
            let message = match clients.contains(&link) {
                true => Message::Notice { text: reason.clone() },
                false => Message::Goodbye { reason: reason.clone() },
            };
            effects.push(Effect::Send { link, message });
            effects.push(Effect::Close { link, reason: reason.clone() });
            self.peers.remove(link);
        }
        effects.push(Effect::Exit { reason });
        self.exited = true;
    }
}
