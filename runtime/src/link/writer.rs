//! The writing half of a link.

use std::sync::Arc;

use rpar_core::transport::Duplex;
use rpar_core::wire::Message;
use tokio::io::{AsyncWriteExt, WriteHalf};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::LINGER;
use super::outgoing::Outgoing;
use super::pieces::Pieces;

/// A buffer that has grown past this is given back once it is written, so that one burst does not stay in memory.
const KEEP_BYTES: usize = 1 << 20;

/// Sends messages. Everything that is pushed between two turns of the writing task leaves in one write.
///
/// It never waits by itself: whoever sends looks at [`queued`](Self::queued), or waits for [`ready`](Self::ready), to
/// keep what has not gone out within bounds. When dropped, what was sent before still goes out, within 5 s.
#[derive(Debug)]
pub struct LinkWriter {
    outgoing: Arc<Outgoing>,
    task: Option<JoinHandle<()>>,
}

impl LinkWriter {
    /// More than this should not wait on a link whose owner can do something else meanwhile.
    pub const READY_BYTES: usize = 4 << 20;

    pub(super) fn start(io: WriteHalf<Box<dyn Duplex>>, outgoing: Arc<Outgoing>) -> Self {
        let task = tokio::spawn(write(io, Arc::clone(&outgoing)));
        LinkWriter { outgoing, task: Some(task) }
    }

    /// Adds a message to those that the next [`flush`](Self::flush) has written.
    pub fn push(&self, message: &Message) {
        self.outgoing.push(message);
    }

    /// Has all that was pushed written.
    pub fn flush(&self) {
        self.outgoing.flush();
    }

    /// Has a message written at once.
    pub fn send(&self, message: &Message) {
        self.push(message);
        self.flush();
    }

    /// How many bytes have not gone out.
    pub fn queued(&self) -> usize {
        self.outgoing.queued()
    }

    /// Waits until less than [`READY_BYTES`](Self::READY_BYTES) have not gone out, or the link is broken. Cancel-safe.
    pub async fn ready(&self) {
        self.outgoing.below(Self::READY_BYTES).await;
    }

    /// Closes the link once what was sent before has gone out; waits for that, at most 5 s.
    pub async fn close(mut self) {
        self.outgoing.close();
        if let Some(task) = self.task.take() {
            let _ = task.await;
        }
    }
}

impl Drop for LinkWriter {
    fn drop(&mut self) {
        self.outgoing.close();
    }
}

async fn write(mut io: WriteHalf<Box<dyn Duplex>>, outgoing: Arc<Outgoing>) {
    let too_long = async {
        outgoing.closing().await;
        tokio::time::sleep(LINGER).await;
    };
    tokio::select! {
        () = write_all(&mut io, &outgoing) => {}
        () = too_long => outgoing.fail("the peer did not read".to_owned()),
    }
    // the peer may be gone: then there is nothing to tell it
    let _ = timeout(LINGER, io.shutdown()).await;
}

async fn write_all(io: &mut WriteHalf<Box<dyn Duplex>>, outgoing: &Outgoing) {
    let mut pieces = Pieces::default();
    while outgoing.next(&mut pieces).await {
        let written = match io.write_all_buf(&mut pieces).await {
            Ok(()) => io.flush().await,
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            return outgoing.fail(error.to_string());
        }
        pieces.clear(KEEP_BYTES);
    }
}
