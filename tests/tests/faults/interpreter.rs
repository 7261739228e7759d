//! The engines' Python lacks what its tasks need.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use std::sync::Arc;
use std::time::Instant;

use rpar::raw::{Defined, connect_file};
use rpar_core::task::{Failure, Function, FunctionKind, TaskOptions, TaskStatus};
use rpar_tests::binary::PATIENCE;

use super::place::Place;

/// The Python of this machine.
fn real_python() -> String {
    let path = std::env::var("PATH").expect("a PATH");
    let found = path
        .split(':')
        .map(|entry| format!("{entry}/python3"))
        .find(|python| fs::exists(python).is_ok_and(|there| there));
    found.expect("a Python")
}

/// A Python of our own, the first on PATH.
fn with_python(script: &str) -> Place {
    let mut place = Place::new();
    let programs = place.home.path().join("programs");
    fs::create_dir(&programs).expect("a directory");
    let python = programs.join("python3");
    fs::write(&python, format!("#!/bin/sh\n{script}\n")).expect("a program");
    fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).expect("a mode");
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").expect("a PATH"));
    place.environment = vec![("PATH", path.into())];
    place
}

/// Python tasks that have no other needs: the pickle of `(0, eval)`, which calls `eval` with the argument's items.
fn evaluate() -> Arc<Defined> {
    Defined::new(Function { kind: FunctionKind::Python, body: "(I0\ncbuiltins\neval\nt.".into() })
}

/// How many of so many Python tasks end well, and what the others say.
fn map(place: &Place, tasks: usize) -> (usize, Vec<String>) {
    let file = place.home.state().join("quick/default/client.toml");
    let client = connect_file(&file).expect("the cluster runs");
    let (group, evaluate, options) = (client.group(), evaluate(), Arc::new(TaskOptions::default()));
    for _ in 0..tasks {
        client.submit(&group, &evaluate, &options, "(V6*7\nt.".into());
    }
    let (mut well, mut failures) = (0, Vec::new());
    for index in 0..tasks {
        let outcome = group.wait(index, Some(Instant::now() + PATIENCE)).expect("it ends");
        match outcome.status {
            TaskStatus::Ok => well += 1,
            TaskStatus::Failed => {
                failures.push(Failure::decode(&outcome.payload).expect("a failure").message)
            }
            other => panic!("{other:?}"),
        }
    }
    (well, failures)
}

#[test]
fn a_node_without_one_draws_no_tasks() {
    let real = real_python();
    // beside it is a stand-in for cloudpickle
    let beside = "PYTHONPATH=$(dirname \"$0\")";
    let place = with_python(&format!("case $RPAR_NODE in *-2) exit 1;; esac; {beside} exec {real} \"$@\""));
    let stand_in = place.home.path().join("programs/cloudpickle.py");
    fs::write(stand_in, "from pickle import dumps\n").expect("a module");
    place.start(2);
    assert_eq!(map(&place, 200), (200, Vec::new()));
    let problems = place.status()["problems"].to_string();
    assert!(problems.contains("Python tasks cannot run on node") && problems.contains("-2: "), "{problems}");
    place.stop();
}

#[test]
fn without_one_on_any_node_tasks_fail_with_the_reason() {
    let place = with_python("exit 7");
    place.start(2);
    let (well, failures) = map(&place, 200);
    assert_eq!((well, failures.len()), (0, 200));
    let told = |why: &String| why.contains("does not start: it exited with status 7");
    assert!(failures.iter().all(told), "{failures:?}");
    place.stop();
}

#[test]
fn a_start_says_what_python_tasks_would_miss() {
    let missing = "echo \"ModuleNotFoundError: No module named 'cloudpickle'\" >&2; exit 1";
    for (script, expected) in [
        (missing, Some("programs/python3 has no cloudpickle; `")),
        ("echo 'no libpython' >&2; exit 127", Some("programs/python3 does not run: no libpython; see to it")),
        ("exit 0", None),
    ] {
        let place = with_python(script);
        let ran = place.rpar(&["start", "--nodes", "1", "--ppn", "1"]);
        ran.says(0, &["is ready"]);
        match expected {
            Some(words) => ran.says(0, &["Python tasks would fail", words, "[python] executable"]),
            None => assert!(!ran.err.contains("Python"), "{ran:?}"),
        }
        place.stop();
    }
}
