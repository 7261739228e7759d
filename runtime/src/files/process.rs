//! Which process: by host, pid and start time, because homes are shared between hosts and pids are used again.

use std::fs;
use std::io;

use serde::{Deserialize, Serialize};

/// A process among all that ever ran on all hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// The name of its host.
    pub host: String,
    /// Its id there.
    pub pid: u32,
    /// When it started, in clock ticks since its host did (field 22 of `/proc/PID/stat`, proc(5)).
    pub start_time: u64,
}

/// Whether a process is there, as far as this host can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// It runs on this host.
    Alive,
    /// It has ended.
    Gone,
    /// It is, or was, on another host.
    Elsewhere,
}

impl ProcessIdentity {
    /// This process.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn current() -> io::Result<Self> {
        Ok(Self::of(std::process::id())?.ok_or(io::ErrorKind::NotFound)?)
    }

    /// The process that has this id on this host now; `None` if there is none.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn of(pid: u32) -> io::Result<Option<Self>> {
        let start_time = start_time(pid)?;
        Ok(start_time.map(|start_time| ProcessIdentity { host: host_name(), pid, start_time }))
    }

    /// Whether it is still that process. A zombie counts as gone.
    pub fn liveness(&self) -> Liveness {
        if self.host != host_name() {
            return Liveness::Elsewhere;
        }
        match start_time(self.pid) {
            Ok(Some(start_time)) if start_time == self.start_time => Liveness::Alive,
            _ => Liveness::Gone,
        }
    }
}

/// This host's name, as `uname -n` prints it.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn start_time(pid: u32) -> io::Result<Option<u64>> {
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => Ok(parse_start_time(&stat)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Field 22; fields are counted after the last `)`, since the second, the program's name, may hold spaces and brackets.
fn parse_start_time(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(22 - 4)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_its_predecessor_gone() {
        let current = ProcessIdentity::current().unwrap();
        assert_eq!(current.liveness(), Liveness::Alive);
        let earlier = ProcessIdentity { start_time: current.start_time - 1, ..current.clone() };
        assert_eq!(earlier.liveness(), Liveness::Gone);
        let elsewhere = ProcessIdentity { host: "another".to_owned(), ..current };
        assert_eq!(elsewhere.liveness(), Liveness::Elsewhere);
    }

    #[test]
    fn an_odd_program_name_does_not_shift_the_fields() {
        let rest = "1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 9 9";
        assert_eq!(parse_start_time(&format!("7 (a) b (c)) S {rest}")), Some(4711));
        assert_eq!(parse_start_time(&format!("7 (gone) Z {rest}")), None);
        assert_eq!(parse_start_time("7 (short) S 1"), None);
    }
}
