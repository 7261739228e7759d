//! Connection files on disk, as TOML.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rpar_core::connection::ConnectionFile;

use super::{FileError, write_private};

/// Reads a connection file. Warns in the log when others may read it too.
///
/// # Errors
/// When it is not there, cannot be read, or is no connection file.
pub fn read_connection(path: &Path) -> Result<ConnectionFile, FileError> {
    let text = fs::read_to_string(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => FileError::Missing { path: path.to_owned() },
        _ => FileError::Io { action: "read", path: path.to_owned(), source },
    })?;
    if fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0) {
        tracing::warn!("{} holds a secret and others may read it: chmod 600", path.display());
    }
    // the parser's message quotes the line it stumbles over, which may be the secret's
    toml::from_str(&text)
        .map_err(|error| FileError::Malformed { path: path.to_owned(), reason: error.message().to_owned() })
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
    fn a_damaged_file_is_named_without_its_secret() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("client.toml");
        assert!(matches!(read_connection(&path), Err(FileError::Missing { .. })));
        write_private(&path, b"secret = \"5eed\"\nsecret = \"5eed\"").unwrap();
        let error = read_connection(&path).unwrap_err().to_string();
        assert!(error.contains("client.toml") && !error.contains("5eed"), "{error}");
    }
}
