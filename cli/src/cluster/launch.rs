//! Brings a controller up: its directory, its process, its first sign of life.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rpar_backends::shell;
use rpar_core::error::BackendError;
use rpar_runtime::files::{self, tail, write_private};
use thiserror::Error;

use crate::paths::ClusterDir;
use crate::remote;

/// A controller binds a port and writes three files: this is far more than that takes on a loaded login node.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// One that is started by ssh has a login before that, which may ask for a password, and a file system that is shared.
const READY_WITHIN_THERE: Duration = Duration::from_secs(150);

/// What the far shell becomes: `sh -c BECOME rpar PROGRAM DIRECTORY LOG`.
const BECOME: &str = r#"cd / && exec "$1" controller --directory "$2" </dev/null >>"$3" 2>&1"#;

/// How much of a log is shown when its process has died.
pub(super) const TAIL_BYTES: u64 = 4096;

/// How a controller's process is started.
#[derive(Clone, Debug)]
pub struct Launch {
    /// This program, absolute.
    pub program: PathBuf,
    /// The resolved profile, as TOML.
    pub profile: String,
    /// Whether the cluster ends with this process, and its directory with it.
    pub throw_away: bool,
    /// The host that it runs on, as ssh knows it; `None` is this one.
    pub host: Option<String>,
}

