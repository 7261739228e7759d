//! From a profile's name to a client: what is said when there is nothing to link to.

use std::fs;

use rpar::paths::ClusterDir;
use rpar::profile::{Profiles, Surroundings};
use rpar::raw::connect_with;
use rpar::{ConnectError, Registry};
use rpar_runtime::files::host_name;
use tempfile::TempDir;

use crate::surroundings;

fn profiles(home: &TempDir) -> Profiles {
    Profiles::new(Surroundings { home: home.path().to_owned(), ..surroundings("none") })
}

fn told(profiles: &Profiles, profile: &str, cluster_id: &str) -> ConnectError {
    connect_with(profiles, &Registry::builtin(), profile, cluster_id).expect_err("nothing runs")
}

#[test]
fn a_cluster_that_does_not_run_says_how_to_start_it() {
    let home = tempfile::tempdir().expect("a directory");
    assert_eq!(
        told(&profiles(&home), "carver", "default").to_string(),
        "no cluster `default` of profile `carver` is running: start one with `rpar --profile carver start`"
    );
    let error = told(&profiles(&home), "cavrer", "default").to_string();
    assert!(error.starts_with("unknown profile `cavrer`: did you mean `carver`?"), "{error}");
}

#[test]
fn a_dead_controller_says_how_to_clear_it_away() {
    let home = tempfile::tempdir().expect("a directory");
    let profiles = profiles(&home);
    let cluster = ClusterDir::of(&profiles.load("local").expect("it loads"), "two").expect("a directory");
    fs::create_dir_all(&cluster.path).expect("made");
    fs::write(cluster.client_file(), "").expect("written");
    // no process has pid 1 and this start time
    let record = serde_json::json!({
        "host": host_name(), "pid": 1, "start_time": u64::MAX, "incarnation": 7, "cluster": "local/two",
    });
    fs::write(cluster.controller_file(), record.to_string()).expect("written");
    assert_eq!(
        told(&profiles, "local", "two").to_string(),
        "the controller of cluster `two` of profile `local` has died: clear it away with \
         `rpar --cluster-id two stop`"
    );
}

#[test]
fn a_profile_that_broke_does_not_hide_its_cluster() {
    let home = tempfile::tempdir().expect("a directory");
    let profiles = profiles(&home);
    let cluster =
        ClusterDir::of(&profiles.load("carver").expect("it loads"), "default").expect("a directory");
    let user = home.path().join(".config/rpar/profiles");
    fs::create_dir_all(&user).expect("made");
    fs::write(user.join("carver.toml"), "extends = 5\n").expect("written");
    let broken = ClusterDir::find(&profiles, "carver", "default").expect_err("nothing was started");
    assert!(broken.to_string().ends_with("carver.toml:1: `extends` is `5`: expected a text"), "{broken}");
    fs::create_dir_all(&cluster.path).expect("made");
    fs::write(cluster.profile_file(), "").expect("written");
    assert_eq!(ClusterDir::find(&profiles, "carver", "default"), Ok(cluster));
}
