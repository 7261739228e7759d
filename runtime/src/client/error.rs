//! What can go wrong between a program and its controller.

use std::io;
use std::time::Duration;

use thiserror::Error;

use crate::link::DialError;

/// A client could not be linked to its controller.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The controller was not reached, or refused.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// This process could not start the client's thread.
    #[error("could not start the client's thread: {0}")]
    Start(#[from] io::Error),
    /// The connection file is an engine's.
    #[error("the connection file of `{cluster}` is for engines; a client needs client.toml beside it")]
    Role {
        /// The cluster.
        cluster: String,
    },
}

/// The controller could not be asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ClientError {
    /// The link is gone.
    #[error("the link to the controller is gone: {reason}")]
    Lost {
        /// Why.
        reason: String,
    },
    /// It will not change the cluster's size so.
    #[error("the controller declines: {reason}")]
    Declined {
        /// Why.
        reason: String,
    },
    /// No answer came in time.
    #[error("the controller has not answered within {} s", .0.as_secs_f32())]
    TimedOut(Duration),
}
