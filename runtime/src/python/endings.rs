//! How tasks end: by the child's answer, by its death, by a cancel or a time limit.

use std::io;
use std::time::{Duration, Instant};

use rpar_core::task::{Failure, TaskStatus};

use super::child::{Child, executable};
use super::death;
use super::executor::PythonExecutor;
use super::frames::{self, Code, Reply};
use super::live;
use crate::engine::{Feed, Limit};

/// How long an interpreter may take to start: its libraries come from shared file systems, to many nodes at once.
const START: Duration = Duration::from_secs(120);

/// How long an interrupted task may take to let go.
const GRACE: Duration = Duration::from_secs(2);

/// A task that is being ended by us.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    number: u64,
    status: TaskStatus,
    kill_at: Instant,
}

impl Ending {
    /// Whether it is that of the task with this number.
    pub(super) fn is_of(&self, number: u64) -> bool {
        self.number == number
    }
}

impl PythonExecutor {
    /// Reports the task that a reply answers.
    ///
    /// # Errors
    /// When the reply answers nothing.
    pub(super) fn settle(&mut self, feed: &mut Feed, reply: Reply) -> io::Result<()> {
        if !self.ready {
            self.ready = Child::is_ready(&reply);
            if reply.code == Code::Failed {
                self.complaint = Some(frames::failure(reply.payload));
            }
            return if self.ready { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) };
        }
        let number = self.pipeline.head_number();
        let writes = self.pipeline.writer().is_some();
        let written = self.pipeline.answer().ok_or(io::ErrorKind::InvalidData)?;
        self.head_since = Instant::now();
        let ending = self.ending.take_if(|ending| ending.is_of(number));
        if reply.code != Code::Skipped
            && let Some(pace) = self.functions.pace(written.function)
        {
            pace.learn(reply.micros);
        }
        let Some(task) = written.task else { return Ok(()) };
        if self.pipeline.is_empty() {
            // before its end is told: others may be given it then
            self.share = None;
        }
        if writes && reply.code != Code::Skipped {
            // the child has written it before its answer
            if let Some(child) = &mut self.child {
                live::pass_rest(&mut child.output, &task, feed);
            }
        }
        if ending.is_none() && reply.code != Code::Skipped {
            feed.doubt(None, reply.ran());
        }
        match reply.code {
            Code::Ok => feed.end(task.id, TaskStatus::Ok, reply.ran(), reply.payload),
            Code::Skipped => self.waiting.push_front(task),
            // they answer nothing, and do not come here
            Code::Stdout | Code::Stderr => return Err(io::ErrorKind::InvalidData.into()),
            Code::Failed | Code::Interrupted => {
                let (ran, failure) = (reply.ran(), frames::failure(reply.payload));
                match ending.map(|ending| ending.status) {
                    None => feed.fail(task.id, TaskStatus::Failed, ran, &failure),
                    Some(status) => {
                        let why = forced(status, task.timeout(), "", failure);
                        feed.fail(task.id, status, ran, &why);
                    }
                }
            }
        }
        Ok(())
    }

    /// The child is dead, or no child any more: reports the task that it ran; the others go to the next child.
    pub(super) fn bury(&mut self, feed: &mut Feed) {
        let ending = self.ending;
        // what it has answered before counts
        self.receive_rest(feed);
        let Some(mut child) = self.child.take() else { return };
        let status = child.end();
        self.share = None;
        let verdict = child.limit.as_ref().and_then(Limit::verdict);
        match self.pipeline.writer().filter(|_| ending.is_none()) {
            Some(task) => live::pass_rest(&mut child.output, task, feed),
            // what was ended by force does not wait for room
            None => live::pass(&mut child.output, self.pipeline.writer(), feed),
        }
        let tail = child.output.tail();
        let failure = match (status, self.ready) {
            (Ok(status), true) => death::crash(status, tail, verdict.as_deref()),
            (Ok(status), false) => {
                death::stillborn(&executable(&self.context), &self.context.node, status, tail)
            }
            (Err(error), _) => Failure::new(format!("the Python interpreter is lost: {error}")),
        };
        if !self.ready {
            self.forget_child();
            let failure = self.complaint.take().unwrap_or(failure);
            return self.refuse(feed, failure);
        }
        let running = self.pipeline.iter().next().map(|(number, task)| (number, task.id));
        // a task that began in the moment in which we ended another one has done nothing wrong
        let guilty = running.filter(|(number, _)| ending.is_none_or(|ending| ending.number == *number));
        if guilty.is_some() && ending.is_none() && verdict.is_none() {
            feed.doubt(failure.signal, self.head_since.elapsed());
        }
        let pipeline = std::mem::take(&mut self.pipeline);
        for task in pipeline.into_tasks().collect::<Vec<_>>().into_iter().rev() {
            if guilty.is_some_and(|(_, id)| id == task.id) {
                let status = ending.map_or(TaskStatus::Crashed, |ending| ending.status);
                let ran = self.head_since.elapsed();
                let why =
                    forced(status, task.timeout(), "; its Python interpreter was ended", failure.clone());
                feed.fail(task.id, status, ran, &why);
            } else {
                self.waiting.push_front(task);
            }
        }
        self.forget_child();
    }

    /// Drops unwanted tasks where they wait, takes them back where they have not begun, and interrupts the one that
    /// runs if it is cancelled.
    pub(super) fn obey(&mut self, feed: &mut Feed) {
        self.waiting.retain(|task| !feed.drop_unwanted(task.id));
        let Some(child) = &self.child else { return };
        let mut tasks = self.pipeline.iter().map(|(_, task)| task.id);
        let is_meant = tasks.next().is_some_and(|running| feed.is_cancelled(running))
            || tasks.any(|behind| feed.is_unwanted(behind));
        drop(tasks);
        if !is_meant {
            return;
        }
        let Ok(begun) = child.control.revoke(self.pipeline.last_number()) else { return child.kill() };
        for task in self.pipeline.revoke_after(begun).into_iter().rev() {
            if !feed.drop_unwanted(task.id) {
                self.waiting.push_front(task);
            }
        }
        let running = self.pipeline.iter().find(|(number, _)| *number == begun);
        if running.is_some_and(|(_, task)| feed.is_cancelled(task.id))
            && self.ending.is_none_or(|ending| ending.number != begun)
        {
            child.interrupt(begun);
            let kill_at = Instant::now() + GRACE;
            self.ending = Some(Ending { number: begun, status: TaskStatus::Cancelled, kill_at });
        }
    }

    /// When [`watch_clock`](Self::watch_clock) has something to do, if at all.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let child = self.child.as_ref()?;
        if !self.ready {
            return Some(child.begun + START);
        }
        let limit = self
            .pipeline
            .head()
            .and_then(|task| task.timeout())
            .and_then(|limit| self.head_since.checked_add(limit));
        let kill_at = self.ending.map(|ending| ending.kill_at);
        [limit, kill_at].into_iter().flatten().min()
    }

    /// Ends by force what has had its time.
    pub(super) fn watch_clock(&mut self, feed: &mut Feed) {
        let now = Instant::now();
        if self.deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        let Some(child) = &mut self.child else { return };
        child.kill();
        if !self.ready {
            let python = executable(&self.context);
            let message = format!(
                "the Python interpreter `{python}` on {} has not started within {} s; \
                 its libraries may be on a file system that hangs",
                self.context.node,
                START.as_secs()
            );
            let failure = Failure { message, detail: child.output.tail(), ..Failure::default() };
            self.forget_child();
            return self.refuse(feed, failure);
        }
        if self.ending.is_none_or(|ending| ending.kill_at > now) {
            let number = self.pipeline.head_number();
            self.ending = Some(Ending { number, status: TaskStatus::TimedOut, kill_at: now });
        }
        self.bury(feed);
    }
}

/// Why a task that was ended on purpose did not end well; a crash explains itself.
fn forced(status: TaskStatus, limit: Option<Duration>, how: &str, crash: Failure) -> Failure {
    let message = match status {
        TaskStatus::TimedOut => {
            let limit = limit.unwrap_or_default().as_secs_f64();
            format!("it ran longer than its time limit of {limit} s{how}")
        }
        TaskStatus::Cancelled => format!("cancelled while it ran{how}"),
        _ => return crash,
    };
    Failure { message, detail: crash.detail, ..Failure::default() }
}
