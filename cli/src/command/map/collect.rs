//! From the ends of tasks to what the user sees: as they come, each goes to the files that were asked for, and is
//! printed when its turn has come.

use std::time::{Duration, Instant};

use rpar_core::task::TaskStatus;
use rpar_runtime::client::{Event, Group, Outcome as TaskOutcome};
use rustix::process::Signal;

use super::super::attach::Attached;
use super::super::task::End;
use super::board::Board;
use super::halt::Halting;
use super::joblog::Joblog;
use super::lines::Lines;
use super::print::Printer;
use super::saved::Saved;
use super::spool::Spool;
use super::summary::Summary;
use super::turns::Turns;
use crate::cluster;
use crate::command::exit::Exit;
use crate::command::interrupt::Interrupts;
use crate::command::output::{Output, Progress};
use crate::command::report::{Outcome, Report};
use crate::command::template::Template;

/// How often progress is shown, and how soon Ctrl-C is felt; results are printed at once.
const LOOK: Duration = Duration::from_millis(100);

/// Cancelled tasks report back at once unless their engines are in trouble.
const CANCEL_WITHIN: Duration = Duration::from_secs(5);

/// How often a map that has no results yet asks what its cluster is waiting for.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// Results on their way to the user.
pub(super) struct Collector<'a> {
    pub(super) attached: &'a Attached,
    pub(super) group: &'a Group,
    pub(super) board: &'a Board,
    pub(super) interrupts: &'a Interrupts,
    pub(super) output: Output,
    pub(super) template: &'a Template,
    /// How many tasks there are, if that was known before.
    pub(super) known: Option<u64>,
    pub(super) turns: Turns,
    pub(super) joblog: Option<Joblog>,
    pub(super) saved: Option<Saved>,
    pub(super) printer: Printer,
    /// What tasks write is printed while they run.
    pub(super) lines: Option<Lines>,
    /// What else tasks write while they run.
    pub(super) spool: Spool,
    pub(super) halting: Halting,
    pub(super) summary: Summary,
    /// When the first task was about to be submitted.
    pub(super) begun: Instant,
    pub(super) progress: Progress,
    pub(super) news: News,
    pub(super) stop: Option<Stop>,
    /// How many tasks ended only because no more are started.
    pub(super) dropped: u64,
}

/// When the collector last looked up from its results, and what a map without results waits for.
pub(super) struct News {
    looked: Instant,
    asked: Instant,
    waiting: String,
}

impl Default for News {
    fn default() -> Self {
        News { looked: Instant::now(), asked: Instant::now(), waiting: String::new() }
    }
}

/// Why no more tasks are started.
pub(super) struct Stop {
    pub(super) cause: Cause,
    /// When what ran was killed, if it was.
    killed: Option<Instant>,
}

