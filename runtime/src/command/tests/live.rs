//! What commands write while they run.

use rpar_core::task::RunOptions;
use rpar_core::wire::ENGINE_OUTPUT_WINDOW_BYTES;

use super::*;

fn live() -> Bench {
    let mut bench = Bench::start();
    bench.options = RunOptions { live: true, attempt: 1, ..RunOptions::default() };
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
    let mut bench = live();
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
    const WHOLE: usize = 20_000_000;
    let mut bench = live();
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

fn written_bytes(bench: &Bench) -> usize {
    bench.output.iter().map(|output| output.data.len()).sum()
}

#[test]
fn the_rest_of_a_command_that_has_ended_waits_for_room_too() {
    let mut bench = live();
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
    let mut bench = live();
    begin(&mut bench, "cat /dev/zero", Some(Duration::from_millis(300)));
    bench.fill(GENEROUS);
    assert_eq!(bench.next(GENEROUS).0, TaskStatus::TimedOut);
    let mut bench = live();
    begin(&mut bench, "cat /dev/zero", None);
    bench.fill(GENEROUS);
    bench.cancel(&rpar_core::wire::Runs::one(rpar_core::id::TaskId(0), 1));
    assert_eq!(bench.next(GENEROUS).0, TaskStatus::Cancelled);
    // as does one whose end came while it waited
    let mut bench = live();
    let whole = ENGINE_OUTPUT_WINDOW_BYTES + 100_000;
    begin(&mut bench, &format!("head -c {whole} /dev/zero"), Some(Duration::from_millis(300)));
    bench.fill(GENEROUS);
    let (status, payload) = bench.next(GENEROUS);
    assert!(matches!(status, TaskStatus::Ok | TaskStatus::TimedOut), "{status:?} {payload:?}");
}
