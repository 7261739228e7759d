//! The wall clock is stepped back and forth, as by an admin, or by a node without a battery whose clock is set late.
//!
//! libfaketime tells the cluster's processes another time of day than this machine's, and another one whenever its file
//! changes; the clock that only counts on (CLOCK_MONOTONIC, clock_gettime(2)) stays the system's.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::place::{Place, ended};

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
    // what the tasks start is not to wait for the library's locks
    let mut words = vec!["map", "--json", "--env", "LD_PRELOAD=", "sleep 0.05; : {}", ":::"];
    words.extend(numbers.iter().map(String::as_str));
    let map = place.begin(&words);
    let mut steps = STEPS.iter().cycle();
    place.until_status("all tasks have ended", |status| {
        step(&clock, steps.next().expect("there is no end of them"));
        std::thread::sleep(Duration::from_millis(50));
        status["tasks"]["succeeded"] == numbers.len()
    });
    let map = ended(map);
    assert_eq!(map.exit, Some(0), "{}", map.err);
    let elapsed = begun.elapsed().as_secs_f64();
    let mut tasks: Vec<Value> =
        map.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let summary = tasks.pop().expect("a summary")["summary"].take();
    assert!((0.05..elapsed).contains(&number(&summary["wall_seconds"])), "{summary}");
    assert_eq!(tasks.len(), numbers.len());
    for task in &tasks {
        assert!((0.05..elapsed).contains(&number(&task["seconds"])), "{task}");
    }
    let ends: Vec<f64> = tasks.iter().map(|task| number(&task["ended"])).collect();
    let (first, last) = (ends.iter().copied().reduce(f64::min), ends.iter().copied().reduce(f64::max));
    assert!(last <= first.map(|first| first + elapsed), "they ended at {ends:?}");
    let status = place.status();
    assert_eq!(status["problems"], Value::Array(Vec::new()), "{status}");
    assert_eq!(status["engines"].as_array().map(Vec::len), Some(2));
    assert!(number(&status["controller"]["up_seconds"]) <= elapsed + 1.0, "{status}");
    // the log alone has followed: its lines begin with the day and the hour
    let log = place.rpar(&["logs", "controller", "--lines", "1000"]).out;
    let hours: BTreeSet<&str> = log.lines().filter_map(|line| line.get(..13)).collect();
    assert!(hours.len() > STEPS.len(), "the clock was not stepped: {hours:?}");
    place.stop();
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}
