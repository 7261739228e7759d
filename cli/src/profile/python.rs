//! Which Python the engines run, when the profile does not say.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::surroundings::Surroundings;

/// The active virtual environment's or conda environment's, else the one that this program was installed with, else
/// `python3` on PATH; absolute.
pub(crate) fn find(surroundings: &Surroundings) -> Option<PathBuf> {
    let active = ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(|name| surroundings.variable(name));
    let active = active.map(|prefix| Path::new(prefix).join("bin/python"));
    let beside = surroundings.programs.iter().map(|programs| programs.join("python3"));
    let path = surroundings.variable("PATH").unwrap_or_default();
    let on_path = path.split(':').filter(|entry| !entry.is_empty());
    let on_path = on_path.map(|entry| surroundings.directory.join(entry).join("python3"));
    active
        .chain(beside)
        .chain(on_path)
        .find(|candidate| candidate.is_file() && access(candidate, Access::EXEC_OK).is_ok())
}
