//! What several commands answer as JSON, in one form. `docs/json.md` describes all documents.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rpar_core::resources::Resources;
use rpar_core::scheduler::AllocationEnd;
use rpar_core::task::TaskStatus;
use rpar_core::wire::{AllocationStatus, ClusterStatus, EngineStatus, NodeStatus, SubmissionStatus};
use serde_json::{Value, json};

use super::engines::{engine_state, running_and_queued};
use super::submission;
use crate::cluster::state_word;

/// A cluster: the answer of `status`, and of `start`.
pub(crate) fn cluster(status: &ClusterStatus) -> Value {
    let controller = &status.controller;
    let submissions = status.submissions.iter().map(|one| submission(one, status.paused));
    json!({
        "cluster": controller.cluster,
        "controller": {
            "host": controller.host,
            "pid": controller.pid,
            "version": controller.build,
            "up_seconds": controller.uptime_seconds,
            "clients": controller.clients,
        },
        "engines": status.engines.iter().map(engine).collect::<Vec<Value>>(),
        "engines_wanted": status.engines_wanted,
        "engines_coming": status.engines_coming,
        "nodes": status.nodes.iter().map(node).collect::<Vec<Value>>(),
        "allocations": status.allocations.iter().map(allocation).collect::<Vec<Value>>(),
        "tasks": status.tasks,
        "submissions": submissions.collect::<Vec<Value>>(),
        "paused": status.paused,
        "problems": status.problems,
    })
}

/// An engine.
pub(crate) fn engine(engine: &EngineStatus) -> Value {
    let (running, queued) = running_and_queued(engine);
    json!({
        "engine": engine.id,
        "node": engine.node,
        "pid": engine.pid,
        "allocation": engine.allocation,
        "state": engine_state(engine),
        "running": running,
        "queued": queued,
        "done": engine.completed,
    })
}

fn node(node: &NodeStatus) -> Value {
    json!({
        "node": node.node,
        "engines": node.engines,
        "labels": node.labels,
        "has": resources(&node.has),
        "taken": resources(&node.taken),
    })
}

fn resources(resources: &Resources) -> Value {
    json!({
        "cpus": resources.cpus,
        "gpus": resources.gpus,
        "memory_bytes": resources.memory_bytes,
        "custom": resources.custom,
    })
}

pub(crate) fn allocation(allocation: &AllocationStatus) -> Value {
    let state = &allocation.state;
    let (exit, signal) = match state.end {
        Some(AllocationEnd::Exit(status)) => (Some(status), None),
        Some(AllocationEnd::Signal(number)) => (None, Some(number)),
        _ => (None, None),
    };
    json!({
        "allocation": allocation.id,
        "state": state_word(allocation),
        "reason": state.reason,
        "nodes": allocation.nodes,
        "elements": state.elements.map(|elements| {
            json!({ "waiting": elements.waiting, "running": elements.running, "ended": elements.ended })
        }),
        "node_names": state.nodes,
        "engines": allocation.engines,
        "engines_wanted": allocation.engines_wanted,
        "elapsed_seconds": state.elapsed.map(|elapsed| elapsed.as_secs_f64()),
        "left_seconds": state.remaining.map(|left| left.as_secs_f64()),
        "start": state.start,
        "end": state.end.map(ended),
        "exit": exit,
        "signal": signal,
        "problem": allocation.problem,
    })
}

/// How an allocation has ended, in a word.
fn ended(end: AllocationEnd) -> &'static str {
    match end {
        AllocationEnd::Exit(_) => "exit",
        AllocationEnd::Signal(_) => "signal",
        AllocationEnd::Walltime => "walltime",
        AllocationEnd::Cancelled => "cancelled",
        AllocationEnd::NodeFailed => "node_failed",
    }
}

/// A submission.
pub(crate) fn submission(one: &SubmissionStatus, paused: bool) -> Value {
    json!({
        "submission": one.id,
        "name": one.name,
        "state": submission::state(one, paused),
        "opened": seconds(UNIX_EPOCH + Duration::from_micros(one.opened_micros)),
        "tasks": one.tasks,
        "queued": one.queued,
        "assigned": one.assigned,
        "succeeded": one.succeeded,
        "failed": one.failed,
        "forgotten": one.forgotten,
        "kept_bytes": one.kept_bytes,
        "open": one.open,
    })
}

/// What became of a task, in a word.
pub(crate) fn task_status(status: TaskStatus) -> &'static str {
    match status {
        TaskStatus::Ok => "ok",
        TaskStatus::Failed => "failed",
        TaskStatus::TimedOut => "timed_out",
        TaskStatus::Cancelled => "cancelled",
        TaskStatus::Crashed => "crashed",
        TaskStatus::Lost => "lost",
        TaskStatus::Unplaced => "unplaced",
    }
}

/// A time: seconds since 1970.
pub(crate) fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
