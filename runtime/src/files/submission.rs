//! Where in a cluster's directory it is kept what the tasks of submissions are about, and what they write.

use std::path::{Path, PathBuf};

use rpar_core::id::{SubmissionId, TaskId};

/// The subdirectory of submissions.
pub const SUBMISSIONS_DIRECTORY: &str = "submissions";

/// The directory with what the tasks of a submission write while they run.
pub fn task_outputs(cluster: &Path, submission: SubmissionId) -> PathBuf {
    cluster.join(SUBMISSIONS_DIRECTORY).join(format!("{submission}.output"))
}

/// The name of the file in it that holds one stream of a task, which people count from 1: `7.stdout`, or `7.stderr` if
/// the stream is 2.
pub fn task_output_name(task: TaskId, stream: u8) -> String {
    let stream = if stream == 1 { "stdout" } else { "stderr" };
    format!("{}.{stream}", task.0.saturating_add(1))
}
