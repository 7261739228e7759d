//! Two hundred simulated clusters: links are cut, processes killed, allocations refused or lost, and yet every result is
//! delivered once and nothing is left behind. `RPAR_SEED=n` runs one of them, or any other, and writes down all that
//! happens.

use rpar_tests::sim::{self, Summary};

fn seeds(range: std::ops::Range<u64>) -> Vec<Summary> {
    if let Ok(seed) = std::env::var("RPAR_SEED") {
        let seed: u64 = seed.parse().expect("RPAR_SEED is a number");
        if range.contains(&(seed % 200)) {
            sim::replay(seed).unwrap_or_else(|reason| panic!("{reason}"));
        }
        return Vec::new();
    }
    let run = |seed| sim::run(seed).unwrap_or_else(|reason| panic!("{reason}"));
    range.map(run).collect()
}

#[test]
fn seeds_0_to_49() {
    let runs = seeds(0..50);
    // a simulator in which nothing happens would always be content
    let sum = |count: fn(&Summary) -> u64| runs.iter().map(count).sum::<u64>();
    if !runs.is_empty() {
        assert!(sum(|run| run.delivered) > 2000 && sum(|run| run.faults) > 50, "{runs:?}");
        assert!(sum(|run| run.changes) > 50, "{runs:?}");
        assert!(sum(|run| run.returned) > 10, "{runs:?}");
    }
}

#[test]
fn seeds_50_to_99() {
    seeds(50..100);
}

#[test]
fn seeds_100_to_149() {
    seeds(100..150);
}

#[test]
fn seeds_150_to_199() {
    seeds(150..200);
}

#[test]
fn a_seed_decides_everything() {
    for seed in [3, 17] {
        let (one, other) = (sim::run(seed).unwrap(), sim::run(seed).unwrap());
        assert_eq!(one, other, "seed {seed}");
    }
}
