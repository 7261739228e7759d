//! `rpar logs`.

mod log;
mod tasks;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use self::log::{Log, name};
use super::context::Context;
use crate::cluster::ClusterState;
use crate::command::arguments::LogsArguments;
use crate::command::exit::Exit;
use crate::command::output::{Output, json_line};
use crate::command::report::{Outcome, Report};
use crate::paths::ClusterDir;

/// How often `--follow` looks for more.
const LOOK: Duration = Duration::from_millis(300);

/// How many lines of each log are shown.
const LINES: usize = 40;

/// The most logs that are followed: a file each, and a process may have 1024 of them as a rule.
const FOLLOWED: usize = 512;

pub(crate) fn run(context: &Context, arguments: &LogsArguments) -> Outcome {
    let directory = context.directory()?;
    if !directory.path.is_dir() {
        return Err(context.not_running(&directory));
    }
    if let Some(task) = arguments.task {
        return tasks::run(context, &directory, task, arguments);
    }
    let wanted = arguments.name.as_deref();
    let found = files(&directory, wanted);
    if found.is_empty() && !arguments.follow {
        return Err(no_log(&directory, wanted));
    }
    let mut shower = Shower { output: context.output, last: None };
    let mut logs = BTreeMap::new();
    for path in found {
        let mut log = Log::open(&path);
        let text = log.last_lines(arguments.lines.unwrap_or(LINES));
        shower.show(&log.name(), &text)?;
        if arguments.follow && logs.len() < FOLLOWED {
            logs.insert(path, log);
        }
    }
    if arguments.follow { follow(context, &directory, wanted, &mut logs, &mut shower) } else { Ok(Exit::Ok) }
}

fn no_log(directory: &ClusterDir, wanted: Option<&str>) -> Report {
    let what = wanted.map_or_else(String::new, |name| format!(" whose name contains `{name}`"));
    let report = Report::new(Exit::Files, format!("no log{what} in {}", directory.logs().display()));
    let known = log_names(directory);
    if known.is_empty() { report } else { report.hint(format!("there are {}", known.join(", "))) }
}

/// Shows what comes until the cluster has ended.
fn follow(
    context: &Context,
    directory: &ClusterDir,
    wanted: Option<&str>,
    logs: &mut BTreeMap<PathBuf, Log>,
    shower: &mut Shower,
) -> Outcome {
    let mut told = false;
    loop {
        std::thread::sleep(LOOK);
        // before the last lines are read
        let over = !directory.path.is_dir();
        for path in files(directory, wanted) {
            if let Some(log) = logs.get_mut(&path) {
                if log.is_replaced() {
                    shower.show(&log.name(), &log.more(true))?;
                    *log = Log::open(&path);
                }
            } else if logs.len() < FOLLOWED {
                logs.insert(path.clone(), Log::open(&path));
            }
        }
        for log in logs.values_mut() {
            shower.show(&log.name(), &log.more(over))?;
        }
        if over {
            context.output.note(&format!("cluster {} has ended", directory.cluster()));
            return Ok(Exit::Ok);
        }
        let dead = matches!(directory.state(), Ok(ClusterState::Dead));
        if dead && !told {
            let (cluster, stop) = (directory.cluster(), directory.command("stop"));
            context.output.warn(&format!(
                "the controller of cluster {cluster} has died: its engines end by themselves, {stop} cleans up"
            ));
        }
        told = dead;
    }
}

/// What the logs of a cluster are called, the controller's first.
pub(crate) fn log_names(directory: &ClusterDir) -> Vec<String> {
    files(directory, None).iter().map(|path| name(path)).collect()
}

/// The logs' files, the controller's first.
fn files(directory: &ClusterDir, wanted: Option<&str>) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory.logs()).into_iter().flatten().flatten().map(|entry| entry.path());
    let named = |path: &Path| wanted.is_none_or(|wanted| name(path).contains(wanted));
    let mut files: Vec<PathBuf> = entries.filter(|path| path.is_file() && named(path)).collect();
    files.sort_by_key(|path| (name(path) != "controller", path.clone()));
    files
}

/// Shows parts of logs, each under its log's name.
struct Shower {
    output: Output,
    /// The log that the last part was of.
    last: Option<String>,
}

impl Shower {
    fn show(&mut self, name: &str, text: &[u8]) -> Result<(), Report> {
        if text.is_empty() {
            return Ok(());
        }
        if self.output.json {
            let document =
                |line: &[u8]| json_line(json!({ "log": name, "line": String::from_utf8_lossy(line) }));
            let lines = text.strip_suffix(b"\n").unwrap_or(text).split(|byte| *byte == b'\n').map(document);
            return self.output.answer(&lines.collect::<String>());
        }
        if self.last.as_deref() != Some(name) {
            self.output.answer(&format!("==> {name} <==\n"))?;
            self.last = Some(name.to_owned());
        }
        self.output.bytes(text)?;
        if text.last() == Some(&b'\n') { Ok(()) } else { self.output.answer("\n") }
    }
}
