//! The limit of running commands: posix_spawn and wait of `/bin/true`, two at a time, nothing captured.

use std::io;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use crate::row::rate;

/// Commands a second, with `lanes` threads that each run one after the other. The standard library starts a command with
/// nothing to prepare by posix_spawn.
///
/// # Errors
/// When `/bin/true` cannot be run.
pub fn commands_per_second(count: u64, lanes: u64) -> io::Result<f64> {
    let start = Instant::now();
    let threads: Vec<_> = (0..lanes).map(|_| thread::spawn(move || run(count / lanes))).collect();
    for thread in threads {
        thread.join().map_err(|_| io::Error::other("a lane panicked"))??;
    }
    Ok(rate(count, start.elapsed()))
}

fn run(count: u64) -> io::Result<()> {
    for _ in 0..count {
        let status = Command::new("/bin/true").stdin(Stdio::null()).status()?;
        assert!(status.success());
    }
    Ok(())
}
