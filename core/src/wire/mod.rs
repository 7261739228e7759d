//! The wire protocol: frames of a small CBOR header and raw segments, and the messages they carry.
//!
//! Pure: bytes in, messages out. `docs/protocol.md` describes the dialogue.

mod codec;
mod column;
mod compose;
mod cut;
mod frame;
mod introduction;
mod kind;
mod message;
mod name;
mod output;
mod returned;
mod size;
mod status;
mod submission;
mod why;

pub use codec::{decode, encode, encode_around};
pub use column::{Column, Runs, RunsBuilder, pack_duration, unpack_duration};
pub use cut::{BatchCutter, OutcomesCutter, RunsCutter};
pub use frame::{FrameError, missing_bytes};
pub use introduction::{Hello, PilotInfo, Registration, Welcome};
pub use message::{BULK, Batch, BulkLength, Message, Outcomes, Transfer, WireError};
pub use output::{Allowance, CLIENT_OUTPUT_WINDOW_BYTES, Credit, ENGINE_OUTPUT_WINDOW_BYTES, Output};
pub use returned::RETURNED;
pub use size::{Agreement, Change, Growth, Portion, Retirees};
pub use status::{AllocationStatus, ClusterStatus, ControllerStatus, EngineStatus, NodeStatus, TaskCounts};
pub use submission::{Opened, SubmissionStatus, TaskPage, TaskRecord, TaskState};
pub use why::{About, Because, GoneEngine, Group, Reason, Subject, TaskLoss};

/// Version of the protocol that this build speaks.
pub const PROTOCOL_VERSION: u16 = 1;

/// The most that a whole frame may hold: a bulk chunk and a full batch both fit with room to spare,
/// and a heartbeat waits behind one frame for a few milliseconds only.
pub const FRAME_LIMIT_BYTES: usize = 4 << 20;

/// The most that a frame's CBOR header may hold: its length field has 16 bits.
pub const HEADER_LIMIT_BYTES: usize = u16::MAX as usize;

/// The most that a peer may send before its proof was verified.
pub const HELLO_LIMIT_BYTES: usize = 4 << 10;

/// A payload up to this length travels inside its batch; a longer one as chunks.
pub const INLINE_LIMIT_BYTES: usize = 256 << 10;

/// Senders close a batch at this length, so that a frame stays far below its limit.
pub const BATCH_TARGET_BYTES: usize = 256 << 10;

/// The length of a chunk of a long payload.
pub const CHUNK_BYTES: usize = 256 << 10;

/// How far a transfer's sender may be ahead of its receiver.
pub const TRANSFER_WINDOW_BYTES: u64 = 8 << 20;

/// How many bytes of results a controller may send to a client before the client's first [`Message::Window`]: enough
/// for a second of a full link, little enough to keep for a client that does not read.
pub const RESULT_WINDOW_BYTES: u64 = 64 << 20;

/// What a task counts against a window beside its payload: about what is kept for it.
pub const TASK_COST_BYTES: u64 = 64;

/// The most long payloads that one message announces, so that its header stays within [`HEADER_LIMIT_BYTES`].
pub const BULK_LIMIT: usize = 1024;
