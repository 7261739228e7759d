//! This machine as a site without a queue: an allocation is a pilot process, and its nodes are pretended.
//!
//! A request for N nodes is granted as N nodes of this one host, called `HOST-1` to `HOST-N` (`HOST` when it is one).
//! The pilot learns of them from `RPAR_LOCAL_NODES` (how many) and `RPAR_LOCAL_PPN` (slots on each).
//! `RPAR_LOCAL_ALLOCATION`, as `TAG:PID`, marks the pilot: its children inherit the variable, but have other pids.

mod mark;

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use async_trait::async_trait;
use rpar_core::error::{Action, BackendError, CommandTrace, Retry};
use rpar_core::id::{AllocationId, ClusterTag};
use rpar_core::launcher::{Node, ProcessState, Signal};
use rpar_core::runner::Runner;
use rpar_core::scheduler::{
    AllocationEnd, AllocationPhase, AllocationRequest, AllocationState, JobScript, Scheduler, SchedulerInfo,
};
use serde::{Deserialize, Serialize};

use crate::batch::script_name;
use crate::children::{Children, Start};
use crate::exec::Exec;
use crate::{process, shell};

pub use mark::is_pilot;

const NODES: &str = "RPAR_LOCAL_NODES";
const PPN: &str = "RPAR_LOCAL_PPN";

/// How long a pilot may take to end its engine hosts before it is killed.
const GRACE: Duration = Duration::from_secs(10);
/// How often a process is looked at while its end, or its beginning, is waited for.
const LOOK: Duration = Duration::from_millis(5);
/// How long a started pilot may take until its mark shows; only then can [`Scheduler::find`] see it.
const SHOWS_WITHIN: Duration = Duration::from_secs(2);

/// The keys of `[scheduler]` under `kind = "local"`, besides those of any scheduler: none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {}

/// This machine.
#[derive(Debug, Default)]
pub struct Local {
    children: Children,
}

impl Local {
    /// This machine.
    pub fn new(_config: Config) -> Self {
        Local::default()
    }

    fn error(&self, action: Action, reason: String, command: Option<CommandTrace>) -> BackendError {
        BackendError { backend: "local".into(), action, retry: Retry::Never, reason, command, hint: None }
    }
}

#[async_trait]
impl Scheduler for Local {
    fn info(&self) -> SchedulerInfo {
        SchedulerInfo {
            name: "local".into(),
            queued: false,
            remote_pilot: false,
            walltime: false,
            arrays: false,
        }
    }

    fn preview(&self, request: &AllocationRequest) -> Result<JobScript, BackendError> {
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
        let mark = format!("export {}=\"$1:$$\"; shift; exec \"$@\"", mark::NAME);
        let argv = ["sh", "-c", &mark, "sh", &request.tag.0, name, &script_name(&request.tag)];
        Ok(JobScript { argv: argv.map(str::to_owned).to_vec(), text })
    }

    async fn submit(&self, request: &AllocationRequest) -> Result<AllocationId, BackendError> {
        let JobScript { argv, text } = self.preview(request)?;
        let trace = CommandTrace { argv: argv.clone(), exit: None, output: String::new() };
        let failed = |reason: String| self.error(Action::Submit, reason, Some(trace.clone()));
        let file = request.directory.join(script_name(&request.tag));
        Exec.make_directory(&request.directory).await.map_err(|error| failed(error.to_string()))?;
        Exec.write_file(&file, &text).await.map_err(|error| failed(error.to_string()))?;
        let environment = BTreeMap::from([
            (NODES.to_owned(), request.nodes.to_string()),
            (PPN.to_owned(), request.ppn.to_string()),
        ]);
        // renamed once the id is known
        let logs = request.directory.join("logs");
        let log = logs.join(format!("allocation-{}.starting.log", request.tag));
        let start = Start {
            argv: &argv,
            environment: &environment,
            directory: Some(&request.directory),
            log: &log,
            stdin: None,
        };
        let (pid, started) = self.children.start(&start).map_err(|error| failed(error.to_string()))?;
        let id = AllocationId(format!("local-{pid}-{started}"));
        if let Some(name) = id.log_name()
            && let Err(error) = std::fs::rename(&log, logs.join(&name))
        {
            tracing::warn!("could not name the log {name}: {error}");
        }
        let shows = async {
            while mark::of(pid).is_none() && process::runs(pid, started) {
                tokio::time::sleep(LOOK).await;
            }
        };
        let _ = tokio::time::timeout(SHOWS_WITHIN, shows).await;
        Ok(id)
    }

    async fn poll(
        &self,
        ids: &[AllocationId],
    ) -> Result<BTreeMap<AllocationId, AllocationState>, BackendError> {
        let state = |id: &AllocationId| {
            let Some((pid, started)) = parse(id) else { return AllocationState::default() };
            match self.children.state(pid, started) {
                ProcessState::Running => {
                    AllocationState { nodes: vec![host()], ..AllocationState::new(AllocationPhase::Running) }
                }
                ProcessState::Ended { exit, signal, .. } => AllocationState {
                    end: signal.map(AllocationEnd::Signal).or(exit.map(AllocationEnd::Exit)),
                    ..AllocationState::new(AllocationPhase::Ended)
                },
            }
        };
        Ok(ids.iter().map(|id| (id.clone(), state(id))).collect())
    }

    async fn cancel(&self, ids: &[AllocationId]) -> Result<(), BackendError> {
        let pilots: Vec<(u32, u64)> = ids.iter().filter_map(parse).collect();
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

    async fn find(&self, tag: &ClusterTag) -> Result<Vec<AllocationId>, BackendError> {
        let own = rustix::process::getuid().as_raw();
        let entries = std::fs::read_dir("/proc")
            .map_err(|error| self.error(Action::Find, format!("/proc: {error}"), None))?;
        let pids = entries.flatten().filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            (entry.metadata().ok()?.uid() == own && mark::of(pid)? == tag.0).then_some(pid)
        });
        Ok(pids
            .filter_map(|pid| Some(AllocationId(format!("local-{pid}-{}", process::start_time(pid)?))))
            .collect())
    }

    async fn nodes(&self, environment: &BTreeMap<String, String>) -> Result<Vec<Node>, BackendError> {
        let number = |name: &str| {
            let text = environment.get(name).map(String::as_str).unwrap_or_default();
            text.parse::<u32>().map_err(|_| {
                self.error(
                    Action::Nodes,
                    format!("`{text}` in {name} is no number: no pilot of `local`"),
                    None,
                )
            })
        };
        let (nodes, slots) = (number(NODES)?, number(PPN)?);
        let host = host();
        if nodes == 1 {
            return Ok(vec![Node { name: host, slots }]);
        }
        Ok((1..=nodes).map(|n| Node { name: format!("{host}-{n}"), slots }).collect())
    }
}

fn parse(id: &AllocationId) -> Option<(u32, u64)> {
    let (pid, started) = id.0.strip_prefix("local-")?.split_once('-')?;
    Some((pid.parse().ok()?, started.parse().ok()?))
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
