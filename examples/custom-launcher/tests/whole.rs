//! The program as its users have it: engines that run within another program, and one that is not there.

use std::io;
use std::path::Path;
use std::process::{Command, Output};

/// Runs the program in a home that nobody else knows of.
fn rpar(home: &Path, words: &[&str]) -> io::Result<Output> {
    let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
    Command::new(env!("CARGO_BIN_EXE_rpar-example-custom-launcher"))
        .args(["--profile", "polite"])
        .args(words)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("TMPDIR", home)
        .env("RPAR_SITE_PROFILES", profiles)
        .current_dir(home)
        .output()
}

/// What nice(1) without arguments says of a task, given what starts this very test.
fn niceness(more: i32) -> io::Result<String> {
    let own = Command::new("nice").output()?.stdout;
    let own: i32 = String::from_utf8_lossy(&own).trim().parse().map_err(io::Error::other)?;
    Ok(format!("{}\n", (own + more).min(19)))
}

#[test]
fn engines_run_within_the_other_program() {
    let home = tempfile::tempdir().unwrap();
    let mapped = rpar(home.path(), &["map", "nice; : {}", ":::", "a", "b"]).unwrap();
    assert_eq!(String::from_utf8_lossy(&mapped.stdout), niceness(10).unwrap().repeat(2), "{mapped:?}");
    let ran = rpar(home.path(), &["run", "--niceness", "5", "nice"]).unwrap();
    assert_eq!(String::from_utf8_lossy(&ran.stdout), niceness(5).unwrap(), "{ran:?}");
    assert_eq!(home.path().read_dir().unwrap().count(), 0, "throw-away clusters leave nothing");
}

#[test]
fn a_parameter_out_of_its_range_is_told() {
    let home = tempfile::tempdir().unwrap();
    let refused = rpar(home.path(), &["start", "--niceness", "20"]).unwrap();
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && told.contains("0 to 19"), "{told}");
}
