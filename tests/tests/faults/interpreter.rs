//! The engines' Python lacks what its tasks need.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::place::Place;

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