/// The controller did not come up.
#[derive(Debug, Error)]
pub enum LaunchError {
    /// The cluster's directory, or a file in it, could not be made.
    #[error("could not write the cluster's directory {}: {reason}", path.display())]
    Directory {
        /// Which directory.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// The process could not be started.
    #[error("could not start the controller `{}`: {source}", program.display())]
    Spawn {
        /// Its program.
        program: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The process ended.
    #[error("the controller ended before it was ready ({how})")]
    Died {
        /// Its exit status.
        how: String,
        /// The last lines of its log.
        log: String,
    },
    /// ssh could not start it.
    #[error("ssh could not start the controller on {host}")]
    Unreached {
        /// The host.
        host: String,
        /// What ssh says.
        log: String,
    },
    /// The site refuses the allocation that it is to run in.
    #[error(transparent)]
    Site(BackendError),
    /// It may have been accepted, and the site does not tell.
    #[error("the site may hold an allocation for the controller, and does not tell: {0}")]
    Doubt(BackendError),
    /// That allocation has ended.
    #[error("{how} before the controller was ready")]
    Ended {
        /// What has become of it.
        how: String,
        /// The last lines of its log.
        log: String,
    },
    /// Somebody has stopped the cluster meanwhile.
    #[error("the cluster was stopped before its controller was ready")]
    Stopped,
    /// It said nothing.
    #[error("the controller was not ready within {} s", within.as_secs())]
    Slow {
        /// How long it had.
        within: Duration,
        /// The last lines of its log.
        log: String,
    },
}

impl LaunchError {
    /// The last lines of the controller's log, if it got that far.
    pub fn log(&self) -> Option<&str> {
        match self {
            LaunchError::Died { log, .. }
            | LaunchError::Unreached { log, .. }
            | LaunchError::Ended { log, .. }
            | LaunchError::Slow { log, .. } => Some(log.as_str()).filter(|log| !log.is_empty()),
            _ => None,
        }
    }
}

impl Launch {
    /// Makes the directory, starts the controller and waits until clients can link to it. The caller holds the
    /// cluster's lock. On failure nothing is left behind.
    ///
    /// # Errors
    /// When the directory cannot be made, or the controller does not come up.
    pub fn run(&self, directory: &ClusterDir) -> Result<Child, LaunchError> {
        directory.create().map_err(|error| unwritable(directory, &error))?;
        let launched = self.launch(directory);
        if launched.is_err() {
            // the first error is the one to tell
            let _ = directory.remove();
        }
        launched
    }

    fn launch(&self, directory: &ClusterDir) -> Result<Child, LaunchError> {
        write_private(&directory.profile_file(), self.profile.as_bytes())
            .map_err(|error| unwritable(directory, &error))?;
        let mut child = self.spawn(directory)?;
        let ready = self.wait_ready(&mut child, directory);
        // an ssh has done its work when the controller runs
        if ready.is_err() || self.host.is_some() {
            let _ = child.kill();
            let _ = child.wait();
        }
        ready.map(|()| child)
    }

    fn spawn(&self, directory: &ClusterDir) -> Result<Child, LaunchError> {
        let mut options = OpenOptions::new();
        options.create(true).append(true).mode(0o600);
        let log = options.open(directory.controller_log()).map_err(|error| unwritable(directory, &error))?;
        let errors = log.try_clone().map_err(|error| unwritable(directory, &error))?;
        let mut command = match &self.host {
            None => {
                let mut command = Command::new(&self.program);
                command.arg("controller").arg("--directory").arg(&directory.path);
                command
            }
            Some(host) => self.by_ssh(host, directory),
        };
        if self.throw_away {
            command.arg("--throw-away");
        }
        // the pipe is a life line: it closes when this process ends, however it ends
        command.stdin(if self.throw_away { Stdio::piped() } else { Stdio::null() });
        command.stdout(log).stderr(errors).current_dir("/");
        let program = PathBuf::from(command.get_program());
        command.spawn().map_err(|source| LaunchError::Spawn { program, source })
    }

    /// The shell there becomes the controller, so that ssh ends when that does; but not the other way round.
    fn by_ssh(&self, host: &str, directory: &ClusterDir) -> Command {
        let (program, log) = (self.program.as_os_str(), directory.controller_log());
        let paths = [program, directory.path.as_os_str(), log.as_os_str()].map(|path| path.as_bytes());
        let words: Vec<&[u8]> = [&b"-c"[..], BECOME.as_bytes(), b"rpar"].into_iter().chain(paths).collect();
        let argv = remote::ssh_to(host, false);
        let mut command = Command::new(&argv[0]);
        command.args(&argv[1..]).arg(shell::in_any_shell("exec sh", &words));
        command
    }

    fn wait_ready(&self, child: &mut Child, directory: &ClusterDir) -> Result<(), LaunchError> {
        let within = if self.host.is_some() { READY_WITHIN_THERE } else { READY_WITHIN };
        let deadline = Instant::now() + within;
        let mut pause = Duration::from_millis(1);
        loop {
            // the last file that it writes before it lets clients in
            if is_listed(directory) {
                return Ok(());
            }
            match child.try_wait() {
                Ok(None) => {}
                Ok(Some(status)) => return Err(self.died(directory, status)),
                Err(error) => return Err(died(directory, error.to_string())),
            }
            if Instant::now() >= deadline {
                return Err(LaunchError::Slow { within, log: last_words(directory) });
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(10));
        }
    }

    fn died(&self, directory: &ClusterDir, status: ExitStatus) -> LaunchError {
        match &self.host {
            Some(host) if status.code() == Some(255) => {
                LaunchError::Unreached { host: host.clone(), log: last_words(directory) }
            }
            _ => died(directory, status.to_string()),
        }
    }
}

/// Whether the controller's record is there. A shared file system may remember for a while that it was not, but not for
/// who lists the directory.
pub(super) fn is_listed(directory: &ClusterDir) -> bool {
    let entries = fs::read_dir(&directory.path);
    entries.is_ok_and(|mut entries| {
        entries.any(|entry| entry.is_ok_and(|entry| entry.file_name() == files::CONTROLLER_FILE))
    })
}

pub(super) fn last_words(directory: &ClusterDir) -> String {
    tail(&directory.controller_log(), TAIL_BYTES).unwrap_or_default()
}

fn died(directory: &ClusterDir, how: String) -> LaunchError {
    match (last_words(directory), unwritable_log(directory)) {
        // that it left no word may be the reason
        (log, Some(error)) if log.is_empty() => unwritable(directory, &error),
        (log, _) => LaunchError::Died { how, log },
    }
}

pub(super) fn unwritable(directory: &ClusterDir, error: &dyn std::error::Error) -> LaunchError {
    LaunchError::Directory { path: directory.path.clone(), reason: error.to_string() }
}

/// Why the controller's log takes no further line, if that is so.
fn unwritable_log(directory: &ClusterDir) -> Option<io::Error> {
    let opened = OpenOptions::new().append(true).open(directory.controller_log());
    // some file systems find only then that there is no room
    opened.and_then(|mut log| log.write_all(b"\n").and_then(|()| log.sync_all())).err()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(script: &str) -> (tempfile::TempDir, ClusterDir, Result<Child, LaunchError>) {
        let home = tempfile::tempdir().unwrap();
        let program = home.path().join("program");
        let mut options = OpenOptions::new();
        let mut file = options.create(true).write(true).truncate(true).mode(0o700).open(&program).unwrap();
        file.write_all(script.as_bytes()).unwrap();
        drop(file);
        let directory = ClusterDir {
            profile: "local".into(),
            cluster_id: "default".into(),
            path: home.path().join("default"),
        };
        let launch = Launch { program, profile: String::new(), throw_away: false, host: None };
        let launched = launch.run(&directory);
        (home, directory, launched)
    }

    #[test]
    fn a_controller_that_dies_shows_its_last_words() {
        let (_home, directory, launched) = launch("#!/bin/sh\necho no port left >&2\nexit 3\n");
        let error = launched.unwrap_err();
        assert_eq!(error.log(), Some("no port left"));
        assert_eq!(error.to_string(), "the controller ended before it was ready (exit status: 3)");
        assert!(!directory.path.exists());
    }

    #[test]
    fn a_program_that_is_no_program_is_named() {
        let (_home, directory, launched) = launch("#!/no/such/interpreter\n");
        assert!(launched.unwrap_err().to_string().contains("/program"));
        assert!(!directory.path.exists());
    }

    #[test]
    fn ready_when_clients_can_link() {
        let (_home, _directory, launched) = launch("#!/bin/sh\n: > \"$3/controller.json\"\nexec sleep 60\n");
        let mut child = launched.unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
