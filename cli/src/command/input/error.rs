//! Why arguments cannot be read.

use std::io;

use thiserror::Error;

use super::lines::ARGUMENT_LIMIT_BYTES;
use super::product::KEPT_LIMIT_BYTES;
use super::records::COLUMNS_LIMIT;
use crate::command::exit::Exit;
use crate::command::report::Report;

/// The command line makes no sense, or the arguments cannot be read.
#[derive(Debug, Error)]
pub(crate) enum InputError {
    /// Nothing stands before the first separator.
    #[error("no command before `{separator}`")]
    NoCommand { separator: String },
    /// The shell's text must be text.
    #[error("the command is not valid UTF-8: {lossy}")]
    NotText { lossy: String },
    /// `:::+` or `::::+` comes first.
    #[error("`{separator}` links to the source before it, and there is none")]
    NothingToLink { separator: String },
    /// What was read for one source is gone for another.
    #[error("stdin is named as two sources, and can be read once")]
    StdinTwice,
    /// The system could not read.
    #[error("could not read arguments from {file}")]
    Read { file: String, source: io::Error },
    /// Longer than any program can be given.
    #[error(
        "argument {number} from {file} is longer than the {ARGUMENT_LIMIT_BYTES} bytes that Linux passes to a program"
    )]
    TooLong { file: String, number: u64 },
    /// Holds what no program can be given.
    #[error("argument {number} from {file} holds a NUL byte")]
    Nul { file: String, number: u64 },
    /// A source that is not the first is too long to be kept.
    #[error("the sources after the first hold more than {} MiB of arguments", KEPT_LIMIT_BYTES >> 20)]
    TooMany,
    /// What is to be shuffled is too long to be kept.
    #[error("what is to be shuffled has more than {} MiB of arguments", KEPT_LIMIT_BYTES >> 20)]
    TooManyToShuffle,
    /// The system has none.
    #[error("the system has no randomness: {reason}")]
    Random { reason: String },
    /// `--colsep` has split an argument too often, or `--max-replace-args` asks for too many.
    #[error("task {number} has more than {COLUMNS_LIMIT} arguments")]
    Columns { number: u64 },
}

impl InputError {
    fn hint(&self) -> Option<&'static str> {
        match self {
            InputError::NoCommand { .. } => Some("rpar map 'COMMAND {}' ::: ARGUMENTS"),
            InputError::NothingToLink { .. } => Some("the first source begins with ::: or ::::"),
            InputError::TooLong { .. } => {
                Some("give the names of files as arguments, and what is long in those files")
            }
            InputError::Nul { .. } => Some("lists separated by NUL, as of find -print0, need --null"),
            InputError::TooManyToShuffle => Some("shuf(1) shuffles files that are longer"),
            InputError::TooMany => Some("put the long source first: it is read as tasks need it"),
            InputError::Columns { .. } => {
                Some("does the expression of --colsep match too often, or -N ask for too many?")
            }
            _ => None,
        }
    }
}

impl From<InputError> for Report {
    fn from(error: InputError) -> Self {
        let exit = match error {
            InputError::NoCommand { .. }
            | InputError::NotText { .. }
            | InputError::NothingToLink { .. }
            | InputError::StdinTwice => Exit::Usage,
            _ => Exit::Files,
        };
        let report = Report::of(exit, &error);
        match error.hint() {
            Some(hint) => report.hint(hint),
            None => report,
        }
    }
}
