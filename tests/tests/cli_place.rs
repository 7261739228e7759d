//! Where tasks run: labels, targets, priorities, and what tasks take of their node.

use rpar_tests::binary::Home;

/// A cluster of four engines on a node that has what the profile says.
fn cluster() -> Home {
    let home = Home::new();
    home.profile(
        "lab",
        "extends = \"local\"\n[engines]\nlabels = [\"big\"]\n\
         resources = { cpus = 4, gpus = 2, memory = \"1GiB\", licence = 1 }\n",
    );
    let (exit, _, err) = home.said(&["--profile", "lab", "start", "--nodes", "1", "--ppn", "4"]);
    assert_eq!(exit, Some(0), "{err}");
    home
}

fn map(home: &Home, words: &[&str]) -> (Option<i32>, String, String) {
    home.said(&[&["--profile", "lab", "map"], words].concat())
}

/// Takes a lock that only one can have at a time; fails when another has it.
const ALONE: &str = "mkdir lock && sleep 0.05 && rmdir lock && echo {}";

#[test]
fn what_there_is_one_of_is_had_by_one_at_a_time() {
    let home = cluster();
    for flag in
        [&["--resource", "licence=1"][..], &["--cpus", "3"], &["--gpus", "2"], &["--memory", "600MiB"]]
    {
        let (exit, out, err) = map(&home, &[flag, &[ALONE, ":::", "1", "2", "3", "4"]].concat());
        assert_eq!((exit, out.as_str()), (Some(0), "1\n2\n3\n4\n"), "{flag:?}: {err}");
    }
    let (exit, _, _) = map(&home, &["mkdir lock2 && sleep 0.5", ":::", "1", "2", "3", "4"]);
    assert_eq!(exit, Some(3), "without a request they run beside each other");
    let status = home.json(&["--profile", "lab", "status"]);
    assert_eq!(status["nodes"][0]["has"]["custom"]["licence"], 1);
    assert_eq!(
        status["nodes"][0]["taken"],
        serde_json::json!({ "cpus": 0, "gpus": 0, "memory_bytes": 0, "custom": {} })
    );
}

#[test]
fn what_can_never_be_is_refused_with_the_reason() {
    let home = cluster();
    let cases = [
        (&["--gpus", "3"][..], "this task asks for 3 gpus; the largest node has 2"),
        (&["--memory", "9999G"], "this task asks for 9999 GiB of memory; the largest node has 1 GiB"),
        (&["--resource", "unicorn=1"], "this task asks for 1 of `unicorn`; the largest node has 0"),
        (&["--label", "small"], "no engine has the label `small`, and none is coming; there are big"),
        (&["--targets", "77"], "none of the engines that may run this task is there (engine 77)"),
    ];
    for (flags, reason) in cases {
        let (exit, _, err) = map(&home, &[flags, &["echo {}", ":::", "1"]].concat());
        assert_eq!(exit, Some(1), "{err}");
        assert!(err.contains(reason), "{flags:?}: {err}");
    }
    assert_eq!(map(&home, &["--memory", "7", "true", ":::", "1"]).0, Some(2));
}

#[test]
fn tasks_go_where_they_are_told_to() {
    let home = cluster();
    let (exit, out, err) = map(
        &home,
        &["--label", "big", "--targets", "2", "true {}; echo $RPAR_ENGINE_ID", ":::", "1", "2", "3"],
    );
    assert_eq!((exit, out.as_str()), (Some(0), "2\n2\n2\n"), "{err}");
}

#[test]
fn a_profile_says_what_makes_no_sense() {
    let home = Home::new();
    for (resources, said) in [
        ("{ memory = 5 }", "an amount of memory such as 4GiB"),
        ("{ gpus = -1 }", "a whole number from 0 on"),
        ("{ licence = \"many\" }", "a whole number from 0 on"),
    ] {
        home.profile("lab", &format!("extends = \"local\"\n[engines]\nresources = {resources}\n"));
        let (exit, _, err) = home.said(&["--profile", "lab", "start"]);
        assert_eq!(exit, Some(110), "{err}");
        assert!(err.contains(said) && err.contains("engines.resources."), "{err}");
    }
}
