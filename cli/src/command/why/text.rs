//! The answer in plain words.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rpar_core::id::{SubmissionId, TaskId};
use rpar_core::profile::duration;
use rpar_core::task::TaskStatus;
use rpar_core::wire::{
    About, AllocationStatus, Because, EngineStatus, GoneEngine, Group, Reason, TaskLoss, TaskRecord,
    TaskState,
};

use crate::cluster::{describe_allocation, plural};
use crate::command::documents;

/// A line for each thing, and below it what may be done.
pub(super) fn answer(because: &Because, command: &dyn Fn(&str) -> String) -> String {
    let words = Words { coming: &because.coming, command };
    because.about.iter().map(|about| words.about(about)).collect()
}

struct Words<'a> {
    coming: &'a [AllocationStatus],
    /// How a command of this cluster is typed.
    command: &'a dyn Fn(&str) -> String,
}

impl Words<'_> {
    fn about(&self, about: &About) -> String {
        match about {
            About::Tasks { submission, assigned, waiting } => self.tasks(*submission, *assigned, waiting),
            About::Task { submission, record, reason, losses, failure } => {
                self.task(*submission, record, reason.as_ref(), losses, failure.as_deref())
            }
            About::Engine { status, remaining_ms, ending } => engine(status, *remaining_ms, *ending),
            About::Gone(gone) => self.gone(gone),
            About::Allocation(allocation) => self.allocation(allocation),
        }
    }

    fn tasks(&self, submission: Option<SubmissionId>, assigned: u64, waiting: &[Group]) -> String {
        let of = submission.map_or_else(String::new, |id| format!(" of submission {id}"));
        let mut text = String::new();
        if waiting.is_empty() {
            text += &format!("no task{of} waits");
            if assigned > 0 {
                text += &format!("; {} at engines", is_or_are(assigned));
            }
            // who asks before anything is submitted asks why the cluster is not there
            if !self.coming.is_empty() && submission.is_none() {
                text += &format!("; {}", self.coming());
            }
            text.push('\n');
        }
        for group in waiting {
            let verb = if group.tasks == 1 { "waits" } else { "wait" };
            let reason = self.reason(submission, &group.reason);
            text += &format!("{}{of} {verb}: {reason}\n", plural(group.tasks, "task"));
        }
        text
    }

    fn task(
        &self,
        submission: SubmissionId,
        record: &TaskRecord,
        reason: Option<&Reason>,
        losses: &[TaskLoss],
        failure: Option<&str>,
    ) -> String {
        let name = named(submission, record.id);
        let place = match (record.engine, &record.node) {
            (Some(engine), Some(node)) => format!(" engine {engine} on node {node}"),
            (Some(engine), None) => format!(" engine {engine}"),
            _ => String::new(),
        };
        let attempt = match record.attempts {
            0 | 1 => String::new(),
            attempts => format!(", as attempt {attempts}"),
        };
        let mut text = match record.state {
            TaskState::Queued => match reason {
                Some(reason) => format!("task {name} waits: {}\n", self.reason(Some(submission), reason)),
                None => format!("task {name} waits\n"),
            },
            TaskState::Assigned => format!("task {name} is at{place}{attempt}\n"),
            TaskState::Ended(TaskStatus::Ok) => {
                let ran = Duration::from_micros(record.ran_micros).as_secs_f64();
                format!("task {name} ended well after {ran:.3} s at{place}{attempt}\n")
            }
            TaskState::Ended(status) => {
                let word = documents::task_status(status).replace('_', " ");
                let at = if place.is_empty() { place } else { format!(" at{place}") };
                let why = failure.map_or_else(String::new, |why| format!(": {why}"));
                let results = (self.command)(&format!("results {submission}"));
                format!("task {name} ended as {word}{at}{attempt}{why}\n  {results} prints what it wrote\n")
            }
        };
        for loss in losses {
            let times = if loss.times == 1 { "once".to_owned() } else { format!("{} times", loss.times) };
            let allocation =
                loss.allocation.as_ref().map_or_else(String::new, |id| format!(" of allocation {id}"));
            let counts = if loss.excused { ", by no doing of its own" } else { "" };
            text += &format!("  it lost its engine {times} on node {}{allocation}{counts}\n", loss.node);
        }
        text
    }

    fn reason(&self, submission: Option<SubmissionId>, reason: &Reason) -> String {
        match reason {
            Reason::Others { tasks, first, submissions } => {
                let of = |id: &TaskId| {
                    submission.map_or_else(|| (id.0 + 1).to_string(), |owner| named(owner, *id))
                };
                let theirs = first.as_ref().map(|id| match tasks {
                    1 => format!("task {}", of(id)),
                    _ => format!("{tasks} tasks, of which {} is the first", of(id)),
                });
                let submissions = submissions.iter().map(|id| format!("submission {id}"));
                let all: Vec<String> = theirs.into_iter().chain(submissions).collect();
                format!("for the end of {}", all.join(" and "))
            }
            Reason::Paused => {
                let forget = (self.command)("results ID --forget");
                format!("results fill what the controller keeps of them; {forget} makes room")
            }
            Reason::Untaken => "its client does not take its results".to_owned(),
            Reason::Stopping => "the cluster is being stopped".to_owned(),
            Reason::NoEngine => format!("no engine is there; {}", self.coming()),
            Reason::Lacks(what) => format!("{what}; {}", self.coming()),
            Reason::Busy { engines, saved } => {
                let busy = match engines {
                    1 => "the one engine that may run it is busy".to_owned(),
                    _ => format!("all {engines} engines that may run it are busy, or others come first"),
                };
                let saved = if *saved { "; a node is kept free for it" } else { "" };
                let coming =
                    if self.coming.is_empty() { String::new() } else { format!("; {}", self.coming()) };
                format!("{busy}{saved}{coming}")
            }
        }
    }

    /// The allocations of which engines may come.
    fn coming(&self) -> String {
        if self.coming.is_empty() {
            return format!("none is coming: {} asks for more", (self.command)("engines add"));
        }
        self.coming.iter().map(describe_allocation).collect::<Vec<_>>().join("; ")
    }

    fn gone(&self, gone: &GoneEngine) -> String {
        let GoneEngine { id, node, why, again, together, .. } = gone;
        let allocation =
            gone.allocation.as_ref().map_or_else(String::new, |id| format!(" of allocation {id}"));
        let ago = ago(gone.gone_micros);
        let with =
            if *together > 1 { format!(", with {} others there", together - 1) } else { String::new() };
        let then = match (again, together) {
            (0, _) => String::new(),
            (again, 1) => format!("; {again} of its tasks ran again"),
            (again, _) => format!("; {again} of their tasks ran again"),
        };
        format!("engine {id}, on node {node}{allocation}, is gone since {ago}{with}: {why}{then}\n")
    }

    fn allocation(&self, allocation: &AllocationStatus) -> String {
        let mut text = describe_allocation(allocation);
        if allocation.engines_wanted > 0 || allocation.engines > 0 {
            text += &format!("; {} of {} engines are there", allocation.engines, allocation.engines_wanted);
        }
        if let Some(left) = allocation.state.remaining {
            text += &format!("; its walltime ends in {}", duration::clock(left));
        }
        text.push('\n');
        if allocation.problem.is_some() {
            text += &format!("  {} shows what it wrote\n", (self.command)("logs"));
        }
        text
    }
}

