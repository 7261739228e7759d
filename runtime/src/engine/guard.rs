//! Kills the engine host's children should it be killed itself.
//!
//! Linux can tie a child to its parent's death only from within the child between fork and exec (prctl(2),
//! `PR_SET_PDEATHSIG`), which takes unsafe code and the slow way of starting processes. So a guard does it: a shell that
//! waits for the end of a pipe of which this host holds the other end. It then kills the process groups that stand in a
//! small file in memory, where the host writes one number when a child starts and one when it ends. The shell comes with
//! the first child: a host that only runs Rust functions needs none.
//!
//! The number of a command's process is known only once it runs, and its host may be killed until then. So the task's id
//! stands there before it is started, and the guard of a host that was killed in between looks for that task's process by
//! its environment.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use rpar_core::id::TaskId;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::Pid;

/// Which of an engine's two possible children is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Child {
    /// The command that runs.
    Command = 0,
    /// The interpreter, which lives from task to task.
    Interpreter = 1,
}

/// Waits for the end of stdin, then kills what stands in the file behind stderr. Outlives what ends its host. A process
/// that was just begun shows its own environment a moment later, so it is looked for more than once.
const SCRIPT: &str = r#"trap '' HUP INT TERM
read -r _
begun=
for place in $(cat /dev/fd/2); do
    case $place in
    task-*) begun="$begun ${place#task-}" ;;
    0) ;;
    *) kill -s KILL -- "-$place" 2>/dev/null ;;
    esac
done
[ "$begun" ] || exit 0
for look in 1 2 3 4 5; do
    for file in $(grep -lzsx "RPAR_GUARD=$$" /proc/[0-9]*/environ); do
        for task in $begun; do
            grep -qzsx "RPAR_TASK_ID=$task" "$file" || continue
            process=${file#/proc/} process=${process%/environ}
            kill -s KILL -- "-$process" "$process" 2>/dev/null
        done
    done
    sleep 0.2
done
exit 0"#;

/// `task-`, an id of up to 20 digits, and a line end; or a process id, which is shorter.
const PLACE_BYTES: usize = 26;

/// Knows the process groups of all children of this host.
#[derive(Debug)]
pub(crate) struct Guard {
    engines: u32,
    /// Runs from just before the first child on; `None` if it could not be started.
    shell: OnceLock<Option<Shell>>,
}

#[derive(Debug)]
struct Shell {
    groups: File,
    process: std::process::Child,
}

impl Guard {
    /// The guard of a host with so many engines. A host without children has none: its shell is started by
    /// [`stand`](Self::stand).
    pub(super) fn new(engines: u32) -> Self {
        Guard { engines, shell: OnceLock::new() }
    }

    /// For a host that lives and dies with its test.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Guard { engines: 0, shell: OnceLock::from(None) }
    }

    /// To be called before a child is started.
    pub(crate) fn stand(&self) {
        self.shell.get_or_init(|| match Shell::start(self.engines) {
            Ok(shell) => Some(shell),
            Err(error) => {
                tracing::warn!(
                    "no guard: commands would outlive this engine host if it were killed: {error}"
                );
                None
            }
        });
    }

    /// What a command's environment holds, so that this guard can find it.
    pub(crate) fn mark(&self) -> Option<(&'static str, String)> {
        self.shell().map(|shell| ("RPAR_GUARD", shell.process.id().to_string()))
    }

    /// The engine in `slot` is about to start this task's command.
    pub(crate) fn begin(&self, slot: u32, task: TaskId) {
        self.write(slot, Child::Command, format_args!("task-{task}"));
    }

    /// From here on, the process group of the engine in `slot` dies with this host.
    pub(crate) fn watch(&self, slot: u32, child: Child, group: Pid) {
        self.write(slot, child, format_args!("{}", group.as_raw_nonzero()));
    }

    /// The group has ended. To be called before its leader is waited for: from then on its number may mean another.
    pub(crate) fn release(&self, slot: u32, child: Child) {
        self.write(slot, child, format_args!("0"));
    }

    fn shell(&self) -> Option<&Shell> {
        self.shell.get()?.as_ref()
    }

    fn write(&self, slot: u32, child: Child, what: fmt::Arguments<'_>) {
        if let Some(Err(error)) = self.shell().map(|shell| shell.write(slot, child, what)) {
            tracing::warn!("could not tell the guard of {what}: {error}");
        }
    }
}

impl Shell {
    fn start(engines: u32) -> io::Result<Self> {
        let groups = File::from(memfd_create("rpar children", MemfdFlags::CLOEXEC)?);
        let process = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "rpar-guard"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(groups.try_clone()?)
            .current_dir("/")
            .process_group(0)
            .spawn()?;
        let shell = Shell { groups, process };
        for slot in 0..engines {
            shell.write(slot, Child::Command, format_args!("0"))?;
            shell.write(slot, Child::Interpreter, format_args!("0"))?;
        }
        Ok(shell)
    }

    fn write(&self, slot: u32, child: Child, what: fmt::Arguments<'_>) -> io::Result<()> {
        let mut place = [b' '; PLACE_BYTES];
        place[PLACE_BYTES - 1] = b'\n';
        // each of the three fits
        let _ = (&mut place[..PLACE_BYTES - 1]).write_fmt(what);
        let offset = (slot as u64 * 2 + child as u64) * PLACE_BYTES as u64;
        rustix::io::pwrite(&self.groups, &place, offset)?;
        Ok(())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(mut shell) = self.shell.take().flatten() {
            drop(shell.process.stdin.take());
            // it ends at once: nothing is left to kill
            let _ = shell.process.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn sleeper() -> std::process::Child {
        Command::new("sleep").arg("60").process_group(0).spawn().unwrap()
    }

    fn pid(process: &std::process::Child) -> Pid {
        Pid::from_raw(process.id() as i32).unwrap()
    }

    fn await_end(process: &mut std::process::Child) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while process.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "the process still runs");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn it_finds_what_was_only_about_to_start() {
        let guard = Guard::new(2);
        guard.stand();
        let start = |task: TaskId| {
            let mut command = Command::new("sleep");
            command.arg("60").process_group(0).env("RPAR_TASK_ID", task.to_string()).envs(guard.mark());
            command.spawn().unwrap()
        };
        guard.begin(1, TaskId(u64::MAX));
        let (mut begun, mut earlier) = (start(TaskId(u64::MAX)), start(TaskId(7)));
        drop(guard);
        await_end(&mut begun);
        assert!(earlier.try_wait().unwrap().is_none(), "another task's process was killed");
        earlier.kill().unwrap();
        earlier.wait().unwrap();
    }

    #[test]
    fn it_kills_what_is_watched_and_nothing_else() {
        let guard = Guard::new(2);
        assert!(guard.mark().is_none(), "there is nothing to guard");
        guard.stand();
        let (mut watched, mut released) = (sleeper(), sleeper());
        guard.watch(1, Child::Interpreter, pid(&watched));
        guard.watch(0, Child::Command, pid(&released));
        guard.release(0, Child::Command);
        drop(guard);
        await_end(&mut watched);
        assert!(released.try_wait().unwrap().is_none(), "the released process was killed");
        released.kill().unwrap();
        released.wait().unwrap();
    }
}
