//! Files that nobody else may read, from the moment they exist.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::FileError;

/// Writes a file with mode 0600 that others see either whole or not at all, also on NFS: a new file beside it is
/// written, made durable and renamed.
///
/// # Errors
/// When the system refuses any of that; nothing is left behind then.
pub fn write_private(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let failed = |source| FileError::Io { action: "write", path: path.to_owned(), source };
    let name = path.file_name().ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
    let mut temporary = name.to_owned();
    // hosts share the directory, so a pid alone does not make the name ours
    temporary.push(format!(".{}-{}", std::process::id(), random().map_err(failed)?));
    let temporary = path.with_file_name(temporary);
    let written = write_new(&temporary, content).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written.map_err(failed)?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // the file is there by now; some file systems cannot sync a directory, and a power cut ends its process too
    let _ = File::open(directory).and_then(|directory| directory.sync_all());
    Ok(())
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn random() -> io::Result<u64> {
    getrandom::u64().map_err(|error| io::Error::other(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_private_file_is_replaced_whole_and_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        write_private(&path, b"one").unwrap();
        write_private(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_directory_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("none").join("secret");
        let error = write_private(&path, b"").unwrap_err().to_string();
        assert!(error.contains("none/secret"), "{error}");
    }
}
