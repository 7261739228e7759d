//! `--resume` and `--resume-failed`: what an earlier run of the same map has done.

use bytes::Bytes;

use super::joblog::Logged;
use super::saved::Saved;
use crate::command::arguments::ResultArguments;
use crate::command::exit::Exit;
use crate::command::input::Record;
use crate::command::report::{Outcome, Report};

/// Tasks that need not run.
#[derive(Debug)]
pub(super) enum Earlier {
    None,
    /// Those that a joblog names.
    Logged(Logged),
    /// Those whose results are in a directory.
    Saved(Saved),
}

impl Earlier {
    /// Looks into the joblog, else the directory of results, when asked to.
    ///
    /// # Errors
    /// When neither is named, or the joblog cannot be read.
    pub(super) fn find(arguments: &ResultArguments, names: &[Bytes], shuffled: bool) -> Outcome<Self> {
        if !arguments.resume && !arguments.resume_failed {
            return Ok(Earlier::None);
        }
        if shuffled && arguments.joblog.is_some() {
            let error = "a joblog goes by the tasks' numbers, and --shuf gives them to other tasks each time";
            return Err(
                Report::new(Exit::Usage, error).hint("leave out --joblog: --results goes by arguments")
            );
        }
        match (&arguments.joblog, &arguments.results) {
            (Some(joblog), _) => Ok(Earlier::Logged(Logged::read(joblog, arguments.resume_failed)?)),
            (None, Some(directory)) => Ok(Earlier::Saved(Saved::new(directory, names))),
            (None, None) => {
                let error = "--resume goes by what --joblog or --results has, and neither is given";
                Err(Report::new(Exit::Usage, error).hint("rpar map --joblog FILE --resume ..."))
            }
        }
    }

    pub(super) fn has(&self, record: &Record) -> bool {
        match self {
            Earlier::None => false,
            Earlier::Logged(logged) => logged.has(record.number),
            Earlier::Saved(saved) => saved.has(record),
        }
    }

    /// How much of the joblog stays.
    pub(super) fn logged_bytes(&self) -> u64 {
        match self {
            Earlier::Logged(logged) => logged.bytes,
            _ => 0,
        }
    }
}
