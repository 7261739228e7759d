//! Commands as tasks: what is submitted, and how it ended.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use rpar_core::id::EngineId;
use rpar_core::resources::Resources;
use rpar_core::task::{CommandOutcome, CommandSpec, Failure, Live, TaskOptions, TaskStatus};
use rpar_runtime::client::{Client, Defined, Outcome as TaskOutcome};
use serde_json::{Value, json};

use super::context::Context;
use crate::command::arguments::TaskArguments;
use crate::command::documents;
use crate::command::exit::Exit;
use crate::command::report::{Outcome, Report};

/// A shell script, and where and with what it runs.
pub(crate) fn spec(context: &Context, script: String, arguments: &TaskArguments) -> Outcome<CommandSpec> {
    let workdir = match &context.remote {
        Some(_) => text(arguments.workdir.clone().unwrap_or_default())?,
        None => workdir(arguments)?,
    };
    Ok(CommandSpec { script, workdir, environment: environment(&arguments.env)? })
}

/// A command as a function.
pub(crate) fn defined(spec: &CommandSpec) -> Arc<Defined> {
    Defined::new(spec.function())
}

/// A controller that is well answers in a millisecond.
const STATUS_WITHIN: Duration = Duration::from_secs(5);

/// How many engines the cluster has, or is to have. One, if it does not say: that is a matter of speed alone.
pub(crate) fn engines(client: &Client) -> usize {
    let status = client.status(None, STATUS_WITHIN);
    status.map_or(1, |status| status.engines.len().max(status.engines_wanted as usize))
}

/// The options of a task, as the user gave them; `live` is when what it writes comes.
pub(crate) fn options(arguments: &TaskArguments, retries: u16, live: Live) -> Arc<TaskOptions> {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let place = &arguments.place;
    Arc::new(TaskOptions {
        retries,
        rerun: !arguments.no_rerun,
        timeout_ms: arguments.timeout.map(millis),
        time_ms: arguments.time.map(millis),
        targets: place.targets.clone().map(|targets| targets.0),
        priority: place.priority,
        labels: place.label.clone(),
        resources: Resources {
            cpus: place.cpus,
            gpus: place.gpus,
            memory_bytes: place.memory.unwrap_or(0),
            custom: place.resource.iter().cloned().collect(),
        },
        live,
        ..TaskOptions::default()
    })
}

fn workdir(arguments: &TaskArguments) -> Outcome<String> {
    let current = std::env::current_dir().map_err(|error| {
        Report::new(Exit::Files, "the current directory is unknown").because(error.to_string())
    })?;
    text(arguments.workdir.as_ref().map_or(current.clone(), |given| current.join(given)))
}

fn text(path: PathBuf) -> Outcome<String> {
    path.into_os_string().into_string().map_err(|path| {
        Report::new(Exit::Usage, format!("the directory {} is not UTF-8", path.to_string_lossy()))
    })
}

fn environment(names: &[String]) -> Outcome<BTreeMap<String, String>> {
    let mut environment = BTreeMap::new();
    for name in names {
        let (name, value) = match name.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (name.as_str(), std::env::var(name).ok()),
        };
        let value = value.ok_or_else(|| {
            let error = format!("--env {name}: there is no variable `{name}` here, or it is not UTF-8");
            Report::new(Exit::Usage, error).hint(format!("--env {name}=VALUE sets it"))
        })?;
        environment.insert(name.to_owned(), value);
    }
    Ok(environment)
}

/// How a command ended, in full.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct End {
    /// What became of the task.
    pub(crate) status: Option<TaskStatus>,
    /// What the command wrote and how it ended, as far as it got.
    pub(crate) command: CommandOutcome,
    /// How much it wrote to stdout.
    pub(crate) stdout_bytes: u64,
    /// Why it did not end well, when that was not the command's own doing.
    pub(crate) message: Option<String>,
    /// Which engine had it last.
    pub(crate) engine: Option<EngineId>,
    /// The node that is on.
    pub(crate) node: Option<Arc<str>>,
    /// How often it was sent to an engine.
    pub(crate) attempts: u8,
    /// When it was submitted, by this host's clock.
    pub(crate) submitted: Option<SystemTime>,
    /// When its last attempt began, by that node's clock.
    pub(crate) started: Option<SystemTime>,
    /// How long it ran.
    pub(crate) ran: Duration,
}

