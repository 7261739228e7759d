//! What Python tasks print while they run.

use rpar_core::task::{Live, RunOptions};
use rpar_core::wire::ENGINE_OUTPUT_WINDOW_BYTES;

use super::*;

fn live() -> Engine {
    let mut engine = Engine::start();
    engine.bench.options = RunOptions { live: Live::Yes, ..RunOptions::default() };
    engine
}

/// What a task has printed.
fn printed(engine: &Engine, task: u64) -> String {
    let own = engine.bench.output.iter().filter(|output| output.task.0 == task);
    own.map(|output| String::from_utf8_lossy(&output.data).into_owned()).collect()
}

#[test]
fn prints_come_while_the_task_runs_and_are_its_own() {
    let mut engine = live();
    let go = engine.directory.path().join("go");
    let exists = format!("__import__('os').path.exists('{}')", go.display());
    let waits = format!("[print('one'), [None for _ in iter(lambda: {exists}, True)], print('end')] and 1");
    let shell = "__import__('os').system('echo from the shell') + 1";
    engine.submit(&[&waits, shell, "print('three', end='') or 1", "1"]);
    let begun = Instant::now();
    while printed(&engine, 0) != "one\n" {
        assert!(begun.elapsed() < GENEROUS, "{:?}", engine.bench.output);
        engine.bench.pump();
        std::thread::sleep(Duration::from_millis(1));
    }
    std::fs::write(&go, "").unwrap();
    for _ in 0..4 {
        assert_eq!(engine.next().0, TaskStatus::Ok);
    }
    let all: Vec<String> = (0..4).map(|task| printed(&engine, task)).collect();
    assert_eq!(all, ["one\nend\n", "from the shell\n", "three", ""]);
}

#[test]
fn a_flood_of_prints_waits_for_room_and_comes_whole() {
    const LINES: usize = 100_000;
    let mut engine = live();
    engine.submit(&[&format!("[print('line', number) for number in range({LINES})] and 1")]);
    let mut room = ENGINE_OUTPUT_WINDOW_BYTES;
    let expected: String = (0..LINES).map(|number| format!("line {number}\n")).collect();
    while printed(&engine, 0).len() < expected.len() {
        engine.bench.fill(GENEROUS);
        assert!((printed(&engine, 0).len() as u64) < room + (64 << 10));
        room += ENGINE_OUTPUT_WINDOW_BYTES / 2;
        engine.bench.widen(room);
    }
    assert_eq!(engine.next().0, TaskStatus::Ok);
    assert!(printed(&engine, 0) == expected);
}

#[test]
fn the_last_words_of_a_task_that_kills_its_interpreter_come_too() {
    let mut engine = live();
    engine.submit(&["[print('last words'), __import__('os')._exit(3)]"]);
    let (status, failure) = engine.failure();
    assert_eq!((status, failure.exit), (TaskStatus::Crashed, Some(3)));
    assert_eq!(printed(&engine, 0), "last words\n");
}
