//! Prints results in the order of the arguments, as soon as that order allows.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rpar_core::task::TaskStatus;
use rpar_runtime::client::{Group, Outcome as TaskOutcome};
use serde_json::json;

use super::super::attach::Attached;
use super::super::context::Context;
use super::super::task::End;
use super::summary::Summary;
use super::{Submitted, refused};
use crate::cluster;
use crate::command::exit::Exit;
use crate::command::interrupt::Interrupts;
use crate::command::output::{Answers, Output, Progress};
use crate::command::report::{Outcome, Report};

/// How often progress is shown, and how soon Ctrl-C is felt; results are printed at once.
const LOOK: Duration = Duration::from_millis(100);

/// Cancelled tasks report back at once unless their engines are in trouble.
const CANCEL_WITHIN: Duration = Duration::from_secs(5);

/// How often a map that has no results yet asks what its cluster is waiting for.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// Results on their way to the user.
pub(super) struct Results<'a> {
    attached: &'a Attached,
    group: &'a Group,
    interrupts: &'a Interrupts,
    output: Output,
    answers: Answers,
    progress: Progress,
    /// How many arguments there are, if known.
    known: Option<u64>,
    summary: Summary,
    asked: Instant,
    waiting: String,
}

impl<'a> Results<'a> {
    pub(super) fn new(
        context: &Context,
        attached: &'a Attached,
        group: &'a Group,
        known: Option<u64>,
        interrupts: &'a Interrupts,
    ) -> Self {
        let output = context.output;
        Results {
            attached,
            group,
            interrupts,
            output,
            answers: output.answers(),
            progress: Progress::new(&output),
            known,
            summary: Summary::default(),
            asked: Instant::now(),
            waiting: String::new(),
        }
    }

    /// How many tasks did not end well.
    pub(super) fn failed(&self) -> u64 {
        self.summary.failed()
    }

    /// Prints the results of all arguments that come through `order`.
    pub(super) fn all(&mut self, order: Receiver<Submitted>) -> Outcome<()> {
        let mut refusal = None;
        let mut index = 0;
        while let Some(next) = self.next_argument(&order)? {
            match next {
                Ok(argument) => {
                    let outcome = self.outcome(index)?;
                    self.group.forget(index);
                    self.print(index, &argument, outcome)?;
                    index += 1;
                }
                Err(error) => refusal = Some(refused(error)),
            }
        }
        self.flush()?;
        refusal.map_or(Ok(()), Err)
    }

    fn next_argument(&mut self, order: &Receiver<Submitted>) -> Outcome<Option<Submitted>> {
        if let Ok(next) = order.try_recv() {
            return Ok(Some(next));
        }
        self.flush()?;
        loop {
            match order.recv_timeout(LOOK) {
                Ok(next) => return Ok(Some(next)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => self.look()?,
            }
        }
    }

    fn outcome(&mut self, index: usize) -> Outcome<TaskOutcome> {
        // what is there already is printed in one go
        if let Some(outcome) = self.group.wait(index, Some(Instant::now())) {
            return self.usable(outcome);
        }
        self.flush()?;
        loop {
            if let Some(outcome) = self.group.wait(index, Some(Instant::now() + LOOK)) {
                return self.usable(outcome);
            }
            self.look()?;
        }
    }

    /// A task that was lost with the link says nothing of the task.
    fn usable(&self, outcome: TaskOutcome) -> Outcome<TaskOutcome> {
        match self.attached.client.lost() {
            Some(reason) if outcome.status == TaskStatus::Lost => {
                let error = format!("lost the link to the controller: {reason}");
                Err(Report::new(Exit::Link, error)
                    .because(format!("{} of {} tasks had ended", self.summary.ended(), self.group.len()))
                    .hint(self.attached.hint_when_lost()))
            }
            _ => Ok(outcome),
        }
    }

    /// Between results: the user's wish to stop, news, progress.
    fn look(&mut self) -> Outcome<()> {
        if let Some(signal) = self.interrupts.pending() {
            return Err(Report::silent(Exit::Signal(signal)));
        }
        for notice in self.attached.client.notices() {
            self.progress.suspend(|| self.output.warn(&notice));
        }
        let done = self.group.finished() as u64;
        if done > 0 {
            self.waiting.clear();
        } else if self.asked.elapsed() >= ASK_EVERY {
            self.asked = Instant::now();
            if let Ok(status) = self.attached.client.status(None, LOOK)
                && status.engines.is_empty()
            {
                self.waiting = cluster::waiting(&status);
            }
        }
        self.progress.count(done, self.group.len() as u64, self.known, &self.waiting);
        Ok(())
    }

    fn print(&mut self, index: usize, argument: &Bytes, outcome: TaskOutcome) -> Outcome<()> {
        let end = End::read(outcome);
        if self.output.json {
            let mut line = end.document();
            line["task"] = json!(index + 1);
            line["argument"] = json!(String::from_utf8_lossy(argument));
            self.answers.write(format!("{line}\n").as_bytes())?;
        } else {
            self.answers.write(&end.command.stdout)?;
            if !end.command.stderr.is_empty() {
                self.flush()?;
                self.progress.suspend(|| self.output.diagnostics(&end.command.stderr));
            }
        }
        self.summary.add(index as u64 + 1, argument, &end);
        Ok(())
    }

    fn flush(&mut self) -> Outcome<()> {
        if self.answers.is_empty() {
            return Ok(());
        }
        let answers = &mut self.answers;
        self.progress.suspend(|| answers.flush())
    }

    /// Drops what has not ended, and waits until it has gone.
    pub(super) fn cancel(&mut self) {
        self.attached.client.cancel(self.group);
        self.group.wait_all(Some(Instant::now() + CANCEL_WITHIN));
    }

    /// Tells what failed. The last thing to be done.
    pub(super) fn summarise(&mut self) {
        self.progress.clear();
        let text = self.summary.text(self.known);
        if let Some(signal) = self.interrupts.pending() {
            let ended = self.summary.ended();
            let text = format!(
                "interrupted by signal {signal}: {ended} results were printed, the rest is cancelled"
            );
            self.output.note_signal(&text);
        }
        if !self.output.json && !text.is_empty() {
            self.output.diagnostics(text.as_bytes());
        }
    }
}
