//! The controller's shell.

use rpar_core::controller::{Effect, Input};

use super::net::To;
use super::world::{Actor, World};

impl World {
    pub(super) fn step_controller(&mut self, input: Input) {
        let Some(controller) = self.controller.as_mut() else { return };
        let mut effects = Vec::new();
        controller.step(self.now, input, &mut effects);
        controller.check();
        self.summary.steps += 1;
        let deadline = controller.deadline();
        effects.into_iter().for_each(|effect| self.controller_does(effect));
        if self.controller.is_some() {
            self.arm(Actor::Controller, deadline);
        }
    }

    fn controller_does(&mut self, effect: Effect) {
        assert!(self.controller.is_some(), "an effect after the exit: {effect:?}");
        match effect {
            Effect::Send { link, message } => {
                if self.net.links.get(&link).is_some_and(|link| link.controller_open) {
                    self.send(link, To::Peer, &message);
                }
            }
            Effect::Close { link, reason } => {
                self.trace.line(self.now, || format!("controller closes link {link}: {reason}"));
                let Some(peer) = self.net.links.get(&link) else { return };
                // nobody here misbehaves: a link is closed for its silence, because all ends, because a host was told to
                // leave and says goodbye, or because the site says that its nodes are not ours any more
                let left = reason.starts_with("the peer left: ") || reason.ends_with(" has ended");
                let ends = self.stopping.is_some() || self.scenario.config.ephemeral;
                let excused = peer.watch.stalled || ends || left;
                assert!(excused, "the controller closes a healthy link: {reason}");
                self.close(link, To::Controller, &reason);
            }
            Effect::Log { text } => self.trace.line(self.now, || format!("controller logs: {text}")),
            Effect::Exit { reason } => self.controller_exits(&reason),
            effect => self.site_is_asked(effect),
        }
    }

    fn controller_exits(&mut self, reason: &str) {
        self.trace.line(self.now, || format!("controller exits: {reason}"));
        assert!(
            self.stopping.is_some() || self.scenario.config.ephemeral,
            "the controller left unasked: {reason}"
        );
        self.controller = None;
        self.exited = Some(self.now);
        let open: Vec<_> =
            self.net.links.iter().filter(|(_, link)| link.controller_open).map(|(id, _)| *id).collect();
        open.into_iter().for_each(|link| self.close(link, To::Controller, "the controller is gone"));
    }
}
