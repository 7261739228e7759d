//! `rpar results`.

use std::time::Instant;

use rpar_core::id::SubmissionId;
use rpar_runtime::client::{Client, Reading};
use serde_json::json;

use super::super::context::Context;
use super::super::task::End;
use super::arguments_file::{Arguments, path};
use super::written::Written;
use super::{ANSWER_WITHIN, LOOK, find};
use crate::cluster::plural;
use crate::command::arguments::ResultsArguments;
use crate::command::exit::Exit;
use crate::command::interrupt::Interrupts;
use crate::command::output::{Answers, Output, Progress, json_line};
use crate::command::report::{Outcome, Report};
use crate::paths::ClusterDir;

/// After so many results the controller is told what it may forget: a message for each would be many.
const FORGET_EVERY: usize = 256;

pub(crate) fn run(context: &Context, arguments: &ResultsArguments) -> Outcome {
    let (directory, client) = context.client()?;
    let submission = find(&client, &directory, arguments.submission)?;
    let interrupts = Interrupts::watch(|_| {})?;
    let reading = client.read_submission(arguments.submission, ANSWER_WITHIN)?;
    if reading.first().0 > 0 {
        let next = reading.first().0 + 1;
        context.output.note(&format!("these begin with task {next}: what came before was forgotten"));
    }
    let ready = (submission.succeeded + submission.failed).saturating_sub(reading.first().0);
    let mut results = Results {
        client: &client,
        directory: &directory,
        submission: arguments.submission,
        reading: &reading,
        interrupts: &interrupts,
        output: context.output,
        answers: context.output.answers(),
        progress: Progress::new(&context.output, false, false),
        arguments: Arguments::of(&directory, arguments.submission),
        forget: arguments.forget,
        settled: 0,
        failed: 0,
    };
    let printed = match arguments.no_wait {
        true => results.there(ready as usize),
        false => results.all(),
    };
    results.progress.clear();
    let failed = results.failed;
    printed?;
    let left = submission.open || submission.tasks > reading.first().0 + results.settled as u64;
    if arguments.forget && !(arguments.no_wait && left) {
        forget_arguments(&directory, arguments);
    }
    if failed > 0 {
        let tasks = directory.command(&format!("tasks {} --state failed", arguments.submission));
        context.output.note(&format!("{} failed: {tasks} lists them", plural(failed, "task")));
    }
    Ok(if failed > 0 { Exit::Failed(failed) } else { Exit::Ok })
}

/// Nobody asks for them any more.
fn forget_arguments(directory: &ClusterDir, arguments: &ResultsArguments) {
    // it goes with the cluster otherwise
    let _ = std::fs::remove_file(path(directory, arguments.submission));
}

struct Results<'a> {
    client: &'a Client,
    directory: &'a ClusterDir,
    submission: SubmissionId,
    reading: &'a Reading,
    interrupts: &'a Interrupts,
    output: Output,
    answers: Answers,
    progress: Progress,
    arguments: Arguments,
    forget: bool,
    /// How many at the start were printed without a gap.
    settled: usize,
    failed: u64,
}

