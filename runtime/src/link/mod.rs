//! One link: messages over a transport's byte stream, and the greeting that opens it.

mod admit;
mod dial;
mod outgoing;
mod pieces;
mod reader;
mod relay;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use admit::{Admission, Admitted, Rejection, admit};
pub use dial::{Attempt, DialError, dial};
pub(crate) use dial::{PATIENCE, dial_within};
use reader::first;
pub use reader::{LinkError, LinkReader};
pub use relay::{RelayError, relay};
pub use writer::LinkWriter;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rpar_core::transport::{Duplex, Identity};

/// This build, as it introduces itself: both ends of a link must be the same.
pub const BUILD: &str = env!("CARGO_PKG_VERSION");

/// How long a greeting may take: a few round trips, on a host that is busy.
const GREETING_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a link that is being closed may take to send what is left, and to read what still comes.
const LINGER: Duration = Duration::from_secs(5);

/// A key pair of this process's own.
///
/// # Errors
/// When the system has no randomness to give.
pub fn fresh_identity() -> io::Result<Identity> {
    random().map(Identity::from_seed)
}

/// 32 bytes that nobody can guess.
pub(crate) fn random() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bytes)
}

/// Divides a stream into its two directions. Needs a tokio runtime: writing is a task of its own.
pub(crate) fn open(io: Box<dyn Duplex>) -> (LinkReader, LinkWriter) {
    open_after(BytesMut::new(), io)
}

/// The same for a stream of which something was read already.
fn open_after(came: BytesMut, io: Box<dyn Duplex>) -> (LinkReader, LinkWriter) {
    let (read, write) = tokio::io::split(io);
    let outgoing = Arc::default();
    (LinkReader::new(came, read, Arc::clone(&outgoing)), LinkWriter::start(write, outgoing))
}
