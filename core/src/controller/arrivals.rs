//! Peers come, say what they are, and go.

use std::collections::BTreeSet;

use super::Controller;
use super::accounts::{Account, Owner};
use super::clients::Client;
use super::host::Host;
use super::io::Effect;
use super::limits::{ENGINES_LIMIT, LABELS_LIMIT, NODE_NAME_LIMIT, PILOT_NODES_LIMIT};
use super::peers::Part;
use super::pool::Pool;
use crate::connection::Role;
use crate::id::{EngineId, LinkId};
use crate::wire::{Message, Registration, Transfer};

impl Controller {
    /// A peer is there.
    pub(super) fn link_up(&mut self, link: LinkId, role: Role, address: String, effects: &mut Vec<Effect>) {
        if self.peers.get(link).is_some() {
            return;
        }
        self.peers.add(self.now, link, role, address);
        match (role, self.stop.is_some()) {
            (Role::Client, false) => {
                self.served = true;
                let (submit, result) = (self.config.submit_window_bytes, self.config.result_window_bytes);
                self.clients.insert(link, Client::new(result));
                self.accounts.insert(Owner::Link(link), Account::new(submit));
            }
            (Role::Client, true) => self.dismiss(link, "the cluster is being stopped", effects),
            (Role::Engine, true) => effects.push(Effect::Send { link, message: Message::Stop }),
            (Role::Engine, false) => {}
        }
    }

    /// A peer is gone.
    pub(super) fn lose_link(&mut self, link: LinkId, reason: &str, effects: &mut Vec<Effect>) {
        let Some(peer) = self.peers.remove(link) else { return };
        match peer.part {
            Part::Client => {
                let client = self.clients.remove(&link);
                for output in client.iter().flat_map(|client| client.outbox.held_output()) {
                    self.output_left(output.engine, output.cost(), effects);
                }
                let submission = client.and_then(|client| client.submission);
                self.forget_owner(Owner::Link(link), effects);
                if let Some(id) = submission {
                    self.leave_submission(link, id, effects);
                }
                if self.config.ephemeral {
                    self.begin_stop("its client has left", effects);
                }
            }
            Part::Host => self.lose_host(link, reason, effects),
            Part::Pilot => {
                self.allocations.pilot_left(self.now, link, self.stop.is_some());
                self.board.version += 1;
                effects.push(Effect::Log { text: format!("pilot at {} is gone: {reason}", peer.address) });
            }
            Part::Unknown => {}
        }
    }

    /// Takes the first message of an engine host or a pilot.
    pub(super) fn stranger_says(
        &mut self,
        link: LinkId,
        message: Message,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        match message {
            Message::Register(registration) => self.register(link, registration, effects),
            Message::Pilot(info) => {
                if info.nodes.len() > PILOT_NODES_LIMIT {
                    return Err(format!("a pilot names more than {PILOT_NODES_LIMIT} nodes"));
                }
                self.peers.set_part(link, Part::Pilot);
                effects.push(Effect::Log {
                    text: format!(
                        "pilot on node {}, process {}, with {} nodes",
                        info.node,
                        info.pid,
                        info.nodes.len()
                    ),
                });
                // what it brings, and what it does not, is known now
                self.board.version += 1;
                for (node, engines) in self.allocations.pilot_came(self.now, link, info) {
                    effects.push(Effect::Send { link, message: Message::Release { node, engines } });
                }
                self.set_ends();
                Ok(())
            }
            other => Err(format!("{} came before the peer said what it is", other.name())),
        }
    }

