//! Tasks that may not run again although their engine was lost; some have lost so many that they are the cause.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Controller;
use super::accounts::Owner;
use super::batch::Batch;
use super::delivery::Last;
use super::io::Effect;
use super::limits::LOST_NODES_LIMIT;
use super::ready::Range;
use crate::id::EngineId;
use crate::task::TaskStatus;

/// On which nodes the engines of a batch's tasks were lost.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// By the task's index, the latest last.
    nodes: BTreeMap<u32, Vec<Arc<str>>>,
}

impl Losses {
    /// Takes note of one; of several nodes the latest few are kept, each once.
    pub(super) fn note(&mut self, index: u32, node: &Arc<str>) {
        let nodes = self.nodes.entry(index).or_default();
        nodes.retain(|known| known != node);
        if nodes.len() == LOST_NODES_LIMIT {
            nodes.remove(0);
        }
        nodes.push(Arc::clone(node));
    }

    /// Those of a task.
    pub(super) fn nodes(&self, index: u32) -> &[Arc<str>] {
        self.nodes.get(&index).map_or(&[], |nodes| nodes)
    }

    /// Forgets tasks.
    pub(super) fn retain(&mut self, is_kept: impl Fn(u32) -> bool) {
        self.nodes.retain(|index, _| is_kept(*index));
    }
}

impl Controller {
    /// Ends tasks that an engine on this node had when it was lost, and tells of those that are given up.
    pub(super) fn end_lost(
        &mut self,
        lost: &[(EngineId, Range)],
        node: &Arc<str>,
        reason: &str,
        effects: &mut Vec<Effect>,
    ) {
        let (mut first, mut others) = (None, 0);
        for (id, range) in lost {
            let Some(batch) = self.tasks.batch(range.first) else { continue };
            let Some(position) = batch.positions(range.from, range.to).next() else { continue };
            let (rerun, attempts) = (batch.origin.options.rerun, batch.at(position).attempt);
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
            let why =
                format!("engine {id} on node {node} was lost while it had this task ({reason}); {then}");
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
    let nodes = batch.lost_on(batch.index(position));
    let more = nodes.len() == LOST_NODES_LIMIT && usize::from(losses) > LOST_NODES_LIMIT;
    let at = if more { "the last of them on" } else { "on" };
    let attempts = match losses {
        1 => "1 attempt at it lost its engine".to_owned(),
        _ => format!("{losses} attempts at it lost their engines"),
    };
    format!("{attempts}, {at} {}", nodes.join(", "))
}
