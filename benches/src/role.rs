//! The benchmark's program is started again as each of the processes that it needs.

use std::io::{self, BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::process::Process;

/// The first argument of a process that plays a part.
pub const ROLE: &str = "--role";

/// Another process of this program, ended with its owner.
#[derive(Debug)]
pub struct Part {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Part {
    /// Starts this program as `role`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(role: &str, arguments: &[&str]) -> io::Result<Part> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(ROLE).arg(role).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let said = child.stdout.take().map(BufReader::new).ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Part { child, said })
    }

    /// Its process.
    pub fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// Waits for the next line that it prints.
    ///
    /// # Errors
    /// When it ended without one.
    pub fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.said.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
