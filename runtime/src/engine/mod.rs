//! The engine host: one process a node, whose engines each run one task at a time.

mod executor;
mod feed;
mod guard;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rpar_core::transport::Transport;
use rpar_core::wire::Registration;
use thiserror::Error;

pub use executor::PythonSettings;
#[expect(unused_imports, reason = "for the executors of each kind")]
pub(crate) use executor::{EngineContext, Executor, Task};
#[expect(unused_imports, reason = "for the executors of each kind")]
pub(crate) use feed::Feed;
#[expect(unused_imports, reason = "for the executors of each kind")]
pub(crate) use guard::Child;

use crate::native::NativeFunctions;

/// What an engine host needs to start.
#[derive(Debug)]
pub struct EngineSetup {
    /// The connection file of role engine. It is waited for, at most 60 s: shared file systems show new files late.
    pub connection: PathBuf,
    /// How the controller is reached.
    pub transport: Arc<dyn Transport>,
    /// How the host introduces itself.
    pub registration: Registration,
    /// The Rust functions that it knows.
    pub native: NativeFunctions,
    /// How it runs Python.
    pub python: PythonSettings,
    /// The node's cores, shared by its engines: says how many threads each may use.
    pub cores: u32,
    /// How long it tries to reach its controller again.
    pub give_up_after: Duration,
}

/// The engine host had to end.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The controller refused it or stayed away.
    #[error("the engine host on {node} ends: {reason}")]
    Ended {
        /// On which node.
        node: String,
        /// Why.
        reason: String,
    },
}

/// Runs the node's engines until the controller says goodbye, or stays away for too long.
///
/// Not cancel-safe: a dropped future leaves commands running until the process ends.
///
/// # Errors
/// When it does not end in good order.
pub async fn serve(setup: EngineSetup) -> Result<(), EngineError> {
    Err(EngineError::Ended { node: setup.registration.node, reason: "not linked".to_owned() })
}
