//! Whose death it was: the task's own, or that of all that runs on the node.

use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::feed::Feed;

/// How long a killed task's death is kept back. A site that ends a job or a step signals its processes one after
/// another, the tasks perhaps first; this host has its own signal well within this.
const DOUBT: Duration = Duration::from_secs(1);

/// The signals by which sites, and people, end whole jobs: SIGHUP, SIGINT, SIGKILL, SIGTERM (signal(7)).
const OF_SITES: [i32; 4] = [1, 2, 9, 15];

/// What a task that ended otherwise is held back: this part of the time that it ran, at most [`LONGEST`].
const PART: u32 = 200;

/// A site's signals reach all processes of a job within this.
const LONGEST: Duration = Duration::from_millis(50);

/// What is shorter is not worth waiting for.
const SHORTEST: Duration = Duration::from_millis(5);

impl Feed {
    /// To be called when a task has ended that this engine has not ended itself, before that is reported: after a child
    /// died of a signal, if it did, and how long the task `ran`. Returns as soon as there are orders, at the latest after a
    /// second.
    ///
    /// A task that died because its node was taken away is lost, and runs again; its death must not be reported as the
    /// task's own failure. Nor must its success be where only a process that it waited for was killed, and a shell went on
    /// with its next line: so long tasks are held back a little, whatever they say. If the host is asked to end meanwhile,
    /// the [`Feed`] is reset and the report goes nowhere; if it is killed too, nothing was reported.
    pub(crate) fn doubt(&mut self, signal: Option<i32>, ran: Duration) {
        let limit = match signal {
            Some(signal) if OF_SITES.contains(&signal) => DOUBT,
            _ => (ran / PART).min(LONGEST),
        };
        if limit < SHORTEST {
            return;
        }
        let deadline = Instant::now() + limit;
        while !self.is_reset() {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec { tv_sec: left.as_secs() as _, tv_nsec: left.subsec_nanos() as _ };
            let mut fds = [PollFd::from_borrowed_fd(self.wake(), PollFlags::IN)];
            // orders are left for the executor to heed; an interrupted wait goes on
            if poll(&mut fds, Some(&timeout)) != Err(rustix::io::Errno::INTR) {
                return;
            }
        }
    }
}
