//! All that comes to the controller, on its way to the task that owns the machine.

use std::sync::Arc;

use rpar_core::controller::Input;
use rpar_core::id::LinkId;
use rpar_core::wire::Message;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::ControllerError;
use crate::link::{Admitted, LinkError};

/// How many events wait at most: enough for each of a burst of links to leave one.
const EVENTS: usize = 1024;

/// How many bytes of messages wait at most, over all links. Readers wait when it is reached, and so do peers.
const WAITING_BYTES: usize = 64 << 20;

/// Something that has happened.
#[derive(Debug)]
pub(super) enum Event {
    /// A peer was let in.
    Admitted(Box<Admitted>),
    /// Messages came.
    Received { link: LinkId, messages: Vec<Message>, room: OwnedSemaphorePermit },
    /// A link cannot be read any further.
    Down { link: LinkId, error: LinkError },
    /// Something for the machine.
    Input(Box<Input>),
}

/// Where events are sent to.
#[derive(Clone, Debug)]
pub(super) struct Inbox {
    events: mpsc::Sender<Event>,
    room: Arc<Semaphore>,
}

/// Opens an inbox.
pub(super) fn open() -> (Inbox, mpsc::Receiver<Event>) {
    let (events, receiver) = mpsc::channel(EVENTS);
    (Inbox { events, room: Arc::new(Semaphore::new(WAITING_BYTES)) }, receiver)
}

impl Inbox {
    /// Waits for room and leaves an event; false when the controller has ended.
    pub(super) async fn send(&self, event: Event) -> bool {
        self.events.send(event).await.is_ok()
    }

    /// Waits for room for messages of so many bytes; `None` when the controller has ended.
    pub(super) async fn room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = bytes.clamp(1, WAITING_BYTES);
        Arc::clone(&self.room).acquire_many_owned(bytes as u32).await.ok()
    }
}

/// Has the signals that end a process end the cluster instead.
pub(super) fn forward_signals(inbox: &Inbox) -> Result<(), ControllerError> {
    for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()] {
        let mut signals = signal(kind).map_err(ControllerError::Signals)?;
        let inbox = inbox.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some()
                && inbox.send(Event::Input(Box::new(Input::Interrupted))).await
            {}
        });
    }
    Ok(())
}
