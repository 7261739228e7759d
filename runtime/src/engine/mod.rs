//! The engine host: one process a node, whose engines each run one task at a time.

#[cfg(test)]
mod bench;
mod claims;
mod connection;
mod doubt;
mod engines;
mod executor;
mod feed;
mod gpus;
mod guard;
mod host;
mod interrupt;
mod lane;
mod memory;
mod orders;
mod outbox;
mod stock;
mod thread;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rpar_core::transport::Transport;
use rpar_core::wire::Registration;
use thiserror::Error;

#[cfg(test)]
pub(crate) use bench::Bench;
pub use connection::Connection;
pub(crate) use connection::{await_connection, await_connection_for};
pub use executor::PythonSettings;
pub(crate) use executor::{EngineContext, Executor, Task};
pub(crate) use feed::Feed;
pub(crate) use guard::Child;
pub(crate) use interrupt::Interrupts;
pub(crate) use memory::Limit;
pub(crate) use stock::Share;

use crate::files::FileError;
use crate::native::NativeFunctions;

/// What an engine host needs to start.
#[derive(Debug)]
pub struct EngineSetup {
    /// How it knows its controller.
    pub connection: Connection,
    /// How the controller is reached.
    pub transport: Arc<dyn Transport>,
    /// How the host introduces itself.
    pub registration: Registration,
    /// The Rust functions that it knows.
    pub native: NativeFunctions,
    /// How it runs Python.
    pub python: PythonSettings,
    /// The node's GPUs for tasks that ask for some, as programs know them: what goes into `CUDA_VISIBLE_DEVICES`.
    pub gpus: Vec<String>,
    /// The node's cores, shared by its engines: says how many threads each may use.
    pub cores: u32,
    /// A controller that has been silent for this long is lost.
    pub lost_after: Duration,
    /// How long it tries to reach its controller again.
    pub give_up_after: Duration,
}

/// The engine host had to end.
#[derive(Debug, Error)]
pub enum EngineError {
    /// There is no usable connection file.
    #[error("the engine host on {node} does not know its controller: {source}")]
    Connection {
        /// On which node.
        node: String,
        /// Why.
        source: FileError,
    },
    /// The controller refused it or stayed away.
    #[error("the engine host on {node} ends: {reason}")]
    Ended {
        /// On which node.
        node: String,
        /// Why.
        reason: String,
    },
    /// The system gave no thread, descriptor or signal.
    #[error(
        "the engine host on {node} lacks something of the system: {reason}; see its limits with `ulimit -a`"
    )]
    System {
        /// On which node.
        node: String,
        /// The system's reason.
        reason: io::Error,
    },
    /// An engine's thread has ended by itself: a defect of rpar.
    #[error("engine {slot} of the engine host on {node} died; the log says why")]
    Engine {
        /// On which node.
        node: String,
        /// The engine's place there.
        slot: u32,
    },
}

/// Runs the node's engines until the controller says goodbye, or stays away for too long.
///
/// Cancel-safe: when the future is dropped, the link closes without a word, and whatever runs is ended within 2 s, should
/// the process live so long.
///
/// # Errors
/// When it does not end in good order.
pub async fn serve(setup: EngineSetup) -> Result<(), EngineError> {
    let connection = match &setup.connection {
        Connection::File(path) => await_connection(path).await,
        Connection::Given(connection) => Ok((**connection).clone()),
    };
    match connection {
        Ok(connection) => host::run(setup, connection).await,
        Err(source) => Err(EngineError::Connection { node: setup.registration.node, source }),
    }
}
