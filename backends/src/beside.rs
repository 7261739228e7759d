//! Pilots as processes beside the controller: what the schedulers without a queue share.
//!
//! An allocation is a pilot's process and nothing more, so that `/proc` (proc(5)) tells all there is to know about it,
//! also to a later controller: an environment variable marks it, and others say what was granted to it.

mod mark;

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use rpar_core::error::{Action, BackendError, CommandTrace, Retry};
use rpar_core::id::{AllocationId, ClusterTag};
use rpar_core::launcher::{ProcessState, Signal};
use rpar_core::runner::Runner;
use rpar_core::scheduler::{AllocationEnd, AllocationPhase, AllocationRequest, AllocationState, JobScript};

use crate::batch::script_name;
use crate::children::{Children, Start};
use crate::exec::Exec;
use crate::{process, shell};

/// How long a pilot may take to end its engine hosts before it is killed.
const GRACE: Duration = Duration::from_secs(10);
/// How often a process is looked at while its end, or its beginning, is waited for.
const LOOK: Duration = Duration::from_millis(5);
/// How long a started pilot may take until its mark shows; only then can it be found.
const SHOWS_WITHIN: Duration = Duration::from_secs(2);

/// The schedulers whose pilots are such.
const KINDS: [&str; 3] = ["local", "hosts", "here"];

/// The allocation that this process serves, if it is a pilot of one of these schedulers, or the child of one's script.
/// `environment` is its own.
pub fn own_allocation(environment: &BTreeMap<String, String>) -> Option<AllocationId> {
    let own =
        |kind| mark::own(kind, environment).and_then(|pid| Some(id(kind, pid, process::start_time(pid)?)));
    KINDS.into_iter().find_map(own)
}

/// Whether this process is a pilot of that scheduler, or the child of one's script.
pub(crate) fn is_pilot(kind: &str, environment: &BTreeMap<String, String>) -> bool {
    mark::own(kind, environment).is_some()
}

/// The pilots of one kind of scheduler.
#[derive(Debug)]
pub(crate) struct Beside {
    kind: &'static str,
    children: Children,
}

impl Beside {
    pub(crate) fn new(kind: &'static str) -> Self {
        Beside { kind, children: Children::default() }
    }

    pub(crate) fn error(
        &self,
        action: Action,
        reason: String,
        command: Option<CommandTrace>,
    ) -> BackendError {
        BackendError { backend: self.kind.into(), action, retry: Retry::Never, reason, command, hint: None }
    }

    /// What is run for a request, with what `granted` says in the pilot's environment.
    pub(crate) fn preview(&self, request: &AllocationRequest, granted: &[(&str, String)]) -> JobScript {
        // bash only where a user's lines may need it: small machines have none
        let name = if request.setup.is_empty() && request.script.is_none() { "sh" } else { "bash" };
        let text = request.script.clone().unwrap_or_else(|| {
            let directory = shell::quote(&request.directory.to_string_lossy());
            let setup = request.setup.iter().map(|line| format!("{line}\n")).collect::<String>();
            format!(
                "#!/usr/bin/env {name}\ncd {directory} || exit 1\n{setup}exec {}\n",
                shell::join(&request.pilot)
            )
        });
        let mark = format!("export {}=\"$1:$$\"; shift; exec \"$@\"", mark::name(self.kind));
        let script = ["sh", "-c", &mark, "sh", &request.tag.0, name, &script_name(&request.tag)];
        let granted = granted.iter().map(|(name, value)| format!("{name}={value}"));
        let argv = std::iter::once("env".to_owned()).chain(granted).chain(script.map(str::to_owned));
        JobScript { argv: argv.collect(), text }
    }

