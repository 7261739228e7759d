//! `controller.json`: which process the controller is, for those who must find it without a link.

use std::fs;
use std::io;
use std::path::Path;

use rpar_core::id::Incarnation;
use serde::{Deserialize, Serialize};

use super::{CONTROLLER_FILE, FileError, ProcessIdentity, write_private};

/// Which process the controller is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControllerRecord {
    /// The name of its host.
    pub host: String,
    /// Its id there.
    pub pid: u32,
    /// When it started, as in [`ProcessIdentity`].
    pub start_time: u64,
    /// Its life, as in the connection files.
    pub incarnation: Incarnation,
}

impl ControllerRecord {
    /// The process itself.
    pub fn process(&self) -> ProcessIdentity {
        ProcessIdentity { host: self.host.clone(), pid: self.pid, start_time: self.start_time }
    }
}

/// Reads a cluster directory's record; `None` if there is none, as when its cluster has ended.
///
/// # Errors
/// When it cannot be read, or is no record.
pub fn read_controller(directory: &Path) -> Result<Option<ControllerRecord>, FileError> {
    let path = directory.join(CONTROLLER_FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(FileError::Io { action: "read", path, source }),
    };
    let record = serde_json::from_str(&text);
    record.map(Some).map_err(|error| FileError::Malformed { path, reason: error.to_string() })
}

/// Writes a cluster directory's record.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write_controller(directory: &Path, record: &ControllerRecord) -> Result<(), FileError> {
    let path = directory.join(CONTROLLER_FILE);
    let text = serde_json::to_string(record)
        .map_err(|error| FileError::Malformed { path: path.clone(), reason: error.to_string() })?;
    write_private(&path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(read_controller(directory.path()).unwrap(), None);
        let record = ControllerRecord {
            host: "login1".to_owned(),
            pid: 7,
            start_time: 4711,
            incarnation: Incarnation(i64::MAX as u64),
        };
        write_controller(directory.path(), &record).unwrap();
        assert_eq!(read_controller(directory.path()).unwrap(), Some(record));
    }
}
