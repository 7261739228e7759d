//! Attending to a running command until it is over: reading what it writes, ending it when it must.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use rpar_core::task::{LARGE_OUTPUT_BYTES, Live};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, waitid,
};

use super::capture::{CHUNK_BYTES, PIPE_BYTES, Stream};
use crate::engine::{Feed, Task};

/// How long a command may take to end itself after SIGTERM, before SIGKILL.
const GRACE: Duration = Duration::from_secs(2);

/// How often a command is looked at where the kernel cannot tell of its end (pidfd_open(2) came with Linux 5.3). One
/// that has closed its output is about to end: the looks begin close together.
const LOOK_EVERY: Duration = Duration::from_millis(10);
const LOOK_FIRST: Duration = Duration::from_micros(50);

/// The streams' numbers.
const STDOUT: u8 = 1;
const STDERR: u8 = 2;

/// How a command was over.
#[derive(Debug)]
pub(super) struct End {
    /// How its process ended.
    pub(super) status: io::Result<ExitStatus>,
    /// Why it was ended by force, if it was.
    pub(super) forced: Option<Force>,
    /// What it wrote was passed on.
    pub(super) streamed: bool,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

/// Why a command is ended by force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Force {
    Cancelled,
    TimedOut,
    /// It wrote more than is kept to this stream.
    TooMuch(&'static str),
    /// Everything ends here.
    Reset,
}

#[derive(Debug)]
pub(super) struct Attendance<'a> {
    pub(super) child: Child,
    pub(super) task: &'a Task,
    pub(super) deadline: Option<Instant>,
    pub(super) feed: &'a mut Feed,
    /// A place to read into, kept from task to task.
    pub(super) buffer: &'a mut [u8],
    /// What it writes is passed on.
    pub(super) streamed: bool,
}

/// How far ending by force has come.
#[derive(Clone, Copy, Debug)]
struct Forced {
    why: Force,
    /// When SIGKILL follows; `None` when it has.
    kill_at: Option<Instant>,
}

impl Attendance<'_> {
    /// Waits until the command is over. `release` is called when its process has ended and its number still is its own.
    pub(super) fn run(mut self, release: impl FnOnce()) -> End {
        let mut stdout = Stream::new(self.child.stdout.take(), self.streamed);
        let mut stderr = Stream::new(self.child.stderr.take(), self.streamed);
        let group = Pid::from_raw(self.child.id() as i32);
        let mut process = group.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        let mut forced: Option<Forced> = None;
        let (mut ended, mut alone, mut pause) = (false, false, LOOK_FIRST);
        loop {
            let due = forced.map_or(self.deadline, |forced| forced.kill_at);
            let look = process.is_none().then_some(if alone { pause } else { LOOK_EVERY });
            // without room its output stays in its pipes, and in the end the command waits
            let streams = if self.has_room() { [stdout.pipe(), stderr.pipe()] } else { [None, None] };
            let seen = wait(&self.feed.wake(), process.as_ref(), streams, due, look);
            if seen.stdout {
                self.take(&mut stdout, STDOUT);
            }
            if seen.stderr && self.has_room() {
                self.take(&mut stderr, STDERR);
            }
            if !self.streamed && self.is_large(&stdout, &stderr) {
                self.pass_on(&mut stdout, &mut stderr);
            }
            ended |= seen.process || (process.is_none() && self.has_ended());
            // what it started itself has its time to end too, when it was told to
            alone = stdout.is_over() && stderr.is_over();
            if ended && (alone || forced.is_none_or(|forced| forced.kill_at.is_none())) {
                break;
            }
            if ended {
                process = None;
            }
            if alone {
                pause = (pause * 2).min(LOOK_EVERY);
            }
            if seen.orders {
                self.feed.heed();
            }
            let why = self.why(&stdout, &stderr);
            forced = force(forced, why, group);
        }
        if let (Some(_), Some(group)) = (forced, group) {
            // fails only when all of it has ended
            let _ = kill_process_group(group, Signal::KILL);
        }
        // before the wait below frees its number
        release();
        self.finish(&mut stdout, STDOUT, forced.is_some());
        self.finish(&mut stderr, STDERR, forced.is_some());
        let (status, forced) = (self.child.wait(), forced.map(|forced| forced.why));
        End { status, forced, streamed: self.streamed, stdout: stdout.data, stderr: stderr.data }
    }

    /// Whether what the command writes may be read now.
    fn has_room(&self) -> bool {
        !self.streamed || self.feed.has_room()
    }

    /// Reads once, and passes on what is to be passed on.
    fn take(&mut self, stream: &mut Stream, number: u8) {
        let read = stream.read(self.buffer);
        if self.streamed && !read.is_empty() {
            self.feed.write(self.task, number, read);
        }
    }

    /// It has written more than its result had better hold.
    fn is_large(&self, stdout: &Stream, stderr: &Stream) -> bool {
        self.task.options.live == Live::Large && stdout.data.len() + stderr.data.len() > LARGE_OUTPUT_BYTES
    }

    /// From here on what it writes is passed on, and what it has written first. One that is not waited for any longer
    /// is about to be ended by force.
    fn pass_on(&mut self, stdout: &mut Stream, stderr: &mut Stream) {
        self.streamed = true;
        for (stream, number) in [(stdout, STDOUT), (stderr, STDERR)] {
            for piece in stream.pass_on().chunks(CHUNK_BYTES) {
                if !self.wait_for_room() {
                    return;
                }
                self.feed.write(self.task, number, piece);
            }
        }
    }

    /// Reads what is left of a command that has ended. What was ended by force does not wait for room.
    fn finish(&mut self, stream: &mut Stream, number: u8, forced: bool) {
        for _ in 0..PIPE_BYTES / CHUNK_BYTES {
            if !stream.is_readable() || !(self.has_room() || !forced && self.wait_for_room()) {
                break;
            }
            self.take(stream, number);
        }
        stream.close();
    }

    /// False when the command's time is over before there is room, or nobody waits for it any more.
    fn wait_for_room(&mut self) -> bool {
        while !self.has_room() {
            if self.feed.is_reset() || self.feed.is_cancelled(self.task.id) || self.is_late() {
                return false;
            }
            let seen = wait(&self.feed.wake(), None, [None, None], self.deadline, None);
            if seen.orders {
                self.feed.heed();
            }
        }
        true
    }

    fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Without taking note of it, so that the number stays its own.
    fn has_ended(&self) -> bool {
        let id = Pid::from_raw(self.child.id() as i32).map(WaitId::Pid);
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !id.is_some_and(|id| matches!(waitid(id, options), Ok(None)))
    }

    fn why(&mut self, stdout: &Stream, stderr: &Stream) -> Option<Force> {
        if self.feed.is_reset() {
            Some(Force::Reset)
        } else if self.feed.is_cancelled(self.task.id) {
            Some(Force::Cancelled)
        } else if stdout.is_full() {
            Some(Force::TooMuch("stdout"))
        } else if stderr.is_full() {
            Some(Force::TooMuch("stderr"))
        } else if self.is_late() {
            Some(Force::TimedOut)
        } else {
            None
        }
    }
}

