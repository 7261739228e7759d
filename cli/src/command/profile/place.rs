//! Puts a profile's file in place: checked before, and whole or not at all.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::command::context::Context;
use crate::command::exit::Exit;
use crate::command::report::{Outcome, Report};
use crate::profile::{Level, check_name};

/// What a new file may be read and written by, less the umask: a site's profile is for everybody.
const MODE: u32 = 0o644;

/// Where a new profile's file is to be.
pub(super) fn new(context: &Context, name: &str, level: Level, force: bool) -> Outcome<PathBuf> {
    check_name("profile", name)?;
    let path = context.profiles.file(level, name);
    if path.exists() && !force {
        let what = format!("{} is there already", path.display());
        let hint = format!("`rpar profile edit {name}` changes it, --force replaces it");
        return Err(Report::new(Exit::Files, what).hint(hint));
    }
    Ok(path)
}

/// Whether the profile could be started with, if `path` held `text`: it loads, resolves with its defaults, and its backends
/// take their sections.
pub(super) fn check(context: &Context, name: &str, path: &Path, text: &str) -> Outcome<()> {
    let profiles = context.profiles.with(path.to_owned(), text.to_owned());
    let resolved = profiles.load(name)?.resolve(&Default::default(), None)?;
    context.site(&resolved).map(drop)
}

/// What the file holds; `None` when there is none.
pub(super) fn read(path: &Path) -> Outcome<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            Err(Report::of(Exit::Files, &error).because(format!("{} could not be read", path.display())))
        }
    }
}

/// Writes the file if it still holds what the user has begun with: nobody's change is lost by another's.
pub(super) fn put_over(path: &Path, before: Option<&str>, text: &str) -> Outcome<()> {
    if read(path)?.as_deref() == before {
        return put(path, text);
    }
    let what = format!("{} was changed by somebody else meanwhile, and is left so", path.display());
    Err(Report::new(Exit::Files, what).hint("look at both, and edit it again"))
}

/// Writes the file, in place of what was there, through a symbolic link too.
pub(super) fn put(path: &Path, text: &str) -> Outcome<()> {
    let failed = |error: io::Error| {
        let hint = match error.kind() {
            io::ErrorKind::PermissionDenied => {
                "`--user` writes a file of your own, `--project` one of this directory"
            }
            _ => "`rpar profile path` tells where files of profiles are",
        };
        Report::of(Exit::Files, &error).because(format!("{} could not be written", path.display())).hint(hint)
    };
    write(path, text).map_err(failed)
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let directory = target.parent().map(Path::to_owned).unwrap_or_else(|| PathBuf::from("."));
    fs::create_dir_all(&directory)?;
    let known = fs::metadata(&target).map(|about| about.permissions());
    let permissions = || Permissions::from_mode(MODE);
    let mut file = tempfile::Builder::new()
        .prefix(".")
        .suffix(".new")
        .permissions(permissions())
        .tempfile_in(&directory)?;
    file.write_all(text.as_bytes())?;
    if let Ok(known) = known {
        file.as_file().set_permissions(known)?;
    }
    file.as_file().sync_all()?;
    file.persist(&target).map(drop).map_err(|error| error.error)
}
