//! The control file: three words of memory that engine and child share.
//!
//! - `STARTED`, written by the child before it looks at `REVOKED`: the number of the task that it begins, from 1.
//! - `REVOKED`, written by the engine: a task with this number or a lower one is skipped if it has not begun.
//! - `UNWANTED`, written by the engine: the task that the next SIGINT is meant for. One that comes too late finds
//!   another number running and does nothing.
//!
//! The child maps the file; the engine reads and writes it by system calls, whose pages are the same.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::Duration;
use std::{io, process};

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

const LENGTH_BYTES: u64 = 4096;
const STARTED: u64 = 0;
const REVOKED: u64 = 8;
const UNWANTED: u64 = 16;

/// How long a store of the child may take until it is seen here: a processor drains its store buffer within
/// nanoseconds, and a thread that was switched away has drained it before.
const SETTLE: Duration = Duration::from_millis(1);

/// The engine's side of a control file.
#[derive(Debug)]
pub(super) struct Control {
    file: File,
}

impl Control {
    pub(super) fn new() -> io::Result<Self> {
        let name = format!("rpar-control-{}", process::id());
        let file = memfd_create(name, MemfdFlags::CLOEXEC)?;
        ftruncate(&file, LENGTH_BYTES)?;
        Ok(Control { file: file.into() })
    }

    /// A descriptor for the child.
    pub(super) fn share(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Takes back all tasks up to number `upto` that have not begun; returns the last one that has.
    pub(super) fn revoke(&self, upto: u64) -> io::Result<u64> {
        self.file.write_all_at(&upto.to_ne_bytes(), REVOKED)?;
        thread::sleep(SETTLE);
        let mut started = [0; 8];
        self.file.read_exact_at(&mut started, STARTED)?;
        Ok(u64::from_ne_bytes(started))
    }

    /// Says which task the next SIGINT is meant for.
    pub(super) fn unwanted(&self, task: u64) -> io::Result<()> {
        self.file.write_all_at(&task.to_ne_bytes(), UNWANTED)
    }
}
