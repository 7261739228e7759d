//! Running a site's commands: on this host, on another one, or from a test's script.

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;

use crate::error::CommandTrace;

/// Where a batch system's commands run. Everything that a dialect does to the outside goes through this, so that
/// "PBS on a login node reached by ssh" is another runner under the same dialect.
#[async_trait]
pub trait Runner: Debug + Send + Sync + 'static {
    /// Runs a program to its end and captures what it prints. When the limit passes, or the future is dropped, the
    /// program's process group is killed.
    ///
    /// # Errors
    /// When the program could not be started or did not end in time. A non-zero exit is an answer, not an error.
    async fn run(&self, invocation: &Invocation) -> Result<Answer, RunError>;

    /// Makes a directory with its parents, readable by the user alone where it is new.
    ///
    /// # Errors
    /// The system's reason.
    async fn make_directory(&self, path: &Path) -> Result<(), RunError>;

    /// Writes a file that only the user can change, in place of what was there.
    ///
    /// # Errors
    /// The system's reason.
    async fn write_file(&self, path: &Path, text: &str) -> Result<(), RunError>;
}

/// A program to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// The program, looked up on `PATH`, and its arguments.
    pub argv: Vec<String>,
    /// Where it runs; `None` is where we are.
    pub directory: Option<PathBuf>,
    /// What it reads; `None` is nothing.
    pub stdin: Option<String>,
    /// How long it may take.
    pub limit: Duration,
}

/// How a program ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Exit status; `None` if a signal killed it.
    pub exit: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl Answer {
    /// All that it printed, stdout first.
    pub fn output(&self) -> String {
        match (self.stdout.trim_end(), self.stderr.trim_end()) {
            (out, "") => out.to_owned(),
            ("", err) => err.to_owned(),
            (out, err) => format!("{out}\n{err}"),
        }
    }

    /// What goes into an error message.
    pub fn trace(&self, argv: &[String]) -> CommandTrace {
        CommandTrace {
            argv: argv.to_vec(),
            exit: self.exit,
            output: tail(&self.output(), TRACE_LIMIT_BYTES).to_owned(),
        }
    }
}

/// How much of a command's output, or of a log, goes into an error: about a screenful.
pub const TRACE_LIMIT_BYTES: usize = 2 << 10;

/// The last `limit` bytes of a text, cut at a character.
pub fn tail(text: &str, limit: usize) -> &str {
    let mut start = text.len().saturating_sub(limit);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

/// A program gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RunError {
    /// There is no such program.
    #[error("`{program}` was not found on PATH")]
    NotFound {
        /// Its name.
        program: String,
    },
    /// The system did not start it.
    #[error("`{program}` could not be started: {reason}")]
    NotStarted {
        /// Its name.
        program: String,
        /// The system's reason.
        reason: String,
    },
    /// It did not end in time and was killed.
    #[error("`{program}` gave no answer within {seconds} s and was killed")]
    TimedOut {
        /// Its name.
        program: String,
        /// The limit.
        seconds: u64,
    },
    /// It was started, but how it ended is not known.
    #[error("`{program}` was lost: {reason}")]
    Lost {
        /// Its name.
        program: String,
        /// What went wrong.
        reason: String,
    },
    /// A file or directory could not be written.
    #[error("could not write {}: {reason}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
}
