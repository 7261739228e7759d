//! A temporary file, for what is too much for memory. It has no name, and so goes with this process.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};

use crate::command::exit::Exit;
use crate::command::report::{Outcome, Report};
use crate::paths::temporary_directory;

/// The file; made when it is needed.
#[derive(Debug)]
pub(super) struct Scratch {
    directory: PathBuf,
    hint: &'static str,
    /// Whether the directory is made where it is not there: it stays.
    makes: bool,
    file: Option<File>,
    /// Where the next bytes go, and how many are kept.
    at: u64,
    kept: u64,
}

/// Where in the file something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) at: u64,
    pub(super) bytes: u64,
}

impl Scratch {
    /// In the system's directory for such files; with `results`, in that one: its owner has thought of large files.
    pub(super) fn new(results: Option<&Path>) -> Self {
        let (directory, hint) = match results {
            Some(directory) => (directory.to_owned(), "--results names another directory"),
            None => (temporary_directory(), "$TMPDIR names another directory"),
        };
        Scratch { directory, hint, makes: results.is_some(), file: None, at: 0, kept: 0 }
    }

    /// Writes something to the file.
    ///
    /// # Errors
    /// When that is full, or cannot be made.
    pub(super) fn put(&mut self, data: &[u8]) -> Outcome<Place> {
        let place = Place { at: self.at, bytes: data.len() as u64 };
        self.write(data).map_err(|error| self.failed("write", &error))?;
        self.at += place.bytes;
        self.kept += place.bytes;
        Ok(place)
    }

    fn write(&mut self, data: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                if self.makes {
                    fs::create_dir_all(&self.directory)?;
                }
                none.insert(tempfile::tempfile_in(&self.directory)?)
            }
        };
        file.write_all_at(data, self.at)
    }

    /// Takes something out of the file: its space is free again.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn take(&mut self, place: Place) -> Outcome<Vec<u8>> {
        let mut data = vec![0; place.bytes as usize];
        let read = self.file.as_ref().map_or(Ok(()), |file| file.read_exact_at(&mut data, place.at));
        read.map_err(|error| self.failed("read", &error))?;
        self.free(place);
        Ok(data)
    }

    /// The same for what nobody wants to read any more.
    pub(super) fn free(&mut self, place: Place) {
        self.kept -= place.bytes;
        let Some(file) = self.file.as_ref().filter(|_| place.bytes > 0) else { return };
        if self.kept == 0 && file.set_len(0).is_ok() {
            self.at = 0;
        } else {
            // where files cannot have holes, all space becomes free together
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            let _ = fallocate(file, flags, place.at, place.bytes);
        }
    }

    fn failed(&self, what: &str, error: &io::Error) -> Report {
        let directory = self.directory.display();
        let text = format!(
            "could not {what} a temporary file in {directory}, where large output waits for its turn"
        );
        Report::new(Exit::Files, text).because(error.to_string()).hint(self.hint)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn space_is_given_back() {
        let directory = tempfile::tempdir().unwrap();
        let mut scratch = Scratch::new(Some(&directory.path().join("results")));
        let places: Vec<Place> = (0..4).map(|byte| scratch.put(&vec![byte; 1 << 20]).unwrap()).collect();
        let used = |scratch: &Scratch| scratch.file.as_ref().unwrap().metadata().unwrap().blocks() * 512;
        let before = used(&scratch);
        assert!(scratch.take(places[1]).unwrap() == vec![1; 1 << 20]);
        assert!(used(&scratch) < before, "{before}");
        assert!(scratch.take(places[2]).unwrap() == vec![2; 1 << 20], "beside the hole");
        scratch.free(places[0]);
        scratch.free(places[3]);
        assert_eq!((used(&scratch), scratch.at, scratch.kept), (0, 0, 0));
    }

    #[test]
    fn a_directory_that_takes_nothing_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let report = Scratch::new(Some(&file)).put(b"x").unwrap_err();
        let text = report.render(false);
        assert!(text.contains(&file.display().to_string()) && text.contains("hint: --results"), "{text}");
    }
}
