//! Packed columns: what a batch says of each of its tasks, without an item of CBOR for each.

use std::ops::Range;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use crate::id::TaskId;

/// Numbers (u32, little-endian), one a task, shared and sliced without copying.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Column(Bytes);

impl Column {
    /// How many numbers.
    pub fn len(&self) -> usize {
        self.0.len() / 4
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number at `index`, or 0 past the end.
    pub fn get(&self, index: usize) -> u32 {
        self.0.get(index * 4..index * 4 + 4).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }

    /// Part of them, without copying; clipped to what is there.
    pub fn slice(&self, range: Range<usize>) -> Column {
        let end = range.end.min(self.len());
        Column(self.0.slice(range.start.min(end) * 4..end * 4))
    }

    /// The packed bytes.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// Takes packed bytes; `None` if they are not a whole number of numbers.
    pub fn from_bytes(bytes: Bytes) -> Option<Self> {
        bytes.len().is_multiple_of(4).then_some(Column(bytes))
    }
}

impl FromIterator<u32> for Column {
    fn from_iter<I: IntoIterator<Item = u32>>(numbers: I) -> Self {
        let numbers = numbers.into_iter();
        let mut bytes = BytesMut::with_capacity(numbers.size_hint().0 * 4);
        numbers.for_each(|number| bytes.put_u32_le(number));
        Column(bytes.freeze())
    }
}

/// From here on a packed duration counts milliseconds, in 31 bits: 24 days.
const MILLIS: u32 = 1 << 31;

/// A duration in 32 bits: microseconds up to 35 minutes, milliseconds beyond; at most 24 days.
pub fn pack_duration(duration: Duration) -> u32 {
    match u32::try_from(duration.as_micros()) {
        Ok(micros) if micros < MILLIS => micros,
        _ => MILLIS | u32::try_from(duration.as_millis()).unwrap_or(u32::MAX).min(MILLIS - 1),
    }
}

/// What [`pack_duration`] packed.
pub fn unpack_duration(packed: u32) -> Duration {
    if packed < MILLIS {
        Duration::from_micros(packed as u64)
    } else {
        Duration::from_millis((packed - MILLIS) as u64)
    }
}

/// Task ids as runs of neighbours: (first id, u64; how many, u32), little-endian, 12 bytes a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runs(Bytes);

impl Runs {
    const RUN_BYTES: usize = 12;

    /// A single run.
    pub fn one(first: TaskId, count: u32) -> Self {
        let mut builder = RunsBuilder::default();
        builder.push_run(first, count);
        builder.finish()
    }

    /// The runs, in order.
    pub fn iter(&self) -> impl Iterator<Item = (TaskId, u32)> + '_ {
        self.0.chunks_exact(Self::RUN_BYTES).map(unpacked)
    }

    /// The run at `index`, at the same cost wherever it is: a message may have as many runs as tasks.
    pub fn get(&self, index: usize) -> Option<(TaskId, u32)> {
        let start = index.checked_mul(Self::RUN_BYTES)?;
        self.0.get(start..start.checked_add(Self::RUN_BYTES)?).map(unpacked)
    }

    /// The ids, in order.
    pub fn ids(&self) -> impl Iterator<Item = TaskId> + '_ {
        self.iter().flat_map(|(first, count)| (0..count as u64).map(move |i| TaskId(first.0.wrapping_add(i))))
    }

    /// How many ids. A peer may claim any number: compare it with what came along before looping over ids.
    pub fn count(&self) -> u64 {
        self.iter().fold(0u64, |sum, (_, count)| sum.saturating_add(count as u64))
    }

    /// The packed bytes.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// Takes packed bytes; `None` if they are not whole runs, or a run passes the last id.
    pub fn from_bytes(bytes: Bytes) -> Option<Self> {
        let runs = Runs(bytes);
        let whole = runs.0.len().is_multiple_of(Self::RUN_BYTES);
        (whole && runs.iter().all(|(first, count)| first.0.checked_add(count as u64).is_some()))
            .then_some(runs)
    }
}

