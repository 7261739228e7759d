//! Long payloads on a link: pulled by whoever needs them, within a window, several at once.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::id::TaskId;
use crate::spares::Spares;
use crate::wire::{CHUNK_BYTES, Message, TRANSFER_WINDOW_BYTES, Transfer};

/// How much room is made for a payload on its sender's word alone.
const RESERVE_BYTES: u64 = 256 << 20;

/// Of the payloads that are announced, so many that lack least have most of the window: one that has begun is soon done,
/// and a short one passes the long ones. To ask for all alike would have all in memory before any is done.
const AHEAD: usize = 2;

/// How much of such a one is asked for at once.
pub(crate) const AHEAD_BYTES: u64 =
    (TRANSFER_WINDOW_BYTES - BESIDE as u64 * CHUNK_BYTES as u64) / AHEAD as u64;

/// So many more are asked for a chunk at a time, among them the first: none waits for ever, not even when those ahead
/// come from somebody who has stopped.
const BESIDE: usize = 2;

/// The payloads that one side of a link pulls. What is asked for and has not come stays within
/// [`TRANSFER_WINDOW_BYTES`].
#[derive(Debug, Default)]
pub(crate) struct Pulls {
    active: BTreeMap<Transfer, Pull>,
    /// What each of them lacks.
    missing: BTreeSet<(u64, Transfer)>,
    /// What is asked for of all of them, and has not come.
    coming: u64,
    spares: Spares,
}

#[derive(Debug)]
struct Pull {
    bytes: u64,
    granted: u64,
    /// What has come: all in one piece, so that nothing is left to be done when the last part comes.
    whole: Vec<u8>,
}

impl Pulls {
    /// Starts to pull a payload of `bytes`; whatever had come of an earlier one of that name is dropped.
    pub(crate) fn begin(&mut self, transfer: Transfer, bytes: u64) {
        self.take(transfer);
        self.put(transfer, Pull { bytes, granted: 0, whole: Vec::new() });
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
        if end < pull.bytes {
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

    /// Asks for more where a transfer has used half of its share.
    pub(crate) fn grant(&mut self, mut send: impl FnMut(Message)) {
        for (place, transfer) in self.chosen().into_iter().enumerate() {
            let Some(transfer) = transfer else { return };
            let Some(pull) = self.active.get_mut(&transfer) else { continue };
            let share = if place < AHEAD { AHEAD_BYTES } else { CHUNK_BYTES as u64 };
            // an empty payload is asked for too: its one part is empty
            let upto = pull.have().saturating_add(share).min(pull.bytes.max(1));
            let upto = upto.min(pull.granted + TRANSFER_WINDOW_BYTES.saturating_sub(self.coming));
            if pull.coming() <= share / 2 && upto > pull.granted {
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
        let first = self.active.keys().next().filter(|first| !shortest().take(AHEAD).any(|it| it == **first));
        let beside = shortest().skip(AHEAD).filter(|transfer| Some(transfer) != first);
        let order = shortest().take(AHEAD).chain(first.copied()).chain(beside);
        chosen.iter_mut().zip(order).for_each(|(place, transfer)| *place = Some(transfer));
        chosen
    }

    /// Keeps no memory for payloads when none is to come.
    fn rest(&mut self) {
        if self.active.is_empty() {
            self.spares.close();
        }
    }

    fn take(&mut self, transfer: Transfer) -> Option<Pull> {
        let pull = self.active.remove(&transfer)?;
        self.missing.remove(&(pull.missing(), transfer));
        self.coming -= pull.coming();
        Some(pull)
    }

    fn put(&mut self, transfer: Transfer, pull: Pull) {
        self.missing.insert((pull.missing(), transfer));
        self.coming += pull.coming();
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
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const PART: u64 = CHUNK_BYTES as u64;

    /// Pulls of which somebody sends what is asked for, or not.
    #[derive(Default)]
    struct Bench {
        pulls: Pulls,
        /// By task: what was sent and what is asked for.
        asked: BTreeMap<u64, (u64, u64)>,
        done: Vec<u64>,
    }

    impl Bench {
        fn begin(&mut self, task: u64, bytes: u64) {
            self.pulls.begin(Transfer::Result(TaskId(task)), bytes);
            self.grant();
        }

        fn grant(&mut self) {
            let asked = &mut self.asked;
            self.pulls.grant(|message| {
                let Message::Grant { transfer: Transfer::Result(task), upto } = message else {
                    unreachable!()
                };
                asked.entry(task.0).or_default().1 = upto;
            });
            let coming: u64 = self.asked.values().map(|(sent, upto)| upto - sent).sum();
            assert!(coming <= TRANSFER_WINDOW_BYTES, "{coming} bytes may come");
        }

        /// Sends a chunk of every payload that one is asked for of, but for those that have stopped.
        fn round(&mut self, stopped: &[u64]) {
            let tasks: Vec<u64> = self.asked.keys().copied().collect();
            for task in tasks.into_iter().filter(|task| !stopped.contains(task)) {
                let Some((sent, upto)) = self.asked.get_mut(&task).filter(|(sent, upto)| sent < upto) else {
                    continue;
                };
                let (offset, bytes) = (*sent, PART.min(*upto - *sent));
                *sent += bytes;
                let data = Bytes::from(vec![task as u8; bytes as usize]);
                if let Some(whole) = self.pulls.chunk(Transfer::Result(TaskId(task)), offset, data).unwrap() {
                    assert!(whole.iter().all(|byte| *byte == task as u8));
                    self.done.push(task);
                    self.asked.remove(&task);
                }
                self.grant();
            }
        }
    }

    #[test]
    fn payloads_come_a_few_at_a_time_and_short_ones_pass() {
        let mut bench = Bench::default();
        (0..20).for_each(|task| bench.begin(task, 16 * MIB));
        assert_eq!(bench.asked.len(), AHEAD + BESIDE);
        bench.round(&[]);
        (20..23).for_each(|task| bench.begin(task, MIB));
        while bench.done.len() < 5 {
            bench.round(&[]);
            assert!(bench.asked.len() < 10, "{:?}", bench.asked);
        }
        let mut first: Vec<u64> = bench.done[..3].to_vec();
        first.sort_unstable();
        assert_eq!(first, [20, 21, 22]);
        while bench.pulls.len() > 0 {
            bench.round(&[]);
        }
        assert_eq!(bench.done.len(), 23);
        assert_eq!(bench.pulls.coming, 0);
    }

    #[test]
    fn a_long_one_comes_however_many_short_ones_do() {
        let mut bench = Bench::default();
        bench.begin(0, 4 * MIB);
        for task in 1.. {
            bench.begin(task, MIB);
            bench.round(&[]);
            if bench.done.contains(&0) {
                break;
            }
            assert!(task < 100, "it starves");
        }
    }

    #[test]
    fn the_others_come_while_those_ahead_have_stopped() {
        let mut bench = Bench::default();
        (0..10).for_each(|task| bench.begin(task, 4 * MIB));
        for _ in 0..1000 {
            bench.round(&[0, 1]);
        }
        assert_eq!(bench.done.len(), 8);
        bench.pulls.forget(Transfer::Result(TaskId(0)));
        bench.asked.remove(&0);
        bench.round(&[]);
        (0..100).for_each(|_| bench.round(&[]));
        assert_eq!((bench.done.len(), bench.pulls.len(), bench.pulls.coming), (9, 0, 0));
    }
}
