//! Work that outlives the terminal that submitted it: `rpar submit`, `tasks`, `wait`, `results`, `cancel`.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;

use rpar_tests::binary::{Home, until};
use rustix::process::{Pid, Signal, kill_process};

/// A home with a cluster of two engines.
fn cluster() -> Home {
    let home = Home::new();
    let (exit, _, err) = home.said(&["start", "-n", "2"]);
    assert_eq!(exit, Some(0), "{err}");
    home
}

fn submitted(home: &Home, words: &[&str]) -> String {
    let (exit, out, err) = home.said(&[&["submit"], words].concat());
    assert_eq!(exit, Some(0), "{err}");
    out.trim().to_owned()
}

#[test]
fn what_is_submitted_goes_on_and_its_results_can_be_asked_for_again() {
    let home = cluster();
    let id = submitted(&home, &["echo {}; [ {} != b ]", ":::", "a", "b", "c d"]);
    assert_eq!(id, "1");
    let (exit, _, err) = home.said(&["wait", &id]);
    assert_eq!(exit, Some(1), "{err}");
    assert!(err.contains("1 of 3 tasks failed: `rpar tasks 1 --state failed` lists them"), "{err}");
    for _ in 0..2 {
        let (exit, out, _) = home.said(&["results", &id]);
        assert_eq!((exit, out.as_str()), (Some(1), "a\nb\nc d\n"));
    }
    let (exit, out, _) = home.said(&["tasks", &id, "--state", "failed"]);
    assert_eq!(exit, Some(0));
    let rows: Vec<Vec<&str>> = out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows.len(), 2, "{out}");
    assert_eq!((rows[1][0], rows[1][1], rows[1].last()), ("2", "failed", Some(&"b")));
    let (_, out, _) = home.said(&["tasks"]);
    assert!(out.contains("ended") && out.contains("echo {}"), "{out}");
    assert_eq!(home.said(&["results", &id, "--forget"]).0, Some(1));
    until("it is gone", || home.json(&["tasks"])["submissions"].as_array().is_some_and(Vec::is_empty));
    let (exit, _, err) = home.said(&["results", &id]);
    assert_eq!(exit, Some(120));
    assert!(err.contains("has no submission 1") && err.contains("forgotten"), "{err}");
}

#[test]
fn a_cancelled_submission_ends() {
    let home = cluster();
    let id = submitted(&home, &["--name", "naps", "sleep 600 {}", ":::", "1", "2", "3", "4"]);
    until("two run", || home.json(&["tasks"])["submissions"][0]["assigned"] == 2);
    let (exit, out, _) = home.said(&["tasks", &id]);
    assert_eq!(exit, Some(0));
    assert_eq!(out.matches("assigned").count(), 2, "{out}");
    assert_eq!(home.said(&["wait", &id, "--timeout", "10ms"]).0, Some(121));
    let (_, _, err) = home.said(&["cancel", &id, "--tasks", "4"]);
    assert!(err.contains("1 task ended since, 3 of 4 left"), "{err}");
    let (exit, _, err) = home.said(&["cancel", &id]);
    assert_eq!(exit, Some(0), "{err}");
    assert!(err.contains("0 of 4 left"), "{err}");
    assert_eq!(home.said(&["wait"]).0, Some(4));
    let (_, _, err) = home.said(&["results", &id]);
    assert_eq!(err.matches("cancelled").count(), 4, "{err}");
}

#[test]
fn results_that_are_there_can_be_had_before_the_rest() {
    let home = cluster();
    let id = submitted(&home, &["echo {}; [ {} = 1 ] || sleep 600", ":::", "1", "2"]);
    until("one has ended", || home.json(&["tasks"])["submissions"][0]["succeeded"] == 1);
    assert_eq!(home.said(&["results", &id, "--no-wait"]), (Some(0), "1\n".into(), String::new()));
    let arguments = home.state().join("local/default/submissions");
    let modes =
        [arguments.clone(), arguments.join(&id)].map(|path| path.metadata().expect("it is there").mode());
    assert_eq!(modes.map(|mode| mode & 0o777), [0o700, 0o600], "others are not to know what is worked on");
    assert_eq!(home.said(&["results", &id, "--no-wait", "--forget"]).0, Some(0));
    assert!(arguments.join(&id).exists(), "task 2 needs its argument");
    assert_eq!(home.said(&["cancel", &id]).0, Some(0));
    let (exit, _, err) = home.said(&["results", &id, "--no-wait", "--forget"]);
    assert!(exit == Some(1) && err.contains("begin with task 2"), "{err}");
    assert!(!arguments.join(&id).exists(), "nothing needs it any more");
}

