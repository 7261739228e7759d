//! The wall clock is stepped back and forth, as by an admin, or by a node without a battery whose clock is set late.
//!
//! libfaketime tells the cluster's processes another time of day than this machine's, and another one whenever its file
//! changes; the clock that only counts on (CLOCK_MONOTONIC, clock_gettime(2)) stays the system's.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::place::Place;

/// Where the clock is set to, one after the other. By turns an hour and a day, so that any time-out in use is passed.
const STEPS: [&str; 4] = ["+86400", "-3600", "+3600", "-86400"];

/// The library, where Debian's package puts it. Without it there is no such test, but in CI there must be.
fn library() -> Option<PathBuf> {
    let directories = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let found = directories
        .map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"))
        .find(|library| library.is_file());
    assert!(found.is_some() || std::env::var_os("CI").is_none(), "the Debian package faketime is missing");
    found
}

/// Sets the clock of all who look at this file.
fn step(clock: &Path, offset: &str) {
    let new = clock.with_extension("new");
    fs::write(&new, offset).expect("a file");
    fs::rename(&new, clock).expect("it is replaced at once");
}

#[test]
fn nothing_is_lost_and_no_time_is_told_wrongly() {
    let Some(library) = library() else { return };
    let mut place = Place::new();
    let clock = place.home.path().join("clock");
    step(&clock, "+0");
    let variables = [
        ("LD_PRELOAD", library.as_path()),
        ("FAKETIME_TIMESTAMP_FILE", &clock),
        ("FAKETIME_DONT_FAKE_MONOTONIC", Path::new("1")),
        ("FAKETIME_NO_CACHE", Path::new("1")),
    ];
    place.environment = variables.map(|(name, value)| (name, value.into())).to_vec();
    let begun = Instant::now();
    place.start(2);
    let numbers: Vec<String> = (1..=80).map(|number| number.to_string()).collect();
    let mut words = vec!["map", "--json", "date +%s; sleep 0.05; : {}", ":::"];
    words.extend(numbers.iter().map(String::as_str));
    let over = AtomicBool::new(false);
    let map = std::thread::scope(|scope| {
        scope.spawn(|| {
            for offset in STEPS.iter().cycle() {
                step(&clock, offset);
                std::thread::sleep(Duration::from_millis(100));
                if over.load(Ordering::SeqCst) {
                    return;
                }
            }
        });
        let map = place.rpar(&words);
        over.store(true, Ordering::SeqCst);
        map
    });
    let elapsed = begun.elapsed().as_secs_f64();
    assert_eq!(map.exit, Some(0), "{map:?}");
    let lines: Vec<Value> = map.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), numbers.len());
    let days: std::collections::BTreeSet<i64> = lines
        .iter()
        .map(|line| line["stdout"].as_str().expect("text").trim().parse::<i64>().expect("a time") / 3600)
        .collect();
    assert!(days.len() >= 3, "the clock was not stepped: {days:?}");
    for line in &lines {
        let seconds = line["seconds"].as_f64().expect("a number");
        assert!((0.05..elapsed).contains(&seconds), "{line}");
    }
    let status = place.status();
    assert_eq!(status["problems"], Value::Array(Vec::new()), "{status}");
    assert_eq!(status["engines"].as_array().map(Vec::len), Some(2));
    assert!(status["controller"]["up_seconds"].as_f64() <= Some(elapsed + 1.0), "{status}");
    place.stop();
}
