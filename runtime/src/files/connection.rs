//! Connection files on disk, as TOML.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rpar_core::connection::ConnectionFile;

use super::{FileError, write_private};

/// The most that is read: a connection file has a dozen lines.
const LIMIT_BYTES: u64 = 64 << 10;

/// Reads a connection file. Warns in the log when others may read it too.
///
/// One that belongs to another user (but root) is refused, as ssh does with its own: who wrote it says who the
/// controller is, and that one is trusted with the user's functions and with what comes back of them.
///
/// # Errors
/// When it is not there, cannot be read, is somebody else's, or is no connection file.
pub fn read_connection(path: &Path) -> Result<ConnectionFile, FileError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => FileError::Missing { path: path.to_owned() },
        _ => FileError::Io { action: "read", path: path.to_owned(), source },
    };
    let mut file = File::open(path).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    if !is_trusted(about.uid(), rustix::process::geteuid().as_raw()) {
        return Err(FileError::Foreign { path: path.to_owned(), owner: about.uid() });
    }
    if about.mode() & 0o077 != 0 {
        tracing::warn!(
            "others may read the secret in {}, and run commands in your name: chmod 600 it; stopping and starting the \
             cluster makes a new one",
            path.display()
        );
    }
    let mut text = String::new();
    file.by_ref().take(LIMIT_BYTES).read_to_string(&mut text).map_err(failed)?;
    // the parser's message quotes the line it stumbles over, which may be the secret's
    toml::from_str(&text)
        .map_err(|error| FileError::Malformed { path: path.to_owned(), reason: error.message().to_owned() })
}

fn is_trusted(owner: u32, own: u32) -> bool {
    owner == own || owner == 0
}

/// Writes a connection file, for its owner's eyes only.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write_connection(path: &Path, connection: &ConnectionFile) -> Result<(), FileError> {
    let text = toml::to_string(connection)
        .map_err(|error| FileError::Malformed { path: path.to_owned(), reason: error.to_string() })?;
    write_private(path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rpar_core::connection::{Role, Secret};
    use rpar_core::id::Incarnation;
    use rpar_core::transport::{Endpoint, PeerKey};

    #[test]
    fn a_connection_file_survives() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("client.toml");
        let connection = ConnectionFile {
            cluster: "local/default".to_owned(),
            role: Role::Client,
            incarnation: Incarnation(i64::MAX as u64),
            endpoints: vec![Endpoint("tcp://127.0.0.1:7000".to_owned())],
            controller_key: PeerKey([3; 32]),
            secret: Secret::new([4; 32]),
        };
        write_connection(&path, &connection).unwrap();
        assert_eq!(read_connection(&path).unwrap(), connection);
    }

    #[test]
    fn nobody_else_says_who_the_controller_is() {
        assert!(is_trusted(1000, 1000) && is_trusted(0, 1000));
        assert!(!is_trusted(1001, 1000) && !is_trusted(1000, 0));
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("client.toml");
        write_private(&path, b"").unwrap();
        // only root can give files away
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(4711), None).unwrap();
            let error = read_connection(&path).unwrap_err().to_string();
            assert!(error.contains("client.toml belongs to another user (4711)"), "{error}");
        }
    }

    #[test]
    fn a_damaged_file_is_named_without_its_secret() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("client.toml");
        assert!(matches!(read_connection(&path), Err(FileError::Missing { .. })));
        write_private(&path, b"secret = \"5eed\"\nsecret = \"5eed\"").unwrap();
        let error = read_connection(&path).unwrap_err().to_string();
        assert!(error.contains("client.toml") && !error.contains("5eed"), "{error}");
    }
}
