//! The copy of a profile's file that an editor gets. What the user has written is never lost with it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::command::exit::Exit;
use crate::command::report::{Outcome, Report};

/// A text that is being edited, in a directory of its own.
#[derive(Debug)]
pub(super) struct Copy {
    directory: TempDir,
    file: PathBuf,
    /// What the user was given.
    begun: String,
}

impl Copy {
    /// A file of the profile's name, for editors that go by its ending.
    pub(super) fn new(name: &str, begun: String) -> Outcome<Copy> {
        let failed =
            |error: io::Error| Report::of(Exit::Files, &error).because("no copy could be made to edit");
        let directory = tempfile::Builder::new().prefix("rpar-edit-").tempdir().map_err(failed)?;
        let file = directory.path().join(format!("{name}.toml"));
        fs::write(&file, &begun).map_err(failed)?;
        Ok(Copy { directory, file, begun })
    }

    /// What the editor is given.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// What the user has made of it; `None` when that is nothing.
    pub(super) fn text(&self) -> Outcome<Option<String>> {
        let text = fs::read_to_string(&self.file).map_err(|error| {
            Report::of(Exit::Files, &error).because(format!("{} could not be read", self.file.display()))
        })?;
        Ok(Some(text).filter(|text| *text != self.begun))
    }

    /// Keeps what the user has written where it is found again: beside the profile's file, or else where it is. `None` when there
    /// is nothing to keep.
    pub(super) fn keep(self, path: &Path) -> Option<PathBuf> {
        if fs::read(&self.file).is_ok_and(|text| text == self.begun.as_bytes()) {
            return None;
        }
        beside(path, &self.file).ok().or_else(|| {
            let name = self.file.file_name()?.to_owned();
            Some(self.directory.keep().join(name))
        })
    }
}

/// A file of a name that no other has, and that is no profile's.
fn beside(path: &Path, file: &Path) -> io::Result<PathBuf> {
    let nameless = || io::Error::from(io::ErrorKind::InvalidInput);
    let (directory, name) = (path.parent().ok_or_else(nameless)?, path.file_name().ok_or_else(nameless)?);
    let prefix = format!("{}.draft-", name.display());
    let mut draft = tempfile::Builder::new().prefix(&prefix).tempfile_in(directory)?;
    io::copy(&mut fs::File::open(file)?, &mut draft)?;
    draft.as_file().sync_all()?;
    draft.keep().map(|(_, path)| path).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_kept_beside_or_where_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ours.toml");
        assert_eq!(Copy::new("ours", "a".into()).unwrap().keep(&path), None, "nothing was written");
        let written = || {
            let copy = Copy::new("ours", "a".into()).unwrap();
            // whatever it is
            fs::write(copy.file(), b"b\xff").unwrap();
            assert!(copy.text().is_err());
            copy
        };
        let kept: Vec<PathBuf> = (0..2).map(|_| written().keep(&path).unwrap()).collect();
        assert_ne!(kept[0], kept[1]);
        for draft in &kept {
            assert_eq!(draft.parent(), path.parent());
            assert!(draft.file_name().unwrap().to_string_lossy().starts_with("ours.toml.draft-"));
            assert_eq!(fs::read(draft).unwrap(), b"b\xff");
        }
        let draft = written().keep(Path::new("/proc/no/ours.toml")).unwrap();
        assert!(draft.ends_with("ours.toml") && fs::read(&draft).unwrap() == b"b\xff");
        fs::remove_dir_all(draft.parent().unwrap()).unwrap();
    }
}
