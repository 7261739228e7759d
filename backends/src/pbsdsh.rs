//! Inside a PBS or Torque job: one `pbsdsh` for each node, which has the node's daemon start the process.
//!
//! pbsdsh carries no environment, hands no stdin on and ends itself, not the process, at the first signal; it exits with
//! 0 and prints how the process ended. So a shell on the node sets the environment, writes the log and keeps the
//! process's id in a file beside it, and a signal is a further pbsdsh. From the manual pages of pbsdsh(1B) of OpenPBS 23.06
//! and Torque 6 and from OpenPBS's `src/cmds/pbsdsh.c`. It was run on a live OpenPBS 23.06; on Torque it has not been.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rpar_core::error::{Action, BackendError, Retry};
use rpar_core::launcher::{GroupHandle, Launcher, Node, ProcessGroup, ProcessHandle, ProcessState, Signal};
use rpar_core::runner::{Invocation, Runner};
use serde::{Deserialize, Serialize};

use crate::carried::{self, Carrier};
use crate::children::Children;
use crate::{process, shell};

/// How long it may take to have a signal sent: a node that swaps answers late.
const LIMIT: Duration = Duration::from_secs(30);

/// The keys of `[launcher]` under `kind = "pbsdsh"`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Further options for `pbsdsh`.
    #[serde(default)]
    pub options: Vec<String>,
}

/// The launcher.
#[derive(Debug)]
pub struct Pbsdsh {
    config: Config,
    environment: BTreeMap<String, String>,
    runner: Arc<dyn Runner>,
    children: Children,
}

/// Whether there is a pbsdsh in this job, told by its environment.
pub(crate) fn is_there(environment: &BTreeMap<String, String>) -> bool {
    environment.contains_key("PBS_ENVIRONMENT") && program(environment).is_some()
}

/// Where it is: on `PATH`, or where whoever submitted had it on theirs.
fn program(environment: &BTreeMap<String, String>) -> Option<PathBuf> {
    let paths = ["PATH", "PBS_O_PATH"].into_iter().filter_map(|name| environment.get(name));
    let files = paths.flat_map(std::env::split_paths).map(|directory| directory.join("pbsdsh"));
    files.into_iter().find(|file| file.is_file())
}

impl Pbsdsh {
    /// Starts processes from inside the job that `environment`, this process's own, tells of. Further pbsdsh run on `runner`,
    /// which is this host.
    pub fn new(config: Config, environment: BTreeMap<String, String>, runner: Arc<dyn Runner>) -> Self {
        Pbsdsh { config, environment, runner, children: Children::default() }
    }

    fn nodefile(&self, action: Action) -> Result<String, BackendError> {
        let path = self.environment.get("PBS_NODEFILE").map(String::as_str).unwrap_or_default();
        std::fs::read_to_string(path)
            .map_err(|error| failed(action, format!("PBS_NODEFILE (`{path}`) cannot be read: {error}")))
    }

    /// The command that runs a shell's script on a node. A node is named by its first line in the nodefile, from 0; in
    /// Torque by its name.
    fn argv(
        &self,
        nodefile: &str,
        node: &str,
        flag: &str,
        script: &str,
    ) -> Result<Vec<String>, BackendError> {
        let program = program(&self.environment).unwrap_or_else(|| "pbsdsh".into());
        let mut argv = vec![program.to_string_lossy().into_owned()];
        argv.extend(self.config.options.iter().cloned());
        if self.environment.get("PBS_VERSION").is_some_and(|version| version.starts_with("TORQUE")) {
            argv.extend(["-h", node].map(str::to_owned));
        } else {
            let line = nodefile.lines().position(|line| line.trim() == node);
            let unknown = || failed(Action::Start, format!("the job has no node `{node}`"));
            argv.extend(["-n".to_owned(), line.ok_or_else(unknown)?.to_string()]);
        }
        argv.extend(["--", "/bin/bash", flag, script].map(str::to_owned));
        Ok(argv)
    }

    /// Signals the process on its node, with its group.
    async fn send(
        &self,
        nodefile: &str,
        process: &ProcessHandle,
        log: &Path,
        signal: Signal,
    ) -> Result<(), BackendError> {
        let name = match signal {
            Signal::Interrupt => "INT",
            Signal::Terminate => "TERM",
            Signal::Kill => "KILL",
        };
        let file = shell::quote(&pid_file(log).to_string_lossy());
        let argv =
            self.argv(nodefile, &process.node, "-c", &format!("kill -s {name} -- \"-$(cat {file})\""))?;
        let invocation = Invocation { argv, directory: None, stdin: None, limit: LIMIT };
        let answer = self.runner.run(&invocation).await;
        let answer = answer.map_err(|error| failed(Action::Signal, error.to_string()))?;
        let fine = answer.exit == Some(0) && !answer.stdout.contains("exit status");
        if fine || !process.pid.is_some_and(|pid| process::runs(pid, process.start_time)) {
            return Ok(());
        }
        let reason = format!("the process on {} could not be signalled", process.node);
        let command = Some(answer.trace(&invocation.argv));
        Err(BackendError { command, retry: Retry::Later, ..failed(Action::Signal, reason) })
    }
}

#[async_trait]
impl Launcher for Pbsdsh {
    fn name(&self) -> String {
        "pbsdsh".into()
    }

