//! The program as its users have it: a cluster on the scheduler of one's own, and a request that it refuses.

use std::io;
use std::path::Path;
use std::process::{Command, Output};

/// Runs the program in a home that nobody else knows of.
fn rpar(home: &Path, words: &[&str]) -> io::Result<Output> {
    let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
    Command::new(env!("CARGO_BIN_EXE_rpar-example-custom-scheduler"))
        .args(["--profile", "shared"])
        .args(words)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("RPAR_SITE_PROFILES", profiles)
        .current_dir(home)
        .output()
}

/// Stops the cluster also when the test fails.
struct Stop<'a>(&'a Path);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        // a test that has stopped it needs nothing more
        let _ = rpar(self.0, &["stop"]);
    }
}

#[test]
fn a_cluster_on_a_scheduler_of_ones_own() {
    let home = tempfile::tempdir().unwrap();
    let _stop = Stop(home.path());
    let started = rpar(home.path(), &["start", "--nodes", "2"]).unwrap();
    assert!(started.status.success(), "{started:?}");
    let mapped = rpar(home.path(), &["map", "echo {}", ":::", "a", "b"]).unwrap();
    assert_eq!(String::from_utf8_lossy(&mapped.stdout), "a\nb\n", "{mapped:?}");
    let stopped = rpar(home.path(), &["stop"]).unwrap();
    assert!(stopped.status.success(), "{stopped:?}");
}

#[test]
fn what_it_refuses_is_told_with_the_way_out() {
    let home = tempfile::tempdir().unwrap();
    let refused = rpar(home.path(), &["start", "--nodes", "3", "--dry-run"]).unwrap();
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success(), "{refused:?}");
    assert!(told.contains("capped could not write the job script: 3 nodes are more than the 2"), "{told}");
    assert!(told.contains("`--nodes 2`"), "{told}");
}
