//! Limits on memory: a control group for each task that asks for memory, where the system lets this host make one.
//!
//! RLIMIT_AS is no substitute (setrlimit(2)): it bounds addresses, of which many programs reserve far more than they use,
//! and each process by itself. Where no group can be made, memory is counted and nothing is enforced.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rpar_core::profile::size;
use rustix::fs::statfs;
use rustix::process::{Pid, getpid, getuid, test_kill_process};

/// Where control groups are mounted (cgroups(7)): that of version 2, alone or beside others, and that of version 1.
const MOUNTS: [(&str, Version); 3] = [
    ("/sys/fs/cgroup", Version::Two),
    ("/sys/fs/cgroup/unified", Version::Two),
    ("/sys/fs/cgroup/memory", Version::One),
];

/// How many groups this process has made: they are numbered.
static MADE: AtomicU64 = AtomicU64::new(0);

/// The two ways in which Linux tells of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Version {
    fn limit_file(self) -> &'static str {
        if self == Version::One { "memory.limit_in_bytes" } else { "memory.max" }
    }

    /// What would let a task take disk for memory, and the value with which it does not.
    fn swap(self, bytes: u64) -> (&'static str, u64) {
        if self == Version::One { ("memory.memsw.limit_in_bytes", bytes) } else { ("memory.swap.max", 0) }
    }

    /// Whether a directory is a group of this version.
    fn is_of(self, directory: &Path) -> bool {
        statfs(directory).is_ok_and(|found| found.f_type as u64 == self.magic())
    }

    /// How its file system is told from others (statfs(2)).
    fn magic(self) -> u64 {
        if self == Version::One { 0x0027_e0eb } else { 0x6367_7270 }
    }

    /// Where a line tells how many processes the limit has killed.
    fn events_file(self) -> &'static str {
        if self == Version::One { "memory.oom_control" } else { "memory.events" }
    }
}

/// Makes groups.
#[derive(Debug, Default)]
pub(super) struct Memory {
    place: OnceLock<Option<Place>>,
    /// Groups that could not be removed: something left behind still runs in them.
    left: Mutex<Vec<PathBuf>>,
}

/// The group below which this host may make others.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    directory: PathBuf,
    version: Version,
}

/// A group with a limit, for the processes of one task or one interpreter; removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Limit {
    directory: PathBuf,
    version: Version,
    bytes: u64,
    memory: Arc<Memory>,
}

impl Memory {
    /// A group with this limit; `None` where that is not to be had.
    pub(super) fn limit(self: &Arc<Self>, bytes: u64) -> Option<Limit> {
        let place = self.place.get_or_init(|| Place::find(Path::new("/"))).as_ref()?;
        self.clear();
        match place.make(bytes) {
            Ok(directory) => {
                Some(Limit { directory, version: place.version, bytes, memory: Arc::clone(self) })
            }
            Err(error) => {
                tracing::warn!("a task runs without its limit of memory: {error}");
                None
            }
        }
    }

    /// Removes what could not be removed before.
    fn clear(&self) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.retain(|directory| fs::remove_dir(directory).is_err() && directory.exists());
    }
}

impl Limit {
    /// What a shell runs to enter: it is given the entrance, and the program to become.
    pub(crate) const ENTERS: &'static str = r#"echo 0 >"$0" || exit 125; exec "$@""#;

    /// The file to which the first process writes 0 before it does anything else. One that was started outside and moved
    /// then would have had the time to leave children there.
    pub(crate) fn entrance(&self) -> PathBuf {
        self.directory.join("cgroup.procs")
    }

    /// What to tell when the limit has killed something; `None` if it has not.
    pub(crate) fn verdict(&self) -> Option<String> {
        self.has_killed().then(|| {
            let size = size::display(self.bytes);
            format!("it needed more memory than the {size} that it had asked for: ask for more")
        })
    }

    fn has_killed(&self) -> bool {
        let events = fs::read_to_string(self.directory.join(self.version.events_file())).unwrap_or_default();
        let kills = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
        kills.and_then(|count| count.trim().parse::<u64>().ok()).is_some_and(|count| count > 0)
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        if fs::remove_dir(&self.directory).is_err() {
            let mut left = self.memory.left.lock().unwrap_or_else(PoisonError::into_inner);
            left.push(std::mem::take(&mut self.directory));
        }
    }
}

impl Place {
    /// Looks for one, below `root`; tells the log.
    fn find(root: &Path) -> Option<Place> {
        let own = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
        let found =
            MOUNTS.into_iter().flat_map(|(mount, version)| Self::candidates(root, mount, version, &own));
        let place = found.into_iter().find(Place::works);
        match &place {
            Some(place) => {
                tracing::info!("limits on memory are enforced below {}", place.directory.display())
            }
            None => tracing::info!(
                "limits on memory are counted, and not enforced: this process may make no control group"
            ),
        }
        place
    }

    /// The group that this process is in, and for version 2 the one above it, where the system has given that to the
    /// user: a group of version 2 has either processes or groups with limits. Nothing further up: a task must not leave
    /// the limits of its job.
    fn candidates(root: &Path, mount: &str, version: Version, own: &str) -> Vec<Place> {
        let mount = root.join(mount.trim_start_matches('/'));
        let line = own.lines().find_map(|line| match version {
            Version::Two => line.strip_prefix("0::/"),
            Version::One => {
                let (_, rest) = line.split_once(':')?;
                let (controllers, path) = rest.split_once(":/")?;
                controllers.split(',').any(|controller| controller == "memory").then_some(path)
            }
        });
        let Some(line) = line else { return Vec::new() };
        let directory = mount.join(line);
        let above = directory
            .parent()
            .filter(|above| version == Version::Two && !getuid().is_root() && above.starts_with(&mount));
        let above = above.map(Path::to_owned);
        [Some(directory), above].into_iter().flatten().map(|directory| Place { directory, version }).collect()
    }

