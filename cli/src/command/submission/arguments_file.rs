//! What the tasks of a submission are about, for people: the controller forgets arguments when their tasks end, so they
//! are kept in the cluster's directory.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rpar_core::id::SubmissionId;
use rpar_runtime::files::SUBMISSIONS_DIRECTORY;

use crate::command::exit::Exit;
use crate::command::report::{Outcome, Report};
use crate::paths::ClusterDir;

/// Where they are: each ends with a NUL byte, which no argument holds.
pub(super) fn path(directory: &ClusterDir, id: SubmissionId) -> PathBuf {
    directory.path.join(SUBMISSIONS_DIRECTORY).join(id.to_string())
}

/// Keeps the arguments of a submission's tasks as they are submitted.
pub(super) struct ArgumentsFile {
    path: PathBuf,
    writer: BufWriter<File>,
}

impl ArgumentsFile {
    /// An empty one, for its owner's eyes only, as all of the cluster's directory is.
    ///
    /// # Errors
    /// When the cluster's directory cannot be written to.
    pub(super) fn create(directory: &ClusterDir, id: SubmissionId) -> Outcome<Self> {
        let path = path(directory, id);
        let make = |parent: &Path| DirBuilder::new().recursive(true).mode(0o700).create(parent);
        let create = || OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&path);
        match path.parent().map_or(Ok(()), make).and_then(|()| create()) {
            Ok(file) => Ok(ArgumentsFile { path, writer: BufWriter::new(file) }),
            Err(error) => Err(failed(&path, &error)),
        }
    }

    /// Adds the argument of the next task.
    ///
    /// # Errors
    /// When the disk is full.
    pub(super) fn add(&mut self, argument: &[u8]) -> Outcome<()> {
        let written = self.writer.write_all(argument).and_then(|()| self.writer.write_all(&[0]));
        written.map_err(|error| failed(&self.path, &error))
    }

    /// Makes what was added readable for others.
    ///
    /// # Errors
    /// When the disk is full.
    pub(super) fn flush(&mut self) -> Outcome<()> {
        self.writer.flush().map_err(|error| failed(&self.path, &error))
    }
}

fn failed(path: &Path, error: &io::Error) -> Report {
    Report::of(Exit::Files, error).because(format!("the arguments are kept in {}", path.display()))
}

/// The arguments of a submission's tasks, in order, read as far as they are asked for. There are none if they were
/// submitted from a program or another host's home.
pub(super) struct Arguments {
    reader: Option<BufReader<File>>,
    next: u64,
}

impl Arguments {
    pub(super) fn of(directory: &ClusterDir, id: SubmissionId) -> Self {
        Arguments { reader: File::open(path(directory, id)).ok().map(BufReader::new), next: 0 }
    }

    /// The argument of a task, by its number from 0; these only grow from call to call. Empty when it is not known.
    pub(super) fn of_task(&mut self, task: u64) -> Bytes {
        let mut argument = Vec::new();
        while self.next <= task {
            argument.clear();
            self.next += 1;
            if self.read(&mut argument).is_err() {
                self.reader = None;
                return Bytes::new();
            }
        }
        argument.into()
    }

    fn read(&mut self, argument: &mut Vec<u8>) -> io::Result<()> {
        let reader = self.reader.as_mut().ok_or(io::ErrorKind::NotFound)?;
        reader.read_until(0, argument)?;
        match argument.pop() {
            Some(0) => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}
