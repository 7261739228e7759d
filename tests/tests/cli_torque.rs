//! `rpar start` at a Torque site that is slow, refuses, or loses answers: what the user is told, and what is left.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use rpar_testkit::{FakeTorque, Scenario};
use rpar_tests::binary::{Home, until};
use rustix::process::{Pid, Signal, kill_process};

/// A home whose PATH begins with the fake's programs.
struct Site {
    home: Home,
    torque: FakeTorque,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("rpar writes UTF-8")
}

impl Site {
    fn new(scenarios: &[Scenario]) -> Self {
        let home = Home::new();
        home.profile(
            "quick",
            "extends = \"torque\"\n[launcher]\nkind = \"fork\"\n[controller]\npoll_every = \"100ms\"\n",
        );
        let torque = FakeTorque::install(&home.path().join("torque")).expect("the fake is installed");
        torque.play(scenarios).expect("it plays");
        Site { home, torque }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.home.command();
        let path = std::env::var("PATH").expect("a PATH");
        command.env("PATH", format!("{}:{path}", self.torque.bin().display()));
        command.args(["--profile", "quick"]).args(words);
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("rpar starts")
    }

    fn nothing_left(&self) {
        assert!(!self.home.state().join("quick/default").exists());
    }
}

#[test]
fn a_refused_request_is_told_in_the_sites_words() {
    let site = Site::new(&[Scenario::Refuse]);
    let output = site.run(&["start"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(115), "{said}");
    assert!(said.starts_with("error: 0 of 1 engines came") && said.contains("cannot locate queue"), "{said}");
    assert!(said.contains("hint: "), "{said}");
    site.nothing_left();
}

#[test]
fn ctrl_c_leaves_a_queued_cluster_to_go_on() {
    let site = Site::new(&[Scenario::Hold]);
    let mut start = site.command(&["start"]).stderr(Stdio::piped()).spawn().expect("rpar starts");
    let mut said = BufReader::new(start.stderr.take().expect("a pipe")).lines();
    let queued = said.by_ref().map_while(Result::ok).find(|line| line.contains("is queued"));
    assert!(queued.expect("it says so").starts_with("0 of 1 engine; allocation "));
    let pid = Pid::from_raw(start.id().try_into().expect("a pid")).expect("a pid");
    kill_process(pid, Signal::INT).expect("the signal is sent");
    let rest: Vec<String> = said.map_while(Result::ok).collect();
    assert_eq!(start.wait().expect("rpar ends").code(), Some(130));
    let advice = "`rpar --profile quick status` shows how far it is, `rpar --profile quick stop` ends it";
    assert!(rest.iter().any(|line| line.contains(advice)), "{rest:?}");

    let output = site.run(&["status"]);
    assert!(text(&output.stdout).contains("queued"), "{}", text(&output.stderr));
    let output = site.run(&["stop"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    site.nothing_left();
}

#[test]
fn patience_has_an_end_when_asked_for() {
    let site = Site::new(&[Scenario::Hold]);
    let output = site.run(&["start", "--timeout", "1s"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(118), "{said}");
    assert!(said.contains("after 1 s the cluster is not complete: 0 of 1 engine; allocation "), "{said}");
    site.nothing_left();
}

#[test]
fn patience_does_not_wait_for_a_site_that_hangs() {
    let site = Site::new(&[Scenario::Slow]);
    let output = site.run(&["start", "--timeout", "100ms"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(118), "{said}");
    assert!(said.contains("the request for 1 node is on its way to the site"), "{said}");
    assert!(
        said.contains("has not answered yet") && said.contains("`rpar --profile quick stop` waits"),
        "{said}"
    );
    let hangs = |home: &Home| home.processes().iter().any(|line| line.contains("qsub"));
    assert!(hangs(&site.home), "this test has waited for the site");
    site.torque.play(&[]).expect("it plays");
    site.home.kill_controller(&site.home.state().join("quick/default"));
    assert_eq!(site.run(&["stop"]).status.code(), Some(0));
    site.nothing_left();
    // nobody is left who would end it
    for line in site.home.processes() {
        let pid = line.split(' ').next().and_then(|pid| Pid::from_raw(pid.parse().ok()?)).expect("a pid");
        let _ = kill_process(pid, Signal::KILL);
    }
    until("the hanging qsub is gone", || site.home.processes().is_empty());
}

#[test]
fn a_lost_answer_does_not_ask_twice() {
    let site = Site::new(&[Scenario::Unsure]);
    let output = site.run(&["start", "--nodes", "1", "--ppn", "1"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let status = site.run(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).expect("JSON");
    assert_eq!(status["allocations"].as_array().map(Vec::len), Some(1));
    assert_eq!(site.run(&["stop"]).status.code(), Some(0));
    site.nothing_left();
}