    /// Whether a process can be put into a group that is made here. What is mounted where groups might be can be an ordinary
    /// directory, as `/sys/fs/cgroup` is where version 1 is in use: there is nothing to be made in that.
    fn works(&self) -> bool {
        if !self.version.is_of(&self.directory) {
            return false;
        }
        self.sweep();
        let Ok(directory) = self.make(1 << 30) else { return false };
        let enters = Command::new("/bin/sh")
            .args(["-c", "echo 0 2>/dev/null >\"$0\""])
            .arg(directory.join("cgroup.procs"))
            .status()
            .is_ok_and(|status| status.success());
        fs::remove_dir(&directory).is_ok() && enters
    }

    fn make(&self, bytes: u64) -> io::Result<PathBuf> {
        if self.version == Version::Two && !self.passes_memory_on() {
            // refused where there are processes, unless this is the root of all groups
            fs::write(self.directory.join("cgroup.subtree_control"), "+memory")?;
        }
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let directory = self.directory.join(format!("rpar-{}-{number}", getpid().as_raw_nonzero()));
        fs::create_dir(&directory)?;
        let limited = fs::write(directory.join(self.version.limit_file()), bytes.to_string());
        let (swap, value) = self.version.swap(bytes);
        // absent where the kernel does not count it
        let _ = fs::write(directory.join(swap), value.to_string());
        if let Err(error) = limited {
            let _ = fs::remove_dir(&directory);
            return Err(error);
        }
        Ok(directory)
    }

    fn passes_memory_on(&self) -> bool {
        let on = fs::read_to_string(self.directory.join("cgroup.subtree_control")).unwrap_or_default();
        on.split_whitespace().any(|controller| controller == "memory")
    }

    /// Removes what hosts have left that were killed.
    fn sweep(&self) {
        for entry in fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let pid = name.strip_prefix("rpar-").and_then(|rest| rest.split_once('-')?.0.parse().ok());
            let gone = pid
                .and_then(Pid::from_raw)
                .is_some_and(|pid| test_kill_process(pid) == Err(rustix::io::Errno::SRCH));
            if gone {
                let _ = fs::remove_dir(entry.path());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_group_is_found_in_either_version() {
        let root = tempfile::tempdir().unwrap();
        let find = |own: &str| {
            let all = MOUNTS
                .into_iter()
                .flat_map(|(mount, version)| Place::candidates(root.path(), mount, version, own));
            let all = all.map(|place| {
                let below = place.directory.strip_prefix(root.path()).unwrap().display().to_string();
                (below, place.version)
            });
            all.collect::<Vec<_>>()
        };
        let hybrid = "5:cpuset:/x\n4:memory:/job/7\n0::/\n";
        assert!(find(hybrid).contains(&("sys/fs/cgroup/memory/job/7".to_owned(), Version::One)));
        let shared = "4:cpu,memory:/job\n";
        assert_eq!(find(shared), [("sys/fs/cgroup/memory/job".to_owned(), Version::One)]);
        let unified = "0::/user.slice/app.scope\n";
        assert!(find(unified).contains(&("sys/fs/cgroup/user.slice/app.scope".to_owned(), Version::Two)));
        assert_eq!(find(""), []);
    }

    #[test]
    fn nothing_is_made_in_an_ordinary_directory() {
        let directory = tempfile::tempdir().unwrap();
        for version in [Version::One, Version::Two] {
            assert!(!Place { directory: directory.path().to_owned(), version }.works());
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    /// Files stand in for a kernel's: what is written where, in version 2.
    #[test]
    fn a_limit_of_version_two_allows_no_swap() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place { directory: directory.path().to_owned(), version: Version::Two };
        let made = place.make(1 << 20).unwrap();
        let read = |path: PathBuf| fs::read_to_string(path).unwrap();
        assert_eq!(read(directory.path().join("cgroup.subtree_control")), "+memory");
        assert_eq!(read(made.join("memory.max")), "1048576");
        assert_eq!(read(made.join("memory.swap.max")), "0");
        let limit =
            Limit { directory: made.clone(), version: Version::Two, bytes: 1 << 20, memory: Arc::default() };
        assert!(!limit.has_killed());
        fs::write(made.join("memory.events"), "low 0\nmax 12\noom 2\noom_kill 1\noom_group_kill 0\n")
            .unwrap();
        assert!(limit.has_killed());
        assert_eq!(limit.entrance(), made.join("cgroup.procs"));
    }

    #[test]
    fn groups_of_dead_hosts_are_removed() {
        let directory = tempfile::tempdir().unwrap();
        let own = format!("rpar-{}-0", std::process::id());
        // no process has the highest number that there can be (proc(5), pid_max)
        for name in ["rpar-4194304-1", "rpar-x-1", "other", &own] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        Place { directory: directory.path().to_owned(), version: Version::One }.sweep();
        let mut left: Vec<_> =
            fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["other", &own, "rpar-x-1"]);
    }
}
