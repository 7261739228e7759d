//! Long payloads on a link: pulled by whoever needs them, within a window, several at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;

use crate::id::TaskId;
use crate::spares::Spares;
use crate::time::Timestamp;
use crate::wire::{CHUNK_BYTES, Message, TRANSFER_WINDOW_BYTES, Transfer};

/// How much room is made for a payload on its sender's word alone.
const RESERVE_BYTES: u64 = 256 << 20;

/// Of the payloads that are announced, so many that lack least have most of the window: one that has begun is soon done,
/// and a short one passes the long ones. To ask for all alike would have all in memory before any is done.
const AHEAD: usize = 2;

/// How much of such a one is asked for at once.
pub(crate) const AHEAD_BYTES: u64 =
    (TRANSFER_WINDOW_BYTES - BESIDE as u64 * CHUNK_BYTES as u64) / AHEAD as u64;

/// So many more are asked for a chunk at a time, among them the first: none waits for ever.
const BESIDE: usize = 2;

/// A payload that was asked for, and which so much of others has passed since, comes from somebody who is far slower or has
/// stopped: it is set aside, and holds up no others, until more of it comes. On one link nothing is passed by more than the
/// window.
const PASSED_BYTES: u64 = 2 * TRANSFER_WINDOW_BYTES;

/// The same goes for all that was asked for when none of it has come for so long: many times what a part takes on a slow
/// link, and far less than it takes until a peer is taken for lost.
const SILENCE: Duration = Duration::from_secs(3);

/// The payloads that one side of a link pulls. What is asked for and has not come stays within
/// [`TRANSFER_WINDOW_BYTES`], but for those that are set aside.
#[derive(Debug, Default)]
pub(crate) struct Pulls {
    active: BTreeMap<Transfer, Pull>,
    /// What each of them lacks that is not set aside.
    missing: BTreeSet<(u64, Transfer)>,
    /// Those of them of which something is asked for that has not come, and how much that is of all.
    asked: BTreeSet<Transfer>,
    coming: u64,
    /// How much has come of all there ever were, and when the last of it came or was asked for.
    came: u64,
    heard: Timestamp,
    spares: Spares,
}

#[derive(Debug)]
struct Pull {
    bytes: u64,
    granted: u64,
    /// What has come: all in one piece, so that nothing is left to be done when the last part comes.
    whole: Vec<u8>,
    /// How much had come of all when some of it came last, or it was asked for.
    came: u64,
    aside: bool,
}

impl Pulls {
    /// Starts to pull a payload of `bytes`; whatever had come of an earlier one of that name is dropped.
    pub(crate) fn begin(&mut self, transfer: Transfer, bytes: u64) {
        self.take(transfer);
        self.put(transfer, Pull { bytes, granted: 0, whole: Vec::new(), came: 0, aside: false });
    }

    /// Stops to pull a payload; `false` if it was not being pulled.
    pub(crate) fn forget(&mut self, transfer: Transfer) -> bool {
        let forgotten = self.take(transfer).is_some();
        self.rest();
        forgotten
    }

    /// Stops all.
    pub(crate) fn clear(&mut self) {
        *self = Pulls::default();
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
        now: Timestamp,
        transfer: Transfer,
        offset: u64,
        data: Bytes,
    ) -> Result<Option<Bytes>, String> {
        let Some(mut pull) = self.take(transfer) else { return Ok(None) };
        if offset == 0 {
            pull.whole.clear();
        }
        let (have, end) = (pull.have(), offset.saturating_add(data.len() as u64));
        if offset != have || end > pull.bytes {
            let bytes = pull.bytes;
            return Err(format!(
                "a part of {transfer:?} at {offset}..{end}, where {have} of {bytes} bytes had come"
            ));
        }
        self.heard = now;
        self.came += data.len() as u64;
        if end < pull.bytes {
            (pull.came, pull.aside) = (self.came, false);
            pull.add(&data, &self.spares);
            self.put(transfer, pull);
            return Ok(None);
        }
        if have == 0 {
            self.rest();
            return Ok(Some(data));
        }
        pull.add(&data, &self.spares);
        let whole = self.spares.lend(pull.whole);
        self.rest();
        Ok(Some(whole))
    }

