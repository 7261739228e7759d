//! A cluster's directory: whether its cluster lives, and how it comes and goes.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rpar_core::id::AllocationId;
use rpar_runtime::files::{ControllerRecord, FileError, Liveness, read_controller};

use super::lock::{Lock, LockError};
use crate::paths::ClusterDir;

/// How the names of locks end; they begin with a dot.
pub(super) const LOCK_ENDING: &str = ".lock";

/// What a directory tells of its cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterState {
    /// There is no directory.
    Absent,
    /// Its controller runs on this host.
    Alive(ControllerRecord),
    /// Its controller was started on another host, which alone can tell whether it still runs.
    Elsewhere(ControllerRecord),
    /// Its controller is to run in this allocation, or has run there.
    Coming(AllocationId),
    /// The directory is left over: its controller has ended, or never came up.
    Dead,
}

impl ClusterDir {
    /// What the controller writes while it runs.
    pub(crate) fn controller_log(&self) -> PathBuf {
        self.logs().join("controller.log")
    }

    /// Keeps others from starting, stopping and cleaning this cluster. Waits for them, up to a minute.
    ///
    /// # Errors
    /// When another one does not finish, or the directory above cannot be written.
    pub fn lock(&self) -> Result<Lock, LockError> {
        let parent = self.path.parent().unwrap_or(Path::new("/"));
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let lock = parent.join(format!(".{name}{LOCK_ENDING}"));
        // somebody who sweeps empty directories may take the parent away in between; not again and again
        for _ in 0..3 {
            let make = DirBuilder::new().recursive(true).mode(0o700).create(parent);
            // what is there already and is no directory, the lock itself complains of in clearer words
            match make {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(LockError::Io { path: parent.to_owned(), source: error });
                }
                _ => {}
            }
            match Lock::take(lock.clone()) {
                Err(LockError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                other => return other,
            }
        }
        Lock::take(lock)
    }

    /// What the files tell of the cluster.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn state(&self) -> Result<ClusterState, FileError> {
        if !self.path.is_dir() {
            return Ok(ClusterState::Absent);
        }
        let Some(record) = read_controller(&self.path)? else {
            let named = fs::read_to_string(self.allocation_file());
            return Ok(named.map_or(ClusterState::Dead, |id| ClusterState::Coming(AllocationId(id))));
        };
        Ok(match record.process().liveness() {
            Liveness::Alive => ClusterState::Alive(record),
            Liveness::Elsewhere => ClusterState::Elsewhere(record),
            Liveness::Gone => ClusterState::Dead,
        })
    }

    /// Makes the directory, for its owner alone. Only one of two racing processes succeeds.
    ///
    /// # Errors
    /// When it is there already, or cannot be made.
    pub fn create(&self) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(&self.path)?;
        DirBuilder::new().mode(0o700).create(self.logs())
    }

    /// Removes the directory of the profile's clusters if this was the last. The caller holds no lock, which would be in
    /// it.
    pub(crate) fn remove_empty_parent(&self) {
        // the system itself refuses to remove what is not empty
        let _ = self.path.parent().map(fs::remove_dir);
    }

    /// Removes the directory with everything in it. One that is not there is fine.
    ///
    /// # Errors
    /// When something in it cannot be removed.
    pub fn remove(&self) -> io::Result<()> {
        // engine hosts that are just ending may still write to their logs: a few rounds outlast them
        let mut left = 10;
        loop {
            match fs::remove_dir_all(&self.path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty && left > 0 => {
                    left -= 1;
                    std::thread::sleep(Duration::from_millis(50));
                }
                other => return other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_directory_is_made_once_and_for_its_owner() {
        let home = tempfile::tempdir().unwrap();
        let directory = ClusterDir {
            profile: "local".into(),
            cluster_id: "default".into(),
            path: home.path().join("local/default"),
        };
        assert_eq!(directory.state().unwrap(), ClusterState::Absent);
        let lock = directory.lock().unwrap();
        directory.create().unwrap();
        assert_eq!(directory.create().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::metadata(&directory.path).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(directory.state().unwrap(), ClusterState::Dead);
        directory.remove().unwrap();
        directory.remove().unwrap();
        drop(lock);
        assert_eq!(fs::read_dir(home.path().join("local")).unwrap().count(), 0);
    }
}
