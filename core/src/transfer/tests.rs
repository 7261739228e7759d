//! Payloads that come, or do not.

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
    /// Those of which nothing is sent while that is `off`.
    stopped: Vec<u64>,
    off: bool,
    now: Timestamp,
}

impl Bench {
    fn begin(&mut self, task: u64, bytes: u64) {
        self.pulls.begin(Transfer::Result(TaskId(task)), bytes);
        self.grant();
    }

    fn grant(&mut self) {
        let asked = &mut self.asked;
        self.pulls.grant(self.now, |message| {
            let Message::Grant { transfer: Transfer::Result(task), upto } = message else { unreachable!() };
            asked.entry(task.0).or_default().1 = upto;
        });
        let asked = self.asked.iter().filter(|(task, _)| !self.stopped.contains(task));
        let coming: u64 = asked.map(|(_, (sent, upto))| upto - sent).sum();
        assert!(coming <= TRANSFER_WINDOW_BYTES, "{coming} bytes may come");
    }

    /// Sends a chunk of every payload that one is asked for of, but for those that have stopped.
    fn round(&mut self) {
        let sends = |task: &u64| !(self.off && self.stopped.contains(task));
        let tasks: Vec<u64> = self.asked.keys().copied().filter(sends).collect();
        for task in tasks {
            let Some((sent, upto)) = self.asked.get_mut(&task).filter(|(sent, upto)| sent < upto) else {
                continue;
            };
            let (offset, bytes) = (*sent, PART.min(*upto - *sent));
            *sent += bytes;
            let data = Bytes::from(vec![task as u8; bytes as usize]);
            let transfer = Transfer::Result(TaskId(task));
            if let Some(whole) = self.pulls.chunk(self.now, transfer, offset, data).unwrap() {
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
    bench.round();
    (20..23).for_each(|task| bench.begin(task, MIB));
    while bench.done.len() < 5 {
        bench.round();
        assert!(bench.asked.len() < 10, "{:?}", bench.asked);
    }
    let mut first: Vec<u64> = bench.done[..3].to_vec();
    first.sort_unstable();
    assert_eq!(first, [20, 21, 22]);
    while bench.pulls.len() > 0 {
        bench.round();
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
        bench.round();
        if bench.done.contains(&0) {
            break;
        }
        assert!(task < 100, "it starves");
    }
}

#[test]
fn the_others_come_while_those_ahead_have_stopped() {
    let mut bench = Bench { stopped: vec![0, 1], off: true, ..Bench::default() };
    (0..10).for_each(|task| bench.begin(task, 4 * MIB));
    for _ in 0..1000 {
        bench.round();
    }
    assert_eq!(bench.done.len(), 8);
    bench.pulls.forget(Transfer::Result(TaskId(0)));
    bench.asked.remove(&0);
    bench.off = false;
    (0..100).for_each(|_| bench.round());
    assert_eq!((bench.done.len(), bench.pulls.len(), bench.pulls.coming), (9, 0, 0));
}

#[test]
fn however_many_have_stopped_the_others_come() {
    let mut bench = Bench { stopped: (0..6).collect(), off: true, ..Bench::default() };
    (0..20).for_each(|task| bench.begin(task, 16 * MIB));
    // all that is asked for comes from somebody who has stopped: only time tells
    while bench.done.len() < 14 {
        bench.round();
        bench.now = bench.now + SILENCE / 2;
        bench.grant();
        assert!(bench.now < Timestamp::default() + 400 * SILENCE, "{:?}", bench.asked);
    }
    // they go on where they were
    bench.off = false;
    (0..1000).for_each(|_| bench.round());
    assert_eq!((bench.done.len(), bench.pulls.len(), bench.pulls.coming), (20, 0, 0));
}

#[test]
fn those_that_are_slow_do_not_slow_down_the_others() {
    let mut bench = Bench { stopped: (0..3).collect(), off: true, ..Bench::default() };
    (0..20).for_each(|task| bench.begin(task, 16 * MIB));
    let mut rounds = 0;
    while bench.done.len() < 17 {
        bench.round();
        rounds += 1;
    }
    // a place that comes by the chunk would take 64 rounds for each
    assert!(rounds < 17 * 40, "{rounds}");
}
