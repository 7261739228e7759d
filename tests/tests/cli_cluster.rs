//! Clusters that are started and stopped on this machine, and what happens when parts of them die.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use rpar_tests::binary::{Home, until};
use serde_json::Value;

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("rpar writes UTF-8")
}

/// Exit status, stdout, stderr.
fn rpar(home: &Home, words: &[&str]) -> (Option<i32>, String, String) {
    home.said(words)
}

fn json(home: &Home, words: &[&str]) -> Value {
    home.json(words)
}

fn nothing_left(home: &Home) {
    until(&format!("processes are gone: {:?}", home.processes()), || home.processes().is_empty());
    let left: Vec<_> =
        std::fs::read_dir(home.state().join("local")).into_iter().flatten().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
}

fn kill_controller(home: &Home) -> u32 {
    home.kill_controller(&home.state().join("local/default"))
}

#[test]
fn a_cluster_lives_until_it_is_stopped() {
    let home = Home::new();
    let (exit, _, err) = rpar(&home, &["start", "--nodes", "2", "--ppn", "3"]);
    assert_eq!(exit, Some(0), "{err}");
    assert!(err.contains("cluster local/default is ready: 6 engines on 2 nodes"), "{err}");

    let status = json(&home, &["status"]);
    assert_eq!(status["engines"].as_array().map(Vec::len), Some(6));
    assert_eq!(status["allocations"][0]["state"], "running");
    let shown = rpar(&home, &["status"]).1;
    assert!(shown.contains("engines: 6 of 6") && shown.contains("ALLOCATION"), "{shown}");

    assert_eq!(
        rpar(&home, &["map", "echo {}", ":::", "1", "2", "3"]),
        (Some(0), "1\n2\n3\n".into(), String::new())
    );
    assert_eq!(rpar(&home, &["run", "exit 9"]).0, Some(9));
    assert_eq!(json(&home, &["status"])["tasks"]["succeeded"], 3);

    let (exit, _, err) = rpar(&home, &["start"]);
    assert_eq!(exit, Some(112));
    assert!(err.contains("runs already") && err.contains("--cluster-id") && err.contains("stop"), "{err}");
    assert!(rpar(&home, &["logs"]).1.contains("==> controller <=="));

    let (exit, _, err) = rpar(&home, &["stop"]);
    assert_eq!((exit, err.as_str()), (Some(0), "cluster local/default is stopped\n"));
    nothing_left(&home);
    let (exit, _, err) = rpar(&home, &["stop"]);
    assert_eq!((exit, err.as_str()), (Some(0), "cluster local/default does not run\n"));
}

#[test]
fn clusters_of_one_profile_are_told_apart() {
    let home = Home::new();
    for id in ["default", "second"] {
        let (exit, _, err) = rpar(&home, &["--cluster-id", id, "start", "-n", "1"]);
        assert_eq!(exit, Some(0), "{err}");
    }
    let list = json(&home, &["list"]);
    let clusters: Vec<_> =
        list["clusters"].as_array().expect("a list").iter().map(|item| item["cluster"].clone()).collect();
    assert_eq!(clusters, ["local/default", "local/second"]);
    let (exit, _, err) = rpar(&home, &["stop", "--all"]);
    assert_eq!(exit, Some(0), "{err}");
    nothing_left(&home);
}

#[test]
fn of_two_racing_starts_one_wins() {
    let home = Home::new();
    let exits: Vec<Option<i32>> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..3).map(|_| scope.spawn(|| rpar(&home, &["start", "-n", "1"]).0)).collect();
        starts.into_iter().map(|start| start.join().expect("a start ends")).collect()
    });
    let won = exits.iter().filter(|exit| **exit == Some(0)).count();
    let lost = exits.iter().filter(|exit| **exit == Some(112)).count();
    assert_eq!((won, lost), (1, 2), "{exits:?}");
    assert_eq!(json(&home, &["status"])["engines"].as_array().map(Vec::len), Some(1));
    assert_eq!(rpar(&home, &["stop"]).0, Some(0));
    nothing_left(&home);
}

#[test]
fn a_dead_controllers_remains_are_cleaned_away() {
    let home = Home::new();
    assert_eq!(rpar(&home, &["start", "-n", "2"]).0, Some(0));
    let dead = kill_controller(&home);
    let (exit, _, err) = rpar(&home, &["status"]);
    assert!(exit == Some(111) && err.contains("has died") && err.contains("rpar stop"), "{err}");
    let (exit, _, err) = rpar(&home, &["start", "-n", "2"]);
    assert_eq!(exit, Some(0), "{err}");
    assert!(err.contains("cleaning up what a dead cluster"), "{err}");
    assert_ne!(json(&home, &["list"])["clusters"][0]["pid"], dead);

    kill_controller(&home);
    let (exit, _, err) = rpar(&home, &["stop"]);
    assert!(exit == Some(0) && err.contains("is dead"), "{err}");
    nothing_left(&home);
}

#[test]
fn a_start_whose_engines_cannot_come_says_why_and_takes_everything_back() {
    let home = Home::new();
    home.profile(
        "broken",
        "extends = \"local\"\n[engines]\nrestarts = 1\nsetup = [\"echo no module python >&2; exit 7\"]\n",
    );
    let (exit, _, err) = rpar(&home, &["--profile", "broken", "start", "-n", "1"]);
    assert_eq!(exit, Some(115), "{err}");
    assert!(err.contains("no module python"), "{err}");
    assert!(!home.state().join("broken/default").exists());
    nothing_left(&home);
}

