//! What commands write is printed while they run.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

use rpar_tests::binary::Home;

/// Waits for the file that its argument names.
const WAITS: &str = "until [ -e {} ]; do sleep 0.01; done";

fn start(home: &Home, words: &[&str]) -> Child {
    let mut command = home.command();
    command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("rpar starts")
}

fn go(home: &Home, name: &str) {
    fs::write(home.work().join(name), "").expect("a file");
}

fn line(reader: &mut impl BufRead) -> String {
    let mut line = String::new();
    reader.read_line(&mut line).expect("a line");
    line
}

/// The rest of a child's stdout and stderr; it ended well.
fn rest(mut child: Child, mut out: impl Read, mut err: impl Read) -> (String, String) {
    let (mut said, mut told) = (String::new(), String::new());
    out.read_to_string(&mut said).expect("text");
    err.read_to_string(&mut told).expect("text");
    assert!(child.wait().expect("it ends").success(), "{said} {told}");
    (said, told)
}

#[test]
fn lines_come_while_tasks_run_and_never_mix() {
    let home = Home::new();
    let script = format!("echo first {{}}; printf part >&2; {WAITS}; echo ' whole' >&2; printf last");
    let mut map = start(&home, &["map", "-j2", "-u", "--tag", "--joblog", "log", &script, ":::", "a", "b"]);
    let mut out = BufReader::new(map.stdout.take().expect("a pipe"));
    let mut err = BufReader::new(map.stderr.take().expect("a pipe"));
    let mut begun = [line(&mut out), line(&mut out)];
    begun.sort();
    assert_eq!(begun, ["a\tfirst a\n", "b\tfirst b\n"]);
    go(&home, "b");
    assert_eq!(line(&mut err), "b\tpart whole\n");
    let mut last = [0; 6];
    out.read_exact(&mut last).expect("what has no line's end");
    assert_eq!(&last, b"b\tlast");
    go(&home, "a");
    assert_eq!(rest(map, out, err), ("\na\tlast".to_owned(), "a\tpart whole\n".to_owned()));
    let log = fs::read_to_string(home.work().join("log")).expect("a log");
    let received = log.lines().skip(1).map(|line| line.split('\t').nth(5).expect("a column"));
    assert_eq!(received.collect::<Vec<_>>(), ["12", "12"]);
}

#[test]
fn a_task_that_runs_again_begins_a_line() {
    let home = Home::new();
    let script = "printf 'try {} '; [ -e again ] || { touch again; exit 1; }; echo ends";
    let (exit, out, err) = home.said(&["map", "-u", "--retries", "1", script, ":::", "x"]);
    assert_eq!((exit, out.as_str()), (Some(0), "try x \ntry x ends\n"), "{err}");
}

#[test]
fn failures_are_told_once() {
    let home = Home::new();
    let (exit, out, err) = home.said(&["map", "-u", "echo out; echo oops >&2; exit 3", ":::", "x"]);
    assert_eq!((exit, out.as_str()), (Some(1), "out\n"));
    assert_eq!(err, "oops\n1 of 1 task failed:\n  1  'x'  exit status 3: oops\n");
    let absent = ["map", "-u", "--workdir", "/absent", "true", ":::", "x"];
    let (exit, _, err) = home.said(&absent);
    assert_eq!(exit, Some(1));
    assert!(err.starts_with("rpar: working directory /absent cannot be used "), "{err}");
}

#[test]
fn run_prints_as_if_the_command_ran_here() {
    let home = Home::new();
    let script = "echo out; echo err >&2; until [ -e go ]; do sleep 0.01; done; printf last; exit 7";
    let mut run = start(&home, &["run", script]);
    let mut out = BufReader::new(run.stdout.take().expect("a pipe"));
    let mut err = BufReader::new(run.stderr.take().expect("a pipe"));
    assert_eq!((line(&mut out), line(&mut err)), ("out\n".to_owned(), "err\n".to_owned()));
    go(&home, "go");
    let mut last = String::new();
    out.read_to_string(&mut last).expect("text");
    assert_eq!(last, "last");
    assert_eq!(run.wait().expect("it ends").code(), Some(7));
    let answer = home.run(&["run", "--json", "echo out; echo err >&2"]);
    let document: serde_json::Value = serde_json::from_slice(&answer.stdout).expect("JSON");
    assert_eq!((&document["stdout"], &document["stderr"]), (&"out\n".into(), &"err\n".into()));
}

#[test]
fn nobody_who_reads_ends_the_flood() {
    let home = Home::new();
    let mut map = start(&home, &["map", "-u", "cat /dev/zero", ":::", "x"]);
    let mut first = [0; 100];
    map.stdout.take().expect("a pipe").read_exact(&mut first).expect("zeros");
    // as GNU tools do: SIGPIPE, 128 + 13
    assert_eq!(map.wait().expect("it ends").code(), Some(141));
}
