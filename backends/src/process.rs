//! Processes of this host as `/proc` tells of them (proc(5)).

use rustix::process::{Pid, Signal as Number};

use rpar_core::launcher::Signal;

/// When a process started, in clock ticks since the host did; `None` when it is gone or a zombie. With the pid it tells
/// one process from a later one that got the same pid.
pub(crate) fn start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    parse(&stat)
}

/// Whether this very process still runs.
pub(crate) fn runs(pid: u32, started: u64) -> bool {
    start_time(pid) == Some(started)
}

/// Reads state and field 22 of a stat line. The program's name, in parentheses, may itself hold spaces and parentheses.
fn parse(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X" | "x") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// Signals a process and all of its group, of which it is the leader. A group that is gone is fine.
///
/// # Errors
/// The system's reason.
pub(crate) fn signal_group(leader: u32, signal: Signal) -> Result<(), rustix::io::Errno> {
    let Some(pid) = Pid::from_raw(leader as i32) else { return Ok(()) };
    let number = match signal {
        Signal::Interrupt => Number::INT,
        Signal::Terminate => Number::TERM,
        Signal::Kill => Number::KILL,
    };
    match rustix::process::kill_process_group(pid, number) {
        Err(rustix::io::Errno::SRCH) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_stat_line_whose_name_is_hostile() {
        let tail = (4..=21).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        assert_eq!(parse(&format!("7 (a) Z (b) S {tail} 4711 99")), Some(4711));
        assert_eq!(parse(&format!("7 (a) Z {tail} 4711 99")), None);
        assert_eq!(parse("7 (cut"), None);
    }

    #[test]
    fn knows_itself_and_not_a_zombie() {
        let own = std::process::id();
        assert!(runs(own, start_time(own).unwrap()));
        assert!(!runs(own, 1));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while start_time(child.id()).is_some() {
            assert!(std::time::Instant::now() < deadline, "a zombie counts as running");
        }
        child.wait().unwrap();
    }
}