    /// Starts a pilot.
    pub(crate) async fn submit(
        &self,
        request: &AllocationRequest,
        granted: &[(&str, String)],
    ) -> Result<AllocationId, BackendError> {
        let JobScript { argv, text } = self.preview(request, granted);
        let trace = CommandTrace { argv: argv.clone(), exit: None, output: String::new() };
        let failed = |reason: String| self.error(Action::Submit, reason, Some(trace.clone()));
        let file = request.directory.join(script_name(&request.tag));
        Exec.make_directory(&request.directory).await.map_err(|error| failed(error.to_string()))?;
        Exec.write_file(&file, &text).await.map_err(|error| failed(error.to_string()))?;
        // renamed once the id is known
        let logs = request.directory.join("logs");
        let log = logs.join(format!("allocation-{}.starting.log", request.tag));
        let start = Start {
            argv: &argv,
            environment: &BTreeMap::new(),
            directory: Some(&request.directory),
            log: &log,
            stdin: None,
        };
        let (pid, started) = self.children.start(&start).map_err(|error| failed(error.to_string()))?;
        let id = id(self.kind, pid, started);
        if let Some(name) = id.log_name()
            && let Err(error) = std::fs::rename(&log, logs.join(&name))
        {
            tracing::warn!("could not name the log {name}: {error}");
        }
        let shows = async {
            while self.tag(pid).is_none() && process::runs(pid, started) {
                tokio::time::sleep(LOOK).await;
            }
        };
        let _ = tokio::time::timeout(SHOWS_WITHIN, shows).await;
        Ok(id)
    }

    /// How each allocation is; `nodes` tells from a pilot's environment what it was granted.
    pub(crate) fn poll(
        &self,
        ids: &[AllocationId],
        nodes: impl Fn(&BTreeMap<String, String>) -> Vec<String>,
    ) -> BTreeMap<AllocationId, AllocationState> {
        let state = |id: &AllocationId| {
            let Some((pid, started)) = self.parse(id) else { return AllocationState::default() };
            match self.children.state(pid, started) {
                ProcessState::Running => AllocationState {
                    nodes: mark::environment_of(pid)
                        .map(|environment| nodes(&environment))
                        .unwrap_or_default(),
                    ..AllocationState::new(AllocationPhase::Running)
                },
                ProcessState::Ended { exit, signal, .. } => AllocationState {
                    end: signal.map(AllocationEnd::Signal).or(exit.map(AllocationEnd::Exit)),
                    ..AllocationState::new(AllocationPhase::Ended)
                },
            }
        };
        ids.iter().map(|id| (id.clone(), state(id))).collect()
    }

    /// Ends pilots, which end their engine hosts.
    pub(crate) async fn cancel(&self, ids: &[AllocationId]) -> Result<(), BackendError> {
        let pilots: Vec<(u32, u64)> = ids.iter().filter_map(|id| self.parse(id)).collect();
        let run = || pilots.iter().filter(|(pid, started)| process::runs(*pid, *started));
        let signal = |signal| {
            // the others are signalled all the same
            let sent = run().map(|(pid, _)| (pid, process::signal_group(*pid, signal))).collect::<Vec<_>>();
            let failed = sent.into_iter().find_map(|(pid, sent)| Some((pid, sent.err()?)));
            failed.map_or(Ok(()), |(pid, error)| {
                Err(self.error(Action::Cancel, format!("process {pid}: {error}"), None))
            })
        };
        signal(Signal::Terminate)?;
        let end = async {
            while run().next().is_some() {
                tokio::time::sleep(LOOK).await;
            }
        };
        if tokio::time::timeout(GRACE, end).await.is_err() {
            signal(Signal::Kill)?;
        }
        Ok(())
    }

    /// The pilots of a cluster, with their environments.
    pub(crate) fn find(
        &self,
        tag: &ClusterTag,
    ) -> Result<BTreeMap<AllocationId, BTreeMap<String, String>>, BackendError> {
        let own = rustix::process::getuid().as_raw();
        let entries = std::fs::read_dir("/proc")
            .map_err(|error| self.error(Action::Find, format!("/proc: {error}"), None))?;
        let pilots = entries.flatten().filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            if entry.metadata().ok()?.uid() != own {
                return None;
            }
            let environment = mark::environment_of(pid)?;
            let ours = mark::tag(self.kind, pid, &environment)? == tag.0;
            ours.then_some((id(self.kind, pid, process::start_time(pid)?), environment))
        });
        Ok(pilots.collect())
    }

    fn tag(&self, pid: u32) -> Option<String> {
        mark::tag(self.kind, pid, &mark::environment_of(pid)?)
    }

    fn parse(&self, id: &AllocationId) -> Option<(u32, u64)> {
        let (pid, started) = id.0.strip_prefix(self.kind)?.strip_prefix('-')?.split_once('-')?;
        Some((pid.parse().ok()?, started.parse().ok()?))
    }
}

fn id(kind: &str, pid: u32, started: u64) -> AllocationId {
    AllocationId(format!("{kind}-{pid}-{started}"))
}
