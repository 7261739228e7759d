//! The user's work: functions, the options of a task, how it ended, and what a command's payloads look like.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::id::{EngineId, FunctionHash, SubmissionId, TaskId};
use crate::resources::Resources;
use crate::wire::INLINE_LIMIT_BYTES;

/// What runs a function on an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FunctionKind {
    /// A shell command; the body is a [`CommandSpec`] in CBOR, arguments are [`Arguments`], results [`CommandOutcome`].
    Command,
    /// A Rust function compiled into the engine's program; payloads are its own. The body is its name, and, parted by NULs,
    /// path and build of its client's program, if known.
    Native,
    /// A Python callable; the body and all payloads are the Python client's pickles.
    Python,
}

/// A function as it is sent: once to each engine host, known by its hash from then on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// What runs it.
    pub kind: FunctionKind,
    /// What to run, in the form of its kind.
    pub body: Bytes,
}

impl Function {
    /// The function's identity.
    pub fn hash(&self) -> FunctionHash {
        let mut hasher = Sha256::new();
        hasher.update([self.kind as u8]);
        hasher.update(&self.body);
        FunctionHash(hasher.finalize().into())
    }
}

/// How a task is to be run. The same for all tasks of a submission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskOptions {
    /// How often a task whose own code failed, or that timed out, runs again.
    pub retries: u16,
    /// Whether a task whose engine was lost runs again.
    pub rerun: bool,
    /// After how many milliseconds of running a task is ended.
    pub timeout_ms: Option<u64>,
    /// How many milliseconds it needs at most, so that it is not started on an engine that ends sooner. No limit: it may
    /// run longer.
    #[serde(default, skip_serializing_if = "is_default")]
    pub time_ms: Option<u64>,
    /// The engines that may run it; `None` is any.
    pub targets: Option<Vec<EngineId>>,
    /// Tasks of a higher priority go first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub priority: i32,
    /// Labels that an engine must have to run it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub labels: Vec<String>,
    /// What it takes of its node.
    #[serde(default, skip_serializing_if = "is_default")]
    pub resources: Resources,
    /// What must have ended before it runs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub after: Option<After>,
    /// Whether what it writes is passed on while it runs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub live: Live,
}

/// When what a task writes is passed on while it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Live {
    /// Never: its result holds all of it.
    #[default]
    No,
    /// From the start.
    Yes,
    /// From the moment when a command has written more than a result had better hold
    /// ([`LARGE_OUTPUT_BYTES`]), beginning with its first byte. Never for tasks of another kind.
    Large,
    /// What a Python task prints, from the start; as `No` for tasks of another kind. The interpreter says whose it is, so
    /// that such tasks are given to it ahead, as others are. What goes past `sys.stdout` and `sys.stderr` to its
    /// descriptors comes too while no other task could be meant.
    Printed,
}

/// How much a command with [`Live::Large`] writes, stdout and stderr together, before it is passed on: what is sent with
/// a batch of results. More would have to be pulled when it has ended, and would wait in memory until then.
pub const LARGE_OUTPUT_BYTES: usize = INLINE_LIMIT_BYTES;

impl Default for TaskOptions {
    fn default() -> Self {
        TaskOptions {
            retries: 0,
            rerun: true,
            timeout_ms: None,
            time_ms: None,
            targets: None,
            priority: 0,
            labels: Vec::new(),
            resources: Resources::default(),
            after: None,
            live: Live::No,
        }
    }
}

/// What must have ended before a task runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    /// Tasks that the same client has submitted before: first id, and how many.
    pub tasks: Vec<(TaskId, u32)>,
    /// Submissions, with all their tasks.
    #[serde(default, skip_serializing_if = "is_default")]
    pub submissions: Vec<SubmissionId>,
    /// One of them is enough.
    #[serde(default, skip_serializing_if = "is_default")]
    pub any: bool,
    /// How they must have ended.
    pub on: AfterEnd,
}