impl Stop {
    /// The user has asked for an end at once; by which signal.
    pub(super) fn killed_by(&self) -> Option<u8> {
        match self.cause {
            Cause::Signal(signal) if self.killed.is_some() => Some(signal),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Signal(u8),
    Halt,
    /// Something went wrong here.
    Trouble,
}

impl Collector<'_> {
    /// Takes the ends of all tasks. However it returns, nothing runs any more.
    pub(super) fn all(&mut self) -> Outcome<()> {
        let ended = self.collect();
        if ended.is_err() {
            self.stop(Cause::Trouble, true);
            let until = Instant::now() + CANCEL_WITHIN;
            // their ends come after what they have written
            while let Some(event) = self.group.next_event(Some(until)) {
                if let Event::Ended(index, _) = event {
                    self.group.discard(index);
                }
            }
        }
        ended
    }

    fn collect(&mut self) -> Outcome<()> {
        while let Some(event) = self.next()? {
            match event {
                Event::Output(output) => self.wrote(&output)?,
                Event::Ended(index, outcome) => self.ended(index, outcome)?,
            }
        }
        self.flush()
    }

    /// What happens next; `None` when all tasks have ended, or what was killed has had its time.
    fn next(&mut self) -> Outcome<Option<Event>> {
        loop {
            // however fast results come
            self.look_now_and_then();
            // what is there already is printed in one go
            if let Some(next) = self.group.next_event(Some(Instant::now())) {
                return Ok(Some(next));
            }
            self.flush()?;
            let over = self.board.is_over();
            if self.group.finished() < self.group.len() {
                if let Some(next) = self.group.next_event(Some(Instant::now() + LOOK)) {
                    return Ok(Some(next));
                }
            } else if !over {
                self.board.wait(LOOK);
            } else if let Some(next) = self.group.next_event(Some(Instant::now())) {
                return Ok(Some(next));
            } else {
                return Ok(None);
            }
            let killed = self.stop.as_ref().and_then(|stop| stop.killed);
            if killed.is_some_and(|at| at.elapsed() > CANCEL_WITHIN) {
                return Ok(None);
            }
        }
    }

    /// Takes note of the tasks that were submitted, up to one that is heard of.
    pub(super) fn note(&mut self, index: usize) {
        if self.turns.record(index).is_none() {
            self.turns.add(self.board.take());
        }
    }

    fn ended(&mut self, index: usize, outcome: TaskOutcome) -> Outcome<()> {
        let mut end = End::read(self.usable(outcome)?);
        self.group.discard(index);
        self.note(index);
        self.wrote_last(index, &mut end)?;
        let dropped = self.stop.is_some() && end.status == Some(TaskStatus::Cancelled);
        self.dropped += u64::from(dropped);
        if !dropped {
            self.save(index, &end)?;
        }
        if let Some(record) = self.turns.record(index).filter(|_| !dropped) {
            if let Some(joblog) = &mut self.joblog {
                joblog.add(record, &self.template.command_line(record, end.engine), &end)?;
            }
            self.halting.count(&end, self.total());
        }
        self.turns.end(index, (!dropped).then_some(end))?;
        while let Some(due) = self.turns.next()? {
            self.show(&due)?;
            self.summary.add(&due.record, &due.end);
        }
        self.board.release(self.turns.released());
        if let Some(kill) = self.halting.due() {
            self.stop(Cause::Halt, kill);
        }
        Ok(())
    }

    /// A task that was lost with the link says nothing of the task.
    fn usable(&self, outcome: TaskOutcome) -> Outcome<TaskOutcome> {
        match self.attached.client.lost() {
            Some(reason) if outcome.status == TaskStatus::Lost => {
                let (ended, tasks) = (self.summary.ended(), cluster::plural(self.group.len() as u64, "task"));
                let error =
                    format!("lost the link to the controller, when {ended} of {tasks} had ended: {reason}");
                Err(Report::new(Exit::Link, error).hint(self.attached.hint_when_lost()))
            }
            _ => Ok(outcome),
        }
    }

    /// How many tasks there are, once that is known.
    fn total(&self) -> Option<u64> {
        let read = || (self.stop.is_none() && self.board.is_over()).then(|| self.group.len() as u64);
        self.known.or_else(read)
    }

    /// Looks up from the results, unless that was just done.
    pub(super) fn look_now_and_then(&mut self) {
        if self.news.looked.elapsed() >= LOOK {
            self.look();
        }
    }

    /// Between results: the user's wish to stop, news, progress.
    fn look(&mut self) {
        self.news.looked = Instant::now();
        if let Some(signal) = self.interrupts.pending() {
            // a terminal that is gone, or a system that goes down, does not wait
            let kill = signal != Signal::INT.as_raw() as u8 || self.interrupts.count() > 1;
            self.stop(Cause::Signal(signal), kill);
        }
        self.warn();
        if self.group.finished() > 0 {
            self.news.waiting.clear();
        } else if self.news.asked.elapsed() >= ASK_EVERY {
            self.news.asked = Instant::now();
            if let Ok(status) = self.attached.client.status(None, LOOK)
                && status.engines.is_empty()
            {
                self.news.waiting = cluster::waiting(&status);
            }
        }
        self.tell();
    }

    /// Passes on what the controller wants the user to know.
    fn warn(&mut self) {
        for notice in self.attached.client.notices() {
            self.progress.suspend(|| self.output.warn(&notice));
        }
    }

    fn tell(&mut self) {
        let (ended, submitted) = (self.group.finished() as u64, self.group.len() as u64);
        // what was dropped is neither done nor to come
        let total = self.total().filter(|_| self.dropped == 0);
        let [done, submitted] = [ended, submitted].map(|count| count - self.dropped);
        self.progress.count(done, submitted, total, &self.news.waiting);
    }

    /// Starts no more tasks; kills those that run, or waits for them.
    fn stop(&mut self, cause: Cause, kill: bool) {
        // what was not read by now never will be
        self.known = self.total();
        self.board.stop();
        let client = &self.attached.client;
        let stop = self.stop.get_or_insert_with(|| {
            client.cancel_queued(self.group);
            Stop { cause: Cause::Halt, killed: None }
        });
        // a rule may lead to what the user then hurries
        let news = stop.cause == Cause::Halt && cause != Cause::Halt;
        if news {
            stop.cause = cause;
        }
        if kill && stop.killed.is_none() {
            stop.killed = Some(Instant::now());
            client.cancel(self.group);
        } else if let (true, Cause::Signal(_)) = (news, cause) {
            let text = "waiting for the tasks that run, the others are dropped; Ctrl-C again kills what runs";
            self.progress.note_signal(&self.output, text);
        }
    }

    fn flush(&mut self) -> Outcome<()> {
        if let Some(joblog) = &mut self.joblog {
            joblog.flush()?;
        }
        self.printer.flush(&self.progress)
    }

    /// Tells what failed, and what did not run. The last thing to be done.
    ///
    /// # Errors
    /// When nobody reads it any more, or it cannot be written.
    pub(super) fn summarise(&mut self) -> Outcome<()> {
        self.tell();
        self.progress.clear();
        self.warn();
        let ended = cluster::plural(self.summary.ended(), "task");
        let killed = self.stop.as_ref().is_some_and(|stop| stop.killed.is_some());
        let rest = if killed { "what still ran was killed" } else { "nothing more was started" };
        match self.stop.as_ref().map(|stop| stop.cause) {
            Some(Cause::Signal(signal)) => {
                let signal = rpar_core::signal::told(signal.into());
                let text = format!("interrupted by {signal}: {ended} had ended, {rest}");
                self.output.note_signal(&text);
            }
            Some(Cause::Halt) => self.output.note(&format!("halted after {ended}: {rest}")),
            Some(Cause::Trouble) | None => {}
        }
        let text = self.summary.text(self.total());
        if self.output.json {
            let latest = self.group.latest().unwrap_or(self.begun);
            let wall = latest.saturating_duration_since(self.begun);
            return self.printer.document(self.summary.document(wall), &self.progress);
        }
        if !text.is_empty() {
            self.output.diagnostics(text.as_bytes());
        }
        Ok(())
    }
}
