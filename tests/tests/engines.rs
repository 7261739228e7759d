//! Clusters that grow and shrink while they run: `rpar engines`.

use std::fs;
use std::process::{Command, Stdio};

use rpar_testkit::{FakeTorque, Scenario};
use rpar_tests::binary::{Home, until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

fn started(words: &[&str]) -> Home {
    let home = Home::new();
    let (exit, _, err) = home.said(&[&["start"], words].concat());
    assert_eq!(exit, Some(0), "{err}");
    home
}

/// Id, node and state of each engine.
fn engines(home: &Home) -> Vec<(u64, String, String)> {
    let list = home.json(&["engines", "list"]);
    let text = |engine: &Value, key: &str| engine[key].as_str().expect("a text").to_owned();
    let engines = list["engines"].as_array().expect("a list").iter();
    engines
        .map(|engine| {
            (engine["engine"].as_u64().expect("an id"), text(engine, "node"), text(engine, "state"))
        })
        .collect()
}

fn ids(home: &Home) -> Vec<u64> {
    engines(home).into_iter().map(|(id, ..)| id).collect()
}

/// How many engines the cluster is meant to have, and how many allocations it holds.
fn meant(home: &Home) -> (u64, usize) {
    let status = home.json(&["status"]);
    let allocations = status["allocations"].as_array().expect("a list").len();
    (status["engines_wanted"].as_u64().expect("a number"), allocations)
}

/// Exit status and stderr; these commands answer only with --json.
fn said(home: &Home, words: &[&str]) -> (Option<i32>, String) {
    let (exit, out, err) = home.said(words);
    assert_eq!(out, "", "{words:?}: {err}");
    (exit, err)
}

#[test]
fn a_cluster_grows_and_shrinks() {
    let home = started(&["--nodes", "2", "--ppn", "2"]);
    let (exit, out, _) = home.said(&["engines", "list"]);
    assert!(exit == Some(0) && out.starts_with("ENGINE") && out.lines().count() == 5, "{out}");

    assert_eq!(
        said(&home, &["engines", "add", "--ppn", "3"]),
        (Some(0), "3 engines more: cluster local/default has 7\n".into())
    );
    assert_eq!((ids(&home), meant(&home)), ((0..7).collect(), (7, 2)));
    // what is not given is as at the start
    let added = home.json(&["engines", "add"]);
    assert_eq!(added["engines"], serde_json::json!([7, 8]));
    assert!(added["allocation"].as_str().is_some_and(|id| id.starts_with("local-")), "{added}");

    let removed = home.json(&["engines", "remove", "7-8", "3"]);
    assert_eq!((&removed["engines"], &removed["left"]), (&serde_json::json!([3, 7, 8]), &true.into()));
    assert_eq!(removed["allocations"], serde_json::json!([added["allocation"]]));
    assert_eq!(ids(&home), [0, 1, 2, 4, 5, 6]);
    until("the allocation is given back", || meant(&home) == (6, 2));

    let node = engines(&home)[0].1.clone();
    let (exit, err) = said(&home, &["engines", "remove", "--node", &node]);
    assert_eq!((exit, err.as_str()), (Some(0), "2 engines have left: cluster local/default has 4\n"));
    let (exit, out, err) = home.said(&["map", "echo {}", ":::", "1", "2", "3"]);
    assert_eq!((exit, out.as_str()), (Some(0), "1\n2\n3\n"), "{err}");

    let (exit, err) = said(&home, &["engines", "remove", "2,4", "5", "6"]);
    assert!(
        exit == Some(0) && err.contains("has 0; allocation local-") && err.contains("engines add`"),
        "{err}"
    );
    until("nothing is held", || meant(&home) == (0, 0));
    let (exit, err) = said(&home, &["engines", "list"]);
    assert_eq!(exit, Some(0));
    assert_eq!(err, "cluster local/default has no engines: `rpar engines add` asks for some\n");
    assert_eq!(home.said(&["stop"]).0, Some(0));
    until("all is gone", || home.processes().is_empty());
}

#[test]
fn mistakes_are_explained_and_change_nothing() {
    let home = started(&["-n", "1"]);
    let cases: [(&[&str], &[&str]); 6] = [
        (&["engines", "remove"], &["ENGINE", "--node", "--allocation"]),
        (&["engines", "remove", "0", "--node", "n"], &["cannot be used with"]),
        (&["engines", "remove", "0", "9"], &["error: no such engine is there: 9"]),
        (&["engines", "remove", "--node", "nid7"], &["no engine is on a node `nid7`"]),
        (&["engines", "remove", "--allocation", "7"], &["has no allocation `7`", "hint: it has local-"]),
        (&["engines", "add", "-n", "9", "--nodes", "2"], &["9"]),
    ];
    for (words, expected) in cases {
        let (exit, err) = said(&home, words);
        assert!(exit == Some(2) || exit == Some(110), "{words:?}: {err}");
        assert!(expected.iter().all(|part| err.contains(part)), "{words:?}: {err}");
    }
    let (exit, out, _) = home.said(&["engines", "add", "--nodes", "2", "--dry-run"]);
    assert!(
        exit == Some(0) && out.contains(" pilot --directory ") && out.contains("--resolved profile-2.toml"),
        "{out}"
    );
    assert_eq!((ids(&home), meant(&home)), (vec![0], (1, 1)));
    assert_eq!(home.said(&["--cluster-id", "other", "engines", "list"]).0, Some(111));
}

#[test]
fn engines_finish_what_they_have_before_they_leave() {
    let home = started(&["--nodes", "2", "--ppn", "2"]);
    let mut map = home.command();
    map.args(["map", "until [ -e go ]; do sleep 0.02; done; echo {}", ":::", "1", "2", "3", "4", "5", "6"]);
    let map = map.stdout(Stdio::piped()).spawn().expect("rpar starts");
    until("all are busy", || engines(&home).iter().all(|(.., state)| state == "busy"));
    let (exit, err) = said(&home, &["engines", "remove", "0-2", "--no-wait"]);
    assert_eq!(
        (exit, err.as_str()),
        (Some(0), "3 engines leave when finished: `rpar engines list` shows them\n")
    );
    let states: Vec<String> = engines(&home).into_iter().map(|(.., state)| state).collect();
    assert_eq!(states, ["leaving", "leaving", "leaving", "busy"]);
    assert_eq!(meant(&home), (1, 1));
    fs::write(home.work().join("go"), "").expect("a file");
    let output = map.wait_with_output().expect("rpar ends");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "1\n2\n3\n4\n5\n6\n");
    until("they have left", || ids(&home) == [3]);
}

