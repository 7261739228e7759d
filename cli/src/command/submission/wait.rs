//! `rpar wait`.

use std::time::Instant;

use rpar_core::id::SubmissionId;
use rpar_core::wire::{ClusterStatus, SubmissionStatus};
use rpar_runtime::client::Client;
use serde_json::{Value, json};

use super::super::context::Context;
use super::super::documents;
use super::{ANSWER_WITHIN, LOOK, ended, is_over, one};
use crate::cluster::plural;
use crate::command::arguments::WaitArguments;
use crate::command::exit::Exit;
use crate::command::interrupt::Interrupts;
use crate::command::output::Progress;
use crate::command::report::{Outcome, Report};
use crate::paths::ClusterDir;

pub(crate) fn run(context: &Context, arguments: &WaitArguments) -> Outcome {
    let (directory, client) = context.client()?;
    let interrupts = Interrupts::watch(|_| {})?;
    let mut progress = Progress::new(&context.output, false, false);
    let until = arguments.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let mut status = client.status(None, ANSWER_WITHIN)?;
    let ids = match arguments.submissions.is_empty() {
        true => status.submissions.iter().map(|one| one.id).collect(),
        false => arguments.submissions.clone(),
    };
    let submissions = loop {
        let waited = all(&status, &directory, &ids)?;
        if waited.iter().all(is_over) {
            break waited;
        }
        let sum = |count: fn(&SubmissionStatus) -> u64| waited.iter().map(count).sum::<u64>();
        progress.count(sum(ended), sum(|one| one.tasks), Some(sum(|one| one.tasks)), "");
        if until.is_some_and(|until| Instant::now() >= until) {
            progress.clear();
            let tasks = plural(sum(|one| one.tasks), "task");
            let what = format!("{} of {tasks} ended in that time", sum(ended));
            return Err(Report::new(Exit::NotOver, what).hint("the work goes on: wait again, or cancel it"));
        }
        status = newer(&client, &interrupts)?;
    };
    progress.clear();
    if context.output.json {
        let documents: Vec<Value> =
            submissions.iter().map(|one| documents::submission(one, status.paused)).collect();
        context.output.document(json!({ "submissions": documents }))?;
    }
    let failed = submissions.iter().map(|one| one.failed).sum();
    if failed > 0 {
        let tasks = plural(submissions.iter().map(|one| one.tasks).sum(), "task");
        let mut those = submissions.iter().filter(|one| one.failed > 0).map(|one| one.id);
        let id = match (those.next(), those.next()) {
            (Some(id), None) => id.to_string(),
            _ => "ID".to_owned(),
        };
        let hint = directory.command(&format!("tasks {id} --state failed"));
        context.output.note(&format!("{failed} of {tasks} failed: {hint} lists them"));
    }
    Ok(if failed > 0 { Exit::Failed(failed) } else { Exit::Ok })
}

fn all(
    status: &ClusterStatus,
    directory: &ClusterDir,
    ids: &[SubmissionId],
) -> Outcome<Vec<SubmissionStatus>> {
    ids.iter().map(|id| one(status, directory, *id)).collect()
}

/// The status a moment later.
fn newer(client: &Client, interrupts: &Interrupts) -> Outcome<ClusterStatus> {
    std::thread::sleep(LOOK);
    match interrupts.pending() {
        Some(signal) => Err(Report::silent(Exit::Signal(signal))),
        None => Ok(client.status(None, ANSWER_WITHIN)?),
    }
}
