//! The program as its users have it: real files, real clusters, and wc(1) as the judge.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_rpar-example-word-count");

/// The program in a home that nobody else knows of.
fn program(home: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("TMPDIR", home);
    command
}

/// The repository's own documents.
fn documents() -> io::Result<Vec<PathBuf>> {
    let mut files = entries(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").canonicalize()?)?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    files.sort();
    assert!(files.len() > 4, "{files:?}");
    Ok(files)
}

/// Numbers and names of a table, however wide its columns are.
fn table(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// wc counts words of this locale, in which every byte is a letter.
fn wc(files: &[PathBuf]) -> io::Result<Vec<String>> {
    Command::new("wc").env("LC_ALL", "C").args(files).output().map(|output| table(&output))
}

/// What is in a directory.
fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    directory.read_dir()?.map(|entry| Ok(entry?.path())).collect()
}

#[test]
fn it_counts_as_wc_does() {
    let home = tempfile::tempdir().unwrap();
    let files = documents().unwrap();
    let counted = program(home.path()).args(&files).output().unwrap();
    assert!(counted.status.success(), "{counted:?}");
    assert_eq!(table(&counted), wc(&files).unwrap());
    let told = String::from_utf8_lossy(&counted.stderr);
    assert!(told.contains(&format!("{} files in ", files.len())), "{told}");
    assert_eq!(entries(home.path()).unwrap(), Vec::<PathBuf>::new(), "a throw-away cluster leaves nothing");
}

#[test]
fn what_cannot_be_read_is_told_and_the_rest_counted() {
    let home = tempfile::tempdir().unwrap();
    let files = documents().unwrap();
    let counted = program(home.path()).arg(&files[0]).arg("absent").arg(&files[1]).output().unwrap();
    assert_eq!(counted.status.code(), Some(1), "{counted:?}");
    assert_eq!(table(&counted), wc(&files[..2]).unwrap());
    let told = String::from_utf8_lossy(&counted.stderr);
    assert!(told.contains("task 1 failed on engine ") && told.contains("/absent: No such file"), "{told}");
}

/// Stops the cluster also when the test fails.
struct Stop<'a>(&'a Path);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        // a test that has stopped it needs nothing more
        let _ = program(self.0).args(["rpar", "stop"]).output();
    }
}

#[test]
fn a_cluster_that_the_program_starts_knows_its_functions() {
    let home = tempfile::tempdir().unwrap();
    let _stop = Stop(home.path());
    let started = program(home.path()).args(["rpar", "start", "-n", "2"]).output().unwrap();
    assert!(started.status.success(), "{started:?}");
    let files = documents().unwrap();
    for _ in 0..2 {
        let counted = program(home.path()).args(&files).output().unwrap();
        assert_eq!(table(&counted), wc(&files).unwrap(), "{counted:?}");
    }
    let mapped = program(home.path()).args(["rpar", "map", "echo {}", ":::", "a", "b"]).output().unwrap();
    assert_eq!(table(&mapped), ["a", "b"], "{mapped:?}");
    let stopped = program(home.path()).args(["rpar", "stop"]).output().unwrap();
    assert!(stopped.status.success(), "{stopped:?}");
}
