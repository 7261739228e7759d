//! Which engine each policy chooses.

use super::super::engines::Engines;
use super::super::functions::Functions;
use super::super::ready::Range;
use super::*;

const AHEAD: Duration = Duration::from_millis(10);

/// How often each of three engines is chosen, of 70,000 times, when they have 3, 1 and 0 tasks; and how often twice in a row.
fn shares(policy: Policy) -> (BTreeMap<u32, u32>, u32) {
    let (mut engines, functions) = (Engines::new(policy, 7), Functions::default());
    engines.add(LinkId(1), 3).unwrap();
    for (id, load) in [(0, 3), (1, 1), (2, 0)] {
        let engine = engines.get_mut(EngineId(id)).unwrap();
        engine.assign(Range { first: 0, from: 0, to: load }, 0, 0, false);
        engines.rank(EngineId(id), &functions, AHEAD);
    }
    let (mut chosen, mut last, mut repeated) = (BTreeMap::new(), None, 0);
    for _ in 0..70_000 {
        let id = engines.choose(&functions, AHEAD, |_| true).unwrap();
        engines.rank(id, &functions, AHEAD);
        *chosen.entry(id.0).or_default() += 1;
        repeated += (last.replace(id) == Some(id)) as u32;
    }
    (chosen, repeated)
}

#[track_caller]
fn assert_near(found: u32, expected: u32) {
    assert!(found.abs_diff(expected) < 1000, "{found} is not about {expected}");
}

#[test]
fn chance_is_as_even_as_the_policy_says() {
    let (chosen, repeated) = shares(Policy::Plainrandom);
    (0..3).for_each(|id| assert_near(chosen[&id], 70_000 / 3));
    assert_near(repeated, 70_000 / 3);
    let (chosen, _) = shares(Policy::Twobin);
    assert_eq!(chosen.get(&0), None, "it is never the one with less load of two");
    assert_near(chosen[&1], 70_000 / 3);
    assert_near(chosen[&2], 70_000 * 2 / 3);
    // the idle one is missing if the two others are drawn, with weights of 1/4, 1/2 and 1
    let (chosen, _) = shares(Policy::Weighted);
    assert_eq!(chosen.get(&0), None);
    assert_near(chosen[&1], 7333);
    assert_near(chosen[&2], 62_667);
    assert_eq!(shares(Policy::Leastload).0, BTreeMap::from([(2, 70_000)]));
}

#[test]
fn the_engine_that_was_used_longest_ago_is_next() {
    let mut bench = Bench::with(ControllerConfig { policy: Policy::Lru, ..config() }, 4);
    for _ in 0..3 {
        for _ in 0..4 {
            bench.submit(CLIENT, 1, TaskOptions::default());
        }
        for engine in 0..4 {
            bench.finish(EngineId(engine), 1, 1_000_000, TaskStatus::Ok);
        }
    }
    let used: Vec<u32> = bench.runs.iter().map(|(engine, _)| engine.0).collect();
    assert_eq!(used, [0, 1, 2, 3].repeat(3));
    // it is in the order of use, not of ids
    bench.submit(CLIENT, 2, TaskOptions::default());
    bench.finish(EngineId(1), 1, 1_000_000, TaskStatus::Ok);
    bench.finish(EngineId(0), 1, 1_000_000, TaskStatus::Ok);
    bench.runs.clear();
    bench.submit(CLIENT, 3, TaskOptions::default());
    let used: Vec<u32> = bench.runs.iter().map(|(engine, _)| engine.0).collect();
    assert_eq!(used, [2, 3, 0]);
}

#[test]
fn an_idle_engine_is_found_behind_many_busy_ones() {
    for policy in [Policy::Lru, Policy::Plainrandom, Policy::Twobin, Policy::Weighted] {
        let mut bench = Bench::with(ControllerConfig { policy, ..config() }, 200);
        bench.submit(CLIENT, 201, TaskOptions::default());
        assert_eq!(bench.runs.len(), 200, "{policy:?}");
        // how long a task takes is not known, so that each engine has one
        bench.finish(EngineId(150), 1, 1_000_000, TaskStatus::Ok);
        assert_eq!(bench.runs.last(), Some(&(EngineId(150), 1)), "{policy:?}");
    }
}
