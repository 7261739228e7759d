//! The answer for programs.

use rpar_core::wire::{About, Group, Reason, TaskState};
use serde_json::{Value, json};

use crate::command::documents;

/// What is known of one thing.
pub(super) fn about(about: &About) -> Value {
    match about {
        About::Tasks { submission, assigned, waiting } => {
            let group = |group: &Group| json!({ "tasks": group.tasks, "reason": reason(&group.reason) });
            let waiting: Vec<Value> = waiting.iter().map(group).collect();
            json!({ "kind": "tasks", "submission": submission, "assigned": assigned, "waiting": waiting })
        }
        About::Task { submission, record, reason: waits, losses, failure } => {
            let losses = losses.iter().map(|loss| {
                json!({ "node": loss.node, "allocation": loss.allocation, "times": loss.times, "excused": loss.excused })
            });
            json!({
                "kind": "task",
                "submission": submission,
                "task": record.id.0 + 1,
                "state": state(record.state),
                "attempts": record.attempts,
                "engine": record.engine,
                "node": record.node,
                "reason": waits.as_ref().map(reason),
                "losses": losses.collect::<Vec<Value>>(),
                "problem": failure,
            })
        }
        About::Engine { status, remaining_ms, ending } => {
            let left = remaining_ms.map(|left| left as f64 / 1000.0);
            json!({ "kind": "engine", "engine": documents::engine(status), "left_seconds": left, "ending": ending })
        }
        About::Gone(gone) => json!({
            "kind": "gone_engine",
            "engine": gone.id,
            "node": gone.node,
            "allocation": gone.allocation,
            "gone": gone.gone_micros as f64 / 1e6,
            "problem": gone.why,
            "run_again": gone.again,
            "together": gone.together,
        }),
        About::Allocation(allocation) => {
            json!({ "kind": "allocation", "allocation": documents::allocation(allocation) })
        }
    }
}

fn state(state: TaskState) -> &'static str {
    match state {
        TaskState::Queued => "queued",
        TaskState::Assigned => "assigned",
        TaskState::Ended(status) => documents::task_status(status),
    }
}

fn reason(reason: &Reason) -> Value {
    match reason {
        Reason::Others { tasks, first, submissions } => json!({
            "why": "others",
            "tasks": tasks,
            "first": first.map(|first| first.0 + 1),
            "submissions": submissions,
        }),
        Reason::Paused => json!({ "why": "paused" }),
        Reason::Untaken => json!({ "why": "untaken" }),
        Reason::Stopping => json!({ "why": "stopping" }),
        Reason::NoEngine => json!({ "why": "no_engine" }),
        Reason::Lacks(what) => json!({ "why": "lacks", "what": what }),
        Reason::Busy { engines, saved } => json!({ "why": "busy", "engines": engines, "saved": saved }),
    }
}
