//! What a task of a submission wrote that its result does not hold: files in the cluster's directory.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use rpar_core::id::{SubmissionId, TaskId};
use rpar_runtime::files::{task_output_name, task_outputs};

use crate::command::exit::Exit;
use crate::command::report::{Outcome, Report};
use crate::paths::ClusterDir;

/// How much is read at once.
const PART_BYTES: usize = 256 << 10;

/// The most of a stream that goes into a document, which is a whole in memory: as much as `rpar map` puts there.
const DOCUMENT_BYTES: u64 = 64 << 20;

/// One stream of a task.
pub(super) struct Written {
    pub(super) path: PathBuf,
    file: io::Result<File>,
    /// How much of it there is.
    bytes: u64,
}

impl Written {
    /// The stream with this number.
    pub(super) fn of(directory: &ClusterDir, id: SubmissionId, task: u64, stream: u8) -> Self {
        let name = task_output_name(TaskId(task), stream);
        let path = task_outputs(&directory.path, id).join(name);
        let opened = File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
        match opened {
            Ok((bytes, file)) => Written { path, file: Ok(file), bytes },
            Err(error) => Written { path, file: Err(error), bytes: 0 },
        }
    }

    /// Why it is not there, if that is so.
    pub(super) fn missing(&self) -> Option<String> {
        let error = self.file.as_ref().err()?;
        Some(format!("{}: {error}", self.path.display()))
    }

    /// Whether it fits a document.
    pub(super) fn is_short(&self) -> bool {
        self.bytes <= DOCUMENT_BYTES
    }

    /// All of it, piece by piece.
    ///
    /// # Errors
    /// When it cannot be read, and those of `each`.
    pub(super) fn read(self, mut each: impl FnMut(&[u8]) -> Outcome<()>) -> Outcome<()> {
        let failed = |error: io::Error| {
            let what = format!("could not read what a task wrote, {}", self.path.display());
            Report::new(Exit::Files, what).because(error.to_string())
        };
        let mut file = self.file.map_err(failed)?;
        let mut part = vec![0; PART_BYTES];
        loop {
            match file.read(&mut part).map_err(failed)? {
                0 => return Ok(()),
                count => each(&part[..count])?,
            }
        }
    }

    /// All of it, as it is in memory.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn whole(self) -> Outcome<Vec<u8>> {
        let mut whole = Vec::new();
        self.read(|part| {
            whole.extend_from_slice(part);
            Ok(())
        })?;
        Ok(whole)
    }
}