    fn register(
        &mut self,
        link: LinkId,
        registration: Registration,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        let Registration { node, engines, pid, allocation, element, labels, resources } = registration;
        let limit = ENGINES_LIMIT - self.engines.len().min(ENGINES_LIMIT);
        if engines == 0 || engines as usize > limit {
            return Err(format!("{engines} engines on one host; there may be from 1 to {limit} more"));
        }
        if labels.len() + resources.custom.len() > LABELS_LIMIT {
            return Err(format!("more than {LABELS_LIMIT} labels and counts on one host"));
        }
        if node.len() > NODE_NAME_LIMIT {
            return Err(format!("a node's name is longer than {NODE_NAME_LIMIT} bytes"));
        }
        if !self.has_room(allocation.as_ref(), element, &node) {
            let text = format!("an engine host on node {node} came, but none is wanted there");
            effects.push(Effect::Log { text });
            effects.push(Effect::Send { link, message: Message::Stop });
            return Ok(());
        }
        let allocation = self.allocations.own_name(allocation);
        let ids = self.engines.add(link, engines).ok_or("all engine ids are used up")?;
        let first = EngineId(ids.start);
        self.peers.set_part(link, Part::Host);
        self.allocations.engines_came(self.now, allocation.as_ref());
        for id in ids.clone() {
            self.engines.rank(EngineId(id), &self.functions, self.config.queue_ahead);
        }
        let which = match engines {
            1 => format!("engine {first}"),
            _ => format!("engines {first} to {}", ids.end - 1),
        };
        effects.push(Effect::Log { text: format!("{which} on node {node}, process {pid}") });
        let host = Host {
            node: node.into(),
            pid,
            allocation,
            element,
            engines: ids,
            defined: BTreeSet::new(),
            labels: labels.into_iter().collect(),
            pool: Pool::new(resources, engines),
            ends: None,
            look: None,
            reserved: None,
            leaving: false,
        };
        self.hosts.insert(link, host);
        self.set_end(link);
        self.look_at_waiting(link);
        self.let_surplus_leave(link);
        self.board.version += 1;
        effects.push(Effect::Send { link, message: Message::Registered { first } });
        if self.stop.is_some() {
            effects.push(Effect::Send { link, message: Message::Stop });
        }
        Ok(())
    }

    /// Has new engines look at the lanes that do not take just any.
    pub(super) fn look_at_waiting(&mut self, link: LinkId) {
        let Some(host) = self.hosts.get(&link) else { return };
        for (number, lane) in self.ready.lanes().filter(|(_, lane)| !lane.needs.is_plain()) {
            for id in host.engines.clone().map(EngineId).filter(|id| lane.needs.accept(*id, host, self.now)) {
                self.engines.look_at(id, number, lane.needs.priority);
            }
        }
    }

    /// Takes an engine host's message.
    pub(super) fn host_says(
        &mut self,
        link: LinkId,
        message: Message,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        match message {
            Message::Done(outcomes) => self.done(link, outcomes, effects),
            Message::Output(output) => self.pass_output(link, output, effects),
            Message::Grant { transfer: Transfer::Argument(task), upto } => {
                self.grant_argument(link, task, upto, effects);
                Ok(())
            }
            Message::Chunk { transfer: Transfer::Result(task), offset, data } => {
                self.pass_result(link, task, offset, data, effects)
            }
            other => Err(format!("{} is not for an engine host to say", other.name())),
        }
    }

    /// Takes a pilot's message.
    pub(super) fn pilot_says(
        &mut self,
        link: LinkId,
        message: Message,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        match message {
            Message::Report { node, text, restarting } => {
                if !restarting {
                    self.allocations.node_given_up(link, &node);
                }
                let then = if restarting { "it is started again" } else { "it is not started again" };
                let text = format!("the engine host on node {node} ended: {text}; {then}");
                self.problem(&text, effects);
                Ok(())
            }
            Message::Ending { signal } => {
                let address = self.peers.get(link).map_or("", |peer| &peer.address);
                effects.push(Effect::Log { text: format!("the pilot at {address} got {signal}") });
                self.pilot_is_ending(link, &signal);
                Ok(())
            }
            other => Err(format!("{} is not for a pilot to say", other.name())),
        }
    }
}
