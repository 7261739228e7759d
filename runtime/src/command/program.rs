//! Where a program is that a command names.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// The file that a shell would run for `program`; `None` when only the shell can tell.
pub(super) fn find(
    program: &OsStr,
    workdir: &str,
    environment: &BTreeMap<String, String>,
) -> Option<PathBuf> {
    if program.as_bytes().contains(&b'/') {
        return Some(Path::new(workdir).join(program));
    }
    let path = match environment.get("PATH") {
        Some(path) => OsString::from(path),
        None => std::env::var_os("PATH")?,
    };
    for directory in std::env::split_paths(&path) {
        // an empty or relative entry means the working directory, or below
        if !directory.is_absolute() {
            return None;
        }
        let file = directory.join(program);
        if access(&file, Access::EXEC_OK).is_ok() && file.is_file() {
            return Some(file);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find_in(path: &str, program: &str) -> Option<PathBuf> {
        find(OsStr::new(program), "/work", &BTreeMap::from([("PATH".to_owned(), path.to_owned())]))
    }

    #[test]
    fn the_first_executable_file_counts() {
        let directory = tempfile::tempdir().unwrap();
        let (empty, full) = (directory.path().join("empty"), directory.path().join("full"));
        std::fs::create_dir_all(empty.join("tool")).unwrap();
        std::fs::create_dir(&full).unwrap();
        std::os::unix::fs::symlink("/bin/sh", full.join("tool")).unwrap();
        std::fs::write(full.join("text"), "").unwrap();
        let path = format!("{}:{}", empty.display(), full.display());
        assert_eq!(find_in(&path, "tool"), Some(full.join("tool")));
        assert_eq!(find_in(&path, "text"), None);
        assert_eq!(find_in(&format!(":{path}"), "tool"), None);
        assert_eq!(find_in("", "./tool"), Some(PathBuf::from("/work/./tool")));
        assert_eq!(find_in("", "/bin/tool"), Some(PathBuf::from("/bin/tool")));
    }
}
