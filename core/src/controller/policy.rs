//! Which engine is the best for the next tasks.

use super::engine::Engine;
use crate::profile::Policy;

/// Ranks engines; the least rank gets tasks first, and among equals the least id.
///
/// Where chance decides, a rank is a moment: each engine waits for a time that is drawn anew whenever something about it
/// changes, and the one whose time is over first is chosen. Such times are exponential. What is left of one is as long as a
/// new one, so that no choice depends on earlier ones, and an engine with half the mean is chosen twice as often.
#[derive(Debug)]
pub(super) struct Choice {
    policy: Policy,
    random: Random,
    /// The moment of the latest choice.
    clock: u64,
    /// How often any engine was used.
    uses: u64,
}

/// The mean wait of an idle engine. Fine enough for every rank to differ; and the clock, which goes by less than this and
/// the tasks ahead at each choice, lasts for 2^40 choices.
const WAIT: u64 = 1 << 10;

impl Choice {
    pub(super) fn new(policy: Policy, seed: u64) -> Self {
        Choice { policy, random: Random(seed), clock: 0, uses: 0 }
    }

    /// The engine's rank, as long as nothing about it changes.
    pub(super) fn rank(&mut self, engine: &Engine) -> u64 {
        match self.policy {
            Policy::Leastload => engine.load(),
            Policy::Lru => engine.used,
            Policy::Plainrandom | Policy::Twobin => self.moment(0),
            Policy::Weighted => self.moment(engine.load()),
        }
    }

    /// Whether two are drawn, of which the one with less load is chosen.
    pub(super) fn draws_two(&self) -> bool {
        matches!(self.policy, Policy::Twobin | Policy::Weighted)
    }

    /// Takes note that a rank was drawn. Engines that were passed over may have come before.
    pub(super) fn drawn(&mut self, rank: u64) {
        self.clock = self.clock.max(rank);
    }

    /// Takes note that an engine is used; tells the how manieth use that is.
    pub(super) fn next_use(&mut self) -> u64 {
        self.uses += 1;
        self.uses
    }

    fn moment(&mut self, load: u64) -> u64 {
        let wait = self.random.exponential() * (WAIT * (load + 1)) as f64;
        self.clock.saturating_add(wait as u64)
    }
}

/// Numbers that a seed decides: SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Of mean 1.
    fn exponential(&mut self) -> f64 {
        // 53 bits are what a float holds; never 0, whose logarithm is infinite
        let even = ((self.next() >> 11) + 1) as f64 / (1u64 << 53) as f64;
        -even.ln()
    }
}
