//! Processes on other hosts, behind a local command that hands its stdin on, such as `ssh` and `mpiexec`.
//!
//! Killing that command may leave the remote process running. So the remote shell watches its stdin, a pipe that we hold
//! open: names of signals arrive on it, and its end, which comes however we or the connection die, means to end.
//! What to run comes the same way, so that no login shell (csh, say) has to read our quoting.

use std::time::Duration;

use rpar_core::error::{Action, BackendError, Retry};
use rpar_core::launcher::{GroupHandle, Node, ProcessGroup, ProcessHandle, ProcessState, Signal};

use crate::carried::{self, Carrier};
use crate::children::Children;
use crate::{process, shell};

/// What may be sent to the remote shell at once: the capacity of a pipe (pipe(7)), so that writing never blocks.
const SCRIPT_LIMIT: usize = 60 * 1024;
/// How long a killed process may take to be seen as ended, before its connection is given up.
const GRACE: Duration = Duration::from_secs(3);

/// The commands that were started, and how they are spoken to.
#[derive(Debug)]
pub(crate) struct Watched {
    launcher: &'static str,
    children: Children,
}

impl Watched {
    /// Of the launcher of this name.
    pub(crate) fn new(launcher: &'static str) -> Self {
        Watched { launcher, children: Children::default() }
    }

    /// Starts for each node, given by its name, a command that runs `bash -s` there. `place` is the line of shell that names
    /// the program's file where that is not the group's own.
    ///
    /// # Errors
    /// When none could be started, or the script is too long.
    pub(crate) fn start(
        &self,
        group: &ProcessGroup,
        nodes: &[Node],
        place: Option<&str>,
        argv: impl Fn(&str) -> Vec<String>,
    ) -> Result<GroupHandle, BackendError> {
        let longest = nodes.iter().map(|node| script(group, &node.name, place).len()).max().unwrap_or(0);
        if longest > SCRIPT_LIMIT {
            let reason =
                format!("setup, environment and arguments are {longest} bytes, more than {SCRIPT_LIMIT}");
            return Err(self.failed(Action::Start, reason));
        }
        let plain = |name: &&String| {
            !name.starts_with(|c: char| c.is_ascii_digit())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        if let Some(name) = group.environment.keys().find(|name| !plain(name)) {
            return Err(self.failed(Action::Start, format!("`{name}` is no name of an environment variable")));
        }
        carried::start_anywhere(self.launcher, &self.children, group, nodes, |node| Carrier {
            argv: argv(&node.name),
            environment: Default::default(),
            stdin: Some(script(group, &node.name, place)),
        })
    }

    /// How each process is.
    pub(crate) fn poll(&self, handle: &GroupHandle) -> Vec<ProcessState> {
        carried::poll(&self.children, handle).into_iter().map(carried::told_by_shell).collect()
    }

    /// Sends a signal through each pipe. From a later process than the one that started the group, only an end can be asked
    /// for.
    ///
    /// # Errors
    /// When it cannot be delivered.
    pub(crate) async fn signal(&self, handle: &GroupHandle, signal: Signal) -> Result<(), BackendError> {
        let name = match signal {
            Signal::Interrupt => "INT\n",
            Signal::Terminate => "TERM\n",
            Signal::Kill => "KILL\n",
        };
        let mut given_up = Vec::new();
        for process in &handle.processes {
            let Some(pid) = runs(process) else { continue };
            let told = matches!(self.children.write(pid, process.start_time, name), Ok(true));
            match (told, signal) {
                (true, Signal::Kill) | (false, Signal::Terminate | Signal::Kill) => given_up.push(process),
                (true, _) => {}
                (false, Signal::Interrupt) => {
                    let reason =
                        format!("the {} to {} belongs to another process", self.launcher, process.node);
                    return Err(self.failed(Action::Signal, reason));
                }
            }
        }
        let gone = async {
            while signal == Signal::Kill && given_up.iter().any(|process| runs(process).is_some()) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let _ = tokio::time::timeout(GRACE, gone).await;
        let processes = given_up.into_iter().cloned().collect();
        carried::signal(self.launcher, &GroupHandle { launcher: self.launcher.into(), processes }, signal)
    }

    /// This launcher's own failure.
    pub(crate) fn failed(&self, action: Action, reason: String) -> BackendError {
        let backend = self.launcher.into();
        BackendError { backend, action, retry: Retry::Never, reason, command: None, hint: None }
    }
}

fn runs(process: &ProcessHandle) -> Option<u32> {
    process.pid.filter(|pid| process::runs(*pid, process.start_time))
}

/// What the remote bash reads. It is one compound command, read to its end before it runs, because from then on stdin
/// carries signals. The process is a group of its own (`set -m`), and ends with the connection.
fn script(group: &ProcessGroup, node: &str, place: Option<&str>) -> String {
    let mut exports = format!("export RPAR_NODE={}\n", shell::quote(node));
    for (name, value) in &group.environment {
        exports += &format!("export {name}={}\n", shell::quote(value));
    }
    // a shell for the setup lines even where there are none: nothing else has read the site's login files
    let setup = if group.setup.is_empty() { vec![":".to_owned()] } else { group.setup.clone() };
    let words = shell::with_setup(&setup, &group.argv, true);
    let (before, argv) = words.split_at(words.len() - group.argv.len());
    let command = match place {
        None => shell::join(&words),
        Some(_) => format!("{} \"$program\" {}", shell::join(before), shell::join(&argv[1..])),
    };
    let place = place.unwrap_or_default();
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
