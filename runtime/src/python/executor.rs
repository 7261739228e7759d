//! Runs an engine's Python tasks in its interpreter child.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rpar_core::task::{Failure, FunctionKind};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::child::Child;
use super::endings::Ending;
use super::frames::{self, Reply, RunFrame};
use super::held::{Functions, Pipeline};
use super::live;
use super::means::{Means, is_apart};
use super::refusal::Refusal;
use crate::engine::{EngineContext, Executor, Feed, Share, Task};

/// The longest sleep while a task runs: a child whose socket lives on in a forked copy is found dead after this.
const GLANCE: Duration = Duration::from_secs(1);

/// Arguments up to this length are gathered into one frame; longer ones are not copied.
const GATHER_BYTES: usize = 64 << 10;

/// Runs the Python tasks of one engine.
#[derive(Debug)]
pub(crate) struct PythonExecutor {
    pub(super) context: Arc<EngineContext>,
    pub(super) child: Option<Child>,
    pub(super) ready: bool,
    pub(super) functions: Functions,
    pub(super) waiting: VecDeque<Task>,
    pub(super) pipeline: Pipeline,
    pub(super) head_since: Instant,
    pub(super) ending: Option<Ending>,
    /// What was printed, to which stream, and found no room.
    pub(super) held: Option<(u8, Reply)>,
    /// What a child said that cannot run any task.
    pub(super) complaint: Option<Failure>,
    pub(super) refusal: Option<Refusal>,
    /// What the tasks in the pipeline have, or the next one will.
    pub(super) share: Option<Share>,
    pub(super) means: Means,
}

impl Executor for PythonExecutor {
    fn run(&mut self, feed: &mut Feed) {
        loop {
            if self.waiting.is_empty() && self.pipeline.is_empty() {
                self.share = None;
                match feed.take(FunctionKind::Python) {
                    Some(task) => self.waiting.push_back(task),
                    None => return,
                }
            }
            self.provide(feed);
            if self.is_childless() {
                self.restart(feed);
            }
            self.fill(feed);
            self.wait(feed);
            if feed.is_reset() {
                return self.reset();
            }
        }
    }
}

impl PythonExecutor {
    /// No interpreter is started before the first task.
    pub(crate) fn new(context: Arc<EngineContext>) -> Self {
        PythonExecutor {
            context,
            child: None,
            ready: false,
            functions: Functions::default(),
            waiting: VecDeque::new(),
            pipeline: Pipeline::default(),
            head_since: Instant::now(),
            ending: None,
            held: None,
            complaint: None,
            refusal: None,
            share: None,
            means: Means::default(),
        }
    }

    /// Whether there is no child, or one that has ended while nothing was asked of it.
    fn is_childless(&self) -> bool {
        match &self.child {
            None => true,
            Some(child) => self.ready && self.pipeline.is_empty() && child.has_ended(),
        }
    }

    pub(super) fn forget_child(&mut self) {
        self.child = None;
        self.ready = false;
        self.functions = Functions::default();
        self.pipeline = Pipeline::default();
        self.ending = None;
        self.held = None;
    }

    fn reset(&mut self) {
        if let Some(child) = &self.child {
            child.kill();
        }
        self.forget_child();
        self.waiting.clear();
        self.share = None;
    }

    /// Writes tasks ahead, as far as the child's pace allows.
    fn fill(&mut self, feed: &mut Feed) {
        let Some(child) = self.child.as_mut().filter(|_| self.ready && self.pipeline.is_low()) else {
            return;
        };
        if self.pipeline.is_empty() {
            self.head_since = Instant::now();
        }
        let mut frame = RunFrame::new(0);
        while let Some(task) = self.waiting.pop_front().or_else(|| feed.take(FunctionKind::Python)) {
            let (number, new) = self.functions.number(&task.function);
            let cost = self.functions.pace(number).map_or(0, |pace| pace.expected());
            if new || number != frame.number() || task.argument.len() > GATHER_BYTES {
                child.send(std::mem::replace(&mut frame, RunFrame::new(number)).finish());
            }
            if new {
                child.send(frames::define(number, task.function.body.len()));
                child.send(task.function.body.clone());
            }
            let apart = is_apart(&task) || self.functions.is_alone(number);
            let fits = self.pipeline.fits(cost, task.argument.len());
            if !fits || (apart || self.pipeline.is_apart()) && !self.pipeline.is_empty() {
                self.waiting.push_front(task);
                break;
            }
            if task.argument.len() > GATHER_BYTES {
                child.send(frames::run_one(number, task.argument.len()));
                child.send(task.argument.clone());
            } else {
                frame.push(&task.argument);
            }
            self.functions.given(number);
            self.pipeline.push(task, number, cost, apart);
        }
        child.send(frame.finish());
    }

