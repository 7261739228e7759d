//! `rpar --profile openpbs` on the small OpenPBS of `rpar-testkit`.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use rpar_testkit::FakeOpenPbs;
use rpar_tests::binary::{Home, rpar, testkit, until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A home whose PATH begins with the fake's programs.
struct Site {
    home: Home,
    fake: FakeOpenPbs,
}

impl Site {
    fn new(scenario: &str) -> Self {
        let home = Home::new();
        home.profile("openpbs", "[controller]\npoll_every = \"100ms\"\n");
        let fake = FakeOpenPbs::install(&testkit(), &home.path().join("openpbs")).expect("it is installed");
        fake.play(scenario).expect("it plays");
        Site { home, fake }
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = self.home.command_of(program);
        let path = std::env::var("PATH").expect("a PATH");
        command.env("PATH", format!("{}:{path}", self.fake.bin().display()));
        command
    }

    /// Exit status, stdout and stderr of `rpar --profile openpbs WORDS`.
    fn said(&self, words: &[&str]) -> (Option<i32>, String, String) {
        let output = self.command(&rpar()).args(["--profile", "openpbs"]).args(words).output();
        told(output.expect("rpar starts"))
    }

    fn fine(&self, words: &[&str]) -> String {
        let (exit, out, err) = self.said(words);
        assert_eq!(exit, Some(0), "{words:?}: {out}{err}");
        out
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.fine(&["status", "--json"])).expect("JSON")
    }

    /// What the site answers.
    fn site(&self, words: &[&str]) -> String {
        let program = self.fake.bin().join(words[0]);
        told(self.command(&program).args(&words[1..]).output().expect("it starts")).1
    }

    fn stops(&self) {
        self.fine(&["stop"]);
        assert_eq!(self.site(&["qselect"]), "", "nothing is left in the queue");
        assert!(!self.home.state().join("openpbs/default").exists());
        let jobs = || self.home.processes().into_iter().any(|line| line.contains(" pilot "));
        until("no pilot is left", || !jobs());
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.fake.play("kill_delay 0s");
        let _ = self.said(&["stop"]);
        let ids = self.site(&["qselect"]);
        for id in ids.lines() {
            let _ = self.site(&["qdel", "-W", "force", id]);
        }
    }
}

