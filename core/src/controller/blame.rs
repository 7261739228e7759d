//! Tasks that may not run again although their engine was lost; some have lost so many that they are the cause.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Controller;
use super::accounts::Owner;
use super::batch::Batch;
use super::cause::Cause;
use super::delivery::Last;
use super::io::Effect;
use super::limits::LOST_NODES_LIMIT;
use super::ready::Range;
use crate::id::{AllocationId, EngineId};
use crate::task::TaskStatus;

/// A task has lost its engine.
#[derive(Clone, Debug)]
pub(super) struct Loss {
    pub(super) node: Arc<str>,
    pub(super) allocation: Option<AllocationId>,
    /// Whether it does not count.
    pub(super) excused: bool,
    /// How often that was so on this node.
    pub(super) times: u16,
}

/// How the engines of a batch's tasks were lost.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// By the task's index, the latest last.
    all: BTreeMap<u32, Vec<Loss>>,
}

impl Losses {
    /// Takes note of one; of several nodes the latest few are kept, each once.
    pub(super) fn note(&mut self, index: u32, mut loss: Loss) {
        let all = self.all.entry(index).or_default();
        let alike = |old: &Loss| {
            (&old.node, &old.allocation, old.excused) == (&loss.node, &loss.allocation, loss.excused)
        };
        if let Some(old) = all.iter().position(alike) {
            loss.times = loss.times.saturating_add(all.remove(old).times);
        } else if all.len() == LOST_NODES_LIMIT {
            all.remove(0);
        }
        all.push(loss);
    }

    /// Those of a task.
    pub(super) fn of(&self, index: u32) -> &[Loss] {
        self.all.get(&index).map_or(&[], |losses| losses)
    }

    /// Those with an allocation do not count; tells the tasks for which they did, and how often.
    pub(super) fn forgive(&mut self, allocation: &AllocationId) -> Vec<(u32, u16)> {
        let mut forgiven = Vec::new();
        for (index, losses) in &mut self.all {
            for loss in
                losses.iter_mut().filter(|loss| !loss.excused && loss.allocation.as_ref() == Some(allocation))
            {
                loss.excused = true;
                forgiven.push((*index, loss.times));
            }
        }
        forgiven
    }

    /// Forgets tasks.
    pub(super) fn retain(&mut self, is_kept: impl Fn(u32) -> bool) {
        self.all.retain(|index, _| is_kept(*index));
    }
}

impl Controller {
    /// Ends tasks that an engine on this node had when it was lost, and tells of those that are given up.
    pub(super) fn end_lost(
        &mut self,
        lost: &[(EngineId, Range)],
        node: &Arc<str>,
        cause: &Cause,
        effects: &mut Vec<Effect>,
    ) {
        let (mut first, mut others) = (None, 0);
        for (id, range) in lost {
            let Some(batch) = self.tasks.batch(range.first) else { continue };
            let Some(position) = batch.positions(range.from, range.to).next() else { continue };
            let (rerun, attempts) = (batch.origin.options.rerun, batch.at(position).attempt);
            let why = match cause {
                Cause::Walltime(whose) => {
                    format!("killed at the walltime of {whose}, on engine {id} of node {node}")
                }
                _ => format!("engine {id} on node {node} was lost while it had this task ({cause})"),
            };
            let then = if rerun {
                let cause = format!("{}: it is not tried again", attempts_that(batch, position));
                match &first {
                    None => first = Some(format!("{} was given up: {cause}", named(batch, range.from))),
                    Some(_) => others += 1,
                }
                cause
            } else {
                "it was submitted as not to be run again".to_owned()
            };
            let why = format!("{why}; {then}");
            self.tasks.assigned -= range.len();
            let attempts = attempts.min(u8::MAX.into()) as u8;
            let last = Last { engine: *id, node: Arc::clone(node), attempts };
            self.end_all(&[*range], TaskStatus::Lost, Some(last), &why, effects);
        }
        if let Some(first) = first {
            let more = if others == 0 { String::new() } else { format!("; so were {others} others") };
            self.problem(&format!("{first}{more}"), effects);
        }
    }
}

/// Queued tasks in parts: those whose next loss is their last, and the others.
pub(super) fn by_last_try(batch: &Batch, range: Range, attempts_limit: u16) -> Vec<(Range, bool)> {
    let mut parts: Vec<(Range, bool)> = Vec::new();
    for position in batch.positions(range.from, range.to) {
        let (index, losses) = (batch.index(position), batch.at(position).losses());
        let last_try = batch.origin.options.rerun && losses > 0 && losses + 1 >= attempts_limit;
        match parts.last_mut() {
            Some((part, same)) if *same == last_try => part.to = index + 1,
            _ => parts.push((Range { from: index, to: index + 1, ..range }, last_try)),
        }
    }
    parts
}

/// A task in the words of those who know of it.
fn named(batch: &Batch, index: u32) -> String {
    let number = batch.client_id(index).0.saturating_add(1);
    match batch.origin.owner {
        Owner::Link(_) => format!("task {number} of a client"),
        Owner::Submission(id) => format!("task {number} of submission {id}"),
    }
}

/// How often, and where, a task's engines were lost.
fn attempts_that(batch: &Batch, position: usize) -> String {
    let losses = batch.at(position).losses();
    let known = batch.losses(batch.index(position)).iter();
    let nodes: Vec<&str> = known.filter(|loss| !loss.excused).map(|loss| &*loss.node).collect();
    let more = nodes.len() == LOST_NODES_LIMIT && usize::from(losses) > LOST_NODES_LIMIT;
    let at = if more { "the last of them on" } else { "on" };
    let attempts = match losses {
        1 => "1 attempt at it lost its engine".to_owned(),
        _ => format!("{losses} attempts at it lost their engines"),
    };
    format!("{attempts}, {at} {}", nodes.join(", "))
}