impl Results<'_> {
    /// Prints all results in the order of the tasks.
    fn all(&mut self) -> Outcome<()> {
        let group = self.reading.group();
        let mut index = 0;
        while self.reading.is_open() || index < group.len() {
            if let Some(outcome) = group.wait(index, Some(Instant::now())) {
                self.usable(&outcome)?;
                self.print(index, End::read(outcome))?;
                index += 1;
                if index.is_multiple_of(FORGET_EVERY) {
                    self.settle(index)?;
                }
            } else {
                self.settle(index)?;
                self.look()?;
                group.wait(index, Some(Instant::now() + LOOK));
            }
        }
        self.settle(index)
    }

    /// Prints the results that are there, which are so many.
    fn there(&mut self, ready: usize) -> Outcome<()> {
        let group = self.reading.group();
        while group.finished() < ready {
            self.look()?;
            group.next_finished(Some(Instant::now() + LOOK));
        }
        let mut gap = false;
        let mut printed = 0;
        for index in 0..group.len() {
            match group.wait(index, Some(Instant::now())) {
                Some(outcome) => {
                    self.usable(&outcome)?;
                    self.print(index, End::read(outcome))?;
                    printed += usize::from(!gap);
                }
                None => gap = true,
            }
        }
        self.settle(printed)
    }

    fn task(&self, index: usize) -> u64 {
        self.reading.first().0 + index as u64
    }

    /// What was lost with the link says nothing of the task.
    fn usable(&self, outcome: &rpar_runtime::client::Outcome) -> Outcome<()> {
        match self.client.lost() {
            Some(reason) if outcome.status == rpar_core::task::TaskStatus::Lost => {
                let error = format!("lost the link to the controller: {reason}");
                Err(Report::new(Exit::Link, error).hint("results that are kept can be asked for again"))
            }
            _ => Ok(()),
        }
    }

    fn print(&mut self, index: usize, mut end: End) -> Outcome<()> {
        self.reading.group().forget(index);
        let task = self.task(index);
        self.failed += u64::from(!end.ok());
        let files = if end.command.streamed { self.files(task) } else { None };
        if self.output.json {
            return self.document(task, end, files);
        }
        if let Some([stdout, stderr]) = files {
            self.flush()?;
            let output = self.output;
            self.pass_on(stdout, |part| output.bytes(part))?;
            self.pass_on(stderr, |part| {
                output.diagnostics(part);
                Ok(())
            })?;
            (end.command.stdout, end.command.stderr) = Default::default();
        }
        self.answers.write(&end.command.stdout)?;
        let mut said = end.command.stderr.to_vec();
        if let Some(message) = end.message.as_ref().filter(|_| !end.ok()) {
            said.extend_from_slice(format!("rpar: task {}: {message}\n", task + 1).as_bytes());
        }
        if !said.is_empty() {
            self.flush()?;
            self.progress.suspend(|| self.output.diagnostics(&said));
        }
        Ok(())
    }

    /// What a task wrote that its result does not hold. Where that is gone, the last of it, which a result does hold, is
    /// better than nothing.
    fn files(&self, task: u64) -> Option<[Written; 2]> {
        let files = [1, 2].map(|stream| Written::of(self.directory, self.submission, task, stream));
        match files.iter().find_map(Written::missing) {
            None => Some(files),
            Some(why) => {
                let text = format!("all but the last of what task {} wrote is gone: {why}", task + 1);
                self.progress.suspend(|| self.output.warn(&text));
                None
            }
        }
    }

    /// Prints much, without keeping it; Ctrl-C does not wait for the end of it.
    fn pass_on(&self, written: Written, mut print: impl FnMut(&[u8]) -> Outcome<()>) -> Outcome<()> {
        written.read(|part| match self.interrupts.pending() {
            Some(signal) => Err(Report::silent(Exit::Signal(signal))),
            None => self.progress.suspend(|| print(part)),
        })
    }

    fn document(&mut self, task: u64, mut end: End, files: Option<[Written; 2]>) -> Outcome<()> {
        let mut places = None;
        match files {
            Some(files) if files.iter().all(Written::is_short) => {
                let [stdout, stderr] = files.map(Written::whole);
                (end.command.stdout, end.command.stderr) = (stdout?.into(), stderr?.into());
            }
            Some(files) => places = Some(files.map(|written| written.path)),
            None => {}
        }
        let mut document = end.document();
        document["task"] = json!(task + 1);
        document["argument"] = json!(String::from_utf8_lossy(&self.arguments.of_task(task)));
        if let Some([stdout, stderr]) = places {
            document["stdout_file"] = json!(stdout.to_string_lossy());
            document["stderr_file"] = json!(stderr.to_string_lossy());
            let text = format!(
                "task {} wrote more than a document takes, which has only the last of it: all is in {}",
                task + 1,
                stdout.display()
            );
            self.progress.suspend(|| self.output.warn(&text));
        }
        self.answers.write(json_line(document).as_bytes())
    }

    /// What is printed up to `index` need not be kept.
    fn settle(&mut self, index: usize) -> Outcome<()> {
        self.flush()?;
        self.settled = index;
        if self.forget {
            self.client.forget_results(self.reading, index);
        }
        Ok(())
    }

    fn flush(&mut self) -> Outcome<()> {
        if self.answers.is_empty() {
            return Ok(());
        }
        let answers = &mut self.answers;
        self.progress.suspend(|| answers.flush())
    }

    fn look(&mut self) -> Outcome<()> {
        if let Some(signal) = self.interrupts.pending() {
            return Err(Report::silent(Exit::Signal(signal)));
        }
        for notice in self.client.notices() {
            self.progress.suspend(|| self.output.warn(&notice));
        }
        let group = self.reading.group();
        self.progress.count(group.finished() as u64, group.len() as u64, Some(group.len() as u64), "");
        Ok(())
    }
}
