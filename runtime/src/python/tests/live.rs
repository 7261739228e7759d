//! What Python tasks print while they run.

use rpar_core::task::{Live, RunOptions};
use rpar_core::wire::ENGINE_OUTPUT_WINDOW_BYTES;

use super::*;

fn live(how: Live) -> Engine {
    let mut engine = Engine::start();
    engine.bench.options = RunOptions { live: how, ..RunOptions::default() };
    engine
}

/// What a task has written to both streams.
fn printed(engine: &Engine, task: u64) -> String {
    printed_to(engine, task, 1) + &printed_to(engine, task, 2)
}

fn printed_to(engine: &Engine, task: u64, stream: u8) -> String {
    let own = engine.bench.output.iter().filter(|output| (output.task.0, output.stream) == (task, stream));
    own.map(|output| String::from_utf8_lossy(&output.data).into_owned()).collect()
}

#[test]
fn prints_come_while_the_task_runs_and_are_its_own() {
    let mut engine = live(Live::Yes);
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
    a_flood(Live::Yes);
    a_flood(Live::Printed);
}

fn a_flood(how: Live) {
    const LINES: usize = 100_000;
    let mut engine = live(how);
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
    let mut engine = live(Live::Yes);
    engine.submit(&["[print('last words'), __import__('os')._exit(3)]"]);
    let (status, failure) = engine.failure();
    assert_eq!((status, failure.exit), (TaskStatus::Crashed, Some(3)));
    assert_eq!(printed(&engine, 0), "last words\n");
}

#[test]
fn of_tasks_that_share_their_interpreter_each_line_is_its_own() {
    let mut engine = live(Live::Printed);
    let pid = engine.number(PID);
    // the first ones show that they are short, so that many are given ahead
    let quiet = vec!["1"; 300];
    engine.submit(&quiet);
    let expressions: Vec<String> = (0..500)
        .map(|number| match number % 3 {
            0 => "1".to_owned(),
            1 => format!("print('line', {number}) or 1"),
            _ => format!("print('no end', {number}, end='', file=__import__('sys').stderr) or 1"),
        })
        .collect();
    engine.submit(&expressions.iter().map(String::as_str).collect::<Vec<_>>());
    for _ in 0..800 {
        assert_eq!(engine.next().0, TaskStatus::Ok);
    }
    for number in 0..500 {
        let task = 301 + number;
        let expected = match number % 3 {
            0 => (String::new(), String::new()),
            1 => (format!("line {number}\n"), String::new()),
            _ => (String::new(), format!("no end {number}")),
        };
        assert_eq!((printed_to(&engine, task, 1), printed_to(&engine, task, 2)), expected);
    }
    assert_eq!(engine.number(PID), pid);
}

#[test]
fn what_goes_to_the_descriptors_of_a_lone_task_is_its_own() {
    let mut engine = live(Live::Printed);
    assert_eq!(engine.number("__import__('os').system('echo from the shell') + 1"), 1);
    assert_eq!(printed(&engine, 0), "from the shell\n");
}

#[test]
fn a_task_that_prints_without_end_can_be_interrupted() {
    let mut engine = live(Live::Printed);
    let pid = engine.number(PID);
    let flood = engine.submit(&["[print('x' * 100) for _ in iter(int, 1)]"]);
    // nothing is taken from now on: the task waits for room
    engine.bench.fill(GENEROUS);
    engine.bench.cancel(&flood);
    let (status, failure) = engine.failure();
    assert_eq!((status, failure.message.as_str()), (TaskStatus::Cancelled, "cancelled while it ran"));
    engine.bench.widen(1 << 40);
    assert_eq!(engine.number(PID), pid, "the interpreter was kept");
}

#[test]
fn a_task_that_prints_without_end_has_its_time_limit() {
    let mut engine = live(Live::Printed);
    let argument = argument("[print('x' * 100) for _ in iter(int, 1)]");
    engine.bench.submit(&evaluate(), Some(Duration::from_millis(300)), &[argument]);
    assert_eq!(engine.next().0, TaskStatus::TimedOut);
}

#[test]
fn the_last_prints_stand_in_the_report_of_a_crash() {
    let mut engine = live(Live::Printed);
    engine.submit(&["[print('last words'), __import__('os').kill(__import__('os').getpid(), 9)]"]);
    let (status, failure) = engine.failure();
    assert_eq!(
        (status, failure.signal, failure.detail.as_str()),
        (TaskStatus::Crashed, Some(9), "last words")
    );
    assert_eq!(printed(&engine, 0), "last words\n");
}

#[test]
fn forked_processes_and_threads_print_too() {
    let mut engine = live(Live::Printed);
    let fork = "(lambda os: (lambda pid: os.waitpid(pid, 0)[1] if pid else (print('from the fork'), os._exit(0)))(os.fork()))\
                (__import__('os'))";
    assert_eq!(engine.number(fork), 0);
    assert_eq!(printed(&engine, 0), "from the fork\n");
    let thread = "(lambda thread: (thread.start(), thread.join(), 7)[2])\
                  (__import__('threading').Thread(target=print, args=('from the thread',)))";
    assert_eq!(engine.number(thread), 7);
    assert_eq!(printed(&engine, 1), "from the thread\n");
}

#[test]
fn of_tasks_that_write_to_the_descriptors_each_line_is_its_own() {
    let mut engine = live(Live::Printed);
    let expressions: Vec<String> =
        (0..200).map(|number| format!("__import__('os').write(1, b'line {number}\\n') and 1")).collect();
    engine.submit(&expressions.iter().map(String::as_str).collect::<Vec<_>>());
    for number in 0..200 {
        assert_eq!(engine.next().0, TaskStatus::Ok);
        assert_eq!(printed(&engine, number), format!("line {number}\n"));
    }
}
