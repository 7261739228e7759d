//! What commands write is printed while they run.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

use rpar_tests::binary::Home;
use serde_json::Value;

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
    let document: Value = serde_json::from_slice(&answer.stdout).expect("JSON");
    assert_eq!((&document["stdout"], &document["stderr"]), (&"out\n".into(), &"err\n".into()));
}

#[test]
fn what_a_submitted_task_writes_is_there_while_it_runs() {
    let home = Home::new();
    assert_eq!(home.said(&["start", "-n", "2"]).0, Some(0));
    let script = format!("echo first {{}}; echo oops >&2; {WAITS}; echo then; printf last");
    assert_eq!(home.said(&["submit", "--live", &script, ":::", "a", "b"]).0, Some(0));
    let mut logs = start(&home, &["logs", "--task", "1.2", "--follow"]);
    let mut out = BufReader::new(logs.stdout.take().expect("a pipe"));
    let err = logs.stderr.take().expect("a pipe");
    let seen: BTreeSet<String> = (0..4).map(|_| line(&mut out)).collect();
    let expected = ["==> 1.2.stdout <==\n", "first b\n", "==> 1.2.stderr <==\n", "oops\n"];
    assert_eq!(seen, expected.map(str::to_owned).into());
    assert_eq!(home.json(&["tasks"])["submissions"][0]["assigned"], 2, "it runs");
    go(&home, "b");
    let (said, told) = rest(logs, out, err);
    assert!(said.ends_with("then\nlast\n") && told.is_empty(), "{said} {told}");
    let lines = home.run(&["logs", "--task", "1", "--lines", "1", "--json"]);
    let lines = String::from_utf8(lines.stdout).expect("text");
    let named = |name: &str, line: &str| {
        let document = serde_json::json!({ "schema": 1, "log": name, "line": line });
        assert!(
            lines.lines().any(|line| serde_json::from_str::<Value>(line).is_ok_and(|it| it == document)),
            "{lines}"
        );
    };
    named("1.1.stdout", "first a");
    named("1.2.stdout", "last");
    go(&home, "a");
    let texts = ("first a\nthen\nlastfirst b\nthen\nlast".to_owned(), "oops\noops\n".to_owned());
    let (exit, out, err) = home.said(&["results", "1"]);
    assert_eq!((exit, (out, err)), (Some(0), texts));
    let document = home.run(&["results", "1", "--json"]);
    let document: Value =
        serde_json::from_slice(document.stdout.split(|b| *b == b'\n').next().expect("a line")).expect("JSON");
    assert_eq!((&document["stdout"], &document["stderr"]), (&"first a\nthen\nlast".into(), &"oops\n".into()));
    for (words, exit) in [(["logs", "--task", "2"], 120), (["logs", "--task", "1.3"], 120)] {
        assert_eq!(home.said(&words).0, Some(exit), "{words:?}");
    }
}

#[test]
fn results_print_what_the_last_try_wrote_and_say_what_is_gone() {
    let home = Home::new();
    assert_eq!(home.said(&["start", "-n", "1"]).0, Some(0));
    let script = "[ -e {} ] || { echo one; touch {}; exit 1; }; echo two";
    assert_eq!(home.said(&["submit", "--live", "--retries", "1", script, ":::", "x"]).0, Some(0));
    assert_eq!(home.said(&["results", "1"]), (Some(0), "two\n".into(), String::new()));
    let directory = home.state().join("local/default/submissions/1.output");
    assert_eq!(fs::read_to_string(directory.join("1.stdout")).expect("a file"), "two\n");
    fs::remove_dir_all(&directory).expect("it is there");
    let (exit, out, err) = home.said(&["results", "1"]);
    assert_eq!((exit, out.as_str()), (Some(0), "two\n"));
    assert!(
        err.contains("all but the last of what task 1 wrote is gone: ") && err.contains("1.stdout"),
        "{err}"
    );
    let endless = ["submit", "--live", "--timeout", "300ms", "echo so far; sleep 600; true", ":::", "x"];
    assert_eq!(home.said(&endless).0, Some(0));
    let (exit, out, err) = home.said(&["results", "2"]);
    assert_eq!((exit, out.as_str()), (Some(1), "so far\n"));
    assert!(err.contains("task 1: ended after its time limit"), "{err}");
    let little = ["submit", "echo {}", ":::", "x"];
    assert_eq!(home.said(&little).0, Some(0));
    assert_eq!(home.said(&["wait", "3"]).0, Some(0));
    let (exit, _, err) = home.said(&["logs", "--task", "3.1"]);
    assert_eq!(exit, Some(117));
    assert!(err.contains("`rpar results 3`") && err.contains("--live"), "{err}");
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
