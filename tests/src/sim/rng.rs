//! Numbers that a seed decides: SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).

use std::time::Duration;

#[derive(Clone, Debug)]
pub(super) struct Rng(u64);

impl Rng {
    pub(super) fn new(seed: u64) -> Self {
        Rng(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `limit`, not included; 0 if that is 0.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        if limit == 0 { 0 } else { self.next() % limit }
    }

    /// From `low` to `high`, both included.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True in this many cases of a hundred.
    pub(super) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    /// One of them.
    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// Small ones are as likely as large ones: the logarithm is even.
    pub(super) fn duration(&mut self, low: Duration, high: Duration) -> Duration {
        let (low, high) = (low.as_micros().max(1) as u64, high.as_micros() as u64);
        let octaves = (high / low).max(1).ilog2() as u64 + 1;
        let base = low << self.below(octaves);
        Duration::from_micros((base + self.below(base)).min(high))
    }
}
