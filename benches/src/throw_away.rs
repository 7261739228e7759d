//! A throw-away cluster's first result, and the processes alone that it takes.

use std::io::{self, BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::role::ROLE;

/// From a command's start to the first line that it prints, and to its end.
#[derive(Clone, Copy, Debug)]
pub struct Took {
    /// To the line.
    pub first: Duration,
    /// To the end.
    pub end: Duration,
}

/// `rpar map`, with a throw-away cluster of two engines, of one command that prints its argument.
///
/// # Errors
/// When it does not print that.
pub fn map() -> io::Result<Took> {
    let home = tempfile::tempdir()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["rpar", "map", "-n", "2", "echo {}", ":::", "1"]);
    time(command.env("XDG_STATE_HOME", home.path()))
}

/// The processes of a throw-away cluster of one host and nothing more: four of this program (map, controller, pilot, engine
/// host), each started by the one before through a shell, and one more shell that prints.
///
/// # Errors
/// When one cannot be started.
pub fn processes() -> io::Result<Took> {
    time(Command::new(std::env::current_exe()?).args([ROLE, "chain", "4"]))
}

/// Plays one of so many processes that start one another.
///
/// # Errors
/// When the next one cannot be started.
pub fn chain(left: &str) -> io::Result<()> {
    let left: u32 = left.parse().map_err(io::Error::other)?;
    let mut next = Command::new("sh");
    match left {
        0 | 1 => next.args(["-c", "echo 1"]),
        _ => {
            let program = std::env::current_exe()?;
            next.args(["-c", "exec \"$@\"", "sh"]).arg(program).args([ROLE, "chain", &(left - 1).to_string()])
        }
    };
    next.stdin(Stdio::null()).status().map(drop)
}

fn time(command: &mut Command) -> io::Result<Took> {
    let start = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut said = BufReader::new(child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?);
    let mut line = String::new();
    said.read_line(&mut line)?;
    let first = start.elapsed();
    said.read_to_string(&mut String::new())?;
    let status = child.wait()?;
    match line.as_str() {
        "1\n" if status.success() => Ok(Took { first, end: start.elapsed() }),
        _ => Err(io::Error::other(format!("{command:?} ended with {status}, its first line was `{line}`"))),
    }
}
