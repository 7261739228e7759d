//! Why a controller could not begin, or not end in good order.

use std::io;

use rpar_core::transport::TransportError;
use thiserror::Error;

use crate::files::FileError;

/// A controller could not do its work.
#[derive(Debug, Error)]
pub enum ControllerError {
    /// It could not listen.
    #[error("the controller cannot listen: {0}")]
    Listen(#[from] TransportError),
    /// There is nowhere to listen.
    #[error("the controller has nowhere to listen")]
    NoEndpoint,
    /// A file of the cluster's directory could not be written or removed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The system gave no random numbers for keys and secrets.
    #[error("the system gave no random numbers: {0}")]
    Randomness(io::Error),
    /// This process's own state could not be read.
    #[error("could not tell which process this is: {0}")]
    Process(io::Error),
    /// Signals could not be waited for.
    #[error("could not wait for signals: {0}")]
    Signals(io::Error),
}
