//! A user's program that is client and engine at once: its own cluster, one that runs, and ends of all kinds.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rpar_tests::binary::{Home, rpar, until};

const PROGRAM: &str = env!("CARGO_BIN_EXE_rpar-tests-program");

fn program(home: &Home) -> Command {
    home.command_of(Path::new(PROGRAM))
}

/// Exit status, stdout and stderr.
fn said(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn nothing_left(home: &Home) {
    until("processes are gone", || home.processes().is_empty());
    until("files are gone", || std::fs::read_dir(home.temporary()).expect("readable").next().is_none());
    assert!(!home.state().exists(), "a throw-away cluster is no cluster of the user's");
}

#[test]
fn a_throw_away_cluster_runs_the_programs_functions() {
    let home = Home::new();
    assert_eq!(said(program(&home).arg("sums")), (Some(0), "105050\n".to_owned(), String::new()));
    nothing_left(&home);
}

#[test]
fn the_programs_own_backends_are_used() {
    let home = Home::new();
    home.profile("own", "extends = \"local\"\n[launcher]\nkind = \"own\"\n");
    let (exit, out, err) = said(program(&home).arg("sums").env("RPAR_PROFILE", "own"));
    assert_eq!((exit, out.as_str()), (Some(0), "105050\n"), "{err}");
    let (_, _, err) = home.said(&["--profile", "own", "start"]);
    assert!(err.contains("unknown launcher `own`"), "{err}");
}

#[test]
fn engines_of_another_program_are_named_beside_ones_own() {
    let home = Home::new();
    let (exit, _, err) = home.said(&["start", "-n", "1"]);
    assert_eq!(exit, Some(0), "{err}");
    let (exit, _, err) = said(program(&home).arg("sums"));
    assert_eq!(exit, Some(1));
    assert!(err.starts_with("error: task 0 failed on engine 0 ("), "{err}");
    assert!(err.contains("the engines' program has no function `add`: it is "), "{err}");
    let engines = format!("{} of 20", rpar().display());
    assert!(err.contains(&engines) && err.contains(&format!("client's program is {PROGRAM} of 20")), "{err}");
}

#[test]
fn engines_of_an_older_build_do_not_run_what_may_have_changed() {
    let home = Home::new();
    let copy = home.path().join("copy");
    std::fs::copy(PROGRAM, &copy).expect("a copy");
    let hour = std::time::Duration::from_secs(3600);
    let file = std::fs::File::open(&copy).expect("it opens");
    file.set_modified(std::time::SystemTime::now() - hour).expect("it is made older");
    drop(file);
    let sums = || said(home.command_of(&copy).arg("sums"));
    let (exit, _, err) = said(home.command_of(&copy).args(["rpar", "start", "-n", "1"]));
    assert_eq!(exit, Some(0), "{err}");
    assert_eq!(sums().1, "105050\n");
    // as a linker does: another file of the same name
    std::fs::copy(PROGRAM, home.path().join("new")).expect("a copy");
    std::fs::rename(home.path().join("new"), &copy).expect("it takes the place");
    let (exit, _, err) = sums();
    assert!(exit == Some(1) && err.contains(&format!("run another build of {}: ", copy.display())), "{err}");
    assert!(err.trim_end().ends_with("; start the cluster anew"), "{err}");
    assert_eq!(said(home.command_of(&copy).args(["rpar", "stop"])).0, Some(0));
    assert_eq!(sums().1, "105050\n");
}

#[test]
fn a_function_that_takes_its_host_along_runs_again_but_not_for_ever() {
    let home = Home::new();
    let (exit, out, err) = said(program(&home).arg("dies"));
    assert_eq!(exit, Some(0), "{err}");
    assert!(out.starts_with("true 2 Lost task 0 was lost"), "{out}");
    nothing_left(&home);
}

#[test]
fn a_program_that_is_killed_takes_its_cluster_along() {
    let home = Home::new();
    let mut child = program(&home).arg("waits").stdout(Stdio::piped()).spawn().expect("the program starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    assert_eq!(line, "waiting\n");
    child.kill().expect("it is killed");
    child.wait().expect("it ends");
    nothing_left(&home);
}

#[test]
fn the_program_ends_as_it_says_and_its_words_are_its_own() {
    let home = Home::new();
    let said = |words: &[&str]| said(program(&home).args(words));
    assert_eq!(said(&["fails"]), (Some(1), String::new(), "error: it went\nwrong\n".to_owned()));
    assert_eq!(said(&["exits"]).0, Some(7));
    for words in [&["start"][..], &["engine", "7"], &["map", "x"], &["--help"], &[]] {
        assert_eq!(said(words), (Some(0), words.join(" ") + "\n", String::new()));
    }
    let (exit, out, _) = said(&["rpar", "list", "--json"]);
    assert_eq!((exit, out.as_str()), (Some(0), "{\n  \"clusters\": [],\n  \"schema\": 1\n}\n"));
    let mut twice = program(&home);
    let (exit, _, err) = self::said(twice.arg0("twice").arg("sums"));
    assert_eq!((exit, err.as_str()), (Some(2), "error: `add` cannot be the name of a function, or of two\n"));
    nothing_left(&home);
}

#[test]
fn no_allocation_time_is_spent_unasked() {
    let home = Home::new();
    let (exit, _, err) = said(program(&home).arg("sums").env("RPAR_PROFILE", "slurm"));
    assert_eq!(exit, Some(1));
    assert!(
        err.contains("cluster slurm/default does not run: `rpar --profile slurm start` starts it"),
        "{err}"
    );
    let (_, _, err) = said(program(&home).arg("sums").env("RPAR_PROFILE", "slrum"));
    assert!(err.contains("did you mean `slurm`?"), "{err}");
    nothing_left(&home);
}
