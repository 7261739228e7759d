//! Work for a cluster, timed.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rpar_core::task::{Arguments, CommandSpec, Function, FunctionKind, TaskOptions, TaskStatus};
use rpar_runtime::client::{Defined, Group, Outcome};

use crate::cluster::{Cluster, PATIENCE};
use crate::row::{median, rate};
use crate::serve::{NOTHING, PIECE, PIECE_BYTES};

impl Cluster {
    /// Tasks a second of a Rust function that does nothing, submitted one by one.
    ///
    /// # Errors
    /// When a task fails.
    pub fn functions_per_second(&self, count: u64) -> io::Result<f64> {
        self.tasks_per_second(count, native(NOTHING), Bytes::new())
    }

    /// Commands a second of `/bin/true`, output captured.
    ///
    /// # Errors
    /// When a task fails.
    pub fn commands_per_second(&self, count: u64) -> io::Result<f64> {
        let spec =
            CommandSpec { script: "/bin/true".into(), workdir: "/".into(), environment: Default::default() };
        let mut body = Vec::new();
        ciborium::into_writer(&spec, &mut body).map_err(io::Error::other)?;
        let function = Function { kind: FunctionKind::Command, body: body.into() };
        let mut argument = BytesMut::new();
        Arguments::default().encode(&mut argument);
        self.tasks_per_second(count, function, argument.freeze())
    }

    fn tasks_per_second(&self, count: u64, function: Function, argument: Bytes) -> io::Result<f64> {
        let start = Instant::now();
        let group = self.submit(count, function, &argument);
        group.wait_all(None);
        let took = start.elapsed();
        self.check(&group)?;
        Ok(rate(count, took))
    }

    /// Submits tasks one by one.
    fn submit(&self, count: u64, function: Function, argument: &Bytes) -> Group {
        let (function, options) = (Defined::new(function), Arc::new(TaskOptions::default()));
        let group = self.client.group();
        for _ in 0..count {
            self.client.submit(&group, &function, &options, argument.clone());
        }
        self.submitted.set(self.submitted.get() + count);
        group
    }

    /// Whether all of a group's tasks have ended well, and all that was ever submitted has run once.
    fn check(&self, group: &Group) -> io::Result<()> {
        for index in 0..group.len() {
            ended_well(index, group.wait(index, None).as_ref())?;
        }
        let ran = self.status()?.engines.iter().map(|engine| engine.completed).sum::<u64>();
        match self.submitted.get() {
            submitted if submitted != ran => {
                Err(io::Error::other(format!("{ran} tasks ran, not {submitted}")))
            }
            _ => Ok(()),
        }
    }

    /// Microseconds from the submission of a Rust function that does nothing to its result, one under way: the median of
    /// `count`.
    ///
    /// # Errors
    /// When a task fails.
    pub fn round_trip_micros(&self, count: usize) -> io::Result<f64> {
        let (function, options) = (Defined::new(native(NOTHING)), Arc::new(TaskOptions::default()));
        let (group, mut took) = (self.client.group(), Vec::with_capacity(count));
        while took.len() < count {
            let start = Instant::now();
            let index = self.client.submit(&group, &function, &options, Bytes::new());
            let outcome = group.wait(index, None);
            took.push(start.elapsed().as_secs_f64() * 1e6);
            ended_well(index, outcome.as_ref())?;
        }
        self.submitted.set(self.submitted.get() + count as u64);
        self.check(&group)?;
        Ok(median(took))
    }

    /// Bytes a second of results, in pieces of 64 MiB.
    ///
    /// # Errors
    /// When a task fails.
    pub fn result_bytes_per_second(&self, pieces: u64) -> io::Result<f64> {
        let start = Instant::now();
        let group = self.submit(pieces, native(PIECE), &Bytes::new());
        while let Some((index, outcome)) = group.next_finished(None) {
            ended_well(index, Some(&outcome))?;
            if outcome.payload.len() != PIECE_BYTES {
                return Err(io::Error::other(format!("{} bytes came", outcome.payload.len())));
            }
            group.forget(index);
        }
        Ok(rate(pieces * PIECE_BYTES as u64, start.elapsed()))
    }

    /// Submits Rust functions that do nothing; returns when all of them are queued at the controller, which has no engines.
    ///
    /// # Errors
    /// When they do not get there.
    pub fn queue(&self, count: u64) -> io::Result<Group> {
        let group = self.submit(count, native(NOTHING), &Bytes::new());
        let deadline = Instant::now() + PATIENCE;
        while self.status()?.tasks.queued < count {
            if Instant::now() > deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(group)
    }

    /// Waits for the ends of queued tasks.
    ///
    /// # Errors
    /// When one did not end well.
    pub fn finish(&self, queued: &Group) -> io::Result<()> {
        queued.wait_all(None);
        self.check(queued)
    }
}

fn native(name: &'static str) -> Function {
    Function { kind: FunctionKind::Native, body: Bytes::from_static(name.as_bytes()) }
}

fn ended_well(index: usize, outcome: Option<&Outcome>) -> io::Result<()> {
    match outcome {
        Some(outcome) if outcome.status == TaskStatus::Ok => Ok(()),
        other => Err(io::Error::other(format!("task {index} ended as {other:?}"))),
    }
}
