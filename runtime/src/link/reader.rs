//! The reading half of a link.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BytesMut;
use rpar_core::transport::Duplex;
use rpar_core::wire::{self, FRAME_LIMIT_BYTES, Message, WireError};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, ReadHalf};
use tokio::time::timeout;

use super::LINGER;
use super::outgoing::Outgoing;

/// How much is read at once, if there is so much: a usual socket buffer.
const READ_BYTES: usize = 64 << 10;

/// Receives messages.
pub struct LinkReader {
    io: ReadHalf<Box<dyn Duplex>>,
    buffer: BytesMut,
    outgoing: Arc<Outgoing>,
    /// How long the messages were that were handed over last.
    received: usize,
    /// What came behind them.
    failure: Option<LinkError>,
}

impl fmt::Debug for LinkReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkReader").field("failure", &self.failure).finish_non_exhaustive()
    }
}

/// A link cannot be used any further.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LinkError {
    /// The peer has closed it, or has ended.
    #[error("the peer closed the link")]
    Closed,
    /// Reading failed.
    #[error("reading failed: {reason}")]
    Read {
        /// The system's reason.
        reason: String,
    },
    /// Writing failed.
    #[error("writing failed: {reason}")]
    Write {
        /// The system's reason.
        reason: String,
    },
    /// The peer does not speak the protocol.
    #[error("the peer broke the protocol: {0}")]
    Wire(#[from] WireError),
}

impl From<io::Error> for LinkError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // a process that was killed closes without the transport's own goodbye
            io::ErrorKind::UnexpectedEof => LinkError::Closed,
            _ => LinkError::Read { reason: error.to_string() },
        }
    }
}

impl LinkReader {
    /// `came` was read already.
    pub(super) fn new(came: BytesMut, io: ReadHalf<Box<dyn Duplex>>, outgoing: Arc<Outgoing>) -> Self {
        LinkReader { io, buffer: came, outgoing, received: 0, failure: None }
    }

    /// Waits for messages and takes all that have come. Cancel-safe.
    ///
    /// # Errors
    /// When the link cannot be used any further, in either direction.
    pub async fn receive(&mut self) -> Result<Vec<Message>, LinkError> {
        let mut messages = Vec::new();
        loop {
            if let Some(failure) = &self.failure {
                return Err(failure.clone());
            }
            let before = self.buffer.len();
            loop {
                match wire::decode(&mut self.buffer, FRAME_LIMIT_BYTES) {
                    Ok(Some(message)) => messages.push(message),
                    Ok(None) => break,
                    Err(error) => {
                        self.failure = Some(error.into());
                        break;
                    }
                }
            }
            if !messages.is_empty() {
                self.received = before - self.buffer.len();
                return Ok(messages);
            }
            if self.failure.is_none() {
                self.fill(READ_BYTES).await?;
            }
        }
    }

    /// How many bytes the messages took that [`receive`](Self::receive) returned last.
    pub(crate) fn received_bytes(&self) -> usize {
        self.received
    }

    /// See [`first`].
    pub(super) async fn first(&mut self, limit: usize) -> Result<Message, LinkError> {
        first(&mut self.io, &mut self.buffer, limit).await
    }

    /// Reads and forgets what still comes until the peer closes, for 5 s at most: a socket that is closed with unread
    /// bytes would take back what was sent last.
    pub(crate) async fn drain(mut self) {
        let _ = timeout(LINGER, async {
            loop {
                self.buffer.clear();
                if self.fill(READ_BYTES).await.is_err() {
                    return;
                }
            }
        })
        .await;
    }

    /// Reads until at least `enough` bytes have come or no more are there, but something in any case.
    async fn fill(&mut self, enough: usize) -> Result<(), LinkError> {
        let mut broken = pin!(self.outgoing.broken());
        let (io, buffer) = (&mut self.io, &mut self.buffer);
        let read = poll_fn(|context| match read_available(io, buffer, enough, context) {
            Poll::Ready(read) => Poll::Ready(read),
            Poll::Pending => broken.as_mut().poll(context).map(|reason| Err(LinkError::Write { reason })),
        });
        read.await
    }
}

/// Waits for the first message, of at most `limit` bytes, and reads no more than that. Cancel-safe.
///
/// # Errors
/// When the link cannot be used any further.
pub(super) async fn first(
    io: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
    limit: usize,
) -> Result<Message, LinkError> {
    loop {
        if let Some(message) = wire::decode(buffer, limit)? {
            return Ok(message);
        }
        // a frame over the limit was refused above, so an unfinished one leaves room
        let room = limit.saturating_sub(buffer.len()).clamp(1, READ_BYTES);
        buffer.reserve(room);
        match (&mut *io).take(room as u64).read_buf(buffer).await {
            Ok(0) => return Err(LinkError::Closed),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn read_available(
    io: &mut ReadHalf<Box<dyn Duplex>>,
    buffer: &mut BytesMut,
    enough: usize,
    context: &mut Context<'_>,
) -> Poll<Result<(), LinkError>> {
    let mut total = 0;
    while total < enough {
        if buffer.capacity() - buffer.len() < READ_BYTES / 4 {
            // a frame that grew bit by bit would be copied as often
            buffer.reserve(wire::missing_bytes(buffer, FRAME_LIMIT_BYTES).max(READ_BYTES));
        }
        let read: Poll<io::Result<usize>> = pin!(io.read_buf(buffer)).poll(context);
        match read {
            Poll::Ready(Ok(0)) if total == 0 => return Poll::Ready(Err(LinkError::Closed)),
            Poll::Ready(Ok(0)) => break,
            Poll::Ready(Ok(count)) => total += count,
            Poll::Ready(Err(error)) if total == 0 => {
                return Poll::Ready(Err(error.into()));
            }
            // comes again with the next read
            Poll::Ready(Err(_)) => break,
            Poll::Pending if total == 0 => return Poll::Pending,
            Poll::Pending => break,
        }
    }
    Poll::Ready(Ok(()))
}
