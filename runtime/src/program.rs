//! The program that this process runs.

use std::sync::LazyLock;
use std::time::UNIX_EPOCH;

use rpar_core::time::rfc3339;

use crate::link::BUILD;

/// What proc(5) adds to the path of a program whose file is gone, as that of an older build is.
const GONE: &str = " (deleted)";

/// A program, as far as messages and comparisons need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program<'a> {
    /// Where its file is.
    pub(crate) path: &'a str,
    /// When that was written, and the rpar in it.
    pub(crate) build: &'a str,
}

static OWN: LazyLock<(String, String)> = LazyLock::new(|| {
    let path = std::env::current_exe().unwrap_or_default().display().to_string();
    // the file that runs, also when another one has taken its path since
    let modified = std::fs::metadata("/proc/self/exe").and_then(|file| file.modified());
    let age = modified.ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    // to the second, which every file system that nodes share tells alike
    let of = age.map(|age| format!("of {}Z ", &rfc3339(age.as_secs() * 1_000_000)[..19])).unwrap_or_default();
    (path.strip_suffix(GONE).unwrap_or(&path).to_owned(), format!("{of}(rpar {BUILD})"))
});

impl Program<'static> {
    /// The program that this process runs.
    pub(crate) fn own() -> Self {
        Program { path: &OWN.0, build: &OWN.1 }
    }
}

impl Program<'_> {
    /// Whether `other` is another build of this very program.
    pub(crate) fn is_rebuilt(&self, other: &Program<'_>) -> bool {
        self.path == other.path && self.build != other.build
    }
}

impl std::fmt::Display for Program<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.path, self.build)
    }
}