fn told(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn works(scenario: &str) {
    let site = Site::new(scenario);
    site.fine(&["start", "--nodes", "2", "--ppn", "2"]);
    assert_eq!(site.fine(&["map", "-k", "echo {}", ":::", "1", "2", "3"]), "1\n2\n3\n");
    let status = site.status();
    let allocation = &status["allocations"][0];
    assert_eq!(allocation["allocation"], "0.login1", "{status}");
    assert_eq!((&allocation["state"], &status["engines_wanted"]), (&"running".into(), &4.into()), "{status}");
    let listing = site.site(&["qstat", "-f", "0"]);
    assert!(listing.contains("Resource_List.select = 2:ncpus=2:mpiprocs=2\n"), "{listing}");
    let engines = site.fine(&["engines", "list"]);
    assert!(engines.contains("node1") && engines.contains("node2"), "by pbsdsh on both nodes: {engines}");
    site.fine(&["engines", "add", "--nodes", "1", "--ppn", "1"]);
    assert_eq!(site.site(&["qselect"]), "0.login1\n1.login1\n");
    assert_eq!(site.status()["engines_wanted"], 5);
    site.stops();
}

#[test]
fn it_works_with_history() {
    works("nodes 4\ncores 8");
}

#[test]
fn it_works_without_history_and_json() {
    works("history off\njson none");
}

#[test]
fn an_array_is_one_allocation() {
    let site = Site::new("nodes 4\ncores 8");
    site.home.profile("openpbs", "[scheduler]\nshape = \"array\"\n[controller]\npoll_every = \"100ms\"\n");
    site.fine(&["start", "--nodes", "2", "--ppn", "2"]);
    assert_eq!(site.site(&["qselect"]), "0[].login1\n");
    assert_eq!(site.fine(&["map", "-k", "echo {}", ":::", "1", "2", "3"]), "1\n2\n3\n");
    let status = site.status();
    let allocations = status["allocations"].as_array().expect("a list");
    assert_eq!(allocations.len(), 1, "{status}");
    assert_eq!(
        (&allocations[0]["allocation"], &allocations[0]["engines"]),
        (&"0[].login1".into(), &4.into())
    );
    let engines = site.fine(&["engines", "list"]);
    assert!(engines.contains("node1") && engines.contains("node2"), "{engines}");
    // PBS has no array of one
    site.fine(&["engines", "add", "--nodes", "1"]);
    assert_eq!(site.site(&["qselect"]), "0[].login1\n1.login1\n");
    site.stops();
}

#[test]
fn an_array_of_one_is_none() {
    let site = Site::new("history off");
    site.home.profile("openpbs", "[scheduler]\nshape = \"array\"\n[controller]\npoll_every = \"100ms\"\n");
    site.fine(&["start", "--nodes", "1", "--ppn", "2"]);
    assert_eq!(site.site(&["qselect"]), "0.login1\n");
    assert_eq!(site.status()["allocations"][0]["engines"], 2);
    site.stops();
}

#[test]
fn a_refused_request_is_told_in_the_site_s_words() {
    let site = Site::new("");
    let (exit, _, err) = site.said(&["start", "--queue", "debug", "--walltime", "1h"]);
    assert_eq!(exit, Some(115), "{err}");
    assert!(err.contains("Job violates queue and/or server resource limits"), "{err}");
    assert!(err.contains("`qstat -Qf` tells the limits"), "{err}");
}

#[test]
fn a_job_that_can_never_run_is_shown() {
    let site = Site::new("nodes 2\ncores 4");
    site.fine(&["start", "--nodes", "3", "--no-wait"]);
    until("the reason is told", || {
        site.fine(&["status"])
            .contains("Can Never Run: Insufficient amount of resource: ncpus (R: 3 A: 8 T: 8)")
    });
    let problems = site.status()["problems"].to_string();
    assert!(problems.contains("will never run, says the site: Can Never Run"), "{problems}");
    site.stops();
    let (_, _, err) = site.said(&["start", "--nodes", "3", "--timeout", "10s"]);
    let line = err.lines().position(|line| line.starts_with("warning: ") && line.contains("will never run"));
    let hint = err.lines().nth(line.expect("a warning") + 1).unwrap_or_default();
    assert!(hint.contains("hint: ") && hint.contains("stop` takes it back"), "{err}");
}

#[test]
fn a_job_that_is_killed_at_its_walltime() {
    let site = Site::new("kill_delay 1s");
    site.fine(&["start", "--walltime", "3s"]);
    until("the site's reason is told", || {
        let status = site.status();
        let problem = status["allocations"][0]["problem"].as_str();
        problem.is_some_and(|problem| problem.contains("walltime"))
    });
    assert!(site.status()["engines"].as_array().expect("a list").is_empty(), "its engine is gone");
    site.stops();
}

#[test]
fn a_job_that_dies_before_its_engines_come() {
    let site = Site::new("die 0s");
    let (exit, _, err) = site.said(&["start"]);
    assert_eq!(exit, Some(115), "{err}");
    assert!(err.contains("ended before its engines registered"), "{err}");
}

#[test]
fn a_lost_answer_does_not_ask_twice() {
    let site = Site::new("unsure");
    site.fine(&["start"]);
    assert_eq!(site.site(&["qselect"]), "0.login1\n");
    site.stops();
}

#[test]
fn a_vanished_job_is_told_of() {
    let site = Site::new("vanish 2s");
    site.fine(&["start"]);
    until("its engine is missed", || site.status()["engines"].as_array().expect("a list").is_empty());
    assert_eq!(site.status()["allocations"][0]["state"], "running", "unknown is not ended");
    site.stops();
}

/// The script of the document, word for word, for the shipped profile under another name.
#[test]
fn the_document_s_script_runs() {
    let home = Home::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the root");
    let document = std::fs::read_to_string(root.join("docs/testing-a-profile.md")).expect("it can be read");
    let script =
        document.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a script");
    std::fs::create_dir(home.work().join("profiles")).expect("a directory");
    let profile = "extends = \"openpbs\"\n[controller]\npoll_every = \"100ms\"\n";
    std::fs::write(home.work().join("profiles/oursite.toml"), profile).expect("a profile");
    let programs = rpar().parent().expect("a directory").display().to_string();
    let path = format!("{programs}:{}", std::env::var("PATH").expect("a PATH"));
    let mut command = home.command_of(Path::new("/bin/sh"));
    let (exit, out, err) = told(command.args(["-c", script]).env("PATH", path).output().expect("sh starts"));
    assert_eq!(exit, Some(0), "{out}{err}");
}

#[test]
fn a_probe_that_is_not_given_back_is_told_of() {
    let site = Site::new("wait 1h");
    let mut check = site.command(&rpar());
    check.args(["profile", "check", "openpbs", "--live"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = check.spawn().expect("it starts");
    until("the probe waits", || site.site(&["qselect"]) == "0.login1\n");
    site.fake.play("wait 1h\ndown").expect("it plays");
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid")).expect("a pid");
    kill_process(pid, Signal::INT).expect("it is there");
    let (exit, _, err) = told(child.wait_with_output().expect("it ends"));
    assert_eq!(exit, Some(130), "{err}");
    for part in [
        "error: probe 0.login1 could not be given back",
        "`qdel 0.login1` cancels it; `rpar clean` tries again",
    ] {
        assert!(err.contains(part), "{part}: {err}");
    }
    site.fake.play("").expect("it plays");
    assert_eq!(site.site(&["qselect"]), "0.login1\n");
    site.fine(&["clean"]);
    assert_eq!(site.site(&["qselect"]), "", "it is given back");
    assert!(!site.home.state().join("openpbs").exists(), "and its files are removed");
}
