//! The functions that clients have defined, and how long their tasks take.

use std::collections::BTreeMap;

use crate::id::FunctionHash;
use crate::task::Function;

/// A function, and what was measured of it.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) function: Function,
    pub(super) hash: FunctionHash,
    /// How many clients have defined it.
    users: u32,
    pace: Pace,
}

/// How long a function's tasks take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pace {
    /// How many tasks were measured.
    pub(super) samples: u64,
    /// Their mean time in nanoseconds, the latest ones weighing most.
    pub(super) mean: u64,
    /// The mean length of their results in bytes, likewise.
    pub(super) bytes: u64,
}

impl Pace {
    /// A task takes at least this long, whatever was measured: the least that a clock of microseconds tells.
    const LEAST: u64 = 1000;

    /// Takes note of `count` tasks that took `micros` together and gave `bytes` of results. Sixteen tasks weigh as much
    /// as all before them: a longer kind of task shows at once, and a shorter kind within a few rounds.
    pub(super) fn measure(&mut self, count: u64, micros: u64, bytes: u64) {
        if count == 0 {
            return;
        }
        let old = if self.samples == 0 { 0 } else { 16 };
        let weigh = |before: u64, now: u64| {
            let sum = before as u128 * old + now as u128 * count as u128;
            (sum / (old + count as u128)) as u64
        };
        self.mean = weigh(self.mean, (micros.saturating_mul(1000) / count).max(Self::LEAST));
        self.bytes = weigh(self.bytes, bytes / count);
        self.samples = self.samples.saturating_add(count);
    }
}

/// All functions, under short keys that are never used twice.
#[derive(Debug, Default)]
pub(super) struct Functions {
    known: BTreeMap<u32, Known>,
    keys: BTreeMap<FunctionHash, u32>,
    next: u32,
}

impl Functions {
    /// Takes note that one more client has defined a function; tells its key.
    pub(super) fn define(&mut self, function: Function) -> u32 {
        let hash = function.hash();
        if let Some(key) = self.keys.get(&hash) {
            if let Some(known) = self.known.get_mut(key) {
                known.users += 1;
            }
            return *key;
        }
        let key = self.next;
        self.next += 1;
        self.keys.insert(hash, key);
        self.known.insert(key, Known { function, hash, users: 1, pace: Pace::default() });
        key
    }

    /// Takes note that a client that had defined the function is gone; `true` if it was the last.
    pub(super) fn release(&mut self, key: u32) -> bool {
        let Some(known) = self.known.get_mut(&key) else { return false };
        known.users -= 1;
        if known.users > 0 {
            return false;
        }
        self.keys.remove(&known.hash);
        self.known.remove(&key);
        true
    }

    /// The key of a function that somebody has defined.
    pub(super) fn key(&self, hash: &FunctionHash) -> Option<u32> {
        self.keys.get(hash).copied()
    }

    /// The function of a key.
    pub(super) fn get(&self, key: u32) -> Option<&Known> {
        self.known.get(&key)
    }

    /// How long its tasks take; nothing is known of a function that is gone.
    pub(super) fn pace(&self, key: u32) -> Pace {
        self.known.get(&key).map_or(Pace::default(), |known| known.pace)
    }

    /// Takes note of how long its tasks took.
    pub(super) fn measure(&mut self, key: u32, count: u64, micros: u64, bytes: u64) {
        if let Some(known) = self.known.get_mut(&key) {
            known.pace.measure(count, micros, bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_tasks_show_at_once_and_shorter_ones_soon() {
        let mut pace = Pace::default();
        pace.measure(1000, 0, 0);
        assert_eq!((pace.samples, pace.mean), (1000, Pace::LEAST));
        pace.measure(1, 1_000_000, 1 << 20);
        assert!(pace.mean > 50_000_000 && pace.bytes > 50_000, "{pace:?}");
        (0..200).for_each(|_| pace.measure(1, 1, 1));
        assert!(pace.mean < 10_000 && pace.bytes < 100, "{pace:?}");
        pace.measure(u64::MAX, u64::MAX, u64::MAX);
        pace.measure(0, 5, 5);
    }

    #[test]
    fn a_function_stays_while_anybody_uses_it() {
        let mut functions = Functions::default();
        let function = Function { kind: crate::task::FunctionKind::Native, body: "f".into() };
        let key = functions.define(function.clone());
        assert_eq!(functions.define(function.clone()), key);
        assert!(!functions.release(key));
        assert!(functions.release(key));
        assert!(functions.key(&function.hash()).is_none());
        assert_ne!(functions.define(function), key);
    }
}
