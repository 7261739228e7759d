//! What programs and people read of `rpar`: JSON, and what is said of a cluster or a place that is not there.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use rpar_tests::binary::{Home, rpar};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("rpar writes UTF-8")
}

fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[test]
fn the_end_of_a_single_command_is_json_when_asked_for() {
    let home = Home::new();
    let output = home.run(&["--json", "run", "echo out; echo err >&2; exit 4"]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(4), String::new()));
    let ended = document(&output);
    assert_eq!((&ended["exit"], &ended["ok"]), (&Value::from(4), &Value::from(false)));
    assert_eq!((&ended["stdout"], &ended["stderr"]), (&Value::from("out\n"), &Value::from("err\n")));
    let output = home.run(&["--json", "run", "--timeout", "100ms", "exec sleep 600"]);
    assert_eq!((output.status.code(), &document(&output)["status"]), (Some(119), &Value::from("timed_out")));
}

#[test]
fn lines_of_logs_are_json_when_asked_for() {
    let home = Home::new();
    assert!(home.run(&["start", "--nodes", "1", "--ppn", "1"]).status.success());
    let output = home.run(&["--json", "logs", "controller"]);
    assert_eq!(output.status.code(), Some(0));
    let lines: Vec<Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    assert!(lines.iter().any(|line| line["log"] == "controller" && line["line"] != ""), "{lines:?}");
    assert!(home.run(&["stop"]).status.success());
}

#[test]
fn a_lost_throw_away_cluster_is_not_sought_in_logs_that_are_gone() {
    let home = Home::new();
    let mut map = home.command();
    map.args(["map", "echo > running; exec sleep 600", ":::", "1"]).stdout(Stdio::null());
    let map = map.stderr(Stdio::piped()).spawn().expect("rpar starts");
    let deadline = Instant::now() + PATIENCE;
    while !home.work().join("running").exists() {
        assert!(Instant::now() < deadline, "no task ran");
        std::thread::sleep(Duration::from_millis(5));
    }
    let controller = home.processes().into_iter().find(|process| process.contains("rpar controller "));
    let pid = controller.as_ref().and_then(|process| process.split(' ').next()?.parse().ok());
    let pid = pid.and_then(Pid::from_raw).expect("a controller");
    kill_process(pid, Signal::KILL).expect("it runs");
    let output = map.wait_with_output().expect("rpar ends");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(114), "{said}");
    assert!(said.contains("lost the link") && !said.contains("rpar logs"), "{said}");
}

#[test]
fn a_dead_cluster_is_not_taken_for_one_that_never_was() {
    let home = Home::new();
    let status = |home: &Home| {
        let output = home.run(&["status"]);
        assert_eq!(output.status.code(), Some(111));
        text(&output.stderr)
    };
    assert!(status(&home).contains("does not run"));
    assert!(home.run(&["start", "--nodes", "1", "--ppn", "1"]).status.success());
    let pid = document(&home.run(&["--json", "list"]))["clusters"][0]["pid"].as_i64().expect("a pid");
    kill_process(Pid::from_raw(pid as i32).expect("a pid"), Signal::KILL).expect("it runs");
    let deadline = Instant::now() + PATIENCE;
    while document(&home.run(&["--json", "list"]))["clusters"][0]["state"] != "dead" {
        assert!(Instant::now() < deadline, "the controller lives on");
    }
    let said = status(&home);
    assert!(said.contains("has died") && said.contains("`rpar stop` gives back"), "{said}");
    assert!(home.run(&["stop"]).status.success());
}

#[test]
fn a_place_that_cannot_be_written_is_told_once_with_what_to_do() {
    let home = Home::new();
    let file = home.work().join("file");
    std::fs::write(&file, "").expect("a file");
    for (variable, words) in
        [("XDG_STATE_HOME", &["start", "--nodes", "1"][..]), ("TMPDIR", &["map", "echo", ":::", "1"])]
    {
        let output = home.command().env(variable, &file).args(words).output().expect("rpar starts");
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(117), "{said}");
        assert_eq!(said.matches("Not a directory").count(), 1, "{said}");
        assert!(said.contains("hint: ") && said.contains(&format!("${variable}")), "{said}");
    }
}

#[test]
fn a_temporary_directory_that_other_processes_would_not_find_is_no_obstacle() {
    let home = Home::new();
    std::fs::create_dir(home.work().join("below")).expect("a directory");
    for path in ["", "below"] {
        let mut command = home.command();
        command.env("TMPDIR", path).current_dir(home.work()).args(["map", "echo", ":::", "1"]);
        let output = command.output().expect("rpar starts");
        assert_eq!((text(&output.stdout).as_str(), text(&output.stderr).as_str()), ("1\n", ""), "{path}");
    }
}

#[test]
fn a_temporary_directory_that_is_not_there_is_told_and_not_made() {
    let home = Home::new();
    let absent = home.work().join("absent");
    let mut command = home.command();
    let output =
        command.env("TMPDIR", &absent).args(["map", "echo", ":::", "1"]).output().expect("rpar starts");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(117), "{said}");
    let told = [&*absent.to_string_lossy(), "No such file", "hint: ", "$TMPDIR"];
    assert!(told.iter().all(|told| said.contains(told)), "{said}");
    assert!(!absent.exists(), "nothing is left behind");
}

#[test]
fn who_is_in_a_directory_that_was_removed_is_told_so() {
    let home = Home::new();
    let gone = home.work().join("gone");
    std::fs::create_dir(&gone).expect("a directory");
    let mut shell = home.command_of(Path::new("sh"));
    shell.current_dir(&gone).args(["-c", "rmdir \"$PWD\"; exec \"$0\" map echo ::: 1"]).arg(rpar());
    let output = shell.output().expect("sh starts");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(117), "{said}");
    assert!(said.starts_with("error: the current directory is unknown\n  caused by: No such file"), "{said}");
}

#[test]
fn without_home_the_systems_list_of_users_tells_it() {
    let home = Home::new();
    let mut command = home.command();
    command.env_remove("HOME").args(["profile", "show", "no-such-profile"]);
    let said = text(&command.output().expect("rpar starts").stderr);
    assert!(said.contains("/.config/rpar/profiles") && !said.contains(" /.config/"), "{said}");
}
