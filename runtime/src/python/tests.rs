//! Python tasks through the executor, as an engine runs them, in the `python3` of this machine.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rpar_core::task::{Failure, Function, FunctionKind, TaskStatus};
use tempfile::TempDir;

use crate::engine::{Bench, PythonSettings};
use crate::native::NativeFunctions;

mod live;
mod means;

const GENEROUS: Duration = Duration::from_secs(60);

/// An engine whose interpreter finds a stand-in for cloudpickle, and the directory that holds it.
struct Engine {
    bench: Bench,
    directory: TempDir,
}

impl Engine {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("cloudpickle.py"), "from pickle import dumps\n").unwrap();
        let script = format!("PYTHONPATH='{}' exec python3 \"$@\"", directory.path().display());
        let python = script_file(directory.path(), &script);
        Engine { bench: bench(&python), directory }
    }

    fn submit(&mut self, expressions: &[&str]) -> rpar_core::wire::Runs {
        let arguments: Vec<_> = expressions.iter().map(|expression| argument(expression)).collect();
        self.bench.submit(&evaluate(), None, &arguments)
    }

    fn next(&mut self) -> (TaskStatus, Bytes) {
        self.bench.next(GENEROUS)
    }

    fn number(&mut self, expression: &str) -> i64 {
        self.submit(&[expression]);
        let (status, payload) = self.next();
        assert_eq!(status, TaskStatus::Ok, "{payload:?}");
        number(&payload)
    }

    fn failure(&mut self) -> (TaskStatus, Failure) {
        let (status, payload) = self.next();
        (status, Failure::decode(&payload).unwrap())
    }

    /// An expression that tells that it has begun and then takes long.
    fn long(&self) -> (PathBuf, String) {
        let begun = self.directory.path().join("begun");
        let open = format!("open('{}', 'w').close()", begun.display());
        (begun, format!("({open}, __import__('time').sleep(600))"))
    }
}

fn script_file(directory: &Path, script: &str) -> PathBuf {
    let file = directory.join("python");
    std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
    file
}

fn bench(python: &Path) -> Bench {
    Bench::with(NativeFunctions::new(), PythonSettings { executable: Some(python.to_owned()) })
}

/// The pickle of `(0, eval)`: call `eval` with the argument's items.
fn evaluate() -> Function {
    Function { kind: FunctionKind::Python, body: Bytes::from_static(b"(I0\ncbuiltins\neval\nt.") }
}

/// The pickle of `(expression,)`.
fn argument(expression: &str) -> Bytes {
    format!("(V{expression}\nt.").into()
}

/// Reads the pickle of a whole number of at most 31 bits.
fn number(payload: &[u8]) -> i64 {
    // the protocol's version, then, from some length on, a frame's head
    let body = match payload {
        [0x80, 5, 0x95, body @ ..] => &body[8..],
        [0x80, 5, body @ ..] => body,
        other => panic!("{other:?}"),
    };
    match body {
        [b'K', byte, b'.'] => (*byte).into(),
        [b'M', low, high, b'.'] => u16::from_le_bytes([*low, *high]).into(),
        [b'J', a, b, c, d, b'.'] => i32::from_le_bytes([*a, *b, *c, *d]).into(),
        other => panic!("{other:?}"),
    }
}

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + GENEROUS;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn is_alive(pid: i64) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

const PID: &str = "__import__('os').getpid()";

#[test]
fn values_and_exceptions_come_back() {
    let mut engine = Engine::start();
    assert_eq!(engine.number("6 * 7"), 42);
    engine.submit(&["1 / 0"]);
    let (status, failure) = engine.failure();
    assert_eq!(status, TaskStatus::Failed);
    assert_eq!(failure.message, "ZeroDivisionError: division by zero");
    assert!(
        failure.detail.starts_with("Traceback") && !failure.detail.contains("<rpar "),
        "{}",
        failure.detail
    );
    assert!(!failure.exception.is_empty());
}

