//! The mark by which a pilot of `local` is known: an environment variable that names the tag and the pilot's own pid.

use std::collections::BTreeMap;
use std::path::Path;

/// The variable. Children inherit it, but have other pids.
pub(super) const NAME: &str = "RPAR_LOCAL_ALLOCATION";

/// Whether this process is a pilot that `local` started, or the child of one's script.
pub fn is_pilot(environment: &BTreeMap<String, String>) -> bool {
    let pid = environment.get(NAME).and_then(|mark| mark.rsplit_once(':')?.1.parse::<i32>().ok());
    let parent = rustix::process::getppid().map(rustix::process::Pid::as_raw_pid);
    pid.is_some() && (pid == parent || pid == Some(rustix::process::getpid().as_raw_pid()))
}

/// The tag in this very process's mark, if it has one that is not inherited.
pub(super) fn of(pid: u32) -> Option<String> {
    let environment = std::fs::read(Path::new("/proc").join(pid.to_string()).join("environ")).ok()?;
    let mark = environment
        .split(|byte| *byte == 0)
        .find_map(|entry| std::str::from_utf8(entry).ok()?.strip_prefix(NAME)?.strip_prefix('='))?;
    let (tag, owner) = mark.rsplit_once(':')?;
    (owner.parse() == Ok(pid)).then(|| tag.to_owned())
}
