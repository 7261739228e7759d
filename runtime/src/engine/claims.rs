//! Which tasks of a batch have begun: the engine's thread takes them from the front, while the IO task takes back those at
//! the end. Neither waits for the other.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is left of the batch that an engine's thread is at.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// The place of the next task in the high half, and the end in the low one. It guards nothing but itself.
    left: AtomicU64,
}

impl Claims {
    /// The thread is at another batch, of so many tasks.
    pub(super) fn begin(&self, count: u32) {
        self.left.store(pack(0, count), Ordering::Relaxed);
    }

    /// Takes the next task; `false` if none is left.
    pub(super) fn claim(&self) -> bool {
        let claimed = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            let (next, end) = unpack(left);
            (next < end).then(|| pack(next + 1, end))
        });
        claimed.is_ok()
    }

    /// Whether none is left.
    pub(super) fn is_over(&self) -> bool {
        let (next, end) = unpack(self.left.load(Ordering::Relaxed));
        next >= end
    }

    /// Takes back all from the place `kept` on that have not begun; tells which those are.
    pub(super) fn cut(&self, kept: u32) -> Range<u32> {
        let cut = |(next, end): (u32, u32)| end.min(kept.max(next));
        let before = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            let (next, end) = unpack(left);
            Some(pack(next, cut((next, end))))
        });
        let (next, end) = unpack(before.unwrap_or_else(|left| left));
        cut((next, end))..end
    }
}

fn pack(next: u32, end: u32) -> u64 {
    (next as u64) << 32 | end as u64
}

fn unpack(left: u64) -> (u32, u32) {
    ((left >> 32) as u32, left as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_begun_stays() {
        let claims = Claims::default();
        assert!(claims.is_over() && !claims.claim() && claims.cut(0).is_empty());
        claims.begin(5);
        assert!(claims.claim() && claims.claim());
        assert_eq!(claims.cut(4), 4..5);
        assert!(claims.cut(4).is_empty());
        assert_eq!(claims.cut(0), 2..4);
        assert!(claims.is_over() && !claims.claim() && claims.cut(0).is_empty());
    }

    #[test]
    fn every_task_is_taken_once() {
        const COUNT: u32 = 100_000;
        let claims = Claims::default();
        claims.begin(COUNT);
        let (run, back) = std::thread::scope(|scope| {
            let engine = scope.spawn(|| (0..).take_while(|_| claims.claim()).count());
            let back: usize = (0..COUNT).rev().step_by(7).map(|kept| claims.cut(kept).len()).sum();
            (engine.join().unwrap(), back)
        });
        assert_eq!(run + back, COUNT as usize);
    }
}