    async fn start(&self, group: &ProcessGroup, nodes: &[Node]) -> Result<GroupHandle, BackendError> {
        let nodefile = self.nodefile(Action::Start)?;
        let mut commands = BTreeMap::new();
        for node in nodes {
            commands.insert(&node.name, self.argv(&nodefile, &node.name, "-c", &script(group, &node.name))?);
        }
        let job = self.environment.iter().filter(|(name, _)| name.starts_with("PBS_"));
        let job: BTreeMap<_, _> = job.map(|(name, value)| (name.clone(), value.clone())).collect();
        carried::start("pbsdsh", &self.children, group, nodes, |node| Carrier {
            argv: commands.get(&node.name).cloned().unwrap_or_default(),
            environment: job.clone(),
            stdin: None,
        })
    }

    async fn poll(&self, handle: &GroupHandle) -> Result<Vec<ProcessState>, BackendError> {
        let states = carried::poll(&self.children, handle).into_iter();
        Ok(states.map(told_by_pbsdsh).map(carried::told_by_shell).collect())
    }

    /// From a later process than the one that started the group, only an end can be asked for, and comes as
    /// [`Signal::Terminate`].
    async fn signal(&self, handle: &GroupHandle, signal: Signal) -> Result<(), BackendError> {
        let nodefile = self.nodefile(Action::Signal)?;
        // a node that does not answer keeps the signal from no other
        let mut sent = Ok(());
        for process in handle.processes.iter() {
            let Some(pid) = process.pid.filter(|pid| process::runs(*pid, process.start_time)) else {
                continue;
            };
            let one = match self.children.log(pid, process.start_time) {
                Some(log) => self.send(&nodefile, process, &log, signal).await,
                // where its id is written is not known; pbsdsh passes this on, and only this
                None => {
                    let one = GroupHandle { launcher: "pbsdsh".into(), processes: vec![process.clone()] };
                    carried::signal("pbsdsh", &one, Signal::Terminate)
                }
            };
            sent = sent.and(one);
        }
        sent
    }
}

fn failed(action: Action, reason: String) -> BackendError {
    BackendError { backend: "pbsdsh".into(), action, retry: Retry::Never, reason, command: None, hint: None }
}

/// Where the id of a node's process is written: beside its log.
fn pid_file(log: &Path) -> PathBuf {
    log.with_extension("pid")
}

/// What the shell on the node runs. The process is a group of its own.
fn script(group: &ProcessGroup, node: &str) -> String {
    let quote = |path: &Path| shell::quote(&path.to_string_lossy());
    let log = carried::log(group, node);
    let (log, pid) = (quote(&log), quote(&pid_file(&log)));
    let mut exports = format!("export RPAR_NODE={}\n", shell::quote(node));
    for (name, value) in &group.environment {
        exports += &format!("export {name}={}\n", shell::quote(value));
    }
    // a shell for the setup lines even where there are none: nothing else has read the site's login files
    let setup = if group.setup.is_empty() { vec![":".to_owned()] } else { group.setup.clone() };
    let command = shell::join(&shell::with_setup(&setup, &group.argv, true));
    // a log that goes on must not end with what pbsdsh said of an earlier process
    format!(
        "exec >>{log} 2>&1 </dev/null\n[ ! -s {log} ] || echo '-- started again'\n{exports}set -m\n{command} &\nrun=$!\n\
         set +m\necho \"$run\" >{pid}\ntrap 'kill -s TERM -- \"-$run\"' HUP INT TERM\n\
         while wait \"$run\"; ended=$?; kill -s 0 \"$run\" 2>/dev/null; do :; done\nrm -f {pid}\nexit \"$ended\"\n"
    )
}

/// pbsdsh exits with 0 and prints as its last line `pbsdsh: task 0x00000000 exit status 7`, unless that is 0.
fn told_by_pbsdsh(state: ProcessState) -> ProcessState {
    let ProcessState::Ended { exit: Some(0), signal: None, detail: Some(detail) } = state else {
        return state;
    };
    let told = detail.lines().last().and_then(|line| {
        let (_, task) = line.split_once(": task ")?;
        task.rsplit_once("exit status ")?.1.trim().parse().ok()
    });
    ProcessState::Ended { exit: told.or(Some(0)), signal: None, detail: Some(detail) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_tells_how_it_ended() {
        for (log, exit) in [
            ("words\npbsdsh: task 0x00000000 exit status 7", 7),
            ("/opt/pbs/bin/pbsdsh: task 0x00000000 exit status 137", 137),
            ("pbsdsh: task 0x00000000 exit status 7\n-- started again", 0),
        ] {
            let ended =
                |exit| ProcessState::Ended { exit: Some(exit), signal: None, detail: Some(log.into()) };
            assert_eq!(told_by_pbsdsh(ended(0)), ended(exit), "{log}");
            assert_eq!(told_by_pbsdsh(ended(1)), ended(1), "its own failure");
        }
    }

    #[test]
    fn a_node_is_its_first_line_or_its_name() {
        let argv = |environment: &[(&str, &str)], node| {
            let environment = environment.iter().map(|(name, value)| (name.to_string(), value.to_string()));
            let launcher = Pbsdsh::new(Config::default(), environment.collect(), Arc::new(crate::Exec));
            launcher.argv("n1\nn1\nn2\nn2\n", node, "-c", "true").map(|argv| argv.join(" "))
        };
        assert_eq!(argv(&[], "n2").unwrap(), "pbsdsh -n 2 -- /bin/bash -c true");
        let torque = [("PBS_VERSION", "TORQUE-6.1.2")];
        assert_eq!(argv(&torque, "n2").unwrap(), "pbsdsh -h n2 -- /bin/bash -c true");
        assert_eq!(argv(&[], "n3").unwrap_err().reason, "the job has no node `n3`");
    }
}
