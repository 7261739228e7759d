//! What goes into the engine host's machine, and what comes out.

use std::sync::Arc;
use std::time::Duration;

use crate::id::{EngineId, FunctionHash};
use crate::task::{Function, RunOptions};
use crate::wire::{Batch, Message, Outcomes, Output, Registration, Runs};

/// What the machine is told at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineHostConfig {
    /// How it introduces itself.
    pub registration: Registration,
    /// How long it tries to reach its controller again before it ends.
    pub give_up_after: Duration,
    /// A controller that has been silent for this long is lost.
    pub lost_after: Duration,
}

/// Something that has happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// The controller has welcomed this host.
    LinkUp {
        /// How often the controller wants to hear something.
        heartbeat: Duration,
    },
    /// A message came.
    Received(Message),
    /// The link is gone, or could not be made.
    LinkDown {
        /// Why, for people.
        reason: String,
    },
    /// The controller will never let this host in: leave.
    Refused {
        /// Why, for people.
        reason: String,
    },
    /// Tasks have ended on one of the engines; `outcomes.engine` is set. Long results are in `bulk`, in order, in place
    /// of the payload.
    Ended {
        /// How.
        outcomes: Outcomes,
        /// The long results that `outcomes` announces.
        bulk: Vec<bytes::Bytes>,
    },
    /// A task wrote something; its end comes later.
    Output(Output),
    /// The host is asked to end (a signal).
    Interrupted,
    /// Time has passed; nothing else.
    Tick,
}

/// Something to be done by the shell, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send a message to the controller.
    Send(Message),
    /// Dial the controller; answered by `LinkUp`, `LinkDown` or `Refused`.
    Dial,
    /// Close the link once what was sent before has gone out. No `LinkDown` follows.
    Hangup,
    /// Keep a function for later `Run`s.
    Define {
        /// Its hash.
        hash: FunctionHash,
        /// The function.
        function: Function,
    },
    /// Have an engine run tasks, after those it already has. All payloads are complete: `batch.bulk` is empty, and
    /// long arguments are in `bulk` in their order.
    Run {
        /// The engine's place on this host, from 0.
        slot: u32,
        /// The engine's id.
        engine: EngineId,
        /// What to run.
        function: FunctionHash,
        /// How to run them.
        options: Arc<RunOptions>,
        /// Which tasks.
        runs: Runs,
        /// Their arguments.
        batch: Batch,
        /// The long arguments that `batch` announces.
        bulk: Vec<bytes::Bytes>,
    },
    /// These tasks are not wanted any more: drop them where they wait. Each still ends with an outcome.
    Cancel {
        /// Which.
        runs: Runs,
        /// End them where they run, too.
        running: bool,
    },
    /// These tasks are wanted elsewhere: each that has not begun is given back as [`RETURNED`](crate::wire::RETURNED).
    Withdraw {
        /// The engine's place on this host, from 0.
        slot: u32,
        /// Which tasks.
        runs: Runs,
    },
    /// An engine may have reported this much output since it was registered, see [`Output::cost`].
    Room {
        /// The engine's place on this host, from 0.
        slot: u32,
        /// Counted from the registration.
        bytes: u64,
    },
    /// End whatever runs and forget whatever waits, without outcomes: its controller is gone.
    Reset,
    /// Tell the log.
    Log {
        /// For people; one line.
        text: String,
    },
    /// Leave.
    Exit {
        /// Whether all is well.
        ok: bool,
        /// Why; for the log.
        reason: String,
    },
}