#[test]
fn engines_that_leave_at_once_give_their_tasks_to_others() {
    let home = started(&["--nodes", "1", "--ppn", "2"]);
    let mut map = home.command();
    map.args(["map", "if mkdir first; then exec sleep 600; else echo again {}; fi", ":::", "x"]);
    let map = map.stdout(Stdio::piped()).spawn().expect("rpar starts");
    until("it runs", || home.work().join("first").exists());
    let busy = engines(&home).into_iter().find(|(.., state)| state == "busy").expect("a busy engine").0;
    assert_eq!(said(&home, &["engines", "remove", "--now", &busy.to_string()]).0, Some(0));
    let output = map.wait_with_output().expect("rpar ends");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "again x\n");
    until("its process is gone", || !home.processes().iter().any(|line| line.contains("sleep 600")));
    assert_eq!(ids(&home).len(), 1, "the other engine of the same host stays");
}

#[test]
fn a_host_that_dies_comes_back_with_the_engines_that_were_to_stay() {
    let home = started(&["--nodes", "1", "--ppn", "3"]);
    assert_eq!(said(&home, &["engines", "remove", "0"]).0, Some(0));
    let pid = home.json(&["engines", "list"])["engines"][0]["pid"].as_i64().expect("a pid");
    let pid = Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid");
    kill_process(pid, Signal::KILL).expect("the host is killed");
    until("two engines are back", || ids(&home) == [3, 4]);
    assert_eq!(meant(&home), (2, 1));
}

/// A home whose PATH begins with the fake's programs, and a running cluster of one engine.
struct Site {
    home: Home,
    torque: FakeTorque,
}

