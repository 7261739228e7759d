//! Work that outlives the terminal: `rpar submit`, `tasks`, `wait`, `results`, `cancel`.

mod arguments_file;
pub(crate) mod cancel;
pub(crate) mod results;
pub(crate) mod submit;
pub(crate) mod tasks;
pub(crate) mod wait;
mod written;

use std::time::Duration;

use rpar_core::id::SubmissionId;
use rpar_core::wire::{ClusterStatus, SubmissionStatus};
use rpar_runtime::client::Client;

use crate::command::exit::Exit;
use crate::command::report::{Outcome, Report};
use crate::paths::ClusterDir;

/// A controller answers in a millisecond; one that is this late is not well.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How soon Ctrl-C is felt, and how often progress is shown.
const LOOK: Duration = Duration::from_millis(100);

/// A submission as it is now.
pub(super) fn find(client: &Client, directory: &ClusterDir, id: SubmissionId) -> Outcome<SubmissionStatus> {
    one(&client.status(None, ANSWER_WITHIN)?, directory, id)
}

fn one(status: &ClusterStatus, directory: &ClusterDir, id: SubmissionId) -> Outcome<SubmissionStatus> {
    let found = status.submissions.iter().find(|submission| submission.id == id).cloned();
    found.ok_or_else(|| {
        let what = format!("cluster {} has no submission {id}", directory.cluster());
        let why = "it was never there, or all of its results were forgotten";
        Report::new(Exit::NoSubmission, what)
            .because(why)
            .hint(format!("{} lists those that are there", directory.command("tasks")))
    })
}

/// How many of its tasks have ended.
fn ended(submission: &SubmissionStatus) -> u64 {
    submission.succeeded + submission.failed
}

/// Whether all of its tasks are there and have ended.
pub(super) fn is_over(submission: &SubmissionStatus) -> bool {
    !submission.open && ended(submission) >= submission.tasks
}

/// Its state in a word.
pub(super) fn state(submission: &SubmissionStatus, paused: bool) -> &'static str {
    match submission {
        over if is_over(over) => "ended",
        _ if submission.open => "open",
        _ if paused => "paused",
        _ if submission.assigned > 0 => "running",
        _ => "queued",
    }
}
