//! Memory of long payloads that nobody needs any more, for those that still come.
//!
//! Fresh memory costs a page fault every few kilobytes, a fifth of the time that a long payload takes. So while payloads
//! come, the memory of those that are dropped is used again.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use bytes::Bytes;

/// How many payloads' memory is kept: about as many as come at a time.
const SPARES: usize = 2;

/// Memory of more than this is not kept. Whoever has just dropped two such payloads has had as much.
const SPARE_BYTES: usize = 64 << 20;

/// What is kept; nothing, unless payloads are to come.
#[derive(Debug, Default)]
pub(crate) struct Spares {
    home: Option<Home>,
}

#[derive(Debug)]
struct Home {
    door: SyncSender<Vec<u8>>,
    kept: Receiver<Vec<u8>>,
}

impl Spares {
    /// Says that payloads are to come.
    pub(crate) fn open(&mut self) {
        self.home.get_or_insert_with(|| {
            let (door, kept) = sync_channel(SPARES);
            Home { door, kept }
        });
    }

    /// Says that none is to come: nothing is kept any longer.
    pub(crate) fn close(&mut self) {
        self.home = None;
    }

    /// Empty memory for so many bytes. Memory that was kept and is too short is given back.
    pub(crate) fn take(&self, bytes: usize) -> Vec<u8> {
        let kept = self.home.iter().flat_map(|home| home.kept.try_iter());
        let fits = kept.take(SPARES).find(|buffer| buffer.capacity() >= bytes);
        fits.unwrap_or_else(|| Vec::with_capacity(bytes))
    }

    /// A payload whose memory comes back when its last clone is dropped.
    pub(crate) fn lend(&self, payload: Vec<u8>) -> Bytes {
        match &self.home {
            Some(home) if payload.capacity() <= SPARE_BYTES => {
                Bytes::from_owner(Lent { payload, home: home.door.clone() })
            }
            _ => payload.into(),
        }
    }
}

struct Lent {
    payload: Vec<u8>,
    home: SyncSender<Vec<u8>>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.payload
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut payload = std::mem::take(&mut self.payload);
        payload.clear();
        // one too many, or not wanted any more: then it is dropped here
        let _ = self.home.try_send(payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> Spares {
        let mut spares = Spares::default();
        spares.open();
        spares
    }

    fn payload(bytes: usize) -> Vec<u8> {
        let mut payload = Vec::with_capacity(bytes);
        payload.push(7);
        payload
    }

    #[test]
    fn memory_comes_back_with_the_last_clone() {
        let spares = open();
        let lent = spares.lend(payload(1000));
        let clone = lent.clone();
        drop(lent);
        assert!(spares.take(1).capacity() < 1000 && clone[..] == [7]);
        drop(clone);
        let again = spares.take(900);
        assert!(again.is_empty() && again.capacity() == 1000);
    }

    #[test]
    fn what_is_too_short_too_long_or_too_much_is_not_kept() {
        let spares = open();
        drop(spares.lend(payload(10)));
        assert_eq!(spares.take(1000).capacity(), 1000);
        drop(spares.lend(payload(SPARE_BYTES + 1)));
        assert_eq!(spares.take(1).capacity(), 1);
        drop([1000, 2000, 3000].map(|bytes| spares.lend(payload(bytes))));
        assert_eq!([1, 1, 1].map(|bytes| spares.take(bytes).capacity()), [1000, 2000, 1]);
    }

    #[test]
    fn nothing_is_kept_when_nothing_is_to_come() {
        let mut spares = open();
        let lent = spares.lend(payload(1000));
        spares.close();
        drop(lent);
        spares.open();
        assert_eq!(spares.take(1).capacity(), 1);
    }
}
