//! What the machine tells of itself.

use std::collections::{BTreeMap, VecDeque};

use super::Controller;
use super::io::Effect;
use super::limits::{ASKS_LIMIT, PROBLEM_BYTES, PROBLEMS_LIMIT};
use crate::id::{EngineId, LinkId};
use crate::wire::{ClusterStatus, ControllerStatus, EngineStatus, Message, NodeStatus, TaskCounts};

/// What the status needs beside the machine's parts.
#[derive(Debug, Default)]
pub(super) struct Board {
    /// Grows with every change of engines, allocations and problems.
    pub(super) version: u64,
    pub(super) problems: VecDeque<String>,
    pub(super) succeeded: u64,
    pub(super) failed: u64,
}

impl Controller {
    /// The cluster as it is now.
    pub fn status(&self) -> ClusterStatus {
        let engines = self.engines.iter().filter_map(|(id, engine)| {
            let host = self.hosts.get(&engine.host)?;
            Some(EngineStatus {
                id,
                node: host.node.to_string(),
                pid: host.pid,
                allocation: host.allocation.clone(),
                assigned: engine.assigned + engine.relays,
                completed: engine.completed,
                retiring: engine.retiring,
            })
        });
        let mut there: BTreeMap<Option<usize>, u32> = BTreeMap::new();
        for host in self.hosts.values() {
            let ids = host.engines.clone().map(EngineId);
            let count = ids.filter(|id| self.engines.get(*id).is_some()).count() as u32;
            *there.entry(self.allocations.place(host.allocation.as_ref())).or_default() += count;
        }
        ClusterStatus {
            version: self.board.version,
            controller: ControllerStatus {
                uptime_seconds: self.now.since(self.started.unwrap_or(self.now)).as_secs(),
                clients: self.clients.len() as u32,
                ..self.config.identity.clone()
            },
            engines_wanted: self.allocations.engines_wanted(there.get(&None).copied().unwrap_or(0)),
            engines_coming: self.engines_coming(),
            engines: engines.collect(),
            nodes: self.nodes(),
            allocations: self
                .allocations
                .status(self.now, |place| there.get(&Some(place)).copied().unwrap_or(0)),
            tasks: TaskCounts {
                waiting: self.tasks.waiting,
                queued: self.tasks.queued,
                assigned: self.tasks.assigned,
                succeeded: self.board.succeeded,
                failed: self.board.failed,
            },
            submissions: self.submission_status(),
            paused: self.submissions.paused,
            problems: self.board.problems.iter().cloned().collect(),
        }
    }

    fn nodes(&self) -> Vec<NodeStatus> {
        let nodes = self.hosts.values().map(|host| NodeStatus {
            node: host.node.to_string(),
            engines: host.engines.clone().filter(|id| self.engines.get(EngineId(*id)).is_some()).count()
                as u32,
            labels: host.labels.iter().cloned().collect(),
            has: host.pool.has().clone(),
            taken: host.pool.taken(),
        });
        let mut nodes: Vec<NodeStatus> = nodes.filter(|node| node.engines > 0).collect();
        nodes.sort_by(|a, b| a.node.cmp(&b.node));
        nodes
    }

    /// Takes note of something that went wrong, and tells everybody.
    pub(super) fn problem(&mut self, text: &str, effects: &mut Vec<Effect>) {
        let text = shortened(text);
        self.board.version += 1;
        if self.board.problems.len() == PROBLEMS_LIMIT {
            self.board.problems.pop_front();
        }
        self.board.problems.push_back(text.clone());
        effects.push(Effect::Log { text: text.replace('\n', " | ") });
        for link in self.clients.keys() {
            effects.push(Effect::Send { link: *link, message: Message::Notice { text: text.clone() } });
        }
    }

    /// Answers a question, now or once the status is newer.
    pub(super) fn ask(
        &mut self,
        link: LinkId,
        question: u32,
        after: Option<u64>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        match after {
            Some(version) if version >= self.board.version => {
                let Some(client) = self.clients.get_mut(&link) else { return Ok(()) };
                if client.asks.len() >= ASKS_LIMIT {
                    return Err(format!("more than {ASKS_LIMIT} questions wait for a newer status"));
                }
                client.asks.push((question, version));
            }
            _ => {
                let message = Message::Status { question, status: Box::new(self.status()) };
                effects.push(Effect::Send { link, message });
            }
        }
        Ok(())
    }

    /// Answers the questions that waited for a change.
    pub(super) fn answer(&mut self, effects: &mut Vec<Effect>) {
        let version = self.board.version;
        let mut due = Vec::new();
        for (link, client) in &mut self.clients {
            client.asks.retain(|(question, after)| {
                let waits = *after >= version;
                if !waits {
                    due.push((*link, *question));
                }
                waits
            });
        }
        if due.is_empty() {
            return;
        }
        let status = self.status();
        for (link, question) in due {
            let message = Message::Status { question, status: Box::new(status.clone()) };
            effects.push(Effect::Send { link, message });
        }
    }
}

/// The end of a text that is too long: there is what went wrong.
pub(super) fn shortened(text: &str) -> String {
    let text = text.trim();
    let mut from = text.len().saturating_sub(PROBLEM_BYTES);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text[from..].to_owned()
}
