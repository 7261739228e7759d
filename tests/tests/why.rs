//! `rpar why`, as a user types it.

use rpar_tests::binary::{Home, until};

fn why(home: &Home, words: &[&str]) -> String {
    let (exit, out, err) = home.said(&[&["why"], words].concat());
    assert_eq!(exit, Some(0), "{err}");
    out
}

#[test]
fn a_task_an_engine_and_an_allocation_are_explained() {
    let home = Home::new();
    let (exit, _, err) = home.said(&["start", "-n", "1"]);
    assert_eq!(exit, Some(0), "{err}");
    assert_eq!(why(&home, &[]), "no task waits\n");
    let (exit, out, err) = home.said(&["submit", "sleep 600; echo {}", ":::", "a", "b"]);
    assert_eq!((exit, out.trim()), (Some(0), "1"), "{err}");
    let (exit, _, err) = home.said(&["submit", "--after", "1", "echo {}", ":::", "c"]);
    assert_eq!(exit, Some(0), "{err}");
    until("one runs", || home.json(&["tasks"])["submissions"][0]["assigned"] == 1);

    let busy = "task 1.2 waits: the one engine that may run it is busy\n";
    assert_eq!(why(&home, &["1.2"]), busy);
    assert!(why(&home, &["task", "1.1"]).starts_with("task 1.1 is at engine 0 on node "));
    assert_eq!(why(&home, &["2.1"]), "task 2.1 waits: for the end of submission 1\n");
    let all = why(&home, &[]);
    assert!(all.contains("1 task waits: the one engine that may run it is busy\n"), "{all}");
    assert!(all.contains("1 task waits: for the end of submission 1\n"), "{all}");
    let engine = why(&home, &["engine", "0"]);
    assert!(engine.contains("is busy with a task; it has ended 0 tasks"), "{engine}");
    let allocation =
        home.json(&["status"])["allocations"][0]["allocation"].as_str().expect("an id").to_owned();
    assert_eq!(
        why(&home, &[&allocation]),
        format!("allocation {allocation} runs; 1 of 1 engines are there\n")
    );
    assert_eq!(why(&home, &["allocation"]), why(&home, &[&allocation]), "there is only one");
    // a bare number is all that it may mean
    let (exit, _, err) = home.said(&["engines", "remove", "0", "--now"]);
    assert_eq!(exit, Some(0), "{err}");
    until("it is gone", || home.json(&["status"])["engines"].as_array().is_some_and(Vec::is_empty));
    let gone = why(&home, &["engine", "0"]);
    assert!(
        gone.contains("is gone since 00:0") && gone.contains(": it was removed; 1 of its tasks ran again"),
        "{gone}"
    );

    let document = home.json(&["why", "1.2"]);
    assert_eq!(document["about"][0]["kind"], "task");
    assert_eq!(document["about"][0]["task"], 2);
    let (exit, _, err) = home.said(&["why", "engine", "7"]);
    assert_eq!(exit, Some(120), "{err}");
    assert!(err.contains("knows of no engine 7 (any more)") && err.contains("rpar engines list"), "{err}");
    for _ in 0..2 {
        let (exit, _, err) = home.said(&["engines", "add", "-n", "1"]);
        assert_eq!(exit, Some(0), "{err}");
    }
    let (exit, _, err) = home.said(&["why", "allocation"]);
    assert_eq!(exit, Some(2), "{err}");
    assert!(err.contains("error: which allocation?\n  hint: cluster local/default has "), "{err}");
    let (exit, _, err) = home.said(&["why", "node", "n7"]);
    assert_eq!(exit, Some(2), "{err}");
}
