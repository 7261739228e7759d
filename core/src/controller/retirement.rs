//! Engines that leave because a client wants them to: they get no more tasks, finish what they have, and go.

use std::collections::BTreeSet;

use super::Controller;
use super::cause::Cause;
use super::host::Host;
use super::io::Effect;
use super::loss::Lost;
use crate::id::{AllocationId, EngineId, LinkId};
use crate::wire::{Message, Retirees};

impl Controller {
    /// Has engines leave, or tells the client why not.
    pub(super) fn retire(
        &mut self,
        link: LinkId,
        question: u32,
        now: bool,
        retirees: &Retirees,
        effects: &mut Vec<Effect>,
    ) {
        let message = match self.chosen(retirees) {
            Err(reason) => Message::Declined { question, reason },
            Ok((engines, place)) => {
                self.let_leave(&engines, place, now, effects);
                Message::Agreed { question, request: None, engines }
            }
        };
        effects.push(Effect::Send { link, message });
    }

    /// The engines that are meant, and the place of the allocation if it is meant as a whole.
    fn chosen(&self, retirees: &Retirees) -> Result<(Vec<EngineId>, Option<usize>), String> {
        if self.stop.is_some() {
            return Err("the cluster is being stopped".to_owned());
        }
        let place = match retirees {
            Retirees::Engines(ids) => {
                let unknown: Vec<String> = ids
                    .iter()
                    .filter(|id| self.engines.get(**id).is_none())
                    .map(EngineId::to_string)
                    .collect();
                return match unknown.is_empty() {
                    true => Ok((ids.iter().copied().collect::<BTreeSet<_>>().into_iter().collect(), None)),
                    false => Err(format!("no such engine is there: {}", unknown.join(", "))),
                };
            }
            Retirees::Node(node) => {
                let engines = self.engines_on(|host| *host.node == **node);
                return match engines.is_empty() {
                    true => Err(format!("no engine is on a node `{node}`")),
                    false => Ok((engines, None)),
                };
            }
            Retirees::Allocation(id) => {
                self.allocations.all.iter().position(|one| one.id.as_ref() == Some(id))
            }
            Retirees::Request(request) => self.allocations.all.iter().position(|one| one.request == *request),
        };
        let place = place.ok_or("there is no such allocation (any more)")?;
        Ok((
            self.engines_on(|host| self.allocations.place(host.allocation.as_ref()) == Some(place)),
            Some(place),
        ))
    }

    fn engines_on(&self, wanted: impl Fn(&Host) -> bool) -> Vec<EngineId> {
        let hosts = self.hosts.values().filter(|host| wanted(host));
        let ids = hosts.flat_map(|host| host.engines.clone().map(EngineId));
        let mut ids: Vec<EngineId> = ids.filter(|id| self.engines.get(*id).is_some()).collect();
        ids.sort_unstable();
        ids
    }

    fn let_leave(
        &mut self,
        engines: &[EngineId],
        whole: Option<usize>,
        now: bool,
        effects: &mut Vec<Effect>,
    ) {
        self.board.version += 1;
        let mut hosts = BTreeSet::new();
        for id in engines {
            let Some(engine) = self.engines.get(*id) else { continue };
            let link = engine.host;
            hosts.insert(link);
            if !self.engines.retire(*id) {
                continue;
            }
            let allocation = self.hosts.get(&link).and_then(|host| host.allocation.as_ref());
            let wanted = match self.allocations.place(allocation) {
                Some(place) => &mut self.allocations.all[place].wanted,
                None => &mut self.allocations.outside_wanted,
            };
            *wanted = wanted.saturating_sub(1);
        }
        for link in &hosts {
            self.release_on(*link, effects);
        }
        if let Some(place) = whole {
            for (link, nodes) in self.allocations.retire(place) {
                let release = |node| Message::Release { node, engines: 0 };
                effects.extend(nodes.into_iter().map(|node| Effect::Send { link, message: release(node) }));
            }
        }
        let ids: Vec<String> = engines.iter().map(EngineId::to_string).collect();
        effects.push(Effect::Log { text: format!("a client lets engines leave: {}", ids.join(", ")) });
        if now {
            self.take_out(engines, &hosts, effects);
        }
        engines.iter().for_each(|id| self.engines.rank(*id, &self.functions, self.config.queue_ahead));
        self.give_up_unserved(effects);
        self.engines.heat();
    }