#[test]
fn a_site_without_its_commands_is_explained() {
    let home = Home::new();
    let empty = home.path().join("empty");
    std::fs::create_dir(&empty).expect("a directory");
    let mut start = home.command();
    let output =
        start.env("PATH", &empty).args(["--profile", "torque", "start"]).output().expect("rpar starts");
    let err = text(&output.stderr);
    assert_eq!(output.status.code(), Some(115), "{err}");
    assert!(err.contains("qsub"), "{err}");
    assert!(!home.state().join("torque/default").exists());
}

#[test]
fn a_program_of_the_profile_that_does_not_exist_is_named() {
    let home = Home::new();
    home.profile("absent", "extends = \"local\"\n[engines]\nprogram = \"/no/such/rpar\"\n");
    let (exit, _, err) = rpar(&home, &["--profile", "absent", "start", "-n", "1"]);
    assert_eq!(exit, Some(115), "{err}");
    assert!(err.contains("/no/such/rpar"), "{err}");
    nothing_left(&home);
}

#[test]
fn no_secret_is_where_others_can_read_it() {
    let home = Home::new();
    // every process of the cluster inherits this, and tells all it can
    let mut start = home.command();
    let started = start.env("RPAR_LOG", "trace").args(["start", "--nodes", "2", "--ppn", "1"]).output();
    assert!(started.expect("rpar starts").status.success());
    assert_eq!(rpar(&home, &["map", "env; ps -ef; : {}", ":::", "1"]).0, Some(0));
    let directory = home.state().join("local/default");
    let secrets: Vec<String> = ["client.toml", "engine.toml"]
        .iter()
        .map(|name| {
            let path = directory.join(name);
            let mode = std::fs::metadata(&path).expect("a file").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
            let file: String = std::fs::read_to_string(path).expect("a file");
            let line = file.lines().find_map(|line| line.strip_prefix("secret = ")).expect("a secret");
            line.trim_matches('"').to_owned()
        })
        .collect();
    assert!(secrets.iter().all(|secret| secret.len() == 64) && secrets[0] != secrets[1]);
    let mut readable = vec![("processes".to_owned(), home.processes_with_environment().join("\n"))];
    let mut directories = vec![directory];
    while let Some(next) = directories.pop() {
        for entry in std::fs::read_dir(next).expect("a directory").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_dir() {
                directories.push(entry.path());
            } else if !["client.toml", "engine.toml"].contains(&name.as_str()) {
                readable.push((name, text(&std::fs::read(entry.path()).expect("a file"))));
            }
        }
    }
    assert!(readable.len() >= 6, "controller, pilot and engine logs, script, profile: {readable:?}");
    for (name, content) in &readable {
        for secret in &secrets {
            assert!(!content.contains(secret.as_str()), "{name} holds a secret");
        }
    }
    assert_eq!(rpar(&home, &["stop"]).0, Some(0));
}

#[test]
fn a_controller_whose_log_is_full_goes_on() {
    let home = Home::new();
    let (exit, _, err) = rpar(&home, &["start", "--nodes", "1", "--ppn", "1"]);
    assert_eq!(exit, Some(0), "{err}");
    let profile = std::fs::read(home.state().join("local/default/profile.toml")).expect("a profile");
    assert_eq!(rpar(&home, &["stop"]).0, Some(0));
    // the same again, but with a log that takes nothing
    let directory = home.state().join("local/default");
    std::fs::create_dir_all(directory.join("logs")).expect("a directory");
    std::fs::write(directory.join("profile.toml"), profile).expect("a profile");
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a device that is full");
    let mut command = home.command();
    command.args(["controller", "--directory"]).arg(&directory);
    let mut controller =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(full).spawn().expect("rpar");
    until("a client can link", || directory.join("controller.json").exists());
    let (exit, out, err) = rpar(&home, &["map", "echo {}", ":::", "1", "2"]);
    assert_eq!((exit, out.as_str()), (Some(0), "1\n2\n"), "{err}");
    assert_eq!(rpar(&home, &["stop"]).0, Some(0));
    assert_eq!(controller.wait().expect("an end").code(), Some(0));
}

#[test]
fn a_controller_that_cannot_begin_tells_why_and_what_to_do() {
    let home = Home::new();
    // an address for documentation (RFC 5737), which no host has
    home.profile("unheard", "extends = \"local\"\n[transport]\nlisten = [\"tcp://203.0.113.1:0\"]\n");
    for words in [&["start"][..], &["map", "--start", "echo {}", ":::", "a"]] {
        let (exit, _, err) = home.said(&[&["--profile", "unheard"], words].concat());
        assert_eq!(exit, Some(113), "{err}");
        for told in [
            "error: the controller ended before it was ready (exit status: 113)",
            "caused by: the controller cannot listen: could not listen on tcp://203.0.113.1:0: Cannot assign",
            "hint: `listen` and `advertise` in `[transport]`",
            "`rpar profile check unheard` looks at both",
        ] {
            assert!(err.contains(told), "{err}");
        }
    }
    assert_eq!(std::fs::read_dir(home.temporary()).map_or(0, Iterator::count), 0, "nothing is left");
}