/// Sends the signal that is due, if one is.
fn force(before: Option<Forced>, why: Option<Force>, group: Option<Pid>) -> Option<Forced> {
    let signal = |signal| group.map(|group| kill_process_group(group, signal));
    match (before, why) {
        (None, Some(why)) => {
            // fails only when all of it has ended
            let _ = signal(Signal::TERM);
            Some(Forced { why, kill_at: Some(Instant::now() + GRACE) })
        }
        (Some(Forced { why, kill_at: Some(at) }), _) if Instant::now() >= at => {
            let _ = signal(Signal::KILL);
            Some(Forced { why, kill_at: None })
        }
        (before, _) => before,
    }
}

/// What poll(2) saw.
#[derive(Debug, Default)]
struct Seen {
    orders: bool,
    process: bool,
    stdout: bool,
    stderr: bool,
}

fn wait(
    orders: &impl AsFd,
    process: Option<&OwnedFd>,
    streams: [Option<&OwnedFd>; 2],
    due: Option<Instant>,
    look: Option<Duration>,
) -> Seen {
    let mut fds = Vec::with_capacity(4);
    fds.push(PollFd::new(orders, PollFlags::IN));
    // a stream that is over or has to wait is left out, and so is a process that cannot be asked
    let others = [process, streams[0], streams[1]];
    fds.extend(others.into_iter().flatten().map(|fd| PollFd::new(fd, PollFlags::IN)));
    let left = due.map(|due| due.saturating_duration_since(Instant::now()));
    let left = left.into_iter().chain(look).min();
    let timeout =
        left.map(|left| Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() });
    match poll(&mut fds, timeout.as_ref()) {
        Ok(_) => {}
        Err(Errno::INTR) => return Seen::default(),
        // for want of memory: look again soon
        Err(_) => std::thread::sleep(LOOK_EVERY),
    }
    let mut ready = fds.iter().map(|fd| !fd.revents().is_empty());
    let orders = ready.next().unwrap_or(false);
    let mut seen = others.map(|other| other.is_some() && ready.next().unwrap_or(false)).into_iter();
    let mut next = || seen.next().unwrap_or(false);
    Seen { orders, process: next(), stdout: next(), stderr: next() }
}
