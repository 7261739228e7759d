//! What commands write while they run.

use rpar_core::task::{LARGE_OUTPUT_BYTES, Live, RunOptions};
use rpar_core::wire::ENGINE_OUTPUT_WINDOW_BYTES;

use super::*;

fn live(live: Live) -> Bench {
    let mut bench = Bench::start();
    bench.options = RunOptions { live, attempt: 1, ..RunOptions::default() };
    bench
}

fn begin(bench: &mut Bench, script: &str, timeout: Option<Duration>) {
    bench.submit(&function(script, Path::new("/"), &[]), timeout, &[arguments(&[])]);
}

/// What was written to a stream.
fn written(bench: &Bench, stream: u8) -> Vec<u8> {
    let own = bench.output.iter().filter(|output| output.stream == stream);
    own.flat_map(|output| output.data.to_vec()).collect()
}

#[test]
fn output_comes_while_the_command_runs_and_not_again_with_its_end() {
    let mut bench = live(Live::Yes);
    let directory = tempfile::tempdir().unwrap();
    let script = "echo out; echo err >&2; while [ ! -e over ]; do sleep 0.01; done; printf last; exit 3";
    bench.submit(&function(script, directory.path(), &[]), None, &[arguments(&[])]);
    let begun = Instant::now();
    while written(&bench, 1) != b"out\n" || written(&bench, 2) != b"err\n" {
        assert!(begun.elapsed() < GENEROUS, "{:?}", bench.output);
        bench.pump();
        std::thread::sleep(Duration::from_millis(1));
    }
    std::fs::write(directory.path().join("over"), "").unwrap();
    let (status, payload) = bench.next(GENEROUS);
    assert_eq!(written(&bench, 1), b"out\nlast");
    let outcome = CommandOutcome::decode(payload).unwrap();
    assert_eq!((status, outcome.exit, outcome.streamed), (TaskStatus::Failed, Some(3), true));
    assert_eq!((text(&outcome.stdout), text(&outcome.stderr)), ("out\nlast", "err\n"), "the last words");
    let first = &bench.output[0];
    assert_eq!((first.engine.0, first.attempt), (Bench::ENGINE, 1));
}

#[test]
fn a_flood_waits_for_room_and_comes_whole() {
    a_flood(Live::Yes);
    a_flood(Live::Large);
}

fn a_flood(how: Live) {
    const WHOLE: usize = 20_000_000;
    let mut bench = live(how);
    begin(&mut bench, &format!("seq 1 {WHOLE} | head -c {WHOLE}"), None);
    let mut room = ENGINE_OUTPUT_WINDOW_BYTES;
    while written_bytes(&bench) < WHOLE {
        bench.fill(GENEROUS);
        let most = room as usize + (64 << 10);
        assert!(written_bytes(&bench) < most, "{} bytes with room for {room}", written_bytes(&bench));
        room += ENGINE_OUTPUT_WINDOW_BYTES / 2;
        bench.widen(room);
    }
    let (status, payload) = bench.next(GENEROUS);
    let outcome = CommandOutcome::decode(payload).unwrap();
    assert_eq!((status, outcome.stdout.len()), (TaskStatus::Ok, 4 << 10));
    let all = written(&bench, 1);
    let expected: Vec<u8> =
        (1..).flat_map(|number: u32| format!("{number}\n").into_bytes()).take(WHOLE).collect();
    assert!(all == expected, "{} bytes came", all.len());
    assert!(outcome.stdout == all[WHOLE - (4 << 10)..]);
}

#[test]
fn what_is_not_large_comes_with_the_end() {
    let mut bench = live(Live::Large);
    let (out, err) = (LARGE_OUTPUT_BYTES - 1000, 1000);
    let outcome = run_both(&mut bench, out, err);
    assert_eq!((outcome.streamed, outcome.stdout.len(), outcome.stderr.len()), (false, out, err));
    assert!(bench.output.is_empty());
}

#[test]
fn what_is_large_comes_from_its_beginning_on() {
    let mut bench = live(Live::Large);
    let (out, err) = (10_000, LARGE_OUTPUT_BYTES);
    let outcome = run_both(&mut bench, out, err);
    assert_eq!((outcome.streamed, outcome.stdout.len(), outcome.stderr.len()), (true, 4 << 10, 4 << 10));
    let (stdout, stderr) = (written(&bench, 1), written(&bench, 2));
    assert_eq!((stdout.len(), stderr.len()), (out, err));
    assert!(stdout.starts_with(b"1\n2\n") && stdout.ends_with(&outcome.stdout));
}

/// Runs a command that writes so much to stdout and to stderr, with room for all of it.
fn run_both(bench: &mut Bench, out: usize, err: usize) -> CommandOutcome {
    bench.widen(u64::MAX);
    begin(bench, &format!("seq 1 {out} | head -c {out}; head -c {err} /dev/zero >&2; exit 4"), None);
    let (status, payload) = bench.next(GENEROUS);
    let outcome = CommandOutcome::decode(payload).unwrap();
    assert_eq!((status, outcome.exit), (TaskStatus::Failed, Some(4)));
    outcome
}

fn written_bytes(bench: &Bench) -> usize {
    bench.output.iter().map(|output| output.data.len()).sum()
}

#[test]
fn the_rest_of_a_command_that_has_ended_waits_for_room_too() {
    let mut bench = live(Live::Yes);
    let whole = ENGINE_OUTPUT_WINDOW_BYTES as usize + 120_000;
    begin(&mut bench, &format!("head -c {whole} /dev/zero"), None);
    bench.fill(GENEROUS);
    let before = written_bytes(&bench);
    assert!(before < whole, "{before}");
    bench.widen(ENGINE_OUTPUT_WINDOW_BYTES * 2);
    assert_eq!(bench.next(GENEROUS).0, TaskStatus::Ok);
    assert_eq!(written_bytes(&bench), whole);
}

#[test]
fn without_room_a_command_can_still_be_ended() {
    let mut bench = live(Live::Yes);
    begin(&mut bench, "cat /dev/zero", Some(Duration::from_millis(300)));
    bench.fill(GENEROUS);
    assert_eq!(bench.next(GENEROUS).0, TaskStatus::TimedOut);
    let mut bench = live(Live::Yes);
    begin(&mut bench, "cat /dev/zero", None);
    bench.fill(GENEROUS);
    bench.cancel(&Runs::one(TaskId(0), 1));
    assert_eq!(bench.next(GENEROUS).0, TaskStatus::Cancelled);
    // as does one whose end came while it waited
    let mut bench = live(Live::Yes);
    let whole = ENGINE_OUTPUT_WINDOW_BYTES + 100_000;
    begin(&mut bench, &format!("head -c {whole} /dev/zero"), Some(Duration::from_millis(300)));
    bench.fill(GENEROUS);
    let (status, payload) = bench.next(GENEROUS);
    assert!(matches!(status, TaskStatus::Ok | TaskStatus::TimedOut), "{status:?} {payload:?}");
}