impl Site {
    fn new() -> Self {
        let home = Home::new();
        home.profile(
            "quick",
            "extends = \"torque\"\n[launcher]\nkind = \"fork\"\n[controller]\npoll_every = \"100ms\"\n\
             [params.mem]\ntype = \"int\"\ndefault = 1\n[scheduler]\ndirectives = [\"-l mem={{ mem }}gb\"]\n",
        );
        let torque = FakeTorque::install(&home.path().join("torque")).expect("the fake is installed");
        let site = Site { home, torque };
        let (exit, err) = site.said(&["start", "-n", "1", "--walltime", "10m"]);
        assert_eq!(exit, Some(0), "{err}");
        site
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.home.command();
        let path = std::env::var("PATH").expect("a PATH");
        command.env("PATH", format!("{}:{path}", self.torque.bin().display()));
        command.args(["--profile", "quick"]).args(words);
        command
    }

    fn said(&self, words: &[&str]) -> (Option<i32>, String) {
        let output = self.command(words).output().expect("rpar starts");
        (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
    }

    fn status(&self) -> Value {
        let output = self.command(&["status", "--json"]).output().expect("rpar starts");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// The allocations that the cluster holds, by what the site says of them.
    fn phases(&self) -> Vec<String> {
        let status = self.status();
        let phases = status["allocations"].as_array().expect("a list").iter();
        phases.map(|one| one["state"].as_str().expect("a phase").to_owned()).collect()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.torque.play(&[]);
        let _ = self.command(&["stop"]).output();
    }
}

#[test]
fn a_batch_system_is_asked_for_more_and_gets_it_back() {
    let site = Site::new();
    let (exit, err) = site.said(&["engines", "add", "-n", "1"]);
    assert_eq!((exit, err.as_str()), (Some(0), "1 engine more: cluster quick/default has 2\n"));
    let directory = site.home.state().join("quick/default");
    let script = fs::read_dir(&directory).expect("a directory").flatten().map(|entry| entry.path());
    let script = script.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "sh"));
    let script = fs::read_to_string(script.expect("a script")).expect("a script");
    assert!(script.contains("walltime=00:10:00") && script.contains("--resolved profile-2.toml"), "{script}");
    let id = site.status()["allocations"][1]["allocation"].as_str().expect("an id").to_owned();
    let short = id.split('.').next().expect("a number");
    let (exit, err) = site.said(&["engines", "remove", "--allocation", short]);
    assert_eq!(exit, Some(0), "{err}");
    assert_eq!(
        err,
        format!("1 engine has left: cluster quick/default has 1; allocation {id} is given back\n")
    );
    assert_eq!((site.phases(), &site.status()["engines_wanted"]), (vec!["running".to_owned()], &1.into()));
}

#[test]
fn what_a_site_refuses_or_does_not_grant_in_time_is_taken_back() {
    let site = Site::new();
    site.torque.play(&[Scenario::Refuse]).expect("it plays");
    let (exit, err) = site.said(&["engines", "add"]);
    assert_eq!(exit, Some(115), "{err}");
    assert!(err.starts_with("error: 0 of 1 engines came") && err.contains("cannot locate queue"), "{err}");
    assert!(err.contains("hint: `rpar --profile quick engines add --dry-run`"), "{err}");
    site.torque.play(&[Scenario::Hold]).expect("it plays");
    let (exit, err) = site.said(&["engines", "add", "--nodes", "2", "--timeout", "500ms"]);
    assert_eq!(exit, Some(118), "{err}");
    assert!(err.contains("0 of 2 engines; allocation ") && err.contains("is queued"), "{err}");
    // one that waits is listed, and can be taken back by hand
    let (exit, err) = site.said(&["engines", "add", "--no-wait"]);
    assert_eq!(exit, Some(0));
    assert!(err.starts_with("1 engine more will come"), "{err}");
    // the last: one that was given up may still be listed
    until("it is queued", || site.phases().last().is_some_and(|phase| phase == "queued"));
    let waiting = site.status()["allocations"].as_array().expect("a list").last().expect("one").clone();
    let (exit, err) =
        site.said(&["engines", "remove", "--allocation", waiting["allocation"].as_str().expect("an id")]);
    assert!(exit == Some(0) && err.contains("is given back"), "{err}");
    until("nothing but the first is held", || site.phases() == ["running"]);
    assert_eq!(site.status()["engines_wanted"], 1);
}

#[test]
fn what_the_controller_goes_by_stays_as_it_was() {
    let site = Site::new();
    let (exit, err) = site.said(&["engines", "add", "--mem", "8"]);
    assert_eq!(exit, Some(110), "{err}");
    assert!(err.contains("`scheduler.directives`") && err.contains("--cluster-id"), "{err}");
    assert_eq!(site.phases(), ["running"]);
}
