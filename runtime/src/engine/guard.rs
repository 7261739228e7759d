//! Kills the engine host's children should it be killed itself.
//!
//! Linux can tie a child to its parent's death only from within the child between fork and exec (prctl(2),
//! `PR_SET_PDEATHSIG`), which takes unsafe code and the slow way of starting processes. So a guard does it: a shell that
//! waits for the end of a pipe of which this host holds the other end. It then kills the process groups that stand in a
//! small file in memory, where the host writes one number when a child starts and one when it ends. A child that
//! was started in the few microseconds before its host was killed may not stand there yet.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

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

/// Waits for the end of stdin, then kills what stands in the file behind stderr. Outlives what ends its host.
const SCRIPT: &str = r#"trap '' HUP INT TERM
read -r _
for group in $(cat /dev/fd/2); do
    [ "$group" -gt 1 ] && kill -s KILL -- "-$group" 2>/dev/null
done
exit 0"#;

/// A process id and a line end: pids have at most 7 digits (proc(5), `pid_max`).
const PLACE_BYTES: usize = 8;

/// Knows the process groups of all children of this host.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    shell: Option<Shell>,
}

#[derive(Debug)]
struct Shell {
    groups: File,
    process: std::process::Child,
}

impl Guard {
    /// Starts the guard of a host with so many engines.
    ///
    /// # Errors
    /// When its shell or file could not be made.
    pub(super) fn start(engines: u32) -> io::Result<Self> {
        let groups = File::from(memfd_create("rpar children", MemfdFlags::CLOEXEC)?);
        let process = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "rpar-guard"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(groups.try_clone()?)
            .current_dir("/")
            .process_group(0)
            .spawn()?;
        let guard = Guard { shell: Some(Shell { groups, process }) };
        for slot in 0..engines {
            guard.release(slot, Child::Command);
            guard.release(slot, Child::Interpreter);
        }
        Ok(guard)
    }

    /// From here on, the process group of the engine in `slot` dies with this host.
    pub(crate) fn watch(&self, slot: u32, child: Child, group: Pid) {
        self.write(slot, child, group.as_raw_nonzero().get());
    }

    /// The group has ended. To be called before its leader is waited for: from then on its number may mean another.
    pub(crate) fn release(&self, slot: u32, child: Child) {
        self.write(slot, child, 0);
    }

    fn write(&self, slot: u32, child: Child, group: i32) {
        let Some(shell) = &self.shell else { return };
        let mut place = [b' '; PLACE_BYTES];
        place[PLACE_BYTES - 1] = b'\n';
        let mut rest = group;
        for digit in place[..PLACE_BYTES - 1].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        let offset = (slot as u64 * 2 + child as u64) * PLACE_BYTES as u64;
        if let Err(error) = rustix::io::pwrite(&shell.groups, &place, offset) {
            tracing::warn!("could not tell the guard of process group {group}: {error}");
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(mut shell) = self.shell.take() {
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

    #[test]
    fn it_kills_what_is_watched_and_nothing_else() {
        let guard = Guard::start(2).unwrap();
        let (mut watched, mut released) = (sleeper(), sleeper());
        guard.watch(1, Child::Interpreter, pid(&watched));
        guard.watch(0, Child::Command, pid(&released));
        guard.release(0, Child::Command);
        drop(guard);
        let deadline = Instant::now() + Duration::from_secs(20);
        while watched.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "the watched process still runs");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(released.try_wait().unwrap().is_none(), "the released process was killed");
        released.kill().unwrap();
        released.wait().unwrap();
    }
}
