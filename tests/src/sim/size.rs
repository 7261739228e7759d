//! Clients that have the cluster grow and shrink.

use rpar_core::client::Input;
use rpar_core::id::EngineId;
use rpar_core::wire::{Agreement, Change, ClusterStatus, Growth, Portion, Retirees};

use super::scenario::request;
use super::world::World;

impl World {
    /// A client wants more engines, or fewer.
    pub(super) fn resize(&mut self, index: usize) {
        let Some(status) = self.controller.as_ref().map(|controller| controller.status()) else { return };
        let change = if self.rng.percent(50) || status.engines.is_empty() {
            let request = request(&mut self.rng);
            let engines = request.nodes * request.ppn;
            let times = self.rng.pick(&[1, 1, 1, 3]);
            Change::Grow(Growth { portions: vec![Portion { request, times, engines }] })
        } else {
            match self.fewer(&status) {
                Some(change) => change,
                None => return,
            }
        };
        self.trace.line(self.now, || format!("client {index} wants {change:?}"));
        let question = self.question(index);
        self.step_client(index, Input::Change { question, change: Box::new(change) });
    }

    fn fewer(&mut self, status: &ClusterStatus) -> Option<Change> {
        let at = self.rng.below(status.engines.len() as u64) as usize;
        let one = &status.engines[at];
        let allocation = one.allocation.clone().filter(|_| self.rng.percent(30));
        let (retirees, mut gone): (Retirees, Vec<EngineId>) = match (allocation, self.rng.below(2)) {
            (Some(allocation), _) => {
                let theirs =
                    status.engines.iter().filter(|engine| engine.allocation.as_ref() == Some(&allocation));
                let ids = theirs.map(|engine| engine.id).collect();
                (Retirees::Allocation(allocation), ids)
            }
            (None, 0) => {
                let theirs = status.engines.iter().filter(|engine| engine.node == one.node);
                (Retirees::Node(one.node.clone()), theirs.map(|engine| engine.id).collect())
            }
            (None, _) => {
                let ids: Vec<EngineId> =
                    status.engines[at..].iter().take(2).map(|engine| engine.id).collect();
                (Retirees::Engines(ids.clone()), ids)
            }
        };
        gone.extend(status.engines.iter().filter(|engine| engine.retiring).map(|engine| engine.id));
        let stay = status.engines.iter().any(|engine| !gone.contains(&engine.id));
        let now = self.rng.percent(30);
        if now || !stay {
            // tasks are lost, or find no engine: not where all is to be perfect
            if self.scenario.calm {
                return None;
            }
            self.site.disturbed = true;
        }
        Some(Change::Retire { retirees, now })
    }

    /// The controller's answer: nobody here asks for what cannot be, but the cluster may have changed meanwhile.
    pub(super) fn resized(&mut self, index: usize, answer: Result<Agreement, String>) {
        self.trace.line(self.now, || format!("client {index} is answered {answer:?}"));
        let Err(reason) = answer else {
            self.summary.changes += 1;
            return;
        };
        let known = ["no such", "no engine is on", "being stopped", "would have"];
        assert!(known.iter().any(|known| reason.contains(known)), "a change was declined: {reason}");
    }
}