#[test]
fn arguments_come_through_a_pipe_and_the_terminal_may_close() {
    let home = cluster();
    let mut submit = home.command();
    submit.args(["submit", "--json", "echo", "{#}:{}"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut submit = submit.spawn().expect("rpar starts");
    let mut pipe = submit.stdin.take().expect("a pipe");
    for number in 0..1000 {
        writeln!(pipe, "line {number}").expect("rpar reads");
    }
    drop(pipe);
    let answer = submit.wait_with_output().expect("it ends");
    let answer: serde_json::Value = serde_json::from_slice(&answer.stdout).expect("JSON");
    assert_eq!((&answer["submission"], &answer["tasks"]), (&1.into(), &1000.into()));
    let (exit, out, _) = home.said(&["results", "1"]);
    assert_eq!(exit, Some(0));
    let expected: String = (0..1000).map(|number| format!("{}:line {number}\n", number + 1)).collect();
    assert_eq!(out, expected);
}

#[test]
fn who_waits_for_arguments_can_be_interrupted() {
    let home = cluster();
    let mut submit = home.command();
    submit.args(["submit", "echo {}"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut submit = submit.spawn().expect("rpar starts");
    let mut pipe = submit.stdin.take().expect("a pipe");
    pipe.write_all(b"a\nb\n").expect("rpar reads");
    until("both ran", || home.json(&["tasks"])["submissions"][0]["succeeded"] == 2);
    kill_process(Pid::from_child(&submit), Signal::INT).expect("it runs");
    let output = submit.wait_with_output().expect("it ends");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(130), &b"1\n"[..]), "{err}");
    assert!(err.contains("not all arguments were read") && err.contains("`rpar cancel 1` drops"), "{err}");
    assert_eq!(home.said(&["results", "1"]), (Some(0), "a\nb\n".into(), String::new()));
    drop(pipe);
}

#[test]
fn without_a_cluster_it_says_how_to_start_one() {
    let home = Home::new();
    let (exit, _, err) = home.said(&["submit", "true", ":::", "1"]);
    assert_eq!(exit, Some(111));
    assert!(err.contains("rpar start"), "{err}");
}

#[test]
fn one_runs_after_another() {
    let home = cluster();
    let first = submitted(&home, &["echo {}; [ {} != 2 ]", ":::", "1", "2"]);
    let well = submitted(&home, &["--after", &first, "echo well {}", ":::", "x"]);
    let ill = submitted(&home, &["--after", &first, "--when", "failure", "echo ill {}", ":::", "x"]);
    let (exit, _, err) = home.said(&["wait"]);
    assert_eq!(exit, Some(2), "one failed, and what was to run after its success");
    assert!(err.contains("`rpar tasks ID --state failed`"), "{err}");
    assert_eq!(home.said(&["results", &ill]), (Some(0), "ill x\n".into(), String::new()));
    let (exit, out, err) = home.said(&["results", &well]);
    assert_eq!((exit, out.as_str()), (Some(1), ""));
    assert!(err.contains("after the success of submission 1, of whose tasks 1 failed"), "{err}");
    let (exit, _, err) = home.said(&["submit", "--after", "9", "true", ":::", "x"]);
    assert_eq!(exit, Some(120), "{err}");
}

#[test]
fn waiting_lasts_as_long_as_the_work() {
    let home = cluster();
    let id = submitted(&home, &["until [ -e go ]; do sleep 0.02; done; echo {}", ":::", "x"]);
    let mut wait = home.command();
    let mut wait = wait.args(["wait", &id]).spawn().expect("rpar starts");
    // longer than many looks
    assert_eq!(home.said(&["wait", &id, "--timeout", "3s"]).0, Some(121));
    assert!(wait.try_wait().expect("a child").is_none(), "it waits");
    std::fs::write(home.work().join("go"), "").expect("a file");
    assert!(wait.wait().expect("it ends").success());
}

#[test]
fn nothing_is_a_submission_too() {
    let home = cluster();
    let id = submitted(&home, &["echo {}", ":::"]);
    assert_eq!(home.said(&["wait", &id]).0, Some(0));
    assert_eq!(home.said(&["results", &id, "--forget"]), (Some(0), String::new(), String::new()));
    until("it is gone", || home.json(&["tasks"])["submissions"].as_array().is_some_and(Vec::is_empty));
}
