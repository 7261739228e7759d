//! A task writes far more than anybody has memory for.

use std::fs;
use std::io::Read;
use std::process::Child;

use super::place::{Place, ended, until};

/// Enough to be far above every bound, and little enough for a test.
const FLOOD_BYTES: usize = 256 << 20;

/// No process has ever had more memory than this, whatever passes through it: code and buffers of a debug build take half
/// of it. Stated: 8 MiB for the client on their way, 8 MiB that wait for their turn, and a quarter of a MiB for each engine.
const MEMORY_BYTES: u64 = 64 << 20;

const WAITS: &str = "until [ -e go ]; do sleep 0.01; done";

const LINE: &[u8] = b"0123456789abcdef\n";

/// The most memory that a process has had so far, proc_pid_status(5); `None` if it has ended.
fn peak_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10)
}

/// Takes the rest of a child's stdout, which repeats the line; tells how much that was, and the child's peak.
fn drain(child: &mut Child, mut at: usize) -> (usize, u64) {
    let mut stdout = child.stdout.take().expect("a pipe");
    let (mut buffer, mut peak) = (vec![0; 1 << 20], 0);
    let expected = LINE.repeat(buffer.len() / LINE.len() + 2);
    loop {
        let count = stdout.read(&mut buffer).expect("a pipe");
        if count == 0 {
            return (at, peak);
        }
        let begin = at % LINE.len();
        assert!(buffer[..count] == expected[begin..begin + count], "wrong bytes after {at}");
        at += count;
        peak = peak_bytes(child.id()).unwrap_or(peak);
    }
}

#[test]
fn it_comes_whole_to_a_reader_who_stands_still_for_long() {
    let place = Place::started(1);
    let engines = place.engines(1);
    let mut map = place.begin(&["map", "--unordered", &format!("{}; true", flood()), ":::", "x"]);
    let mut first = [0; 17];
    map.stdout.as_mut().expect("a pipe").read_exact(&mut first).expect("a line");
    // nobody reads for longer than `lost_after`
    let uptime = |status: &serde_json::Value| status["controller"]["up_seconds"].as_u64().expect("a number");
    let begun = uptime(&place.status());
    let status = place.until_status("time passes", |status| uptime(status) >= begun + 4);
    assert_eq!(status["tasks"]["assigned"], 1, "{status}");
    let (bytes, client) = drain(&mut map, LINE.len());
    assert_eq!(bytes, FLOOD_BYTES);
    ended(map).says(0, &[]);
    nobody_minded(place, &engines, client);
}

#[test]
fn it_waits_for_its_turn_on_disk() {
    let place = Place::started(2);
    let engines = place.engines(2);
    let script = format!("[ {{}} = quick ] || {}; [ {{}} != quick ] || {WAITS}", flood());
    let mut map = place.begin(&["map", "--joblog", "log", &script, ":::", "quick", "flood"]);
    let log = || fs::read_to_string(place.home.work().join("log")).unwrap_or_default();
    until("the second task has ended", || log().lines().count() == 2);
    let received = log().lines().last().and_then(|line| line.split('\t').nth(5)?.parse().ok());
    assert_eq!(received, Some(FLOOD_BYTES), "{}", log());
    fs::write(place.home.work().join("go"), "").expect("a file");
    let (bytes, client) = drain(&mut map, 0);
    assert_eq!(bytes, FLOOD_BYTES);
    ended(map).says(0, &[]);
    nobody_minded(place, &engines, client);
}

#[test]
fn it_is_saved_whole() {
    let place = Place::started(1);
    let engines = place.engines(1);
    let script = format!("[ {{}} = x ] || {{ {WAITS}; exit; }}; {}; echo over >&2", flood());
    let map = place.begin(&["map", "--results", "saved", &script, ":::", "x", "next"]);
    let saved = |name: &str| place.home.work().join("saved/1/x").join(name);
    until("the first task has its files", || saved("stdout").exists());
    let client = peak_bytes(map.id()).expect("it runs");
    fs::write(place.home.work().join("go"), "").expect("a file");
    ended(map).says(0, &[]);
    let expected = LINE.repeat(FLOOD_BYTES / LINE.len() + 1);
    assert!(fs::read(saved("stdout")).expect("a file") == expected[..FLOOD_BYTES]);
    assert_eq!(fs::read(saved("stderr")).expect("a file"), b"over\n");
    nobody_minded(place, &engines, client);
}

#[test]
fn it_waits_for_whoever_asks_for_it_once_its_client_has_left() {
    let place = Place::started(1);
    let engines = place.engines(1);
    place.rpar(&["submit", &format!("{}; true", flood()), ":::", "x"]).says(0, &[]);
    place.rpar(&["wait", "1"]).says(0, &[]);
    let mut results = place.begin(&["results", "1", "--forget"]);
    let (bytes, client) = drain(&mut results, 0);
    assert_eq!(bytes, FLOOD_BYTES);
    ended(results).says(0, &[]);
    let submissions = place.home.state().join("quick/default/submissions");
    until("nothing is left on disk", || fs::read_dir(&submissions).expect("it is there").count() == 0);
    nobody_minded(place, &engines, client);
}

/// A command that writes so many lines.
fn flood() -> String {
    format!("yes {} | head -c {FLOOD_BYTES}", String::from_utf8_lossy(LINE).trim())
}

/// No process had too much memory, and nobody was lost.
fn nobody_minded(place: Place, engines: &[(u64, u32)], client: u64) {
    let status = place.status();
    assert_eq!(status["problems"], serde_json::json!([]), "a link was lost");
    assert_eq!(place.engines(engines.len()), engines, "an engine host was started again");
    let hosts = engines.iter().map(|(_, pid)| ("engine host", peak_bytes(*pid).expect("it runs")));
    let others = [("client", client), ("controller", peak_bytes(place.controller()).expect("it runs"))];
    for (who, peak) in hosts.chain(others) {
        assert!(peak < MEMORY_BYTES, "the {who} had {peak} bytes");
    }
    place.stop();
}
