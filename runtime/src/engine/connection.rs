//! The connection file, and waiting for it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rpar_core::connection::ConnectionFile;
use tokio::time::{Instant, sleep};

use crate::files::{FileError, read_connection};

/// How an engine host knows its controller.
#[derive(Clone, Debug)]
pub enum Connection {
    /// By a connection file, which is waited for, at most 60 s: shared file systems show new files late. It is read anew
    /// before each dial, as a controller that was started anew has written a new one.
    File(PathBuf),
    /// It was told by its pilot, which reads that file whenever it starts an engine host: what has lost its controller for
    /// good ends, and its successor is told anew.
    Given(Box<ConnectionFile>),
}

/// How late a shared file system may show a file that was written elsewhere: NFS keeps what it knows of a directory for
/// up to 60 s (nfs(5), `acdirmax`).
const WAIT: Duration = Duration::from_secs(60);

/// How often it is looked for: at first at once, as the file is there as a rule.
const LOOK_FIRST: Duration = Duration::from_millis(10);
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Reads a connection file as soon as it is there. Cancel-safe.
///
/// # Errors
/// When it is not there for 60 s, or cannot be used.
pub(crate) async fn await_connection(path: &Path) -> Result<ConnectionFile, FileError> {
    await_connection_for(path, WAIT).await
}

/// The same, for another time.
///
/// # Errors
/// When it is not there for so long, or cannot be used.
pub(crate) async fn await_connection_for(path: &Path, limit: Duration) -> Result<ConnectionFile, FileError> {
    let deadline = Instant::now() + limit;
    let mut pause = LOOK_FIRST;
    loop {
        match read_connection(path) {
            Err(FileError::Missing { .. }) if Instant::now() + pause < deadline => {}
            other => return other,
        }
        sleep(pause).await;
        pause = (pause * 2).min(LOOK_EVERY);
    }
}
