//! `rpar logs --task`: what the tasks of a submission have written, as far as it is in files.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use rpar_core::id::{SubmissionId, TaskId};
use rpar_core::wire::TaskState;
use rpar_runtime::client::Client;
use rpar_runtime::files::task_outputs;

use super::log::Log;
use super::{FOLLOWED, LOOK, Shower};
use crate::command::arguments::{LogsArguments, OneOrAll};
use crate::command::context::Context;
use crate::command::exit::Exit;
use crate::command::report::{Outcome, Report};
use crate::command::submission::{ANSWER_WITHIN, find, is_over};
use crate::paths::ClusterDir;

pub(super) fn run(
    context: &Context,
    directory: &ClusterDir,
    wanted: OneOrAll,
    arguments: &LogsArguments,
) -> Outcome {
    let mut shower = Shower { output: context.output, last: None };
    if arguments.follow {
        return follow(context, directory, wanted, arguments.lines, &mut shower);
    }
    let found = files(directory, wanted);
    if found.is_empty() {
        let (_, client) = context.client()?;
        known(&client, directory, wanted)?;
        return Err(nothing(directory, wanted));
    }
    for ((task, stream), path) in found {
        let (name, mut log) = (name(wanted, task, &stream), Log::open(&path));
        show_first(&mut shower, &name, &mut log, arguments.lines)?;
        while shown(&mut shower, &name, &log.more(true))? {}
    }
    Ok(Exit::Ok)
}

/// Shows what comes until these tasks have ended.
fn follow(
    context: &Context,
    directory: &ClusterDir,
    wanted: OneOrAll,
    lines: Option<usize>,
    shower: &mut Shower,
) -> Outcome {
    let (_, client) = context.client()?;
    known(&client, directory, wanted)?;
    let mut logs = BTreeMap::new();
    let mut left_out = false;
    loop {
        // before the last lines are read
        let over = has_ended(&client, directory, wanted)?;
        for (file, path) in files(directory, wanted) {
            let name = name(wanted, file.0, &file.1);
            let full = logs.len() >= FOLLOWED;
            match logs.get_mut(&file) {
                None if full => left_out = true,
                None => {
                    let mut log = Log::open(&path);
                    show_first(shower, &name, &mut log, lines)?;
                    logs.insert(file, log);
                }
                Some(log) if log.is_replaced() => {
                    while shown(shower, &name, &log.more(true))? {}
                    *log = Log::open(&path);
                }
                Some(_) => {}
            }
        }
        let mut any = false;
        for ((task, stream), log) in &mut logs {
            any |= shown(shower, &name(wanted, *task, stream), &log.more(over))?;
        }
        if over && !any {
            break;
        }
        if !any {
            std::thread::sleep(LOOK);
        }
    }
    if logs.is_empty() {
        context.output.note(&hint(directory, wanted));
    } else if left_out {
        context
            .output
            .warn(&format!("these are {FOLLOWED} of the files; --task ID.N shows those of one task"));
    }
    Ok(Exit::Ok)
}

/// The tasks' files: which task and stream, and where.
fn files(directory: &ClusterDir, wanted: OneOrAll) -> BTreeMap<(u64, String), PathBuf> {
    let entries = fs::read_dir(task_outputs(&directory.path, wanted.submission)).into_iter().flatten();
    let file = |entry: fs::DirEntry| {
        let name = entry.file_name();
        let (task, stream) = name.to_str()?.split_once('.')?;
        let task = task.parse().ok()?;
        let own = wanted.task.is_none_or(|wanted| wanted == task);
        own.then(|| ((task, stream.to_owned()), entry.path()))
    };
    entries.flatten().filter_map(file).collect()
}

fn name(wanted: OneOrAll, task: u64, stream: &str) -> String {
    format!("{}.{task}.{stream}", wanted.submission)
}

fn show_first(shower: &mut Shower, name: &str, log: &mut Log, lines: Option<usize>) -> Outcome<()> {
    match lines {
        Some(lines) => shower.show(name, &log.last_lines(lines)),
        None => Ok(()),
    }
}

/// Whether there was something to be shown.
fn shown(shower: &mut Shower, name: &str, text: &[u8]) -> Outcome<bool> {
    shower.show(name, text)?;
    Ok(!text.is_empty())
}

/// Who asks for what never was is told so.
fn known(client: &Client, directory: &ClusterDir, wanted: OneOrAll) -> Outcome<()> {
    let submission = find(client, directory, wanted.submission)?;
    match wanted.task {
        Some(task) if task > submission.tasks && !submission.open => {
            let what = format!(
                "submission {} has {} tasks, and no task {task}",
                wanted.submission, submission.tasks
            );
            Err(Report::new(Exit::NoSubmission, what))
        }
        _ => Ok(()),
    }
}

/// Whether they write nothing more. What is not listed was forgotten.
fn has_ended(client: &Client, directory: &ClusterDir, wanted: OneOrAll) -> Outcome<bool> {
    let submission = match find(client, directory, wanted.submission) {
        Err(report) if report.exit == Exit::NoSubmission => return Ok(true),
        found => found?,
    };
    let Some(task) = wanted.task.filter(|task| *task <= submission.tasks) else {
        return Ok(is_over(&submission));
    };
    let id = TaskId(task - 1);
    let page = client.list_tasks(wanted.submission, id, ANSWER_WITHIN)?;
    let record = page.tasks.first().filter(|record| record.id == id);
    Ok(record.is_none_or(|record| matches!(record.state, TaskState::Ended(_))))
}

fn nothing(directory: &ClusterDir, wanted: OneOrAll) -> Report {
    let OneOrAll { submission, task } = wanted;
    let whose =
        task.map_or_else(|| format!("submission {submission}"), |task| format!("task {submission}.{task}"));
    Report::new(Exit::Files, format!("nothing that {whose} wrote is in a file")).hint(hint(directory, wanted))
}

fn hint(directory: &ClusterDir, OneOrAll { submission, .. }: OneOrAll) -> String {
    format!(
        "what a task writes is in a file once it is more than 256 KiB, or at once with `rpar submit --live`; the rest comes with {}",
        results(directory, submission)
    )
}

fn results(directory: &ClusterDir, id: SubmissionId) -> String {
    directory.command(&format!("results {id}"))
}