/// How what a task waits for must have ended. A task whose wait can never be over ends as
/// [`TaskStatus::Unplaced`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AfterEnd {
    /// Well.
    #[default]
    Success,
    /// Otherwise.
    Failure,
    /// Either way.
    Any,
}

/// How an engine is to run tasks. The same for all tasks of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOptions {
    /// Which try at these tasks this is, from 1.
    pub attempt: u16,
    /// After how many milliseconds of running a task is ended.
    pub timeout_ms: Option<u64>,
    /// What to add to a task's id for its id on its client's link.
    pub shift: i64,
    /// Whether what a task writes is passed on while it runs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub live: Live,
    /// What each takes of its node.
    #[serde(default, skip_serializing_if = "is_default")]
    pub resources: Resources,
}

impl RunOptions {
    /// The time limit of each task.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout_ms.map(Duration::from_millis)
    }

    /// A task's id on its client's link.
    pub fn client_id(&self, task: TaskId) -> TaskId {
        TaskId(task.0.wrapping_add_signed(self.shift))
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// How a task ended. The payload of everything but `Ok`, and a command's `Failed`, is a [`Failure`] in CBOR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum TaskStatus {
    /// It ran to its end; the payload is its result.
    Ok = 0,
    /// Its own code failed: non-zero exit, exception, panic.
    Failed = 1,
    /// It ran longer than its time-out and was ended.
    TimedOut = 2,
    /// It was cancelled, before or while it ran.
    Cancelled = 3,
    /// What ran it died: its interpreter was killed by a signal or ended itself.
    Crashed = 4,
    /// Its engine was lost and it may not run again, or was lost too often.
    Lost = 5,
    /// No engine can run it and none is coming.
    Unplaced = 6,
}

impl TaskStatus {
    /// The status with this number on the wire.
    pub fn from_code(code: u8) -> Option<Self> {
        use TaskStatus::*;
        [Ok, Failed, TimedOut, Cancelled, Crashed, Lost, Unplaced].into_iter().find(|s| *s as u8 == code)
    }
}

/// Why a task did not end well, in the form that people and clients read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What happened, in one line.
    pub message: String,
    /// The remote traceback, or the last lines of what the task wrote to stderr.
    #[serde(default)]
    pub detail: String,
    /// Exit status of the process that died, if one did.
    #[serde(default)]
    pub exit: Option<i32>,
    /// Signal that killed it, if one did.
    #[serde(default)]
    pub signal: Option<i32>,
    /// The exception itself, in the form of the function's kind (for Python, a pickle); empty if there is none.
    #[serde(default, with = "serde_bytes")]
    pub exception: Vec<u8>,
}

impl Failure {
    /// A failure of which one line is known.
    pub fn new(message: impl Into<String>) -> Self {
        Failure { message: message.into(), ..Default::default() }
    }

    /// The payload that says so.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(64);
        // writing plain data to memory has no way to fail
        let _ = ciborium::into_writer(self, &mut out);
        out.into()
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// When it is something else.
    pub fn decode(payload: &[u8]) -> Result<Self, PayloadError> {
        ciborium::from_reader(payload).map_err(|_| PayloadError { what: "failure" })
    }

    /// The payload of a command that was ended when its time was over: why, and behind that what it had written.
    pub fn encode_with(&self, command: &CommandOutcome) -> Bytes {
        let mut out = BytesMut::from(&self.encode()[..]);
        command.encode(&mut out);
        out.freeze()
    }

    /// Reads what [`encode`](Self::encode) or [`encode_with`](Self::encode_with) wrote.
    ///
    /// # Errors
    /// When it is something else.
    pub fn decode_with(mut payload: Bytes) -> Result<(Self, Option<CommandOutcome>), PayloadError> {
        let mut rest = payload.as_ref();
        let failure = ciborium::from_reader(&mut rest).map_err(|_| PayloadError { what: "failure" })?;
        let command = payload.split_off(payload.len() - rest.len());
        let command = if command.is_empty() { None } else { Some(CommandOutcome::decode(command)?) };
        Ok((failure, command))
    }
}