fn engine(status: &EngineStatus, remaining_ms: Option<u64>, ending: bool) -> String {
    let EngineStatus { id, node, allocation, assigned, completed, retiring, .. } = status;
    let of = allocation.as_ref().map_or_else(String::new, |id| format!(" of allocation {id}"));
    let does = match (retiring, assigned) {
        (true, _) => "gets no more tasks, and leaves when it has none".to_owned(),
        (false, 0) => "has nothing to do".to_owned(),
        (false, 1) => "is busy with a task".to_owned(),
        (false, assigned) => format!("is busy with a task, and {} wait there", assigned - 1),
    };
    let left = remaining_ms.map(|left| duration::clock(Duration::from_millis(left)));
    let left = left.map_or_else(String::new, |left| format!("; its walltime ends in {left}"));
    let ending = if ending { ", so that it gets one task at a time" } else { "" };
    format!(
        "engine {id}, on node {node}{of}, {does}; it has ended {}{left}{ending}\n",
        plural(*completed, "task")
    )
}

fn named(submission: SubmissionId, task: TaskId) -> String {
    format!("{submission}.{}", task.0 + 1)
}

fn is_or_are(count: u64) -> String {
    if count == 1 { "1 is".to_owned() } else { format!("{count} are") }
}

/// How long ago that was, by this host's clock.
fn ago(micros: u64) -> String {
    let then = UNIX_EPOCH + Duration::from_micros(micros);
    duration::clock(SystemTime::now().duration_since(then).unwrap_or_default())
}

#[cfg(test)]
mod tests;
