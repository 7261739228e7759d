//! One interpreter child: its process and what goes through its socket.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rpar_core::id::EngineId;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};

use super::control::Control;
use super::frames::{self, Code, Reply, ReplyHead};
use super::means::Means;
use super::output::Output;
use super::script;
use crate::engine::{Child as Place, EngineContext, Limit, Share};

/// How long an interpreter that has closed its socket may take to end.
const FAREWELL: Duration = Duration::from_secs(2);

/// One read from the socket, and the longest payload that is copied out of it.
const READ_BYTES: usize = 64 << 10;

/// A running interpreter.
#[derive(Debug)]
pub(super) struct Child {
    process: std::process::Child,
    group: Pid,
    context: Arc<EngineContext>,
    /// What it was given when it was started.
    pub(super) means: Means,
    pub(super) limit: Option<Limit>,
    link: UnixStream,
    pub(super) control: Control,
    pub(super) output: Output,
    pub(super) begun: Instant,
    outgoing: VecDeque<Bytes>,
    incoming: BytesMut,
    scratch: Vec<u8>,
    pending: Option<(ReplyHead, Vec<u8>)>,
    ended: Option<ExitStatus>,
}

impl Child {
    /// Starts an interpreter; it says by a reply when it is ready.
    ///
    /// # Errors
    /// When there is no such program, or no process or descriptor to be had.
    pub(super) fn start(
        context: &Arc<EngineContext>,
        engine: EngineId,
        means: Means,
        share: &Share,
    ) -> io::Result<Self> {
        let (link, theirs) = UnixStream::pair()?;
        let control = Control::new()?;
        let (output, writer) = io::pipe()?;
        context.guard.stand();
        let limit = context.stock.limit(&means.resources());
        let process = interpreter(context, limit.as_ref())
            .args(["-u", "-c", &script::bootstrap(), "rpar", "engine", &engine.to_string()])
            .envs(context.environment())
            .envs(share.environment())
            .env("RPAR_ENGINE_ID", engine.to_string())
            .stdin(Stdio::from(control.share()?))
            .stdout(Stdio::from(OwnedFd::from(theirs)))
            .stderr(Stdio::from(writer))
            .process_group(0)
            .spawn()?;
        let group = Pid::from_child(&process);
        context.guard.watch(context.slot, Place::Interpreter, group);
        link.set_nonblocking(true)?;
        Ok(Child {
            output: Output::new(output, context.slot)?,
            context: Arc::clone(context),
            means,
            limit,
            begun: Instant::now(),
            outgoing: script::segments().collect(),
            incoming: BytesMut::new(),
            scratch: vec![0; READ_BYTES],
            pending: None,
            ended: None,
            process,
            group,
            link,
            control,
        })
    }

