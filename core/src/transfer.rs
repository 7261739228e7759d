//! Long payloads on a link: pulled by whoever needs them, within a window, several at once.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};

use crate::id::TaskId;
use crate::wire::{CHUNK_BYTES, Message, TRANSFER_WINDOW_BYTES, Transfer};

/// The payloads that one side of a link pulls. What is asked for and has not come stays within
/// [`TRANSFER_WINDOW_BYTES`], shared evenly by the transfers, so that a long one does not hold up the others; but each
/// has a chunk at least, so that all of them move.
#[derive(Debug, Default)]
pub(crate) struct Pulls {
    active: BTreeMap<Transfer, Pull>,
}

#[derive(Debug)]
struct Pull {
    bytes: u64,
    granted: u64,
    have: u64,
    parts: Vec<Bytes>,
}

impl Pulls {
    /// Starts to pull a payload of `bytes`; whatever had come of an earlier one of that name is dropped.
    pub(crate) fn begin(&mut self, transfer: Transfer, bytes: u64) {
        self.active.insert(transfer, Pull { bytes, granted: 0, have: 0, parts: Vec::new() });
    }

    /// Stops to pull a payload; `false` if it was not being pulled.
    pub(crate) fn forget(&mut self, transfer: Transfer) -> bool {
        self.active.remove(&transfer).is_some()
    }

    /// Stops all.
    pub(crate) fn clear(&mut self) {
        self.active.clear();
    }

    /// How many are being pulled.
    pub(crate) fn len(&self) -> usize {
        self.active.len()
    }

    /// Takes a part; the whole payload if this was the last.
    ///
    /// # Errors
    /// When the part does not follow on those before it, or passes the announced end: the sender is broken.
    pub(crate) fn chunk(
        &mut self,
        transfer: Transfer,
        offset: u64,
        data: Bytes,
    ) -> Result<Option<Bytes>, String> {
        let Some(pull) = self.active.get_mut(&transfer) else { return Ok(None) };
        if offset == 0 {
            pull.have = 0;
            pull.parts.clear();
        }
        let end = offset.saturating_add(data.len() as u64);
        if offset != pull.have || end > pull.bytes {
            let (have, bytes) = (pull.have, pull.bytes);
            return Err(format!(
                "a part of {transfer:?} at {offset}..{end}, where {have} of {bytes} bytes had come"
            ));
        }
        pull.have = end;
        pull.parts.push(data);
        if pull.have < pull.bytes {
            return Ok(None);
        }
        Ok(self.active.remove(&transfer).map(|pull| joined(pull.parts)))
    }

    /// Asks for more where a transfer has used half of its share.
    pub(crate) fn grant(&mut self, mut send: impl FnMut(Message)) {
        let share = (TRANSFER_WINDOW_BYTES / self.active.len().max(1) as u64).max(CHUNK_BYTES as u64);
        // as many as can have their chunk within the window; the others follow in order
        for (transfer, pull) in
            self.active.iter_mut().take((TRANSFER_WINDOW_BYTES / CHUNK_BYTES as u64) as usize)
        {
            // an empty payload is asked for too: its one part is empty
            let upto = pull.have.saturating_add(share).min(pull.bytes.max(1));
            let due = pull.granted.saturating_sub(pull.have) <= share / 2;
            if due && upto > pull.granted {
                pull.granted = upto;
                send(Message::Grant { transfer: *transfer, upto });
            }
        }
    }
}

fn joined(mut parts: Vec<Bytes>) -> Bytes {
    if parts.len() == 1 {
        return parts.remove(0);
    }
    let mut whole = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum());
    parts.iter().for_each(|part| whole.extend_from_slice(part));
    whole.freeze()
}

/// The payloads that one side of a link keeps until the other has pulled them.
#[derive(Debug, Default)]
pub(crate) struct Offers {
    kept: BTreeMap<Transfer, Offer>,
}

#[derive(Debug)]
struct Offer {
    data: Bytes,
    upto: u64,
}

impl Offers {
    /// Keeps a payload.
    pub(crate) fn keep(&mut self, transfer: Transfer, data: Bytes) {
        self.kept.insert(transfer, Offer { data, upto: 0 });
    }

    /// Keeps a payload no longer.
    pub(crate) fn forget(&mut self, transfer: Transfer) {
        self.kept.remove(&transfer);
    }

    /// Keeps no argument of `count` tasks from `first` on, but for those that are still `wanted`.
    pub(crate) fn forget_arguments(&mut self, first: TaskId, count: u64, wanted: impl Fn(TaskId) -> bool) {
        let end = TaskId(first.0.saturating_add(count));
        let within = self.kept.range(Transfer::Argument(first)..Transfer::Argument(end));
        let gone: Vec<Transfer> = within
            .filter(|(transfer, _)| !matches!(transfer, Transfer::Argument(id) if wanted(*id)))
            .map(|(transfer, _)| *transfer)
            .collect();
        gone.into_iter().for_each(|transfer| self.forget(transfer));
    }

    /// Keeps none any longer.
    pub(crate) fn clear(&mut self) {
        self.kept.clear();
    }

    /// Whether none is kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Sends what is asked for; 0 makes the next grant start anew. Tells whether all of the payload has been sent.
    pub(crate) fn grant(&mut self, transfer: Transfer, upto: u64, mut send: impl FnMut(Message)) -> bool {
        let Some(offer) = self.kept.get_mut(&transfer) else { return false };
        if upto == 0 {
            offer.upto = 0;
            return false;
        }
        let bytes = offer.data.len() as u64;
        if bytes == 0 && offer.upto == 0 {
            send(Message::Chunk { transfer, offset: 0, data: Bytes::new() });
        }
        let end = upto.min(bytes);
        let mut at = offer.upto.min(bytes);
        while at < end {
            let next = end.min(at + CHUNK_BYTES as u64);
            send(Message::Chunk { transfer, offset: at, data: offer.data.slice(at as usize..next as usize) });
            at = next;
        }
        offer.upto = offer.upto.max(upto);
        offer.upto >= bytes
    }
}