    /// Tells the pilot of a host's node how many engines are to stay there.
    fn release_on(&mut self, link: LinkId, effects: &mut Vec<Effect>) {
        let Some(host) = self.hosts.get(&link) else { return };
        let Some(place) = self.allocations.place(host.allocation.as_ref()) else { return };
        let (node, element) = (host.node.to_string(), host.element);
        let together = |other: &Host| {
            other.node == host.node && other.allocation == host.allocation && other.element == element
        };
        let staying = self.engines_on(together).into_iter().filter(|id| self.engines.stays(*id));
        let engines = staying.count() as u32;
        for link in self.allocations.release(place, element, &node, engines) {
            effects.push(Effect::Send { link, message: Message::Release { node: node.clone(), engines } });
        }
    }

    /// Takes engines out at once; their tasks run elsewhere, or are lost.
    fn take_out(&mut self, engines: &[EngineId], hosts: &BTreeSet<LinkId>, effects: &mut Vec<Effect>) {
        for link in hosts {
            let Some(host) = self.hosts.get(link) else { continue };
            let (node, here) = (host.node.clone(), host.engines.clone());
            let allocation = host.allocation.clone();
            let there: Vec<EngineId> = engines.iter().copied().filter(|id| here.contains(&id.0)).collect();
            let place = Lost { node: &node, allocation: allocation.as_ref(), host: Some(*link) };
            self.lose_engines(&there, place, &Cause::Removed, effects);
            self.host_may_leave(*link, effects);
        }
    }

    /// A host that has more engines than are wanted on its node: some of them leave again. `false` if it has to leave
    /// at once.
    pub(super) fn has_room(
        &self,
        allocation: Option<&AllocationId>,
        element: Option<u32>,
        node: &str,
    ) -> bool {
        self.allocations.room_on(allocation, element, node) != Some(0)
    }

    /// The engines that have come although they were to leave: their pilot did not know.
    pub(super) fn let_surplus_leave(&mut self, link: LinkId) {
        let Some(host) = self.hosts.get(&link) else { return };
        let Some(room) = self.allocations.room_on(host.allocation.as_ref(), host.element, &host.node) else {
            return;
        };
        for id in host.engines.clone().skip(room as usize).map(EngineId) {
            self.engines.retire(id);
            self.engines.rank(id, &self.functions, self.config.queue_ahead);
        }
    }

    /// Lets those go that have finished: engines, then their hosts, then the allocations that those were all of.
    pub(super) fn let_go(&mut self, effects: &mut Vec<Effect>) {
        let drained = self.engines.take_drained();
        for id in &drained {
            let Some(link) = self.engines.get(*id).map(|engine| engine.host) else { continue };
            self.engines.remove(*id);
            if let Some(host) = self.hosts.get(&link) {
                let (node, allocation) = (host.node.clone(), host.allocation.clone());
                let place = Lost { node: &node, allocation: allocation.as_ref(), host: Some(link) };
                self.note_past(&[*id], place, "it was to leave, and had finished", 0);
            }
            self.host_may_leave(link, effects);
        }
        if !drained.is_empty() {
            self.board.version += 1;
            self.note_bare();
        }
        if self.allocations.any_retires() {
            let hosts = &self.hosts;
            let has_hosts = |id: &AllocationId| {
                let is_in = |allocation: &AllocationId| id.is_known_as(allocation);
                hosts.values().any(|host| host.allocation.as_ref().is_none_or(is_in))
            };
            self.allocations.give_back(self.now, has_hosts);
            self.advance_allocations(effects);
        }
    }

    /// Sends a host away that has no engine left.
    pub(super) fn host_may_leave(&mut self, link: LinkId, effects: &mut Vec<Effect>) {
        let engines = &self.engines;
        let Some(host) = self.hosts.get_mut(&link) else { return };
        let empty = host.engines.clone().all(|id| engines.get(EngineId(id)).is_none());
        if empty && !std::mem::replace(&mut host.leaving, true) {
            effects.push(Effect::Send { link, message: Message::Stop });
        }
    }
}
