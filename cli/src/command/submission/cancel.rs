//! `rpar cancel`.

use std::time::Instant;

use rpar_core::id::TaskId;
use rpar_core::wire::{Runs, RunsBuilder};
use serde_json::json;

use super::super::context::Context;
use super::{ANSWER_WITHIN, LOOK, ended, find, is_over};
use crate::cluster::plural;
use crate::command::arguments::{CancelArguments, Tasks};
use crate::command::exit::Exit;
use crate::command::report::Outcome;

pub(crate) fn run(context: &Context, arguments: &CancelArguments) -> Outcome {
    let (directory, client) = context.client()?;
    let before = find(&client, &directory, arguments.submission)?;
    let tasks = arguments.tasks.as_ref().map(runs);
    client.cancel_submission(arguments.submission, tasks.as_ref(), !arguments.queued, ANSWER_WITHIN)?;
    // what runs has some seconds to end itself; what was not meant goes on
    let until = Instant::now() + ANSWER_WITHIN;
    let all = arguments.tasks.is_none() && !arguments.queued;
    let mut after = find(&client, &directory, arguments.submission)?;
    while all && !is_over(&after) && !after.open && Instant::now() < until {
        std::thread::sleep(LOOK);
        after = find(&client, &directory, arguments.submission)?;
    }
    let (done, left) = (ended(&after) - ended(&before).min(ended(&after)), after.tasks - ended(&after));
    if context.output.json {
        context
            .output
            .document(json!({ "submission": after.id, "ended_tasks": done, "left_tasks": left }))?;
    } else {
        context.output.note(&format!(
            "submission {}: {} ended since, {left} of {} left",
            arguments.submission,
            plural(done, "task"),
            after.tasks
        ));
    }
    Ok(Exit::Ok)
}

fn runs(tasks: &Tasks) -> Runs {
    let mut runs = RunsBuilder::default();
    for (first, last) in &tasks.0 {
        let (mut first, mut left) = (TaskId(first - 1), last - first + 1);
        while left > 0 {
            let count = u32::try_from(left).unwrap_or(u32::MAX);
            runs.push_run(first, count);
            (first, left) = (TaskId(first.0.saturating_add(count as u64)), left - count as u64);
        }
    }
    runs.finish()
}