#[test]
fn many_tasks_run_in_order_in_one_interpreter() {
    let mut engine = Engine::start();
    let pid = engine.number(PID);
    let expressions: Vec<_> = (0..5000).map(|number| number.to_string()).collect();
    engine.submit(&expressions.iter().map(String::as_str).collect::<Vec<_>>());
    for expected in 0..5000 {
        let (status, payload) = engine.next();
        assert_eq!((status, number(&payload)), (TaskStatus::Ok, expected));
    }
    assert_eq!(engine.number(PID), pid);
}

#[test]
fn a_dying_interpreter_takes_only_its_task_along() {
    let mut engine = Engine::start();
    let mut expressions = vec!["1"; 300];
    expressions[150] = "__import__('os').kill(__import__('os').getpid(), 11)";
    expressions[200] = "(print('last words', file=__import__('sys').stderr), __import__('os')._exit(3))";
    engine.submit(&expressions);
    for index in 0..300 {
        let (id, status, payload) = engine.bench.next_with_id(GENEROUS);
        assert_eq!(id.0, index);
        let failure = || Failure::decode(&payload).unwrap();
        match index {
            150 => {
                assert_eq!((status, failure().signal, failure().exit), (TaskStatus::Crashed, Some(11), None))
            }
            200 => {
                assert_eq!((status, failure().signal, failure().exit), (TaskStatus::Crashed, None, Some(3)));
                assert!(failure().detail.contains("last words"), "{:?}", failure());
            }
            _ => assert_eq!(status, TaskStatus::Ok),
        }
    }
}

#[test]
fn an_interpreter_that_died_unasked_is_replaced() {
    let mut engine = Engine::start();
    let pid = engine.number(PID);
    let killed = std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap();
    assert!(killed.success());
    let is_zombie =
        || std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "));
    wait_for("it lives on", || !is_alive(pid) || is_zombie());
    assert_ne!(engine.number(PID), pid);
}

#[test]
fn a_cancelled_task_is_interrupted_and_those_behind_it_are_given_back() {
    let mut engine = Engine::start();
    let pid = engine.number(PID);
    // short ones first, so that more are written ahead
    let (begun, long) = engine.long();
    let mut expressions = vec!["1"; 200];
    expressions.push(&long);
    engine.submit(&expressions);
    let behind = engine.submit(&["2"; 20]);
    let last = engine.submit(&["3"]);
    for _ in 0..200 {
        assert_eq!(engine.next().0, TaskStatus::Ok);
    }
    wait_for("it does not begin", || begun.exists());
    engine.bench.cancel(&behind);
    for _ in 0..20 {
        let (status, failure) = engine.failure();
        assert_eq!((status, failure.message.as_str()), (TaskStatus::Cancelled, "cancelled before it ran"));
    }
    engine.bench.cancel(&rpar_core::wire::Runs::one(rpar_core::id::TaskId(201), 1));
    let (status, failure) = engine.failure();
    assert_eq!((status, failure.message.as_str()), (TaskStatus::Cancelled, "cancelled while it ran"));
    assert_eq!(number(&engine.next().1), 3, "the task behind them all, {last:?}");
    assert_eq!(engine.number(PID), pid, "the interpreter was kept");
}

#[test]
fn what_the_interpreter_has_not_begun_is_given_back_while_it_runs() {
    let mut engine = Engine::start();
    let pid = engine.number(PID);
    let (begun, long) = engine.long();
    let mut expressions = vec!["1"; 200];
    expressions.push(&long);
    expressions.extend(["2"; 20]);
    let first = engine.submit(&expressions);
    let second = engine.submit(&["3"; 20]);
    wait_for("it does not begin", || begun.exists());
    for _ in 0..200 {
        assert_eq!(engine.next().0, TaskStatus::Ok);
    }
    engine.bench.withdraw(&second);
    assert_eq!(engine.bench.await_returned(20, GENEROUS), second.ids().collect::<Vec<_>>());
    engine.bench.withdraw(&first);
    let behind: Vec<_> = first.ids().skip(201).collect();
    assert_eq!(engine.bench.await_returned(20, GENEROUS), behind);
    engine.bench.cancel(&first);
    assert_eq!(engine.failure().1.message, "cancelled while it ran");
    assert_eq!(engine.number(PID), pid, "the interpreter was kept");
}

