//! What tasks are given of their node, through a real cluster.

use rpar_tests::binary::Home;

/// Waits until both tasks run.
const BOTH: &str = "echo > begun-{}; until [ -e begun-a ] && [ -e begun-b ]; do sleep 0.01; done";

#[test]
fn tasks_that_run_together_have_gpus_of_their_own() {
    let home = Home::new();
    let map = |words: &[&str]| {
        let mut command = home.command();
        command.env("CUDA_VISIBLE_DEVICES", "3,GPU-5").arg("map").args(words);
        let output = command.output().expect("rpar starts");
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{err}");
        let out = String::from_utf8(output.stdout).expect("text");
        let mut lines: Vec<String> = out.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let script = format!("{BOTH}; echo $RPAR_GPUS $CUDA_VISIBLE_DEVICES");
    assert_eq!(map(&["-j2", "--gpus", "1", &script, ":::", "a", "b"]), ["3 3", "GPU-5 GPU-5"]);
    let told = "echo \"[$CUDA_VISIBLE_DEVICES]\" {}";
    assert_eq!(map(&["-j2", told, ":::", "a", "b"]), ["[] a", "[] b"]);
    assert_eq!(
        map(&[
            "-j2",
            "--gpus",
            "2",
            "for gpu in $(echo $RPAR_GPUS | tr , ' '); do echo $gpu {}; done",
            ":::",
            "a"
        ]),
        ["3 a", "GPU-5 a"]
    );
}

/// Tells in the log of the tests what this machine cannot show.
fn tell(what: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{what}");
}

#[test]
fn a_task_that_needs_more_memory_than_it_asked_for_says_so() {
    let home = Home::new();
    let script = "x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo ${#x} {}";
    let (exit, out, err) = home.said(&["map", "-j1", "--memory", "64MiB", script, ":::", "a"]);
    if exit == Some(0) {
        tell("NOT CHECKED: no control group can be made here, so no limit on memory is enforced");
        assert_eq!(out, "200000000 a\n", "{err}");
        return;
    }
    assert_eq!((exit, out.as_str()), (Some(1), ""));
    assert!(
        err.contains("it needed more memory than the 64 MiB that it had asked for: ask for more"),
        "{err}"
    );
    assert_eq!(home.said(&["map", "-j1", "--memory", "1GiB", script, ":::", "a"]).1, "200000000 a\n");
}
