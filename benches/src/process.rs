//! What the system tells of a process.

use std::fs;
use std::io;
use std::time::Duration;

/// A process on this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process(pub u32);

impl Process {
    /// This one.
    pub fn own() -> Self {
        Process(std::process::id())
    }

    /// All of a session, by its leader's id.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn of_session(leader: u32) -> io::Result<Vec<Self>> {
        let ids = fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        Ok(ids.map(Process).filter(|process| process.session() == Some(leader)).collect())
    }

    /// Field 6 of `stat` (proc_pid_stat(5)), the fourth behind the name, which may hold anything.
    fn session(self) -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0)).ok()?;
        stat.rsplit_once(") ")?.1.split(' ').nth(3)?.parse().ok()
    }

    /// The memory that it has now, and at most had, in bytes.
    ///
    /// # Errors
    /// When it is gone.
    pub fn memory(self) -> io::Result<(f64, f64)> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0))?;
        Ok((sum(&status, &["VmRSS:"])?, sum(&status, &["VmHWM:"])?))
    }

    /// The memory that is its alone, in bytes: what would be free if it ended.
    ///
    /// # Errors
    /// When it is gone.
    pub fn private_bytes(self) -> io::Result<f64> {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.0))?;
        sum(&rollup, &["Private_Clean:", "Private_Dirty:"])
    }

    /// The processor time that its living threads took.
    ///
    /// # Errors
    /// When it is gone.
    pub fn cpu(self) -> io::Result<Duration> {
        let mut nanos = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.0))? {
            // a thread that has just ended is missing
            let told = fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
            nanos += told.split(' ').next().and_then(|word| word.parse::<u64>().ok()).unwrap_or_default();
        }
        Ok(Duration::from_nanos(nanos))
    }
}

/// Adds up lines such as `VmRSS:  1752 kB`, in bytes.
fn sum(text: &str, names: &[&str]) -> io::Result<f64> {
    let kilobytes = |name: &&str| {
        let line = text.lines().find_map(|line| line.strip_prefix(*name))?;
        line.trim().strip_suffix(" kB")?.parse::<f64>().ok()
    };
    let all: Option<Vec<f64>> = names.iter().map(kilobytes).collect();
    all.map(|all| all.iter().sum::<f64>() * 1024.0).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_takes_time() {
        let own = Process::own();
        let (now, most) = own.memory().unwrap();
        assert!(now > 0.0 && most >= now && own.private_bytes().unwrap() > 0.0);
        assert!(own.cpu().unwrap() > Duration::ZERO);
        let session = own.session().unwrap();
        assert!(Process::of_session(session).unwrap().contains(&own));
    }
}
