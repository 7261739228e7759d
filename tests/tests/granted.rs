//! A controller in an allocation of its own, on a real Slurm.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use rpar_runtime::files::read_controller;
use rpar_tests::binary::{Home, until};
use rpar_tests::services::{self, Slurm};
use rustix::process::{Pid, Signal, kill_process};

struct Place {
    home: Home,
    slurm: Slurm,
}

impl Place {
    fn new(more: &str) -> Place {
        let home = Home::new();
        home.profile(
            "inside",
            &format!(
                "extends = \"slurm\"\n[controller]\nwhere = \"allocation\"\nwalltime = \"20m\"\npoll_every = \"500ms\"\n{more}"
            ),
        );
        Place { home, slurm: services::slurm() }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.home.command();
        command.envs(&self.slurm.environment).args(["--profile", "inside"]).args(words);
        command
    }

    fn said(&self, words: &[&str]) -> (Option<i32>, String, String) {
        said(&mut self.command(words))
    }

    fn directory(&self) -> std::path::PathBuf {
        self.home.state().join("inside/default")
    }

    /// Name, limit and state of the site's jobs that are this cluster's: they run in its directory.
    fn jobs(&self) -> Vec<String> {
        let mut command = Command::new("squeue");
        let output =
            command.args(["-h", "-o", "%Z|%l|%T|%A"]).envs(&self.slurm.environment).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let here = format!("{}|", self.directory().display());
        text.lines().filter_map(|line| line.strip_prefix(&here)).map(str::to_owned).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.command(&["stop"]).output();
    }
}

