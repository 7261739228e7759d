//! Submissions: work that outlives the program that submitted it, and its results, for whoever asks.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use rpar_core::client::Input;
use rpar_core::id::{SubmissionId, TaskId};
use rpar_core::wire::{Opened, Runs, RunsBuilder, TaskPage};

use super::outbox::Request;
use super::ranges::Ranges;
use super::{Client, ClientError, Group};

/// The results of a submission, as they come.
///
/// Index 0 of its group is the first task whose result was not [forgotten](Client::forget_results) when it was opened.
/// While it is [open](Self::is_open) the group may still grow.
#[derive(Clone, Debug)]
pub struct Reading {
    group: Group,
    first: TaskId,
    opened: Arc<Mutex<Opened>>,
}

impl Reading {
    /// Its results.
    pub fn group(&self) -> &Group {
        &self.group
    }

    /// The submission's task at index 0 of the group.
    pub fn first(&self) -> TaskId {
        self.first
    }

    /// Whether more tasks may come.
    pub fn is_open(&self) -> bool {
        lock(&self.opened).open
    }
}

impl Client {
    /// Makes all that this client submits from here on a submission: it goes on when the client leaves, and its results
    /// wait at the controller. To be called before anything is submitted. `name` is for people. End it with
    /// [`close_submission`](Self::close_submission).
    ///
    /// # Errors
    /// When the link is gone or no answer comes in time.
    pub fn open_submission(&self, name: &str, timeout: Duration) -> Result<SubmissionId, ClientError> {
        let (answer, answered) = mpsc::sync_channel(1);
        let opened = self.asked(Request::Open { name: name.to_owned(), answer }, &answered, timeout)?;
        Ok(opened.submission)
    }

    /// Says that the submission is complete, and waits until the controller has all of it; tells how many tasks it has.
    /// The client may leave then.
    ///
    /// # Errors
    /// When the link is gone or no answer comes in time: a long submission waits for room at the controller.
    pub fn close_submission(&self, timeout: Duration) -> Result<u64, ClientError> {
        let (answer, answered) = mpsc::sync_channel(1);
        Ok(self.asked(Request::Close { answer }, &answered, timeout)?.tasks)
    }

    /// Reads a submission's results: those that wait, and those to come. This client can submit nothing of its own then.
    ///
    /// # Errors
    /// When there is no such submission, the link is gone, or no answer comes in time.
    pub fn read_submission(
        &self,
        submission: SubmissionId,
        timeout: Duration,
    ) -> Result<Reading, ClientError> {
        let (answer, answered) = mpsc::sync_channel(1);
        self.asked(Request::Read { submission, results: true, answer }, &answered, timeout)
    }

    /// Cancels a submission's unfinished tasks: those among `tasks`, or all; with those that run, or only what has not
    /// begun. This client can submit nothing of its own then.
    ///
    /// # Errors
    /// When there is no such submission, the link is gone, or no answer comes in time.
    pub fn cancel_submission(
        &self,
        submission: SubmissionId,
        tasks: Option<&Runs>,
        running: bool,
        timeout: Duration,
    ) -> Result<(), ClientError> {
        let (answer, answered) = mpsc::sync_channel(1);
        let reading = self.asked(Request::Read { submission, results: false, answer }, &answered, timeout)?;
        let all = || {
            let (mut runs, mut first, mut left) =
                (RunsBuilder::default(), reading.first, reading.group.len());
            while left > 0 {
                let count = u32::try_from(left).unwrap_or(u32::MAX);
                runs.push_run(first, count);
                (first, left) = (TaskId(first.0 + count as u64), left - count as usize);
            }
            runs.finish()
        };
        let runs = tasks.cloned().unwrap_or_else(all);
        self.request(Request::CancelTasks { runs, running });
        Ok(())
    }

    /// Lets the controller forget the results of the submission that is read, up to the task at this index of its group.
    /// Results that came together are forgotten together.
    pub fn forget_results(&self, reading: &Reading, upto: usize) {
        let upto = TaskId(reading.first.0 + upto as u64);
        self.request(Request::Forget { upto });
    }

    /// What is known of a submission's tasks, from `from` on; at most 1,000 at once.
    ///
    /// # Errors
    /// When there is no such submission, the link is gone, or no answer comes in time.
    pub fn list_tasks(
        &self,
        submission: SubmissionId,
        from: TaskId,
        timeout: Duration,
    ) -> Result<TaskPage, ClientError> {
        let (answer, answered) = mpsc::sync_channel(1);
        self.asked(Request::List { submission, from, answer }, &answered, timeout)
    }
}

/// What the client's thread knows of the submission of its link.
#[derive(Debug, Default)]
pub(super) struct Desk {
    /// Who waits for the next `Opened`.
    openings: VecDeque<mpsc::SyncSender<Opened>>,
    /// Who waits for the first one of a submission that is to be read.
    reader: Option<mpsc::SyncSender<Reading>>,
    reading: Option<Reading>,
}

impl Desk {
    /// Takes note of who waits for an answer; the machine's input for the request.
    pub(super) fn open(&mut self, name: String, answer: mpsc::SyncSender<Opened>) -> Input {
        self.openings.push_back(answer);
        Input::Open { name }
    }

    /// The same, of who closes.
    pub(super) fn close(&mut self, answer: mpsc::SyncSender<Opened>) -> Input {
        self.openings.push_back(answer);
        Input::Close
    }

    /// The same, of who reads.
    pub(super) fn read(
        &mut self,
        submission: SubmissionId,
        results: bool,
        answer: mpsc::SyncSender<Reading>,
    ) -> Input {
        self.reader = Some(answer);
        Input::Read { submission, results }
    }

    /// Takes note of how far the submission is: expects the results of tasks that are new.
    pub(super) fn opened(&mut self, opened: Opened, ranges: &mut Ranges) {
        // who asked may not wait any more, and have asked again
        while let Some(answer) = self.openings.pop_front() {
            if answer.try_send(opened).is_ok() {
                break;
            }
        }
        if let Some(reader) = self.reader.take() {
            let reading = Reading {
                group: Group::default(),
                first: opened.forgotten,
                opened: Arc::new(Mutex::new(opened)),
            };
            self.reading = Some(reading.clone());
            ranges.expect(&reading.group, reading.first, opened.tasks, opened.opened_micros);
            let _ = reader.try_send(reading);
        } else if let Some(reading) = &self.reading {
            ranges.expect(&reading.group, reading.first, opened.tasks, opened.opened_micros);
            *lock(&reading.opened) = opened;
        }
    }
}

fn lock(opened: &Mutex<Opened>) -> std::sync::MutexGuard<'_, Opened> {
    // it is replaced as a whole
    opened.lock().unwrap_or_else(PoisonError::into_inner)
}
