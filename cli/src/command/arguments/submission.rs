//! The options of commands about work that outlives the terminal.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, ValueEnum};
use rpar_core::id::SubmissionId;
use rpar_core::task::AfterEnd;

use super::input::InputArguments;
use super::read_limit;
use super::task::TaskArguments;

pub(super) const SUBMIT_HELP: &str = "\
Arguments and placeholders are those of `rpar map`. The cluster must run. The number that is
printed names the work from then on; results stay at the controller until they are forgotten.

Examples:
  rpar submit 'simulate {}' ::: *.cfg
  rpar tasks
  rpar submit --after 1 'plot {}' ::: *.out
  rpar wait 1 && rpar results 1 > all.txt
  rpar cancel 1";

#[derive(Args, Clone, Debug)]
pub(crate) struct SubmitArguments {
    /// What `rpar tasks` shows [default: the command]
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,
    /// How often a task that failed runs again
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) retries: u16,
    /// Has what tasks write at hand while they run, see `rpar logs --task`; otherwise only what is more than 256 KiB
    #[arg(long)]
    pub(crate) live: bool,
    /// Runs it when this submission has ended; may be given often
    #[arg(long, value_name = "ID", value_parser = read_submission)]
    pub(crate) after: Vec<SubmissionId>,
    /// How those must have ended
    #[arg(long, value_name = "END", default_value = "success", requires = "after")]
    pub(crate) when: When,
    #[command(flatten)]
    pub(crate) input: InputArguments,
    #[command(flatten)]
    pub(crate) task: TaskArguments,
    /// The command, then `::: ARGUMENTS` or `:::: FILES`
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    pub(crate) words: Vec<OsString>,
}

/// How a submission must have ended for another one to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// All of its tasks ended well
    Success,
    /// One of its tasks failed
    Failure,
    /// Either
    Any,
}

impl From<When> for AfterEnd {
    fn from(when: When) -> Self {
        match when {
            When::Success => AfterEnd::Success,
            When::Failure => AfterEnd::Failure,
            When::Any => AfterEnd::Any,
        }
    }
}

#[derive(Args, Clone, Debug)]
pub(crate) struct TasksArguments {
    /// The tasks of this submission [default: a line for each submission]
    #[arg(value_name = "ID", value_parser = read_submission)]
    pub(crate) submission: Option<SubmissionId>,
    /// Only tasks in this state; may be given often
    #[arg(long, value_name = "STATE", requires = "submission")]
    pub(crate) state: Vec<State>,
    /// How many tasks at most
    #[arg(long, value_name = "N", default_value_t = 100, requires = "submission")]
    pub(crate) limit: usize,
}

/// Where a task is, for who looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum State {
    /// It waits
    Queued,
    /// It was sent to an engine
    Assigned,
    /// It ended well
    Ok,
    /// It ended otherwise
    Failed,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct WaitArguments {
    /// Which submissions [default: all]
    #[arg(value_name = "ID", value_parser = read_submission)]
    pub(crate) submissions: Vec<SubmissionId>,
    /// Gives up waiting after that, such as 90s or 1h30m; a bare number is seconds. The work goes on
    #[arg(long, value_name = "DURATION", value_parser = read_limit)]
    pub(crate) timeout: Option<Duration>,
}

pub(super) const RESULTS_HELP: &str = "\
Results are printed in the order of the tasks, as soon as that order allows, and stay at the
controller: they can be printed again until --forget lets go of them, or the cluster is stopped.
Ctrl-C stops printing; the work goes on. Exit status: how many tasks failed, 101 if more than 100.";

#[derive(Args, Clone, Debug)]
pub(crate) struct ResultsArguments {
    /// Which submission
    #[arg(value_name = "ID", value_parser = read_submission)]
    pub(crate) submission: SubmissionId,
    /// Prints what is there, in any case, and does not wait for the rest
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// Lets the controller forget what was printed
    #[arg(long)]
    pub(crate) forget: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct CancelArguments {
    /// Which submission
    #[arg(value_name = "ID", value_parser = read_submission)]
    pub(crate) submission: SubmissionId,
    /// Only these tasks, such as 3,7-9
    #[arg(long, value_name = "TASKS", value_parser = read_tasks)]
    pub(crate) tasks: Option<Tasks>,
    /// Only what has not begun
    #[arg(long)]
    pub(crate) queued: bool,
}

/// A submission, or one of its tasks by its number, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OneOrAll {
    pub(crate) submission: SubmissionId,
    pub(crate) task: Option<u64>,
}

/// Tasks by their numbers, from 1: first and last of each stretch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tasks(pub(crate) Vec<(u64, u64)>);

fn read_submission(text: &str) -> Result<SubmissionId, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(SubmissionId(number)),
        _ => Err("expected the number of a submission, as `rpar tasks` lists them".to_owned()),
    }
}

pub(super) fn read_one_or_all(text: &str) -> Result<OneOrAll, String> {
    let (submission, task) = match text.split_once('.') {
        Some((submission, task)) => (submission, Some(task.parse().ok().filter(|task| *task > 0))),
        None => (text, None),
    };
    match (read_submission(submission), task) {
        (Ok(submission), None) => Ok(OneOrAll { submission, task: None }),
        (Ok(submission), Some(Some(task))) => Ok(OneOrAll { submission, task: Some(task) }),
        _ => Err("expected the number of a submission, or with one of its tasks, such as 3.7".to_owned()),
    }
}

fn read_tasks(text: &str) -> Result<Tasks, String> {
    let stretch = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (0 < first && first <= last).then_some((first, last))
    };
    let stretches: Option<Vec<_>> = text.split(',').map(stretch).collect();
    stretches.map(Tasks).ok_or_else(|| "expected numbers of tasks from 1 on, such as 3,7-9".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_submission_or_one_task_of_it() {
        let read = |text| read_one_or_all(text).map(|read| (read.submission.0, read.task));
        assert_eq!((read("3"), read("3.7")), (Ok((3, None)), Ok((3, Some(7)))));
        for wrong in ["", "0", "3.", "3.0", ".7", "3.7.1", "a"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_of_tasks() {
        assert_eq!(read_tasks("3, 7-9").unwrap(), Tasks(vec![(3, 3), (7, 9)]));
        for wrong in ["", "0", "3-2", "a", "1,,2", "1-2-3"] {
            assert!(read_tasks(wrong).is_err(), "{wrong}");
        }
    }
}
