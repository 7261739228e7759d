//! The program that this process runs.

use std::sync::LazyLock;
use std::time::UNIX_EPOCH;

use rpar_core::time::rfc3339;

use crate::link::BUILD;

static DESCRIPTION: LazyLock<String> = LazyLock::new(|| {
    let path = std::env::current_exe().unwrap_or_default();
    // the file that runs, also when another one has taken its path since
    let modified = std::fs::metadata("/proc/self/exe").and_then(|file| file.modified());
    let age = modified.ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let of = age.map(|age| format!(" of {}", rfc3339(age.as_micros() as u64))).unwrap_or_default();
    format!("{}{of} (rpar {BUILD})", path.display())
});

/// Which program this is, for messages: its path, when that file was written, and the rpar in it.
pub(crate) fn description() -> &'static str {
    &DESCRIPTION
}
