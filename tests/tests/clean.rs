//! What `rpar clean` removes, and what it leaves alone.

use std::fs;
use std::process::Stdio;

use rpar_tests::binary::{Home, until};
use serde_json::Value;

/// The clusters that `clean` says it has something of.
fn clusters(document: &Value) -> Vec<&str> {
    let list = document["clusters"].as_array().expect("a list");
    list.iter().map(|cluster| cluster["cluster"].as_str().expect("a name")).collect()
}

fn pilots(home: &Home) -> usize {
    home.processes().iter().filter(|line| line.contains(" pilot --directory")).count()
}

#[test]
fn a_dead_cluster_goes_with_its_allocation_and_a_living_one_stays() {
    let home = Home::new();
    for id in ["dead", "alive"] {
        assert_eq!(home.said(&["--cluster-id", id, "start", "-n", "1"]).0, Some(0));
    }
    let dead = home.state().join("local/dead");
    home.kill_controller(&dead);

    let (exit, out, _) = home.said(&["clean", "--dry-run"]);
    assert_eq!(exit, Some(0));
    assert!(out.starts_with("cluster local/dead: would give back allocation local-"), "{out}");
    assert!(out.ends_with(&format!("would remove {}\n", dead.display())), "{out}");
    assert!(dead.exists() && pilots(&home) == 2);

    let cleaned = home.json(&["clean"]);
    assert_eq!(clusters(&cleaned), ["local/dead"]);
    assert_eq!(cleaned["clusters"][0]["allocations"].as_array().map(Vec::len), Some(1));
    assert!(!dead.exists());
    until("the dead cluster's pilot is gone", || pilots(&home) == 1);
    assert_eq!(home.json(&["--cluster-id", "alive", "status"])["engines"].as_array().map(Vec::len), Some(1));

    let (exit, out, err) = home.said(&["clean"]);
    assert_eq!((exit, out.as_str(), err.as_str()), (Some(0), "", "nothing is left of dead clusters\n"));
}

#[test]
fn a_throw_away_cluster_whose_processes_were_all_killed_is_removed() {
    let home = Home::new();
    let mut map = home.command();
    map.args(["map", "echo started > flag; sleep 600; : {}", ":::", "1"]);
    let mut map = map.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("rpar starts");
    until("its task runs", || home.work().join("flag").exists());
    let entries = fs::read_dir(home.temporary()).expect("a directory").flatten();
    let directory =
        entries.map(|entry| entry.path()).find(|path| path.is_dir()).expect("a throw-away cluster");
    // the controller first: it would tidy up after its client
    home.kill_controller(&directory);
    map.kill().expect("it is killed");
    map.wait().expect("it ends");

    let (exit, out, err) = home.said(&["clean"]);
    assert_eq!(exit, Some(0), "{err}");
    let id = directory.file_name().expect("a name").to_str().expect("UTF-8");
    assert!(out.starts_with(&format!("cluster local/{id}: ")), "{out}");
    assert!(!directory.exists());
    until(&format!("nothing is left: {:?}", home.processes()), || home.processes().is_empty());
}

#[test]
fn halves_locks_and_empty_directories_go_too() {
    let home = Home::new();
    let state = home.state();
    fs::create_dir_all(state.join("carver/default/logs")).expect("a directory without a profile");
    fs::create_dir_all(state.join("torque")).expect("an empty directory");
    fs::create_dir_all(state.join("local")).expect("a directory");
    fs::write(state.join("local/.default.lock"), "").expect("a lock that nobody holds");
    let expected = ["local/.default.lock", "carver", "local", "torque"].map(|name| state.join(name));
    let others = |document: &Value| {
        let list = document["others"].as_array().expect("a list").clone();
        list.into_iter()
            .map(|path| path.as_str().expect("a path").into())
            .collect::<Vec<std::path::PathBuf>>()
    };
    let planned = home.json(&["clean", "--dry-run"]);
    assert_eq!((clusters(&planned), others(&planned)), (vec!["carver/default"], expected.to_vec()));
    assert!(state.join("carver/default/logs").exists());
    let done = home.json(&["clean"]);
    assert_eq!((clusters(&done), others(&done)), (vec!["carver/default"], expected.to_vec()));
    assert_eq!(fs::read_dir(&state).expect("the state directory").count(), 0);
}

#[test]
fn a_cluster_of_another_host_and_one_that_cannot_be_read_stay() {
    let home = Home::new();
    let state = home.state();
    for name in ["elsewhere", "foreign"] {
        fs::create_dir_all(state.join("local").join(name)).expect("a directory");
        fs::write(state.join("local").join(name).join("profile.toml"), "build = 7\n").expect("a profile");
    }
    let record = r#"{"host":"no-such-host","pid":1,"start_time":1,"incarnation":1}"#;
    fs::write(state.join("local/elsewhere/controller.json"), record).expect("a record");
    let (exit, out, err) = home.said(&["clean"]);
    assert_eq!((exit, out.as_str()), (Some(117), ""), "{err}");
    assert!(err.contains("cluster local/elsewhere was started on no-such-host"), "{err}");
    assert!(err.contains("local/foreign/profile.toml") && err.contains("build"), "{err}");
    assert!(state.join("local/elsewhere").exists() && state.join("local/foreign").exists());
}

#[test]
fn a_site_that_does_not_answer_keeps_the_directory() {
    let home = Home::new();
    // a cluster's profile, changed into one of a site whose commands are not there
    assert_eq!(home.said(&["--cluster-id", "x", "start", "-n", "1"]).0, Some(0));
    let profile = fs::read_to_string(home.state().join("local/x/profile.toml")).expect("a profile");
    let changed = profile.replace("[scheduler]\nkind = \"local\"", "[scheduler]\nkind = \"torque\"");
    assert_ne!(changed, profile);
    let dead = home.state().join("torque/default");
    fs::create_dir_all(&dead).expect("a directory");
    fs::write(dead.join("profile.toml"), changed).expect("a profile");

    let empty = home.path().join("empty");
    fs::create_dir(&empty).expect("a directory");
    let output = home.command().env("PATH", &empty).args(["clean"]).output().expect("rpar starts");
    let err = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(116), "{err}");
    assert!(err.contains("torque could not find the cluster's allocations") && err.contains("PATH"), "{err}");
    assert!(dead.exists());
}