    /// Waits until something happens, and sees to it.
    fn wait(&mut self, feed: &mut Feed) {
        let deadline =
            self.deadline().map_or(GLANCE, |at| at.saturating_duration_since(Instant::now())).min(GLANCE);
        if self.held.is_some() && !self.resume(feed) {
            return;
        }
        let Some(child) = &mut self.child else { return };
        let mut alive = child.flush().is_ok();
        // without room what a task writes stays in the pipe or the socket, and in the end the task waits
        let wanted =
            Wanted { link: self.held.is_none(), output: self.pipeline.writer().is_none() || feed.has_room() };
        let ready = if alive { ready(child, feed, deadline, wanted) } else { Ready::default() };
        if ready.output {
            if let Some(function) = self.pipeline.writing_function() {
                self.functions.leave_alone(function);
            }
            live::pass(&mut child.output, self.pipeline.writer(), feed);
        }
        if ready.link && !wanted.link {
            alive = false;
        } else if ready.link {
            alive &= !self.receive(feed).is_err_and(|error| !is_passing(&error));
        } else if ready.is_nothing() {
            alive &= !child.has_ended();
        }
        if !alive {
            self.bury(feed);
        }
        if ready.wake {
            feed.heed();
            self.obey(feed);
        }
        self.watch_clock(feed);
    }

    /// Reads what the child has sent, settles the tasks it answers and passes on what they have printed. Reads nothing
    /// while something is held.
    pub(super) fn receive(&mut self, feed: &mut Feed) -> io::Result<()> {
        self.print_held(feed);
        self.answers(feed)?;
        let Some(child) = self.child.as_mut().filter(|_| self.held.is_none()) else { return Ok(()) };
        let received = child.receive();
        self.answers(feed)?;
        received
    }

    /// Sees to what was read.
    fn answers(&mut self, feed: &mut Feed) -> io::Result<()> {
        while self.held.is_none()
            && let Some(child) = &mut self.child
            && let Some(reply) = child.reply()?
        {
            match reply.code.stream() {
                Some(stream) => self.print(feed, stream, reply),
                None => self.settle(feed, reply)?,
            }
        }
        Ok(())
    }

    /// Goes on with what was held if it can; true if it cannot.
    fn resume(&mut self, feed: &mut Feed) -> bool {
        self.print_held(feed);
        if self.held.is_some() {
            return true;
        }
        if self.answers(feed).is_err() {
            self.bury(feed);
        }
        false
    }
}

/// What to wait for, beside orders.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    link: bool,
    output: bool,
}

/// What there is to see to.
#[derive(Clone, Copy, Debug, Default)]
struct Ready {
    link: bool,
    wake: bool,
    output: bool,
}

impl Ready {
    fn is_nothing(self) -> bool {
        !(self.link || self.wake || self.output)
    }
}

fn ready(child: &Child, feed: &Feed, timeout: Duration, wanted: Wanted) -> Ready {
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::IN, wanted.link);
    flags.set(PollFlags::OUT, child.has_outgoing());
    let link = PollFd::from_borrowed_fd(child.link(), flags);
    let wake = PollFd::from_borrowed_fd(feed.wake(), PollFlags::IN);
    let timeout = Timespec { tv_sec: timeout.as_secs() as _, tv_nsec: timeout.subsec_nanos() as _ };
    let is_ready = |fd: &PollFd<'_>| fd.revents().intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR);
    // an interrupted wait is as good as a short one
    if let Some(output) = child.output.waits().filter(|_| wanted.output) {
        let mut fds = [link, wake, PollFd::from_borrowed_fd(output, PollFlags::IN)];
        let _ = poll(&mut fds, Some(&timeout));
        Ready { link: is_ready(&fds[0]), wake: is_ready(&fds[1]), output: is_ready(&fds[2]) }
    } else {
        let mut fds = [link, wake];
        let _ = poll(&mut fds, Some(&timeout));
        Ready { link: is_ready(&fds[0]), wake: is_ready(&fds[1]), output: false }
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