fn unpacked(b: &[u8]) -> (TaskId, u32) {
    let first = u64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]);
    (TaskId(first), u32::from_le_bytes([b[8], b[9], b[10], b[11]]))
}

impl FromIterator<TaskId> for Runs {
    fn from_iter<I: IntoIterator<Item = TaskId>>(ids: I) -> Self {
        let mut builder = RunsBuilder::default();
        ids.into_iter().for_each(|id| builder.push(id));
        builder.finish()
    }
}

/// Collects ids, joining neighbours.
#[derive(Debug, Default)]
pub struct RunsBuilder {
    packed: BytesMut,
    open: Option<(u64, u32)>,
}

impl RunsBuilder {
    /// Adds one id.
    pub fn push(&mut self, id: TaskId) {
        self.push_run(id, 1);
    }

    /// Adds `count` ids from `first` on.
    pub fn push_run(&mut self, first: TaskId, count: u32) {
        match &mut self.open {
            Some((base, n)) if base.wrapping_add(*n as u64) == first.0 && n.checked_add(count).is_some() => {
                *n += count
            }
            open => {
                if let Some((base, n)) = open.replace((first.0, count)) {
                    self.packed.put_u64_le(base);
                    self.packed.put_u32_le(n);
                }
            }
        }
    }

    /// The runs collected so far.
    pub fn finish(mut self) -> Runs {
        if let Some((base, n)) = self.open {
            self.packed.put_u64_le(base);
            self.packed.put_u32_le(n);
        }
        Runs(self.packed.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn neighbours_join() {
        let runs: Runs = [1, 2, 3, 7, 9, 10].into_iter().map(TaskId).collect();
        assert_eq!(runs.iter().collect::<Vec<_>>(), [(TaskId(1), 3), (TaskId(7), 1), (TaskId(9), 2)]);
        assert_eq!(runs.count(), 6);
        let each: Vec<_> = (0..).map_while(|index| runs.get(index)).collect();
        assert_eq!(each, runs.iter().collect::<Vec<_>>());
        assert_eq!(runs.get(usize::MAX), None);
    }

    #[test]
    fn durations_are_kept_to_the_microsecond_or_to_the_millisecond() {
        let kept = |duration| unpack_duration(pack_duration(duration));
        for micros in [0, 1, 999_999, (1 << 31) - 1] {
            assert_eq!(kept(Duration::from_micros(micros)), Duration::from_micros(micros));
        }
        let long = Duration::from_micros(7_200_000_999);
        assert_eq!(kept(long), Duration::from_millis(7_200_000));
        assert_eq!(kept(Duration::MAX), Duration::from_millis((1 << 31) - 1));
    }

    #[test]
    fn torn_or_overflowing_bytes_are_refused() {
        assert!(Column::from_bytes(Bytes::from_static(b"abc")).is_none());
        assert!(Runs::from_bytes(Bytes::from_static(b"abc")).is_none());
        let past_the_end = Runs::one(TaskId(u64::MAX), 2);
        assert!(Runs::from_bytes(past_the_end.as_bytes().clone()).is_none());
    }

    proptest! {
        #[test]
        fn ids_survive(ids in proptest::collection::vec(0u64..50, 0..60)) {
            let runs: Runs = ids.iter().copied().map(TaskId).collect();
            let back = Runs::from_bytes(runs.as_bytes().clone()).unwrap();
            prop_assert_eq!(back.ids().map(|id| id.0).collect::<Vec<_>>(), ids);
        }

        #[test]
        fn slices_agree(numbers in proptest::collection::vec(any::<u32>(), 0..30), from in 0usize..40, to in 0usize..40) {
            let column: Column = numbers.iter().copied().collect();
            let end = to.min(numbers.len());
            let expected = &numbers[from.min(end)..end];
            prop_assert_eq!(column.slice(from..to).iter().collect::<Vec<_>>(), expected);
        }
    }
}
