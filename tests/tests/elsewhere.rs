//! A controller that `rpar start` puts on another host by ssh: real OpenSSH servers, each with processes of its own.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use rpar_runtime::files::{ControllerRecord, read_controller};
use rpar_tests::binary::{Home, until};
use rpar_tests::services;
use rustix::process::{Pid, Signal, kill_process};

struct Place {
    home: Home,
    ssh: String,
}

impl Place {
    fn new() -> Place {
        let home = Home::new();
        let profile = |host: &str| {
            format!(
                "extends = \"local\"\n[controller]\nwhere = \"ssh\"\nhost = \"{host}\"\n[engines]\ngive_up_after = \"5s\"\n"
            )
        };
        home.profile("away", &profile("node2"));
        home.profile("nowhere", &profile("127.0.0.250"));
        Place { home, ssh: format!("ssh -F {}", services::ssh().display()) }
    }

    fn said(&self, words: &[&str]) -> (Option<i32>, String, String) {
        let output = self.home.command().env("RPAR_SSH", &self.ssh).args(words).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }

    fn start(&self) -> ControllerRecord {
        let (exit, _, err) = self.said(&["--profile", "away", "start", "--nodes", "1", "--ppn", "2"]);
        assert_eq!(exit, Some(0), "{err}");
        read_controller(&self.directory()).unwrap().unwrap()
    }

    fn directory(&self) -> std::path::PathBuf {
        self.home.state().join("away/default")
    }

    /// Runs a command on node2.
    fn there(&self, command: &str) -> String {
        let words: Vec<&str> = self.ssh.split(' ').collect();
        let output = Command::new(words[0]).args(&words[1..]).args(["node2", command]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn runs(&self, record: &ControllerRecord) -> bool {
        !self.there(&format!("ps -o stat= -p {} | grep -v Z", record.pid)).is_empty()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.said(&["stop", "--all"]);
    }
}

#[test]
fn a_controller_on_another_host_is_used_from_here() {
    let place = Place::new();
    let record = place.start();
    assert_eq!(record.host, "node2");
    assert!(place.runs(&record), "it outlives the ssh that started it");
    let session = place.there(&format!("ps -o sid= -p {}", record.pid));
    assert_eq!(session, record.pid.to_string(), "in a session of its own");
    let (exit, out, err) = place.said(&["--profile", "away", "map", "echo {} $(hostname)", ":::", "a", "b"]);
    assert_eq!((exit, out.as_str()), (Some(0), "a node2\nb node2\n"), "{err}");
    assert!(place.said(&["--profile", "away", "status"]).1.contains("on node2"));
    let (exit, _, err) = place.said(&["--profile", "away", "start"]);
    assert!(exit == Some(112) && err.contains("on node2"), "{err}");
    let (exit, _, err) = place.said(&["--profile", "away", "stop"]);
    assert!(exit == Some(0) && err.contains("is stopped") && !err.contains("dead"), "{err}");
    until("the controller has ended", || !place.runs(&record));
    assert!(!place.directory().exists());
}

#[test]
fn what_a_dead_controller_there_has_left_is_cleaned_up_from_here() {
    let place = Place::new();
    let (exit, _, err) = place.said(&["clean"]);
    assert!(exit == Some(0) && err.contains("nothing is left"), "{err}");
    for verb in [&["--profile", "away", "stop"][..], &["clean"]] {
        let record = place.start();
        let (exit, out, _) = place.said(&["clean"]);
        assert!(exit == Some(0) && out.is_empty() && place.directory().exists(), "it runs: {out}");
        place.there(&format!("kill -KILL {}", record.pid));
        until("the controller is dead", || !place.runs(&record));
        let (exit, out, err) = place.said(verb);
        assert_eq!(exit, Some(0), "{err}");
        assert!((out + &err).contains(if verb.len() > 1 { "is dead now" } else { "removed" }), "{err}");
        assert!(!place.directory().exists());
    }
}

#[test]
fn a_controller_there_that_does_not_listen_is_ended_from_here() {
    let place = Place::new();
    let record = place.start();
    place.there(&format!("kill -STOP {}", record.pid));
    let mut blind = place.home.command();
    let output = blind.env("RPAR_SSH", "false").args(["--profile", "away", "stop"]).output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && err.contains("caused by: ssh could not ask node2"), "{err}");
    assert!(err.contains("hint: run `rpar --profile away stop` on node2"), "{err}");
    let (exit, _, err) = place.said(&["--profile", "away", "stop"]);
    assert!(exit == Some(0) && err.contains("is dead now"), "{err}");
    assert!(!place.runs(&record) && !place.directory().exists());
}

#[test]
fn a_host_that_ssh_cannot_reach_starts_nothing() {
    let place = Place::new();
    let (exit, _, err) = place.said(&["--profile", "nowhere", "start"]);
    assert_eq!(exit, Some(113), "{err}");
    assert!(err.contains("ssh could not start the controller on 127.0.0.250"), "{err}");
    assert!(err.contains("Connection refused"), "{err}");
    assert!(!place.home.state().join("nowhere/default").exists());
    place.home.profile("nowhere", "extends = \"local\"\n[controller]\nwhere = \"ssh\"\n");
    let (exit, _, err) = place.said(&["--profile", "nowhere", "start"]);
    assert!(exit == Some(110) && err.contains("`controller.host`"), "{err}");
}

/// An ssh that never answers holds the start where its controller may or may not be there.
#[test]
fn a_start_that_is_interrupted_early_says_what_may_be_left() {
    let home = Home::new();
    home.profile("away", "extends = 'local'\n[controller]\nwhere = 'ssh'\nhost = 'far'\n");
    let (ssh, held) = (home.path().join("ssh"), home.path().join("held"));
    let script = format!("#!/bin/sh\n: > {0}\nwhile [ -e {0} ]; do sleep 0.05; done\n", held.display());
    std::fs::write(&ssh, script).unwrap();
    std::fs::set_permissions(&ssh, Permissions::from_mode(0o700)).unwrap();
    let mut start = home.command();
    start.args(["--profile", "away", "start"]).env("RPAR_SSH", &ssh).stderr(Stdio::piped());
    let child = start.spawn().unwrap();
    until("ssh is asked", || held.exists());
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    std::fs::remove_file(&held).unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{err}");
    let told = "interrupted while the controller starts: `rpar --profile away status` shows whether it does, \
                `rpar --profile away stop` clears it away";
    assert!(err.contains(told), "{err}");
}
