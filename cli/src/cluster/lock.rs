//! One process at a time starts, stops or cleans a cluster.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use thiserror::Error;

/// Stopping a cluster may take the site this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a taken lock is tried again.
const PAUSE: Duration = Duration::from_millis(50);

/// Held until dropped; the kernel frees it when its process dies. Works over NFS, flock(2).
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    _file: File,
}

/// The lock cannot be had.
#[derive(Debug, Error)]
pub enum LockError {
    /// Somebody else holds it.
    #[error("another rpar is starting or stopping this cluster, and has not finished for {} s", PATIENCE.as_secs())]
    Taken,
    /// Its file cannot be made.
    #[error("could not write to {}: {source}", path.display())]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl Lock {
    /// Takes the lock of this name, waiting for whoever holds it.
    pub(super) fn take(path: PathBuf) -> Result<Lock, LockError> {
        Lock::take_within(path, PATIENCE)
    }

    /// The same, waiting no longer than this.
    pub(super) fn take_within(path: PathBuf, patience: Duration) -> Result<Lock, LockError> {
        let deadline = Instant::now() + patience;
        loop {
            let failed = |source| LockError::Io { path: path.clone(), source };
            let mut options = OpenOptions::new();
            let file =
                options.create(true).truncate(false).write(true).mode(0o600).open(&path).map_err(failed)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                // whoever held it before may have removed the file that we have just locked
                Ok(()) if same_file(&file, &path) => return Ok(Lock { path, _file: file }),
                Ok(()) => continue,
                Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => std::thread::sleep(PAUSE),
                Err(rustix::io::Errno::WOULDBLOCK) => return Err(LockError::Taken),
                Err(error) => return Err(failed(error.into())),
            }
        }
    }
}

fn same_file(file: &File, path: &PathBuf) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(ours), Ok(named)) => (ours.dev(), ours.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn only_one_at_a_time() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(".lock");
        let inside = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let _lock = Lock::take(path.clone()).unwrap();
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    std::thread::sleep(Duration::from_millis(5));
                    inside.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert!(!path.exists());
    }
}
