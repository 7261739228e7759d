//! Processes that this process starts on its own host, each the leader of a group, with its output in a file.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rpar_core::launcher::ProcessState;
use rpar_core::runner::{TRACE_LIMIT_BYTES, tail};

use crate::process;

/// Those that were started here and have not been seen to end. A process that a former life of the program started is
/// not among them, and is known by `/proc` alone.
#[derive(Debug, Default)]
pub(crate) struct Children(Mutex<BTreeMap<u32, Started>>);

#[derive(Debug)]
struct Started {
    child: Child,
    start_time: u64,
    log: PathBuf,
    /// How long the log was at its start: what stands before that is of those that had it earlier.
    said_before_bytes: u64,
    ended: Option<ExitStatus>,
}

/// What to start.
pub(crate) struct Start<'a> {
    pub(crate) argv: &'a [String],
    pub(crate) environment: &'a BTreeMap<String, String>,
    pub(crate) directory: Option<&'a Path>,
    pub(crate) log: &'a Path,
    /// What it reads first on a pipe that stays open as long as this process lives; `None` is nothing at all.
    pub(crate) stdin: Option<&'a str>,
}

impl Children {
    /// Starts a process; tells its pid and start time.
    pub(crate) fn start(&self, start: &Start<'_>) -> std::io::Result<(u32, u64)> {
        let log = open_log(start.log).map_err(|error| {
            let log = start.log.display();
            std::io::Error::new(error.kind(), format!("its log {log} cannot be written: {error}"))
        })?;
        let said_before_bytes = log.metadata()?.len();
        let (program, arguments) = start.argv.split_first().ok_or(std::io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(program);
        command.args(arguments).envs(start.environment).process_group(0);
        command.stdin(if start.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(log.try_clone()?).stderr(log);
        if let Some(directory) = start.directory {
            command.current_dir(directory);
        }
        let mut child = command.spawn()?;
        if let (Some(text), Some(pipe)) = (start.stdin, child.stdin.as_mut()) {
            // one that is over already does not read; its state tells
            let _ = pipe.write_all(text.as_bytes());
        }
        let pid = child.id();
        // already over is 0, which no running process has
        let started = process::start_time(pid).unwrap_or(0);
        let log = start.log.to_owned();
        let own = Started { child, start_time: started, log, said_before_bytes, ended: None };
        self.lock().insert(pid, own);
        Ok((pid, started))
    }

    /// How a process is that was started here, or before.
    pub(crate) fn state(&self, pid: u32, started: u64) -> ProcessState {
        let mut children = self.lock();
        let Some(own) = children.get_mut(&pid).filter(|own| own.start_time == started) else {
            return match process::runs(pid, started) {
                true => ProcessState::Running,
                false => ProcessState::Ended { exit: None, signal: None, detail: None },
            };
        };
        if own.ended.is_none() {
            own.ended = own.child.try_wait().ok().flatten();
        }
        match own.ended {
            None => ProcessState::Running,
            Some(status) => ProcessState::Ended {
                exit: status.code(),
                signal: status.signal(),
                detail: last_lines(&own.log, own.said_before_bytes),
            },
        }
    }

    /// Writes to the stdin of a process that was started here; tells whether it is one.
    pub(crate) fn write(&self, pid: u32, started: u64, text: &str) -> std::io::Result<bool> {
        let mut children = self.lock();
        let own = children.get_mut(&pid).filter(|own| own.start_time == started);
        match own.and_then(|own| own.child.stdin.as_mut()) {
            None => Ok(false),
            Some(pipe) => pipe.write_all(text.as_bytes()).map(|()| true),
        }
    }

    /// The log of a process that was started here.
    pub(crate) fn log(&self, pid: u32, started: u64) -> Option<PathBuf> {
        self.lock().get(&pid).filter(|own| own.start_time == started).map(|own| own.log.clone())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, Started>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens a log in a directory that is made if need be, but not the one above: a cluster whose directory was removed
/// must not bring it back.
fn open_log(log: &Path) -> std::io::Result<File> {
    let made = log.parent().map_or(Ok(()), |parent| DirBuilder::new().mode(0o700).create(parent));
    if let Err(error) = made
        && error.kind() != std::io::ErrorKind::AlreadyExists
    {
        return Err(error);
    }
    OpenOptions::new().create(true).append(true).mode(0o600).open(log)
}

/// The end of what a log has got since it was so long; `None` when there is nothing.
fn last_lines(log: &Path, from_bytes: u64) -> Option<String> {
    let mut file = File::open(log).ok()?;
    let length = file.metadata().ok()?.len();
    let limit = TRACE_LIMIT_BYTES as u64;
    file.seek(SeekFrom::Start(length.saturating_sub(limit).max(from_bytes))).ok()?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let text = tail(text.trim_end(), TRACE_LIMIT_BYTES);
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tells_its_own_last_words() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("logs/one.log");
        let children = Children::default();
        for word in ["first", "second"] {
            let argv = ["sh", "-c", &format!("echo {word}; exit 3")].map(str::to_owned);
            let environment = BTreeMap::new();
            let start =
                Start { argv: &argv, environment: &environment, directory: None, log: &log, stdin: None };
            let (pid, started) = children.start(&start).unwrap();
            children.lock().get_mut(&pid).unwrap().child.wait().unwrap();
            let ended = ProcessState::Ended { exit: Some(3), signal: None, detail: Some(word.to_owned()) };
            assert_eq!(children.state(pid, started), ended);
        }
        assert_eq!(std::fs::read_to_string(log).unwrap(), "first\nsecond\n", "and the log keeps all");
    }
}