    /// Asks for more where a transfer has used half of its share. Is to be called now and then even if nothing comes.
    pub(crate) fn grant(&mut self, now: Timestamp, mut send: impl FnMut(Message)) {
        if self.active.is_empty() {
            return;
        }
        self.set_aside(now);
        for (place, transfer) in self.chosen().into_iter().enumerate() {
            let Some(transfer) = transfer else { return };
            let Some(pull) = self.active.get_mut(&transfer) else { continue };
            let share = if place < AHEAD { AHEAD_BYTES } else { CHUNK_BYTES as u64 };
            // an empty payload is asked for too: its one part is empty
            let upto = pull.have().saturating_add(share).min(pull.bytes.max(1));
            let upto = upto.min(pull.granted + TRANSFER_WINDOW_BYTES.saturating_sub(self.coming));
            if pull.coming() <= share / 2 && upto > pull.granted {
                if self.asked.is_empty() {
                    self.heard = now;
                }
                if self.asked.insert(transfer) {
                    pull.came = self.came;
                }
                self.coming += upto - pull.granted;
                pull.granted = upto;
                send(Message::Grant { transfer, upto });
            }
        }
    }

    /// Those that are asked for more, the most urgent in front.
    fn chosen(&self) -> [Option<Transfer>; AHEAD + BESIDE] {
        let mut chosen = [None; AHEAD + BESIDE];
        let shortest = || self.missing.iter().map(|(_, transfer)| *transfer);
        let first = self.active.iter().find(|(_, pull)| !pull.aside).map(|(first, _)| first);
        let first = first.filter(|first| !shortest().take(AHEAD).any(|it| it == **first));
        let beside = shortest().skip(AHEAD).filter(|transfer| Some(transfer) != first);
        let order = shortest().take(AHEAD).chain(first.copied()).chain(beside);
        chosen.iter_mut().zip(order).for_each(|(place, transfer)| *place = Some(transfer));
        chosen
    }

    /// Sets those aside that come from somebody who has stopped.
    fn set_aside(&mut self, now: Timestamp) {
        let silent = now.since(self.heard) >= SILENCE;
        let is_passed = |pull: &Pull| self.came - pull.came >= PASSED_BYTES;
        let stopped = |transfer: &&Transfer| silent || self.active.get(transfer).is_some_and(is_passed);
        let stopped: Vec<Transfer> = self.asked.iter().filter(stopped).copied().collect();
        for transfer in stopped {
            let Some(mut pull) = self.take(transfer) else { continue };
            pull.aside = true;
            self.put(transfer, pull);
        }
    }

    /// Keeps no memory for payloads when none is to come.
    fn rest(&mut self) {
        if self.active.is_empty() {
            self.spares.close();
        }
    }

    fn take(&mut self, transfer: Transfer) -> Option<Pull> {
        let pull = self.active.remove(&transfer)?;
        if !pull.aside {
            self.missing.remove(&(pull.missing(), transfer));
            self.asked.remove(&transfer);
            self.coming -= pull.coming();
        }
        Some(pull)
    }

    fn put(&mut self, transfer: Transfer, pull: Pull) {
        if !pull.aside {
            self.missing.insert((pull.missing(), transfer));
            self.coming += pull.coming();
            if pull.coming() > 0 {
                self.asked.insert(transfer);
            }
        }
        self.spares.open();
        self.active.insert(transfer, pull);
    }
}

impl Pull {
    fn have(&self) -> u64 {
        self.whole.len() as u64
    }

    fn missing(&self) -> u64 {
        self.bytes - self.have()
    }

    fn coming(&self) -> u64 {
        self.granted.saturating_sub(self.have())
    }

    /// Adds a part. Room is made for all of a payload at its first, as far as one may be believed; what is not written
    /// takes no memory.
    fn add(&mut self, data: &[u8], spares: &Spares) {
        if self.whole.capacity() == 0 {
            self.whole = spares.take(self.bytes.min(RESERVE_BYTES) as usize);
        }
        self.whole.extend_from_slice(data);
    }
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

#[cfg(test)]
mod tests;
