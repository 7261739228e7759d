//! Processes that no file tells of any more: somebody has removed their cluster's directory, or what was in it, or has killed
//! whoever would end them.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

use rpar_runtime::files::ProcessIdentity;

use crate::paths::ClusterDir;

/// Finds the controller of this user on this host that was started for `directory`, by its command line. Looks at every
/// process: for when nothing else is left to go by.
pub(crate) fn find_controller(directory: &ClusterDir) -> Option<ProcessIdentity> {
    find(directory, "controller").into_iter().next()
}

/// Finds the engine hosts of this user on this host that were started for `directory`. Where controller and pilot were
/// both killed nobody else can end them.
pub(super) fn find_engine_hosts(directory: &ClusterDir) -> Vec<ProcessIdentity> {
    find(directory, "engine")
}

fn find(directory: &ClusterDir, role: &str) -> Vec<ProcessIdentity> {
    let own = rustix::process::geteuid().as_raw();
    let wanted = [role.as_bytes(), b"--directory", directory.path.as_os_str().as_bytes()];
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        (entry.metadata().ok()?.uid() == own).then_some(pid)
    });
    let those = pids.filter(|pid| {
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        words.split(|byte| *byte == 0).skip(1).take(wanted.len()).eq(wanted)
    });
    those.filter_map(|pid| ProcessIdentity::of(pid).ok().flatten()).collect()
}
