//! One `ssh` for each node: the system's own, which honours the site's configuration.
//!
//! Killing an ssh client leaves the remote process running. So the remote shell watches its stdin, a pipe that we hold
//! open: names of signals arrive on it, and its end, which comes however we or the connection die, means to end.
//! What to run comes the same way, so that no login shell (csh, say) has to read our quoting; and so does what a node needs
//! that shares no files with this host, but for the program's file, which [`bring`] takes there first.

mod bring;

use async_trait::async_trait;
use rpar_core::error::{Action, BackendError, Retry};
use rpar_core::launcher::{GroupHandle, Launcher, Node, ProcessGroup, ProcessHandle, ProcessState, Signal};
use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::carried::{self, Carrier};
use crate::children::Children;
use crate::{process, shell};
use bring::Program;

/// What may be sent to the remote shell at once: the capacity of a pipe (pipe(7)), so that writing never blocks.
const SCRIPT_LIMIT: usize = 60 * 1024;
/// How long a killed process may take to be seen as ended, before its connection is given up.
const GRACE: Duration = Duration::from_secs(3);

/// The keys of `[launcher]` under `kind = "ssh"`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Further options for `ssh`; they come first, and so win.
    #[serde(default)]
    pub options: Vec<String>,
}

/// The launcher.
#[derive(Debug, Default)]
pub struct Ssh {
    config: Config,
    children: Children,
}

impl Ssh {
    /// Starts processes by ssh from this host.
    pub fn new(config: Config) -> Self {
        Ssh { config, children: Children::default() }
    }

    fn argv(&self, node: &str) -> Vec<String> {
        let own =
            ["-T", "-o", "BatchMode=yes", "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4"];
        let mut argv = vec!["ssh".to_owned()];
        argv.extend(self.config.options.iter().cloned());
        argv.extend(own.map(str::to_owned));
        argv.extend(["--", node, "exec bash -s"].map(str::to_owned));
        argv
    }

    fn runs(process: &ProcessHandle) -> Option<u32> {
        process.pid.filter(|pid| process::runs(*pid, process.start_time))
    }
}

#[async_trait]
impl Launcher for Ssh {
    fn name(&self) -> String {
        "ssh".into()
    }

    async fn start(&self, group: &ProcessGroup, nodes: &[Node]) -> Result<GroupHandle, BackendError> {
        let brought =
            match group.argv.first().filter(|_| group.apart.as_ref().is_some_and(|apart| apart.bring)) {
                Some(program) => {
                    Some(Program::read(program.into()).await.map_err(|reason| error(Action::Start, reason))?)
                }
                None => None,
            };
        let program = brought.as_ref();
        let longest = nodes.iter().map(|node| script(group, &node.name, program).len()).max().unwrap_or(0);
        if longest > SCRIPT_LIMIT {
            let reason =
                format!("setup, environment and arguments are {longest} bytes, more than {SCRIPT_LIMIT}");
            return Err(error(Action::Start, reason));
        }
        let plain = |name: &&String| {
            !name.starts_with(|c: char| c.is_ascii_digit())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        if let Some(name) = group.environment.keys().find(|name| !plain(name)) {
            return Err(error(Action::Start, format!("`{name}` is no name of an environment variable")));
        }
        carried::start_anywhere("ssh", &self.children, group, nodes, |node| {
            let ssh = self.argv(&node.name);
            Carrier {
                argv: program.map_or_else(|| ssh.clone(), |program| program.argv(&node.name, &ssh)),
                environment: Default::default(),
                stdin: Some(script(group, &node.name, program)),
            }
        })
    }

    async fn poll(&self, handle: &GroupHandle) -> Result<Vec<ProcessState>, BackendError> {
        Ok(carried::poll(&self.children, handle).into_iter().map(carried::told_by_shell).collect())
    }

    /// From a later process than the one that started the group, only an end can be asked for: it comes as
    /// [`Signal::Terminate`], and 5 s later as [`Signal::Kill`].
    async fn signal(&self, handle: &GroupHandle, signal: Signal) -> Result<(), BackendError> {
        let name = match signal {
            Signal::Interrupt => "INT\n",
            Signal::Terminate => "TERM\n",
            Signal::Kill => "KILL\n",
        };
        let mut given_up = Vec::new();
        for process in &handle.processes {
            let Some(pid) = Self::runs(process) else { continue };
            let told = matches!(self.children.write(pid, process.start_time, name), Ok(true));
            match (told, signal) {
                (true, Signal::Kill) | (false, Signal::Terminate | Signal::Kill) => given_up.push(process),
                (true, _) => {}
                (false, Signal::Interrupt) => {
                    let reason = format!("the ssh to {} belongs to another process", process.node);
                    return Err(error(Action::Signal, reason));
                }
            }
        }
        let gone = async {
            while signal == Signal::Kill && given_up.iter().any(|process| Self::runs(process).is_some()) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let _ = tokio::time::timeout(GRACE, gone).await;
        let processes = given_up.into_iter().cloned().collect();
        carried::signal("ssh", &GroupHandle { launcher: "ssh".into(), processes }, signal)
    }
}

fn error(action: Action, reason: String) -> BackendError {
    BackendError { backend: "ssh".into(), action, retry: Retry::Never, reason, command: None, hint: None }
}

/// What the remote bash reads. It is one compound command, read to its end before it runs, because from then on stdin
/// carries signals. The process is a group of its own (`set -m`), and ends with the connection.
fn script(group: &ProcessGroup, node: &str, program: Option<&Program>) -> String {
    let mut exports = format!("export RPAR_NODE={}\n", shell::quote(node));
    for (name, value) in &group.environment {
        exports += &format!("export {name}={}\n", shell::quote(value));
    }
    // a shell for the setup lines even where there are none: nothing else has read the site's login files
    let setup = if group.setup.is_empty() { vec![":".to_owned()] } else { group.setup.clone() };
    let words = shell::with_setup(&setup, &group.argv, true);
    let (before, argv) = words.split_at(words.len() - group.argv.len());
    let command = match program {
        None => shell::join(&words),
        Some(_) => format!("{} \"$program\" {}", shell::join(before), shell::join(&argv[1..])),
    };
    let place = program.map(Program::place).unwrap_or_default();
    // read before signals are, which follow it; given on through a pipe, as what bash writes into a file others may find
    let (read, given, input) = match &group.apart {
        None => ("", "", String::new()),
        Some(apart) => (
            "IFS= read -r -d '' input <&3 || exit 1\n",
            " < <(printf %s \"$input\")",
            format!("{}\0", apart.input),
        ),
    };
    format!(
        "{{\nexec 3<&0 </dev/null\n{exports}{place}{read}set -m\n{command} 3<&-{given} &\nrun=$!\nset +m\nunset input\n\
         (\n  while read -r signal <&3; do kill -s \"$signal\" -- \"-$run\"; done\n  \
         kill -s TERM -- \"-$run\"\n  sleep 5\n  kill -s KILL -- \"-$run\"\n) >/dev/null 2>&1 &\nwatch=$!\n\
         exec 3<&-\nwait \"$run\"\nended=$?\nkill -s KILL \"$watch\" 2>/dev/null\nexit \"$ended\"\n}}\n{input}"
    )
}
