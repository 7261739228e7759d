//! The controller's links: one task each that reads, one writer each.

use std::collections::BTreeMap;

use rpar_core::id::LinkId;
use rpar_core::wire::Message;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::inbox::{Event, Inbox};
use crate::link::{LinkReader, LinkWriter};

/// What may wait to be sent to one peer. The windows of honest clients and engine hosts stay below; a peer that makes
/// the controller talk and does not listen is closed.
const WAITING_BYTES: usize = 256 << 20;

#[derive(Debug)]
struct Peer {
    address: String,
    writer: LinkWriter,
    /// Dropping it has the reading task end.
    _reading: oneshot::Sender<()>,
    dirty: bool,
}

#[derive(Debug, Default)]
pub(super) struct Links {
    peers: BTreeMap<LinkId, Peer>,
    /// Those who have something to flush.
    dirty: Vec<LinkId>,
    next: u64,
    /// The tasks that read, and those that close a writer.
    reading: JoinSet<()>,
    closing: JoinSet<()>,
}

impl Links {
    /// Takes a link over and begins to read it.
    pub(super) fn add(
        &mut self,
        address: String,
        reader: LinkReader,
        writer: LinkWriter,
        inbox: &Inbox,
    ) -> LinkId {
        let link = LinkId(self.next);
        self.next += 1;
        let (reading, stop) = oneshot::channel();
        self.reading.spawn(read(link, reader, inbox.clone(), stop));
        self.peers.insert(link, Peer { address, writer, _reading: reading, dirty: false });
        link
    }

    /// Whether a link is there.
    pub(super) fn has(&self, link: LinkId) -> bool {
        self.peers.contains_key(&link)
    }

    /// Where a link's peer is, for people.
    pub(super) fn address(&self, link: LinkId) -> &str {
        self.peers.get(&link).map_or("", |peer| &peer.address)
    }

    /// Adds a message to what is to be written.
    pub(super) fn send(&mut self, link: LinkId, message: &Message) {
        let Some(peer) = self.peers.get_mut(&link) else { return };
        peer.writer.push(message);
        if !peer.dirty {
            peer.dirty = true;
            self.dirty.push(link);
        }
    }

    /// Has everything written that was added, each link's in one go. Tells who does not read.
    pub(super) fn flush(&mut self) -> Vec<LinkId> {
        let mut stuck = Vec::new();
        for link in self.dirty.drain(..) {
            let Some(peer) = self.peers.get_mut(&link) else { continue };
            peer.dirty = false;
            peer.writer.flush();
            if peer.writer.queued() > WAITING_BYTES {
                stuck.push(link);
            }
        }
        stuck
    }

    /// Closes a link once what was sent before has gone out; whether it was there.
    pub(super) fn close(&mut self, link: LinkId) -> bool {
        // those that have closed since leave nothing behind
        while self.closing.try_join_next().is_some() || self.reading.try_join_next().is_some() {}
        let Some(peer) = self.peers.remove(&link) else { return false };
        self.closing.spawn(peer.writer.close());
        true
    }

    /// Closes all links, and waits until everything has gone out and every peer has closed too, or has taken too long.
    pub(super) async fn close_all(mut self) {
        for (_, peer) in std::mem::take(&mut self.peers) {
            self.closing.spawn(peer.writer.close());
        }
        while self.closing.join_next().await.is_some() {}
        while self.reading.join_next().await.is_some() {}
    }
}

async fn read(link: LinkId, mut reader: LinkReader, inbox: Inbox, mut stop: oneshot::Receiver<()>) {
    loop {
        let received = tokio::select! {
            received = reader.receive() => received,
            _ = &mut stop => return reader.drain().await,
        };
        match received {
            Ok(messages) => {
                let Some(room) = inbox.room(reader.received_bytes()).await else { return };
                if !inbox.send(Event::Received { link, messages, room }).await {
                    return;
                }
            }
            Err(error) => {
                inbox.send(Event::Down { link, error }).await;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rpar_core::id::{EngineId, TaskId};
    use rpar_core::wire::Output;
    use tokio::io::{AsyncWriteExt, duplex};

    use super::super::inbox;
    use super::*;
    use crate::link;

    fn output(length: usize) -> Message {
        let data = Bytes::from(vec![0; length]);
        Message::Output(Output { engine: EngineId(1), task: TaskId(1), attempt: 1, stream: 1, data })
    }

    #[tokio::test]
    async fn who_does_not_read_is_found_and_who_reads_is_not() {
        let (inbox, _events) = inbox::open();
        let mut links = Links::default();
        let (stuck, _unread) = duplex(1000);
        let (reader, writer) = link::open(Box::new(stuck));
        let stuck = links.add("stuck".to_owned(), reader, writer, &inbox);
        let (here, there) = duplex(1 << 20);
        let (reader, writer) = link::open(Box::new(here));
        let reads = links.add("reads".to_owned(), reader, writer, &inbox);
        let (mut far, _writer) = link::open(Box::new(there));
        let (message, enough) = (output(3 << 20), WAITING_BYTES / (3 << 20));
        for _ in 0..enough {
            links.send(stuck, &message);
            links.send(reads, &message);
            assert_eq!(links.flush(), []);
            assert_eq!(far.receive().await.unwrap().len(), 1);
        }
        links.send(stuck, &message);
        links.send(reads, &message);
        assert_eq!(links.flush(), [stuck]);
        assert!(links.close(stuck) && !links.close(stuck) && links.has(reads));
    }

    #[tokio::test]
    async fn what_waits_for_the_machine_is_bounded_in_bytes() {
        let (inbox, mut events) = inbox::open();
        let mut links = Links::default();
        let (here, mut there) = duplex(1 << 20);
        let (reader, writer) = link::open(Box::new(here));
        links.add("flood".to_owned(), reader, writer, &inbox);
        let mut frame = bytes::BytesMut::new();
        rpar_core::wire::encode(&output(3 << 20), &mut frame);
        let sent = tokio::spawn(async move {
            let mut sent = 0;
            while tokio::time::timeout(std::time::Duration::from_secs(1), there.write_all(&frame))
                .await
                .is_ok()
            {
                sent += frame.len();
            }
            sent
        });
        let sent = sent.await.unwrap();
        assert!((32 << 20..128 << 20).contains(&sent), "{sent}");
        assert!(matches!(events.recv().await, Some(Event::Received { .. })));
    }
}
