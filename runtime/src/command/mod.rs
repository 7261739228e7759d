//! Command tasks: `sh -c SCRIPT rpar ARGUMENT...`, one process at a time on its engine's own thread.

mod attend;
mod capture;
mod program;
mod script;
mod start;
#[cfg(test)]
mod tests;

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rpar_core::task::{Arguments, CommandOutcome, CommandSpec, Failure, FunctionKind, Live, TaskStatus};
use rustix::fs::Access;
use rustix::process::Pid;

use crate::engine::{Child, EngineContext, Executor, Feed, Task};
use attend::{Attendance, End, Force};
use capture::{CHUNK_BYTES, LIMIT_BYTES};
use start::Prepared;

/// Exit status of a command that rpar itself could not run, as env(1), nice(1) and timeout(1) have it.
const CANNOT_RUN: i32 = 125;

/// How much of a command's stderr goes into the failure that tells of its forced end.
const DETAIL_BYTES: usize = 2 << 10;

/// Runs commands.
#[derive(Debug)]
pub(crate) struct CommandExecutor {
    context: Arc<EngineContext>,
    prepared: Option<Prepared>,
    buffer: Vec<u8>,
}

impl CommandExecutor {
    pub(crate) fn new(context: Arc<EngineContext>) -> Self {
        CommandExecutor { context, prepared: None, buffer: vec![0; CHUNK_BYTES] }
    }

    fn run_one(&mut self, task: &Task, feed: &mut Feed) -> (TaskStatus, Bytes) {
        let known = self.prepared.take().filter(|known| Arc::ptr_eq(&known.function, &task.function));
        let prepared =
            self.prepared.insert(known.unwrap_or_else(|| Prepared::new(Arc::clone(&task.function))));
        let spec = match &prepared.spec {
            Ok(spec) => spec,
            Err(reason) => return not_run(reason),
        };
        let arguments = match Arguments::decode(task.argument.clone()) {
            Ok(arguments) => arguments.0,
            Err(error) => return not_run(&error.to_string()),
        };
        let resources = &task.options.resources;
        let share = match self.context.stock.share(resources, &[]) {
            Ok(share) => share,
            Err(reason) => return not_run(&reason),
        };
        let limit = self.context.stock.limit(resources);
        let mut variables = self.context.environment();
        variables.extend(share.environment());
        variables.push(("RPAR_TASK_ID", task.id.to_string()));
        let engine = feed.engine();
        variables.push(("RPAR_ENGINE_ID", engine.to_string()));
        variables.push(("PARALLEL_JOBSLOT", engine.slot().to_string()));
        let number = task.options.client_id(task.id).0.wrapping_add(1);
        variables.push(("PARALLEL_SEQ", number.to_string()));
        self.context.guard.stand();
        variables.extend(self.context.guard.mark());
        self.context.guard.begin(self.context.slot, task.id);
        let begun = Instant::now();
        let child = match prepared.start(spec, &arguments, &variables, limit.as_ref()) {
            Ok(child) => child,
            Err(error) => {
                self.context.guard.release(self.context.slot, Child::Command);
                return not_run(&self.context.why_not(spec, &error));
            }
        };
        if let Some(group) = Pid::from_raw(child.id() as i32) {
            self.context.guard.watch(self.context.slot, Child::Command, group);
        }
        let streamed = task.options.live == Live::Yes;
        let deadline = task.timeout().and_then(|limit| Instant::now().checked_add(limit));
        let attendance = Attendance { child, task, deadline, feed, buffer: &mut self.buffer, streamed };
        let end = attendance.run(|| self.context.guard.release(self.context.slot, Child::Command));
        let verdict = limit.and_then(|limit| limit.verdict());
        if end.forced.is_none() && verdict.is_none() {
            feed.doubt(end.status.as_ref().ok().and_then(ExitStatusExt::signal), begun.elapsed());
        }
        outcome(end, task.timeout(), verdict)
    }
}