#[test]
fn a_time_limit_counts_for_each_task() {
    let mut engine = Engine::start();
    let limit = Duration::from_millis(300);
    let pid = engine.number(PID);
    let pause = argument("__import__('time').sleep(0.1)");
    let arguments =
        [pause.clone(), pause.clone(), pause.clone(), pause, argument("__import__('time').sleep(600)")];
    engine.bench.submit(&evaluate(), Some(limit), &arguments);
    for _ in 0..4 {
        assert_eq!(engine.next().0, TaskStatus::Ok);
    }
    let (status, failure) = engine.failure();
    assert_eq!(status, TaskStatus::TimedOut);
    assert!(failure.message.contains("0.3 s"), "{}", failure.message);
    assert_ne!(engine.number(PID), pid);
}

#[test]
fn long_payloads_pass_in_both_directions() {
    let mut engine = Engine::start();
    let long = "x".repeat(20 << 20);
    assert_eq!(engine.number(&format!("len('{long}')")), 20 << 20);
    engine.submit(&["b'y' * (20 << 20)"]);
    let (status, payload) = engine.next();
    assert_eq!(status, TaskStatus::Ok);
    assert_eq!(payload.iter().filter(|byte| **byte == b'y').count(), 20 << 20);
}

#[test]
fn a_flood_of_output_holds_nothing_up() {
    let mut engine = Engine::start();
    assert_eq!(
        engine
            .number("__import__('os').write(1, b'o' * 300_000) + __import__('os').write(2, b'e' * 300_000)"),
        600_000
    );
}

#[test]
fn a_reset_ends_what_runs_at_once() {
    let mut engine = Engine::start();
    let pid = engine.number(PID);
    let (begun, long) = engine.long();
    engine.submit(&[&long, "1"]);
    wait_for("it does not begin", || begun.exists());
    engine.bench.reset();
    wait_for("it lives on", || !is_alive(pid));
    assert_ne!(engine.number(PID), pid);
}

#[test]
fn nothing_is_left_when_the_engine_ends() {
    let mut engine = Engine::start();
    let pid = engine.number(PID);
    assert!(is_alive(pid));
    drop(engine);
    assert!(!is_alive(pid));
}

#[test]
fn one_that_does_not_start_is_not_tried_for_every_task() {
    let directory = tempfile::tempdir().unwrap();
    let starts = directory.path().join("starts");
    let python = script_file(directory.path(), &format!("echo one >> {}; exit 1", starts.display()));
    let mut bench = bench(&python);
    for _ in 0..20 {
        bench.submit(&evaluate(), None, &[argument("1")]);
        assert_eq!(bench.next(GENEROUS).0, TaskStatus::Unplaced);
    }
    // a busy machine may take longer than the pause
    assert!(std::fs::read_to_string(starts).unwrap().lines().count() < 5);
}

#[test]
fn an_interpreter_that_cannot_be_used_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let without = script_file(directory.path(), "exec python3 -I -S \"$@\"");
    let expected = [
        (Path::new("/no/such/python"), "cannot be started on node-of-tests"),
        (Path::new("/bin/false"), "`/bin/false` on node-of-tests does not start: it exited with status 1"),
        (&without, "-m pip install cloudpickle"),
    ];
    for (python, message) in expected {
        let mut bench = bench(python);
        bench.submit(&evaluate(), None, &[argument("1"), argument("2")]);
        for _ in 0..2 {
            let (status, payload) = bench.next(GENEROUS);
            let failure = Failure::decode(&payload).unwrap();
            assert_eq!(status, TaskStatus::Unplaced, "it may run elsewhere");
            assert!(failure.message.contains(message), "{}", failure.message);
        }
    }
}
