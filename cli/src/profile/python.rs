//! Which Python the engines run, when the profile does not say.

use std::path::{Path, PathBuf};

use super::surroundings::{Surroundings, is_program};

/// The active virtual environment's or conda environment's, else the one that this program was installed with, else
/// `python3` on PATH; absolute.
pub(crate) fn find(surroundings: &Surroundings) -> Option<PathBuf> {
    let active = ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(|name| surroundings.variable(name));
    let active = active.map(|prefix| Path::new(prefix).join("bin/python"));
    let beside = surroundings.programs.iter().map(|programs| programs.join("python3"));
    let near = active.chain(beside).find(|candidate| is_program(candidate));
    near.or_else(|| surroundings.program("python3"))
}