/// A command: what every one of its tasks shares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandSpec {
    /// Text for `sh -c`. Arguments reach it as positional parameters (`"${1}"`), never as text.
    pub script: String,
    /// Where it runs: absolute, or below the home of the user there. A task fails with directory and host named when it is not
    /// there.
    pub workdir: String,
    /// Environment variables to set, above the engine's own.
    pub environment: BTreeMap<String, String>,
}

impl CommandSpec {
    /// The function that runs it.
    pub fn function(&self) -> Function {
        let mut body = Vec::new();
        // writing plain data to memory has no way to fail
        let _ = ciborium::into_writer(self, &mut body);
        Function { kind: FunctionKind::Command, body: body.into() }
    }
}

/// One task's positional parameters: any bytes but NUL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments(pub Vec<Bytes>);

/// A payload is not in the form that its kind prescribes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("malformed payload: {what}")]
pub struct PayloadError {
    /// Which part of it.
    pub what: &'static str,
}

impl Arguments {
    /// Layout: for each argument its length (u32, little-endian) and its bytes.
    pub fn encode(&self, out: &mut BytesMut) {
        for argument in &self.0 {
            out.put_u32_le(argument.len() as u32);
            out.put_slice(argument);
        }
    }

    /// Reads what [`encode`](Self::encode) wrote, without copying.
    ///
    /// # Errors
    /// When a length runs past the end.
    pub fn decode(mut payload: Bytes) -> Result<Self, PayloadError> {
        let mut arguments = Vec::new();
        while !payload.is_empty() {
            let length = take_u32(&mut payload, "argument length")?;
            arguments.push(take(&mut payload, length as usize, "argument")?);
        }
        Ok(Arguments(arguments))
    }
}

/// How a command ended, with all it wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandOutcome {
    /// Exit status; `None` if a signal killed it.
    pub exit: Option<i32>,
    /// The signal that killed it.
    pub signal: Option<i32>,
    /// All that it wrote was passed on while it ran; `stdout` and `stderr` hold only the last of it.
    pub streamed: bool,
    /// What it wrote to stdout.
    pub stdout: Bytes,
    /// What it wrote to stderr.
    pub stderr: Bytes,
}

impl CommandOutcome {
    /// Whether its exit status is 0.
    pub fn success(&self) -> bool {
        self.exit == Some(0)
    }

    /// Layout: 0 and the exit status, or 1 and the signal (u8 and i32), length of stdout (u32), stdout, stderr;
    /// numbers little-endian. The first is 2 more when it was streamed.
    pub fn encode(&self, out: &mut BytesMut) {
        out.reserve(9 + self.stdout.len() + self.stderr.len());
        out.put_u8(self.signal.is_some() as u8 | (self.streamed as u8) << 1);
        out.put_i32_le(self.signal.or(self.exit).unwrap_or(0));
        out.put_u32_le(self.stdout.len() as u32);
        out.put_slice(&self.stdout);
        out.put_slice(&self.stderr);
    }

    /// Reads what [`encode`](Self::encode) wrote, without copying.
    ///
    /// # Errors
    /// When it is too short.
    pub fn decode(mut payload: Bytes) -> Result<Self, PayloadError> {
        let tag = take(&mut payload, 1, "outcome tag")?[0];
        let number = take_u32(&mut payload, "exit status")? as i32;
        let length = take_u32(&mut payload, "stdout length")?;
        let stdout = take(&mut payload, length as usize, "stdout")?;
        let (exit, signal) = if tag & 1 == 1 { (None, Some(number)) } else { (Some(number), None) };
        Ok(CommandOutcome { exit, signal, streamed: tag & 2 == 2, stdout, stderr: payload })
    }
}

fn take(from: &mut Bytes, length: usize, what: &'static str) -> Result<Bytes, PayloadError> {
    if from.len() < length { Err(PayloadError { what }) } else { Ok(from.split_to(length)) }
}

fn take_u32(from: &mut Bytes, what: &'static str) -> Result<u32, PayloadError> {
    let bytes = take(from, 4, what)?;
    Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

#[cfg(test)]
mod tests;
