//! Engines that cannot run functions of some kind, as where the Python interpreter does not start. They fail fast, and
//! would draw ever more tasks: what they refuse goes to the others, if there are any.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Controller;
use super::engine::Engine;
use super::io::Effect;
use super::needs::Needs;
use crate::id::{EngineId, LinkId, TaskId};
use crate::task::{Failure, FunctionKind, TaskStatus};
use crate::time::Timestamp;
use crate::wire::{BULK, Outcomes};

/// How an engine says so of a task.
pub(super) const REFUSED: u8 = TaskStatus::Unplaced as u8;

/// How long an engine is taken at its word: what an interpreter needs may come to be there.
const TIME: Duration = Duration::from_secs(60);

/// What an engine has refused, and when.
#[derive(Debug, Default)]
pub(super) struct Refusals(BTreeMap<FunctionKind, Timestamp>);

impl Refusals {
    /// Takes note of one; whether it is the first of its kind.
    fn add(&mut self, now: Timestamp, kind: FunctionKind) -> bool {
        self.0.insert(kind, now).is_none()
    }

    fn hold(&self, now: Timestamp, kind: FunctionKind) -> bool {
        self.0.get(&kind).is_some_and(|at| now.since(*at) < TIME)
    }
}

impl Engine {
    /// Whether it refuses what is avoided.
    pub(super) fn refuses(&self, now: Timestamp, avoided: Option<FunctionKind>) -> bool {
        avoided.is_some_and(|kind| self.refusals.hold(now, kind))
    }
}

impl Controller {
    /// The kind of a lane's first task, if engines that refuse it are not to get it: there are others.
    pub(super) fn avoids(&self, lane: u32) -> Option<FunctionKind> {
        if !self.refused {
            return None;
        }
        let needs = &self.ready.lane(lane)?.needs;
        let kind = self.functions.get(self.front_function(lane)?)?.function.kind;
        self.any_runs(kind, needs).then_some(kind)
    }

    /// Whether an engine that is to stay, of those that may run a lane's tasks, is not known to refuse this kind.
    pub(super) fn any_runs(&self, kind: FunctionKind, needs: &Needs) -> bool {
        let holds = |engine: &Engine| engine.refusals.hold(self.now, kind);
        let runs = |id| self.engines.stays(id) && self.engines.get(id).is_some_and(|engine| !holds(engine));
        self.engines_for(needs).into_iter().any(runs)
    }

    /// Takes note of what an engine refuses. Where nobody else can run it the task has failed: so says what is returned.
    pub(super) fn note_refusals(
        &mut self,
        link: LinkId,
        id: EngineId,
        outcomes: Outcomes,
        effects: &mut Vec<Effect>,
    ) -> Outcomes {
        if !outcomes.codes.contains(&REFUSED) {
            return outcomes;
        }
        let kind_of = |task: TaskId| {
            let (batch, _) = self.tasks.find(task)?;
            self.functions.get(batch.origin.function).map(|known| known.function.kind)
        };
        let refused =
            outcomes.runs.ids().enumerate().filter(|(at, _)| outcomes.codes.get(*at) == Some(&REFUSED));
        let refused: Vec<(usize, FunctionKind)> =
            refused.filter_map(|(at, task)| Some((at, kind_of(task)?))).collect();
        self.refused = true;
        for (at, kind) in refused {
            let news = self.engines.get_mut(id).is_some_and(|engine| engine.refusals.add(self.now, kind));
            if news && !self.is_known_of_host(link, id, kind) {
                let node = self.hosts.get(&link).map(|host| host.node.clone()).unwrap_or_default();
                let why = message(&outcomes, at);
                self.problem(&format!("{kind:?} tasks cannot run on node {node}: {why}"), effects);
            }
        }
        let failed = |code: &u8| if *code == REFUSED { TaskStatus::Failed as u8 } else { *code };
        Outcomes { codes: outcomes.codes.iter().map(failed).collect(), ..outcomes }
    }

    /// Whether a sibling on the same host has refused it too: told once is enough.
    fn is_known_of_host(&self, link: LinkId, id: EngineId, kind: FunctionKind) -> bool {
        let Some(host) = self.hosts.get(&link) else { return false };
        let siblings = host.engines.clone().map(EngineId).filter(|sibling| *sibling != id);
        let mut engines = siblings.filter_map(|sibling| self.engines.get(sibling));
        engines.any(|engine| engine.refusals.hold(self.now, kind))
    }
}

/// What an outcome says went wrong.
fn message(outcomes: &Outcomes, at: usize) -> String {
    let inline = |length: u32| if length == BULK { 0 } else { length as usize };
    let from: usize = outcomes.batch.lengths.iter().take(at).map(inline).sum();
    let to = from + inline(outcomes.batch.lengths.get(at));
    let failure = outcomes
        .batch
        .payload
        .get(from..to)
        .and_then(|_| Failure::decode(&outcomes.batch.payload.slice(from..to)).ok());
    failure.map_or_else(|| "it did not say why".to_owned(), |failure| failure.message)
}