fn said(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_controller_has_an_allocation_beside_those_of_its_engines() {
    let place = Place::new("");
    let (exit, out, err) = place.said(&["start", "--nodes", "2", "--ppn", "2", "--dry-run"]);
    assert!(exit == Some(0) && out.matches("sbatch").count() == 2, "{out}{err}");
    let (exit, _, err) = place.said(&["start", "--nodes", "2", "--ppn", "2", "--walltime", "10m"]);
    assert_eq!(exit, Some(0), "{err}");
    assert!(err.contains("is ready: 4 engines on 2 nodes"), "{err}");
    let jobs = place.jobs();
    assert_eq!(jobs.len(), 2, "{jobs:?}");
    assert!(
        jobs.iter().any(|job| job.starts_with("20:00|")) && jobs.iter().any(|job| job.starts_with("10:00|"))
    );
    assert_eq!(place.said(&["map", "echo {}", ":::", "a", "b"]).1, "a\nb\n");
    let (exit, _, err) = place.said(&["start"]);
    assert!(exit == Some(112), "{err}");
    assert!(place.said(&["status"]).1.contains("engines: 4 of 4"));
    let (exit, _, err) = place.said(&["stop"]);
    assert!(exit == Some(0) && !err.contains("warning"), "{err}");
    assert!(place.jobs().is_empty() && !place.directory().exists(), "{:?}", place.jobs());
}

#[test]
fn a_controller_that_is_killed_leaves_nothing_in_the_queue() {
    for verb in ["stop", "clean"] {
        let place = Place::new("");
        let (exit, _, err) = place.said(&["start", "--nodes", "1", "--ppn", "1"]);
        assert_eq!(exit, Some(0), "{err}");
        let record = read_controller(&place.directory()).unwrap().unwrap();
        kill_process(Pid::from_raw(record.pid as i32).unwrap(), Signal::KILL).unwrap();
        // on a cluster of more than one machine it would have been another's
        let file = place.directory().join("controller.json");
        let text = fs::read_to_string(&file).unwrap().replace(&record.host, "elsewhere");
        fs::write(&file, text).unwrap();
        // clean waits for the site's word that it has ended
        until("it is cleaned up", || {
            let (exit, _, err) = place.said(&[verb]);
            assert_eq!(exit, Some(0), "{err}");
            assert!(
                verb == "clean" || err.contains("does not answer: its allocation is given back"),
                "{err}"
            );
            !place.directory().exists()
        });
        assert!(place.jobs().is_empty(), "{verb}: {:?}", place.jobs());
    }
}

#[test]
fn a_controller_that_waits_in_the_queue_is_shown_and_given_back() {
    let place = Place::new("[scheduler]\ndirectives = [\"--begin=now+1hour\"]\n");
    let mut start = place.command(&["start"]);
    let mut start = start.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(start.stderr.take().unwrap()).lines();
    let queued = told.by_ref().map_while(Result::ok).find(|line| line.contains("is queued: BeginTime"));
    assert!(
        queued.is_some_and(|line| line.contains("the controller's allocation")),
        "it says what it waits for"
    );
    until("it is queued", || place.jobs().iter().any(|job| job.contains("PENDING")));
    let (exit, _, err) = place.said(&["status"]);
    assert_eq!(exit, Some(111), "{err}");
    assert!(err.contains("the controller's allocation") && err.contains("is queued: BeginTime"), "{err}");
    let (exit, _, err) = place.said(&["start"]);
    assert!(exit == Some(112) && err.contains("it starts by itself"), "{err}");
    assert!(place.said(&["list"]).1.contains("coming"));
    let (exit, out, _) = place.said(&["clean"]);
    assert!(exit == Some(0) && out.is_empty() && place.jobs().len() == 1, "it may come yet: {out}");
    kill_process(Pid::from_raw(start.id() as i32).unwrap(), Signal::INT).unwrap();
    assert_eq!(start.wait().unwrap().code(), Some(130));
    let err: Vec<String> = told.map_while(Result::ok).collect();
    assert!(err.concat().contains("the cluster goes on starting"), "{err:?}");
    let (exit, _, err) = place.said(&["stop"]);
    assert!(exit == Some(0) && err.contains("giving back allocation"), "{err}");
    assert!(place.jobs().is_empty() && !place.directory().exists());
}

#[test]
fn an_allocation_that_ends_before_its_controller_runs_shows_why() {
    let place = Place::new("[scheduler]\nsetup = [\"echo no such module >&2\", \"exit 3\"]\n");
    let (exit, _, err) = place.said(&["start"]);
    assert_eq!(exit, Some(115), "{err}");
    assert!(err.contains("before the controller was ready") && err.contains("no such module"), "{err}");
    assert!(place.jobs().is_empty() && !place.directory().exists());
    let (exit, _, err) = place.said(&["start", "--queue", "nosuch"]);
    assert!(exit == Some(115) && err.contains("nosuch"), "{err}");
    assert!(!place.directory().exists());
    place.home.profile("inside", "extends = \"local\"\n[controller]\nwhere = \"allocation\"\n");
    let (exit, _, err) = place.said(&["start"]);
    assert!(exit == Some(110) && err.contains("scheduler `local` has no allocations for it"), "{err}");
}

/// The nodes have no batch commands; nor has this host: they are on node1, by an ssh that gives them the site's
/// environment.
#[test]
fn its_batch_commands_may_be_on_a_login_node() {
    let place = Place::new("[scheduler]\nssh_host = \"node1\"\n");
    let file = place.home.path().join("ssh");
    let settings: String = [("RPAR_SSH".to_owned(), file.display().to_string())]
        .into_iter()
        .chain(place.slurm.environment.clone())
        .map(|(name, value)| format!("export {name}={value}; "))
        .collect();
    let script = format!(
        "#!/bin/sh\nunset SLURM_CONF\nssh='ssh -F {}'\ncase \" $* \" in *' -G '*) exec $ssh \"$@\" ;; esac\ncount=$# at=0\n\
         for word; do\n  [ $at = 0 ] && set --\n  at=$((at + 1))\n  [ $at = $count ] && word=\"{settings}$word\"\n  \
         set -- \"$@\" \"$word\"\ndone\nexec $ssh \"$@\"\n",
        services::ssh().display()
    );
    fs::write(&file, script).unwrap();
    fs::set_permissions(&file, PermissionsExt::from_mode(0o700)).unwrap();
    let there = |words: &[&str]| {
        said(place.command(words).env_remove("SLURM_CONF").env("RPAR_SSH", file.display().to_string()))
    };
    let (exit, _, err) = there(&["start", "--nodes", "1", "--ppn", "2"]);
    assert_eq!(exit, Some(0), "{err}");
    assert_eq!(place.jobs().len(), 2);
    assert_eq!(there(&["map", "echo {}", ":::", "a"]).1, "a\n");
    let (exit, _, err) = there(&["stop"]);
    assert!(exit == Some(0) && !err.contains("warning"), "{err}");
    assert!(place.jobs().is_empty());
}