impl Executor for CommandExecutor {
    fn run(&mut self, feed: &mut Feed) {
        while let Some(task) = feed.take(FunctionKind::Command) {
            let begun = Instant::now();
            let (status, payload) = self.run_one(&task, feed);
            feed.end(task.id, status, begun.elapsed(), payload);
        }
    }
}

impl EngineContext {
    /// Why a command could not be started, for people.
    fn why_not(&self, spec: &CommandSpec, error: &std::io::Error) -> String {
        let usable = std::fs::metadata(Path::new(&spec.workdir)).and_then(|found| match found.is_dir() {
            // to be there and to let one in are two things
            true => Ok(rustix::fs::access(&spec.workdir, Access::EXEC_OK).map(|()| true)?),
            false => Ok(false),
        });
        match usable {
            Ok(true) => format!("could not start a process on {}: {error}", self.node),
            Ok(false) => format!("working directory {} on {} is no directory", spec.workdir, self.node),
            Err(error) => format!(
                "working directory {} cannot be used on {}: {error}; choose one that the engines may enter with --workdir",
                spec.workdir, self.node
            ),
        }
    }
}

/// The outcome of a command that never ran.
fn not_run(reason: &str) -> (TaskStatus, Bytes) {
    let stderr = format!("rpar: {reason}\n").into();
    let outcome = CommandOutcome { exit: Some(CANNOT_RUN), stderr, ..CommandOutcome::default() };
    (TaskStatus::Failed, encoded(&outcome))
}

/// `verdict` is why something of it was killed for want of memory.
fn outcome(end: End, limit: Option<Duration>, verdict: Option<String>) -> (TaskStatus, Bytes) {
    let End { status, forced, streamed, stdout, mut stderr } = end;
    let status = match status {
        Ok(status) => status,
        Err(error) => return not_run(&format!("could not wait for the command: {error}")),
    };
    let (exit, signal) = (status.code(), status.signal());
    let failure = |message| {
        let tail = &stderr[stderr.len().saturating_sub(DETAIL_BYTES)..];
        let detail = String::from_utf8_lossy(tail).into_owned();
        Failure { detail, exit, signal, ..Failure::new(message) }
    };
    match forced {
        Some(Force::Cancelled) => {
            (TaskStatus::Cancelled, failure("cancelled while it ran".to_owned()).encode())
        }
        Some(Force::TimedOut) => {
            let why = failure(format!("ended after its time limit of {:?}", limit.unwrap_or_default()));
            let (stdout, stderr) = (clipped(stdout), clipped(stderr));
            let outcome = CommandOutcome { exit, signal, streamed, stdout, stderr };
            (TaskStatus::TimedOut, why.encode_with(&outcome))
        }
        Some(Force::Reset) => (TaskStatus::Lost, failure("its engine was reset".to_owned()).encode()),
        Some(Force::TooMuch(stream)) => {
            let said = format!(
                "\nrpar: ended: it wrote more than {} MiB to {stream}, which is all that a result holds: let it write to a file\n",
                LIMIT_BYTES >> 20
            );
            stderr.truncate(LIMIT_BYTES - said.len());
            stderr.extend_from_slice(said.as_bytes());
            let (stdout, stderr) = (clipped(stdout), stderr.into());
            let outcome = CommandOutcome { exit, signal, streamed, stdout, stderr };
            (TaskStatus::Failed, encoded(&outcome))
        }
        None => {
            if let Some(verdict) = verdict.filter(|_| exit != Some(0)) {
                stderr.extend_from_slice(format!("rpar: {verdict}\n").as_bytes());
            }
            let (stdout, stderr) = (clipped(stdout), clipped(stderr));
            let outcome = CommandOutcome { exit, signal, streamed, stdout, stderr };
            let status = if exit == Some(0) { TaskStatus::Ok } else { TaskStatus::Failed };
            (status, encoded(&outcome))
        }
    }
}

/// What ended in the same moment as it passed the limit.
fn clipped(mut data: Vec<u8>) -> Bytes {
    data.truncate(LIMIT_BYTES);
    data.into()
}

fn encoded(outcome: &CommandOutcome) -> Bytes {
    let mut out = BytesMut::new();
    outcome.encode(&mut out);
    out.freeze()
}