    pub(super) fn link(&self) -> BorrowedFd<'_> {
        self.link.as_fd()
    }

    pub(super) fn has_outgoing(&self) -> bool {
        !self.outgoing.is_empty()
    }

    pub(super) fn send(&mut self, segment: Bytes) {
        if !segment.is_empty() {
            self.outgoing.push_back(segment);
        }
    }

    /// Writes what the socket takes without blocking.
    ///
    /// # Errors
    /// When the child has closed it.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while !self.outgoing.is_empty() {
            let slices: Vec<_> = self.outgoing.iter().take(64).map(|segment| IoSlice::new(segment)).collect();
            match self.link.write_vectored(&slices) {
                Ok(mut written) => {
                    while let Some(segment) = self.outgoing.front_mut() {
                        let part = written.min(segment.len());
                        written -= part;
                        if part < segment.len() {
                            let _ = segment.split_to(part);
                            break;
                        }
                        self.outgoing.pop_front();
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads once from the socket, or all that is there of a long reply.
    ///
    /// # Errors
    /// When the child has closed it; [`ErrorKind::WouldBlock`] when nothing is there.
    pub(super) fn receive(&mut self) -> io::Result<()> {
        if let Some((head, payload)) = &mut self.pending {
            let missing = head.length - payload.len() as u64;
            // what was read before an error stays in `payload`
            let count = (&self.link).take(missing).read_to_end(payload)?;
            return if (count as u64) < missing { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(()) };
        }
        match (&self.link).read(&mut self.scratch)? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            count => {
                self.incoming.extend_from_slice(&self.scratch[..count]);
                Ok(())
            }
        }
    }

    /// The next whole reply that was received.
    ///
    /// # Errors
    /// When something else has written on the child's socket.
    pub(super) fn reply(&mut self) -> io::Result<Option<Reply>> {
        if let Some((head, payload)) = self.pending.take() {
            if (payload.len() as u64) < head.length {
                self.pending = Some((head, payload));
                return Ok(None);
            }
            return Ok(Some(Reply { code: head.code, micros: head.micros, payload: payload.into() }));
        }
        let Some(head) = frames::peek_head(&self.incoming)? else { return Ok(None) };
        let there = self.incoming.len() - frames::REPLY_HEAD;
        if there as u64 >= head.length {
            let _ = self.incoming.split_to(frames::REPLY_HEAD);
            let payload = self.incoming.split_to(head.length as usize).freeze();
            return Ok(Some(Reply { code: head.code, micros: head.micros, payload }));
        }
        if head.length > READ_BYTES as u64 {
            let _ = self.incoming.split_to(frames::REPLY_HEAD);
            let mut payload = Vec::new();
            payload.try_reserve_exact(head.length as usize)?;
            payload.extend_from_slice(&self.incoming.split());
            self.pending = Some((head, payload));
        }
        Ok(None)
    }

    /// Interrupts a task by SIGINT, if it is still the one that runs.
    pub(super) fn interrupt(&self, number: u64) {
        // whatever fails here, the task is ended by force a little later
        if self.ended.is_none() && self.control.unwanted(number).is_ok() {
            let _ = kill_process(self.group, Signal::INT);
        }
    }

    /// Ends the child and all processes of its group at once.
    pub(super) fn kill(&self) {
        if self.ended.is_none() {
            // it may have ended by itself
            let _ = kill_process_group(self.group, Signal::KILL);
        }
    }

    /// Whether the process has ended, without waiting.
    pub(super) fn has_ended(&self) -> bool {
        let how = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        self.ended.is_some() || matches!(waitid(WaitId::Pid(self.group), how), Ok(Some(_)) | Err(_))
    }

    /// Waits until the process has ended, for a short time only, then ends it by force, with what it has left behind.
    ///
    /// # Errors
    /// When somebody else has waited for it.
    pub(super) fn end(&mut self) -> io::Result<ExitStatus> {
        if let Some(status) = self.ended {
            return Ok(status);
        }
        let deadline = Instant::now() + FAREWELL;
        while !self.has_ended() && Instant::now() < deadline {
            // ends within microseconds once the socket is closed; polling needs no signal or kernel of its own
            thread::sleep(Duration::from_millis(1));
        }
        self.kill();
        self.context.guard.release(self.context.slot, Place::Interpreter);
        let status = self.process.wait()?;
        self.ended = Some(status);
        Ok(status)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // the end of its socket is what a child takes its leave on
        let _ = self.link.shutdown(std::net::Shutdown::Both);
        if let Err(error) = self.end() {
            tracing::warn!(slot = self.context.slot, "an interpreter's end was missed: {error}");
        }
    }
}

/// The interpreter, to be started within a limit if there is one.
fn interpreter(context: &EngineContext, limit: Option<&Limit>) -> Command {
    let Some(limit) = limit else { return Command::new(executable(context)) };
    let mut command = Command::new("/bin/sh");
    command.args(["-c", Limit::ENTERS]).arg(limit.entrance()).arg(executable(context));
    command
}

/// The interpreter's name or path.
pub(super) fn executable(context: &EngineContext) -> String {
    context.python.executable.as_ref().map_or_else(|| "python3".to_owned(), |path| path.display().to_string())
}

impl Child {
    /// Whether a reply is the child's word that it is ready for this protocol.
    pub(super) fn is_ready(reply: &Reply) -> bool {
        reply.code == Code::Ok && reply.micros == frames::PROTOCOL
    }
}
