//! A task writes far more than anybody has memory for, while its reader stands still for longer than a silent peer is
//! waited for.

use std::fs;
use std::io::Read;
use std::process::Child;

use super::place::{Place, ended};

/// Enough to be far above every bound, and little enough for a test.
const FLOOD_BYTES: usize = 256 << 20;

/// No process has ever had more memory than this, whatever passes through it: code and buffers of a debug build take half
/// of it. Stated: 8 MiB for the client, and a quarter of a MiB for each engine.
const MEMORY_BYTES: u64 = 64 << 20;

const LINE: &[u8] = b"0123456789abcdef\n";

/// The most memory that a process has had so far, proc_pid_status(5).
fn peak_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
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
        peak = peak_bytes(child.id());
    }
}

#[test]
fn it_comes_whole_and_fills_nobodys_memory() {
    let place = Place::started(1);
    let engines = place.engines(1);
    let (controller, host) = (place.controller(), engines[0].1);
    let command = format!("yes {} | head -c {FLOOD_BYTES}", String::from_utf8_lossy(LINE).trim());
    let mut map = place.begin(&["map", "--unordered", &format!("{command}; true"), ":::", "x"]);
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
    let status = place.status();
    assert_eq!(status["problems"], serde_json::json!([]), "a link was lost");
    assert_eq!(place.engines(1), engines, "the engine host was started again");
    for (who, peak) in
        [("client", client), ("controller", peak_bytes(controller)), ("engine host", peak_bytes(host))]
    {
        assert!(peak < MEMORY_BYTES, "the {who} had {peak} bytes");
    }
    place.stop();
}
