//! The signals by which a process is asked to end.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM (the batch system, the pilot), SIGINT (the keyboard) and SIGHUP (the connection that carried it is gone).
#[derive(Debug)]
pub(crate) struct Interrupts {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Interrupts {
    /// From here on these signals do not end the process by themselves.
    ///
    /// # Errors
    /// When they cannot be caught.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Interrupts {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next of them, and tells its name. Cancel-safe.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.hangup.recv() => "SIGHUP",
        }
    }
}
