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
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::carried::{self, Carrier};
use crate::children::Children;
use crate::{process, shell};

/// How long one node may take to have a signal sent: one that swaps answers late.
const LIMIT: Duration = Duration::from_secs(10);

/// How long all nodes of a group may take together: sites leave a job about as much between its SIGTERM and its end.
const ALL_LIMIT: Duration = Duration::from_secs(30);

/// How many pbsdsh send signals at once: each is a process beside a pilot, and the node's daemon serves them one by one.
const AT_ONCE: usize = 64;

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
    /// Room for those that send signals.
    slots: Arc<Semaphore>,
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
        let slots = Arc::new(Semaphore::new(AT_ONCE));
        Pbsdsh { config, environment, runner, children: Children::default(), slots }
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

    /// The command that signals the process on its node, with its group.
    fn kill(
        &self,
        nodefile: &str,
        node: &str,
        log: &Path,
        signal: Signal,
    ) -> Result<Vec<String>, BackendError> {
        let name = match signal {
            Signal::Interrupt => "INT",
            Signal::Terminate => "TERM",
            Signal::Kill => "KILL",
        };
        let file = shell::quote(&pid_file(log).to_string_lossy());
        self.argv(nodefile, node, "-c", &format!("kill -s {name} -- \"-$(cat {file})\""))
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
        let until = Instant::now() + ALL_LIMIT;
        // a node that does not answer keeps the signal from no other
        let (mut sends, mut sent) = (JoinSet::new(), Ok(()));
        for process in handle.processes.iter() {
            let Some(pid) = process.pid.filter(|pid| process::runs(*pid, process.start_time)) else {
                continue;
            };
            let Some(log) = self.children.log(pid, process.start_time) else {
                // where its id is written is not known; pbsdsh passes this on, and only this
                let one = GroupHandle { launcher: "pbsdsh".into(), processes: vec![process.clone()] };
                sent = sent.and(carried::signal("pbsdsh", &one, Signal::Terminate));
                continue;
            };
            match self.kill(&nodefile, &process.node, &log, signal) {
                Err(error) => sent = sent.and(Err(error)),
                Ok(argv) => {
                    let (runner, slots) = (Arc::clone(&self.runner), Arc::clone(&self.slots));
                    let process = process.clone();
                    sends.spawn(async move { send(&*runner, &slots, argv, &process, until).await });
                }
            }
        }
        while let Some(one) = sends.join_next().await {
            sent = sent.and(one.unwrap_or_else(|error| Err(failed(Action::Signal, error.to_string()))));
        }
        sent
    }
}

/// Has a signal sent by `argv`, unless there was no room for that until then.
async fn send(
    runner: &dyn Runner,
    slots: &Semaphore,
    argv: Vec<String>,
    process: &ProcessHandle,
    until: Instant,
) -> Result<(), BackendError> {
    let later = |reason| BackendError { retry: Retry::Later, ..failed(Action::Signal, reason) };
    let Ok(_slot) = timeout_at(until, slots.acquire()).await else {
        return Err(later(format!(
            "the nodes did not answer within {} s, and {} was not reached",
            ALL_LIMIT.as_secs(),
            process.node
        )));
    };
    let limit = LIMIT.min(until.saturating_duration_since(Instant::now()));
    let invocation = Invocation { argv, directory: None, stdin: None, limit };
    let answer =
        runner.run(&invocation).await.map_err(|error| later(format!("{}: {error}", process.node)))?;
    let fine = answer.exit == Some(0) && !answer.stdout.contains("exit status");
    if fine || !process.pid.is_some_and(|pid| process::runs(pid, process.start_time)) {
        return Ok(());
    }
    let reason = format!("the process on {} could not be signalled", process.node);
    Err(BackendError { command: Some(answer.trace(&invocation.argv)), ..later(reason) })
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
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use rpar_core::runner::{Answer, RunError};

    use super::*;
    use crate::children::Start;

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

    /// Nodes of which one never answers. Tells which were asked, and how many at once.
    #[derive(Debug, Default)]
    struct OneHangs {
        asked: Mutex<Vec<String>>,
        running: AtomicUsize,
        most: AtomicUsize,
    }

    #[async_trait]
    impl Runner for OneHangs {
        async fn run(&self, invocation: &Invocation) -> Result<Answer, RunError> {
            self.most.fetch_max(self.running.fetch_add(1, SeqCst) + 1, SeqCst);
            let node = invocation.argv[2].clone();
            self.asked.lock().unwrap().push(node.clone());
            let time = if node == "0" { invocation.limit } else { Duration::from_secs(1) };
            tokio::time::sleep(time).await;
            self.running.fetch_sub(1, SeqCst);
            if node == "0" {
                return Err(RunError::TimedOut { program: "pbsdsh".into(), seconds: time.as_secs() });
            }
            Ok(Answer { exit: Some(0), ..Answer::default() })
        }

        async fn make_directory(&self, _: &Path) -> Result<(), RunError> {
            Ok(())
        }

        async fn write_file(&self, _: &Path, _: &str) -> Result<(), RunError> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_does_not_answer_keeps_the_signal_from_no_other() {
        const NODES: usize = 8;
        let directory = tempfile::tempdir().unwrap();
        let nodefile = directory.path().join("nodefile");
        std::fs::write(&nodefile, (0..NODES).map(|node| format!("n{node}\n")).collect::<String>()).unwrap();
        let environment = [("PBS_NODEFILE".to_owned(), nodefile.to_string_lossy().into_owned())];
        let runner = Arc::new(OneHangs::default());
        let mut launcher = Pbsdsh::new(Config::default(), environment.into(), runner.clone());
        launcher.slots = Arc::new(Semaphore::new(3));
        let argv = ["sleep", "1000"].map(str::to_owned);
        let processes = (0..NODES).map(|node| {
            let (node, environment) = (format!("n{node}"), BTreeMap::new());
            let log = directory.path().join(format!("logs/{node}.log"));
            let start =
                Start { argv: &argv, environment: &environment, directory: None, log: &log, stdin: None };
            let (pid, start_time) = launcher.children.start(&start).unwrap();
            ProcessHandle { node, pid: Some(pid), start_time, error: None }
        });
        let handle = GroupHandle { launcher: "pbsdsh".into(), processes: processes.collect() };
        let before = Instant::now();
        let error = launcher.signal(&handle, Signal::Terminate).await.unwrap_err();
        let took = before.elapsed();
        carried::signal("pbsdsh", &handle, Signal::Kill).unwrap();
        assert_eq!(error.reason, "n0: `pbsdsh` gave no answer within 10 s and was killed");
        assert_eq!(error.retry, Retry::Later);
        let mut asked = runner.asked.lock().unwrap().clone();
        asked.sort();
        assert_eq!(asked, (0..NODES).map(|node| node.to_string()).collect::<Vec<_>>());
        assert_eq!(runner.most.load(SeqCst), 3, "no more at once than there is room for");
        assert!(took < LIMIT + Duration::from_secs(1), "the others did not wait for it: {took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn all_of_them_have_one_time() {
        let none = Semaphore::new(0);
        let process = ProcessHandle { node: "n7".into(), pid: None, start_time: 0, error: None };
        let until = Instant::now() + ALL_LIMIT;
        let error = send(&OneHangs::default(), &none, Vec::new(), &process, until).await.unwrap_err();
        assert_eq!(error.reason, "the nodes did not answer within 30 s, and n7 was not reached");
        assert_eq!(Instant::now(), until);
    }
}
