//! The files in a cluster's directory by which its processes find and know each other.

mod connection;
mod handed;
mod private;
mod process;
mod record;
mod submission;
mod tail;

pub use connection::read_connection;
pub(crate) use connection::write_connection;
pub use handed::Handed;
pub use private::write_private;
pub use process::{Liveness, ProcessIdentity, host_name};
pub(crate) use record::write_controller;
pub use record::{ControllerRecord, read_controller};
pub use submission::{SUBMISSIONS_DIRECTORY, task_output_name, task_outputs};
pub use tail::tail;

use std::path::PathBuf;

use thiserror::Error;

/// What a client needs to link to the controller.
pub const CLIENT_FILE: &str = "client.toml";

/// What engine hosts and pilots need to link to the controller.
pub const ENGINE_FILE: &str = "engine.toml";

/// Which process the controller is.
pub const CONTROLLER_FILE: &str = "controller.json";

/// The subdirectory of logs, and of what allocations write.
pub const LOGS_DIRECTORY: &str = "logs";

/// A file of a cluster's directory cannot be used.
#[derive(Debug, Error)]
pub enum FileError {
    /// It is not there.
    #[error("{} does not exist: is the cluster running? `rpar list` shows all clusters", path.display())]
    Missing {
        /// Which.
        path: PathBuf,
    },
    /// The system could not read or write it.
    #[error("could not {action} {}: {source}", path.display())]
    Io {
        /// Read, write or remove.
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// It was written by somebody else.
    #[error("{} belongs to another user ({owner}), who would say which controller to trust: see whose directory that is", path.display())]
    Foreign {
        /// Which.
        path: PathBuf,
        /// That user's number.
        owner: u32,
    },
    /// It does not hold what it should.
    #[error("{} is damaged, or of another version of rpar: {reason}; stop and start the cluster to write it anew", path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}
