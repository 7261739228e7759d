//! `rpar tasks`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rpar_core::id::{SubmissionId, TaskId};
use rpar_core::profile::duration;
use rpar_core::task::TaskStatus;
use rpar_core::wire::{ClusterStatus, TaskRecord, TaskState};
use rpar_runtime::client::Client;
use serde_json::{Value, json};

use super::super::context::Context;
use super::super::documents;
use super::arguments_file::Arguments;
use super::{ANSWER_WITHIN, find, state};
use crate::command::arguments::{State, TasksArguments};
use crate::command::exit::Exit;
use crate::command::output::{Table, json_line};
use crate::command::report::Outcome;
use crate::paths::ClusterDir;

pub(crate) fn run(context: &Context, arguments: &TasksArguments) -> Outcome {
    let (directory, client) = context.client()?;
    match arguments.submission {
        None => submissions(context, &directory, &client.status(None, ANSWER_WITHIN)?),
        Some(id) => tasks(context, &directory, &client, id, arguments),
    }
}

fn submissions(context: &Context, directory: &ClusterDir, status: &ClusterStatus) -> Outcome {
    if context.output.json {
        let documents: Vec<Value> =
            status.submissions.iter().map(|one| documents::submission(one, status.paused)).collect();
        context.output.document(json!({ "submissions": documents, "paused": status.paused }))?;
        return Ok(Exit::Ok);
    }
    if status.submissions.is_empty() {
        context.output.note("nothing was submitted to outlive its client: see `rpar submit --help`");
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(["ID", "STATE", "TASKS", "QUEUED", "ASSIGNED", "OK", "FAILED", "AGE", "NAME"]);
    for one in &status.submissions {
        table.row([
            one.id.to_string(),
            state(one, status.paused).into(),
            one.tasks.to_string(),
            one.queued.to_string(),
            one.assigned.to_string(),
            one.succeeded.to_string(),
            one.failed.to_string(),
            duration::clock(since(one.opened_micros)),
            one.name.clone(),
        ]);
    }
    context.output.answer(&table.render(context.output.colors_stdout()))?;
    if status.paused {
        let forget = directory.command("results ID --forget");
        context.output.warn(&format!(
            "results fill what the controller keeps of them: {forget} prints some and lets go of them"
        ));
    }
    Ok(Exit::Ok)
}

fn since(micros: u64) -> Duration {
    let then = UNIX_EPOCH + Duration::from_micros(micros);
    SystemTime::now().duration_since(then).unwrap_or_default()
}

fn tasks(
    context: &Context,
    directory: &ClusterDir,
    client: &Client,
    id: SubmissionId,
    wanted: &TasksArguments,
) -> Outcome {
    find(client, directory, id)?;
    let mut arguments = Arguments::of(directory, id);
    let mut table = Table::new(["TASK", "STATE", "TRIES", "ENGINE", "NODE", "SECONDS", "ARGUMENT"]);
    let (mut from, mut shown, mut more) = (Some(TaskId(0)), 0, false);
    while let Some(start) = from {
        let page = client.list_tasks(id, start, ANSWER_WITHIN)?;
        from = page.next;
        for task in page.tasks.iter().filter(|task| is_wanted(task, &wanted.state)) {
            if shown == wanted.limit {
                (from, more) = (None, true);
                break;
            }
            shown += 1;
            let argument = String::from_utf8_lossy(&arguments.of_task(task.id.0)).into_owned();
            if context.output.json {
                context.output.answer(&json_line(document(task, &argument)))?;
            } else {
                table.row(row(task, argument));
            }
        }
    }
    if !context.output.json {
        context.output.answer(&table.render(context.output.colors_stdout()))?;
    }
    if more {
        context
            .output
            .note(&format!("the first {shown} are shown: --limit N shows more, --state picks some"));
    }
    Ok(Exit::Ok)
}

fn is_wanted(task: &TaskRecord, states: &[State]) -> bool {
    let state = match task.state {
        TaskState::Queued => State::Queued,
        TaskState::Assigned => State::Assigned,
        TaskState::Ended(TaskStatus::Ok) => State::Ok,
        TaskState::Ended(_) => State::Failed,
    };
    states.is_empty() || states.contains(&state)
}

fn word(state: TaskState) -> &'static str {
    match state {
        TaskState::Queued => "queued",
        TaskState::Assigned => "assigned",
        TaskState::Ended(status) => documents::task_status(status),
    }
}

fn row(task: &TaskRecord, argument: String) -> [String; 7] {
    let ended = matches!(task.state, TaskState::Ended(_));
    let seconds = ended.then(|| format!("{:.3}", Duration::from_micros(task.ran_micros).as_secs_f64()));
    [
        (task.id.0 + 1).to_string(),
        word(task.state).replace('_', " "),
        task.attempts.to_string(),
        task.engine.map_or_else(|| "-".into(), |engine| engine.to_string()),
        task.node.clone().unwrap_or_else(|| "-".into()),
        seconds.unwrap_or_else(|| "-".into()),
        argument.replace('\n', " "),
    ]
}

fn document(task: &TaskRecord, argument: &str) -> Value {
    let ended = task.ended_micros.map(|micros| UNIX_EPOCH + Duration::from_micros(micros));
    let ran = Duration::from_micros(task.ran_micros);
    json!({
        "task": task.id.0 + 1,
        "state": word(task.state),
        "attempts": task.attempts,
        "engine": task.engine,
        "node": task.node,
        "started": ended.and_then(|ended| ended.checked_sub(ran)).map(documents::seconds),
        "ended": ended.map(documents::seconds),
        "seconds": ended.map(|_| ran.as_secs_f64()),
        "argument": argument,
    })
}