impl End {
    /// Reads what came back.
    pub(crate) fn read(outcome: TaskOutcome) -> Self {
        let (engine, node, ran) = (outcome.engine, outcome.node.clone(), outcome.duration);
        let (attempts, submitted) = (outcome.attempts, Some(outcome.submitted));
        let started = Some(outcome.started());
        End { engine, node, attempts, submitted, started, ran, ..End::interpret(outcome) }
    }

    fn interpret(outcome: TaskOutcome) -> Self {
        let status = Some(outcome.status);
        let broken = |what: String| End { status, message: Some(what), ..End::default() };
        match outcome.status {
            TaskStatus::Ok | TaskStatus::Failed => match CommandOutcome::decode(outcome.payload.clone()) {
                Ok(command) => {
                    let stdout_bytes = command.stdout.len() as u64;
                    End { status, command, stdout_bytes, ..End::default() }
                }
                // a command that could not even be started fails without an outcome of its own
                Err(error) => failure(&outcome.payload, status).unwrap_or_else(|| broken(error.to_string())),
            },
            _ => failure(&outcome.payload, status).unwrap_or_else(|| broken(format!("{:?}", outcome.status))),
        }
    }

    /// Whether it ended well.
    pub(crate) fn ok(&self) -> bool {
        self.status == Some(TaskStatus::Ok)
    }

    /// All of it, for programs.
    pub(crate) fn document(&self) -> Value {
        let ended = self.started.and_then(|started| started.checked_add(self.ran));
        json!({
            "ok": self.ok(),
            "status": self.status.map(documents::task_status),
            "exit": self.command.exit,
            "signal": self.command.signal,
            "problem": if self.ok() { None } else { Some(self.problem()) },
            "engine": self.engine,
            "node": self.node,
            "attempts": self.attempts,
            "submitted": self.submitted.map(documents::seconds),
            "started": self.started.map(documents::seconds),
            "ended": ended.map(documents::seconds),
            "seconds": self.ran.as_secs_f64(),
            "stdout": String::from_utf8_lossy(&self.command.stdout),
            "stderr": String::from_utf8_lossy(&self.command.stderr),
        })
    }

    /// What went wrong, in a few words.
    pub(crate) fn problem(&self) -> String {
        match (&self.message, self.command.exit, self.command.signal) {
            (Some(message), _, _) => message.clone(),
            (None, _, Some(signal)) => format!("killed by {}", rpar_core::signal::told(signal)),
            (None, exit, None) => format!("exit status {}", exit.unwrap_or_default()),
        }
    }

    /// The last line that it wrote to stderr, if any.
    pub(crate) fn last_words(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.command.stderr);
        text.lines().rev().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
    }
}

fn failure(payload: &Bytes, status: Option<TaskStatus>) -> Option<End> {
    let (failure, command) = Failure::decode_with(payload.clone()).ok()?;
    let command = command.unwrap_or_else(|| CommandOutcome {
        exit: failure.exit,
        signal: failure.signal,
        stderr: failure.detail.into(),
        ..CommandOutcome::default()
    });
    let stdout_bytes = command.stdout.len() as u64;
    Some(End { status, command, stdout_bytes, message: Some(failure.message), ..End::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;

    fn outcome(status: TaskStatus, payload: Bytes) -> TaskOutcome {
        let (submitted, ended) = (SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH);
        let (engine, node, duration) = (None, None, Duration::ZERO);
        TaskOutcome {
            status,
            engine,
            node,
            attempts: 1,
            submitted,
            ended,
            duration,
            received: ended,
            payload,
        }
    }

    #[test]
    fn every_end_has_words() {
        let mut payload = BytesMut::new();
        let command =
            CommandOutcome { exit: None, signal: Some(11), stderr: "a\nb\n\n".into(), ..Default::default() };
        command.encode(&mut payload);
        let end = End::read(outcome(TaskStatus::Failed, payload.freeze()));
        assert_eq!(end.problem(), "killed by signal 11 (SIGSEGV)");
        assert_eq!(end.last_words().as_deref(), Some("b"));
        let mut payload = Vec::new();
        let lost = Failure { message: "engine 3 was lost".into(), ..Failure::default() };
        ciborium::into_writer(&lost, &mut payload).unwrap();
        assert_eq!(End::read(outcome(TaskStatus::Lost, payload.into())).problem(), "engine 3 was lost");
        assert!(!End::read(outcome(TaskStatus::Ok, Bytes::from_static(b"x"))).problem().is_empty());
    }
}
