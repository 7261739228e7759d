//! `rpar map` and `rpar run` on throw-away clusters of this machine: results, failures, and nothing left behind.

use std::io::{BufRead, Read, Write};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use rpar_tests::binary::Home;
use rustix::process::{Pid, Signal, kill_process};

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("rpar writes UTF-8")
}

/// Waits until no process and no file of the home's clusters is left.
fn nothing_left(home: &Home) {
    until("processes are gone", || {
        home.processes().is_empty().then_some(()).ok_or_else(|| home.processes().join("\n"))
    });
    until("files are gone", || {
        let files: Vec<_> = std::fs::read_dir(home.temporary()).expect("the directory").flatten().collect();
        if files.is_empty() { Ok(()) } else { Err(format!("{files:?}")) }
    });
    assert!(!home.state().exists(), "a throw-away cluster is no cluster of the user's");
}

fn until<T>(what: &str, mut condition: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match condition() {
            Ok(value) => return value,
            Err(state) => assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}: {state}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn map(home: &Home, words: &[&str]) -> (Option<i32>, String, String) {
    let output = home.command().arg("map").args(words).output().expect("rpar starts");
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn fed(home: &Home, words: &[&str], input: &[u8]) -> Output {
    let mut child = home
        .command()
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("rpar starts");
    child.stdin.take().expect("a pipe").write_all(input).expect("rpar reads");
    child.wait_with_output().expect("rpar ends")
}

#[test]
fn results_come_in_order_and_nothing_is_left() {
    let home = Home::new();
    let (exit, out, err) = map(&home, &["sleep {}; echo {}", ":::", "0.3", "0", "0.1"]);
    assert_eq!((exit, out.as_str(), err.as_str()), (Some(0), "0.3\n0\n0.1\n", ""));
    nothing_left(&home);
}

#[test]
fn arguments_come_from_lines_files_and_lists() {
    let home = Home::new();
    let output = fed(&home, &["map", "echo [{}]"], b"a b\n\n'c'\n");
    assert_eq!(text(&output.stdout), "[a b]\n[]\n['c']\n");
    let output = fed(&home, &["map", "-0", "echo [{}]"], b"a\nb\0c\0");
    assert_eq!(text(&output.stdout), "[a\nb]\n[c]\n");
    std::fs::write(home.work().join("list"), "one\ntwo").expect("a file");
    assert_eq!(map(&home, &["echo {#} {}", "::::", "list"]).1, "1 one\n2 two\n");
    assert_eq!(map(&home, &["echo", ":::"]), (Some(0), String::new(), String::new()));
    let (exit, _, err) = map(&home, &["echo", "::::", "absent"]);
    assert_eq!(exit, Some(117));
    assert!(err.contains("could not read arguments from absent"), "{err}");
}

#[test]
fn no_argument_is_ever_executed() {
    let home = Home::new();
    let nasty =
        ["$(touch pwned)", "`touch pwned`", "'; touch pwned; '", "\"; touch pwned; \"", "*", "a\nb", "-n"];
    for command in
        ["printf '%s|' {}", "printf '%s|' \"{}\"", "printf '%s|' '{}'", "printf '%s|' \"$(printf %s {})\""]
    {
        let (exit, out, err) = map(&home, &[&[command, ":::"][..], &nasty].concat());
        assert_eq!((exit, out), (Some(0), nasty.join("|") + "|"), "{command}: {err}");
    }
    assert_eq!(std::fs::read_dir(home.work()).expect("the directory").count(), 0);
}

#[test]
fn no_short_task_waits_behind_a_long_one() {
    let home = Home::new();
    // the first ends when all others have left a directory, which fails where one is run twice
    let script =
        "if [ {} = 0 ]; then until [ $(ls | grep -c ^t) = 300 ]; do sleep 0.02; done; else mkdir t{}; fi";
    let numbers: Vec<String> = (0..=300).map(|number| number.to_string()).collect();
    let flags = ["--nodes", "1", "--ppn", "2", "--timeout", "60", "--joblog", "log", script, ":::"];
    let words: Vec<&str> = flags.into_iter().chain(numbers.iter().map(String::as_str)).collect();
    assert_eq!(map(&home, &words), (Some(0), String::new(), String::new()));
    let log = std::fs::read_to_string(home.work().join("log")).expect("a job log");
    let last = log.lines().last().expect("a line");
    assert!(last.starts_with("1\t"), "the long task ended before others: {last}");
    nothing_left(&home);
}

#[test]
fn failures_are_counted_and_explained() {
    let home = Home::new();
    let (exit, out, err) = map(&home, &["echo {}; echo oh {} >&2; exit {}", ":::", "0", "3", "4"]);
    assert_eq!((exit, out.as_str()), (Some(2), "0\n3\n4\n"));
    let summary = "2 of 3 tasks failed:\n  2  '3'  exit status 3: oh 3\n  3  '4'  exit status 4: oh 4\n";
    assert!(err.starts_with("oh 0\noh 3\noh 4\n") && err.ends_with(summary), "{err}");
    let many: Vec<String> = (0..102).map(|number| number.to_string()).collect();
    let words: Vec<&str> = ["false", ":::"].into_iter().chain(many.iter().map(String::as_str)).collect();
    let (exit, _, err) = map(&home, &words);
    assert_eq!(exit, Some(101));
    assert!(err.ends_with("  and 82 more\n"), "{err}");
    let (exit, _, err) = map(&home, &["kill -SEGV $$; : {}", ":::", "a"]);
    assert!(exit == Some(1) && err.contains("killed by signal 11 (SIGSEGV)"), "{err}");
}

#[test]
fn time_outs_retries_directories_and_variables() {
    let home = Home::new();
    let begun = Instant::now();
    let (exit, _, err) = map(&home, &["--timeout", "200ms", "sleep 100; : {}", ":::", "a"]);
    assert!(exit == Some(1) && begun.elapsed() < Duration::from_secs(50), "{err}");
    let (exit, out, err) =
        map(&home, &["--retries", "2", "echo x >> tries; test $(wc -l < tries) = 3 && echo {}", ":::", "a"]);
    assert_eq!((exit, out.as_str()), (Some(0), "a\n"), "{err}");
    std::fs::create_dir(home.work().join("sub")).expect("a directory");
    let (_, out, _) = map(
        &home,
        &["--workdir", "sub", "--env", "COLOUR=blue", "basename $PWD; echo $COLOUR {}", ":::", "a"],
    );
    assert_eq!(out, "sub\nblue a\n");
    let (exit, _, err) = map(&home, &["--workdir", "absent", "echo", ":::", "a"]);
    assert!(exit == Some(1) && err.contains("absent"), "{err}");
}

#[test]
fn json_tells_of_each_task() {
    let home = Home::new();
    let output = home.run(&["--json", "map", "echo {}; exit {}", ":::", "0", "7"]);
    assert_eq!(output.status.code(), Some(1));
    let lines: Vec<serde_json::Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 3);
    let summary = &lines[2]["summary"];
    let seconds = |name: &str| summary[name].as_f64().expect("a number");
    assert_eq!((&summary["tasks"], &summary["failed"]), (&2.into(), &1.into()));
    assert!(seconds("wall_seconds") > 0.0 && seconds("serial_seconds") > 0.0, "{summary}");
    assert!(
        (seconds("speedup") * seconds("wall_seconds") - seconds("serial_seconds")).abs() < 1e-9,
        "{summary}"
    );
    assert_eq!((&lines[0]["ok"], &lines[0]["stdout"]), (&true.into(), &"0\n".into()));
    assert_eq!(
        (&lines[1]["ok"], &lines[1]["exit"], &lines[1]["argument"]),
        (&false.into(), &7.into(), &"7".into())
    );
}

#[test]
fn run_ends_as_its_command_does() {
    let home = Home::new();
    let run = |words: &[&str]| {
        let output = home.command().arg("run").args(words).output().expect("rpar starts");
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    assert_eq!(run(&["printf", "%s|", "a b", "$HOME"]), (Some(0), "a b|$HOME|".into(), String::new()));
    assert_eq!(run(&["echo out; echo err >&2; exit 42"]), (Some(42), "out\n".into(), "err\n".into()));
    assert_eq!(run(&["kill -TERM $$"]).0, Some(143));
    nothing_left(&home);
}

/// A map whose tasks run until it is ended; returns once the first of them runs.
fn endless(home: &Home) -> Child {
    let mut child = home
        .command()
        .args(["map", "touch started; sleep 1000; : {}", ":::", "1", "2", "3"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("rpar starts");
    until("a task runs", || {
        if let Ok(Some(status)) = child.try_wait() {
            panic!("the map has ended: {status}");
        }
        home.work().join("started").exists().then_some(()).ok_or_else(|| "no task yet".into())
    });
    child
}

fn send(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(child.id().try_into().expect("a pid")).expect("a pid");
    kill_process(pid, signal).expect("the signal is sent");
}

#[test]
fn signals_leave_nothing_behind() {
    let cases: [(&[Signal], i32); 4] = [
        (&[Signal::INT, Signal::INT], 130),
        (&[Signal::INT, Signal::TERM], 130),
        (&[Signal::TERM], 143),
        (&[Signal::HUP], 129),
    ];
    for (signals, code) in cases {
        let home = Home::new();
        let mut child = endless(&home);
        let mut said = std::io::BufReader::new(child.stderr.take().expect("a pipe"));
        let mut line = String::new();
        for signal in signals {
            // two signals at once are one
            if !std::ptr::eq(signal, &signals[0]) {
                said.read_line(&mut line).expect("rpar says what it does");
            }
            send(&child, *signal);
        }
        let output = child.wait_with_output().expect("rpar ends");
        said.read_to_string(&mut line).expect("rpar says UTF-8");
        assert_eq!(output.status.code(), Some(code), "{line}");
        assert!(line.contains("what still ran was killed"), "{line}");
        nothing_left(&home);
    }
}

#[test]
fn the_first_ctrl_c_lets_what_runs_end_and_starts_nothing_more() {
    let home = Home::new();
    let command = "touch begun.{}; while [ ! -e over ]; do sleep 0.02; done; echo {}";
    let many: Vec<String> = (1..=50).map(|number| number.to_string()).collect();
    let mut words = vec!["map", "-j2", "--bar", "--joblog", "log", command, ":::"];
    words.extend(many.iter().map(String::as_str));
    let mut child = home
        .command()
        .args(&words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("rpar starts");
    let begun = || (1..=50).filter(|n| home.work().join(format!("begun.{n}")).exists()).collect::<Vec<u32>>();
    until("two tasks run", || (begun().len() == 2).then_some(()).ok_or_else(|| "not yet".into()));
    send(&child, Signal::INT);
    let mut said = std::io::BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    until("rpar says what it does", || {
        said.read_line(&mut line).expect("rpar says UTF-8");
        line.contains("waiting for the tasks that run").then_some(()).ok_or_else(|| line.clone())
    });
    assert!(line.contains("Ctrl-C again kills"), "{line}");
    std::fs::write(home.work().join("over"), "").expect("a file");
    let output = child.wait_with_output().expect("rpar ends");
    said.read_to_string(&mut line).expect("rpar says UTF-8");
    let lines = |numbers: &[u32]| numbers.iter().map(|number| format!("{number}\n")).collect::<String>();
    let ran = begun();
    assert_eq!(ran.len(), 2, "no other was to begin");
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(130), lines(&ran)), "{line}");
    assert!(
        line.ends_with("interrupted by signal 2 (SIGINT): 2 tasks had ended, nothing more was started\n"),
        "{line}"
    );
    let counts: Vec<&str> = line.lines().filter_map(|line| Some(line.split_once(" [")?.0)).collect();
    assert_eq!(counts.last(), Some(&"2/2"), "what was dropped is neither done nor to come: {line}");
    // and the rest can be done later
    words.splice(1..1, ["--resume"]);
    let output = home.command().args(&words).output().expect("rpar starts");
    let rest: Vec<u32> = (1..=50).filter(|number| !ran.contains(number)).collect();
    assert_eq!(text(&output.stdout), lines(&rest));
    nothing_left(&home);
}

#[test]
fn even_a_killed_map_leaves_nothing_behind() {
    let home = Home::new();
    let mut child = endless(&home);
    send(&child, Signal::KILL);
    child.wait().expect("rpar ends");
    nothing_left(&home);
}

#[test]
fn an_endless_input_ends_with_its_reader() {
    let home = Home::new();
    let mut child = home
        .command()
        .args(["map", "echo {}"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("rpar starts");
    let mut input = child.stdin.take().expect("a pipe");
    let endless = std::thread::spawn(move || while input.write_all(b"line\n").is_ok() {});
    let mut first = [0; 5];
    child.stdout.as_mut().expect("a pipe").read_exact(&mut first).expect("a result");
    assert_eq!(&first, b"line\n");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("rpar ends");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(141), String::new()));
    endless.join().expect("the input's thread ends");
    nothing_left(&home);
}
