//! The mark by which a pilot beside the controller is known: an environment variable that names the cluster's tag and the
//! pilot's own pid, as `TAG:PID`. Its children inherit the variable, but have other pids.

use std::collections::BTreeMap;
use std::path::Path;

/// The variable, for a scheduler of this kind.
pub(super) fn name(kind: &str) -> String {
    format!("RPAR_{}_ALLOCATION", kind.to_uppercase())
}

/// The pid in the mark, if this process is a pilot of this kind, or the child of one's script.
pub(super) fn own(kind: &str, environment: &BTreeMap<String, String>) -> Option<u32> {
    let pid = environment.get(&name(kind))?.rsplit_once(':')?.1.parse::<u32>().ok()?;
    let parent = rustix::process::getppid().map(|parent| parent.as_raw_pid().unsigned_abs());
    (pid == std::process::id() || Some(pid) == parent).then_some(pid)
}

/// The environment of a process, which is a pilot if its [`tag`] says so.
pub(super) fn environment_of(pid: u32) -> Option<BTreeMap<String, String>> {
    let bytes = std::fs::read(Path::new("/proc").join(pid.to_string()).join("environ")).ok()?;
    let entries = bytes.split(|byte| *byte == 0).filter_map(|entry| {
        let (name, value) = std::str::from_utf8(entry).ok()?.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    });
    Some(entries.collect())
}

/// The tag in a process's mark, if that is its own and not inherited.
pub(super) fn tag(kind: &str, pid: u32, environment: &BTreeMap<String, String>) -> Option<String> {
    let (tag, owner) = environment.get(&name(kind))?.rsplit_once(':')?;
    (owner.parse() == Ok(pid)).then(|| tag.to_owned())
}
