//! Inside a Slurm job: one job step for each node, so that one of them can be started again alone.
//!
//! Also for jobs that came through Slurm's Torque commands. Flags are from srun(1), version 22.05: `--overlap` lets a
//! step share what the job has, so that the step waits for nothing; without `--exact` and `--cpus-per-task` it gets
//! every core that the job has on its node.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rpar_core::error::{Action, BackendError, Retry};
use rpar_core::launcher::{GroupHandle, Launcher, Node, ProcessGroup, ProcessState, Signal};
use rpar_core::runner::{Invocation, Runner};
use serde::{Deserialize, Serialize};

use crate::carried::{self, Carrier};
use crate::children::Children;
use crate::{process, shell};

/// How long `squeue` and `scancel` may take. A Slurm controller that is down takes 4 s to say so.
const LIMIT: Duration = Duration::from_secs(30);

/// The keys of `[launcher]` under `kind = "srun"`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Further options for `srun`.
    #[serde(default)]
    pub options: Vec<String>,
}

/// The launcher.
#[derive(Debug)]
pub struct Srun {
    config: Config,
    runner: Arc<dyn Runner>,
    children: Children,
}

impl Srun {
    /// Starts job steps from this host, which must be in the job; `squeue` and `scancel` run on `runner`.
    pub fn new(config: Config, runner: Arc<dyn Runner>) -> Self {
        Srun { config, runner, children: Children::default() }
    }

    fn argv(&self, group: &ProcessGroup, node: &str) -> Vec<String> {
        let mut argv = vec![
            "srun".into(),
            "--overlap".into(),
            "--nodes=1".into(),
            "--ntasks=1".into(),
            format!("--nodelist={node}"),
            format!("--job-name={}", step_name(node)),
            "--cpu-bind=none".into(),
            "--mpi=none".into(),
            "--input=none".into(),
            "--export=ALL".into(),
            "--quiet".into(),
        ];
        argv.extend(self.config.options.iter().cloned());
        argv.extend(shell::with_setup(&group.setup, &group.argv, false));
        argv
    }

    async fn ask(&self, argv: &[String]) -> Result<String, BackendError> {
        let failed = |reason, command| BackendError {
            backend: "srun".into(),
            action: Action::Signal,
            retry: Retry::Later,
            reason,
            command,
            hint: None,
        };
        let invocation = Invocation { argv: argv.to_vec(), directory: None, stdin: None, limit: LIMIT };
        let answer = self.runner.run(&invocation).await.map_err(|error| failed(error.to_string(), None))?;
        let output = answer.output();
        // said of a step that has just ended; Slurm 22.05 also says it where the signal has arrived
        let gone = output.contains("Invalid job id") || output.contains("already completing or completed");
        if answer.exit != Some(0) && !gone {
            let reason = output.lines().last().unwrap_or("the command failed").to_owned();
            return Err(failed(reason, Some(answer.trace(argv))));
        }
        Ok(answer.stdout)
    }
}

#[async_trait]
impl Launcher for Srun {
    fn name(&self) -> String {
        "srun".into()
    }

    async fn start(&self, group: &ProcessGroup, nodes: &[Node]) -> Result<GroupHandle, BackendError> {
        carried::start("srun", &self.children, group, nodes, |node| {
            let mut environment = group.environment.clone();
            environment.insert("RPAR_NODE".into(), node.name.clone());
            Carrier { argv: self.argv(group, &node.name), environment, stdin: None }
        })
    }

    async fn poll(&self, handle: &GroupHandle) -> Result<Vec<ProcessState>, BackendError> {
        Ok(carried::poll(&self.children, handle).into_iter().map(carried::told_by_shell).collect())
    }

    /// `srun` itself would answer any signal by killing its step, so the step is signalled past it. Where that is not
    /// possible, from outside of the job, that is what happens.
    async fn signal(&self, handle: &GroupHandle, signal: Signal) -> Result<(), BackendError> {
        let Ok(job) = std::env::var("SLURM_JOB_ID") else {
            return carried::signal("srun", handle, signal);
        };
        let running = handle.processes.iter();
        let running = running.filter(|p| p.pid.is_some_and(|pid| process::runs(pid, p.start_time)));
        let names = running.map(|process| step_name(&process.node)).collect::<Vec<_>>();
        if names.is_empty() {
            return Ok(());
        }
        let list = ["squeue", "-h", "-s", "-j", &job, "-o", "%i|%j"].map(str::to_owned);
        let steps = self.ask(&list).await?;
        let ids = steps.lines().filter_map(|line| {
            let (id, name) = line.trim().split_once('|')?;
            names.iter().any(|own| own == name).then(|| id.to_owned())
        });
        let ids = ids.collect::<Vec<_>>();
        if ids.is_empty() {
            // not a step yet: waiting to become one
            return carried::signal("srun", handle, signal);
        }
        let number = match signal {
            Signal::Interrupt => "INT",
            Signal::Terminate => "TERM",
            Signal::Kill => "KILL",
        };
        let mut cancel = ["scancel", "-s", number].map(str::to_owned).to_vec();
        cancel.extend(ids);
        self.ask(&cancel).await.map(drop)
    }
}

fn step_name(node: &str) -> String {
    format!("rpar-{node}")
}
