//! An engine host is killed, or stands still.

use rustix::process::Signal;
use serde_json::{Value, json};

use super::place::{Place, ended, entries, send, until};

/// A task that leaves its number, then waits until it may end.
const HELD: &str = "touch began.{}; until [ -e go ]; do sleep 0.02; done; echo {}";

fn began(place: &Place) -> usize {
    entries(&place.home.work()).iter().filter(|name| name.starts_with("began.")).count()
}

fn release(place: &Place) {
    std::fs::write(place.home.work().join("go"), "").expect("a file");
}

#[test]
fn killed_in_mid_map_it_loses_and_doubles_nothing() {
    let place = Place::started(2);
    let before = place.engines(2);
    let map = place.begin(&["map", HELD, ":::", "1", "2", "3", "4", "5", "6"]);
    until("both engines have a task", || began(&place) == 2);
    let host = before[0].1;
    send(host, Signal::KILL);
    until("the task of a killed host has ended too", || {
        place.running("sh -c touch began") == 1 && place.role("engine").len() < 2
    });
    let status = place.until_status("the user is told", |status| {
        status["problems"].as_array().is_some_and(|problems| problems.len() >= 2)
    });
    let problems = status["problems"].to_string();
    assert!(problems.contains("killed by signal 9 (SIGKILL); it is started again"), "{problems}");
    assert!(problems.contains("1 of its tasks run again"), "{problems}");
    let after = place.engines(2);
    assert!(after.iter().all(|(_, pid)| *pid != host) && after[1].0 == 2, "{after:?}");
    release(&place);
    let map = ended(map);
    assert_eq!((map.exit, map.out.as_str()), (Some(0), "1\n2\n3\n4\n5\n6\n"), "{map:?}");
    assert_eq!(place.status()["tasks"]["succeeded"], 6);
    place.stop();
}

#[test]
fn killed_again_and_again_it_is_given_up_and_the_map_is_told() {
    let place = Place::started(1);
    let map = place.begin(&["map", HELD, ":::", "1", "2", "3"]);
    let first = place.engines(1)[0].1;
    send(first, Signal::KILL);
    until("another one takes its place", || place.engines(1)[0].1 != first);
    send(place.engines(1)[0].1, Signal::KILL);
    let map = ended(map);
    map.says(
        3,
        &[
            "3 of 3 tasks failed",
            "no engine",
            "killed by signal 9 (SIGKILL); it is not started again",
            "`rpar engines add` asks for engines anew",
        ],
    );
    assert_eq!(map.out, "");
    let status =
        place.until_status("the allocation is over", |status| status["allocations"][0]["state"] == "ended");
    assert_eq!(status["engines"].as_array().map(Vec::len), Some(0));
    place.rpar(&["map", "echo {}", ":::", "1"]).says(1, &["no engine", "none can come"]);
    place.stop();
}

#[test]
fn standing_still_it_is_replaced_and_when_it_goes_on_it_comes_anew() {
    let place = Place::started(2);
    let before = place.engines(2);
    let map = place.begin(&["map", HELD, ":::", "1", "2", "3", "4"]);
    until("both engines have a task", || began(&place) == 2);
    let still = before[0].1;
    send(still, Signal::STOP);
    place.until_status("it is lost", |status| status["engines"].as_array().map(Vec::len) == Some(1));
    // its own task ends well now, and nobody will hear of it
    release(&place);
    let map = ended(map);
    assert_eq!((map.exit, map.out.as_str()), (Some(0), "1\n2\n3\n4\n"), "{map:?}");
    assert!(map.err.contains("silent for 2s; 1 of its tasks run again"), "{map:?}");
    send(still, Signal::CONT);
    let after = place.engines(2);
    assert_eq!(after[1], (2, still), "the same process with a new engine");
    assert_eq!(place.status()["tasks"]["succeeded"], 4, "no result twice");
    place.rpar(&["map", "echo {}", ":::", "5"]).says(0, &[]);
    place.stop();
}

#[test]
fn standing_still_it_does_not_hold_up_a_stop() {
    let place = Place::started(2);
    let map = place.begin(&["map", HELD, ":::", "1", "2"]);
    until("both engines have a task", || began(&place) == 2);
    send(place.engines(2)[0].1, Signal::STOP);
    place.rpar(&["stop"]).says(0, &["is stopped"]);
    ended(map).says(114, &["0 of 2 tasks had ended: the cluster was stopped", "status` tells"]);
    place.nothing_left();
}

#[test]
fn a_task_that_kills_it_each_time_is_given_up_alone() {
    let mut place = Place::new();
    let settings = [("RPAR_CONTROLLER__ATTEMPTS_LIMIT", "3"), ("RPAR_ENGINES__RESTARTS", "9")];
    place.environment = settings.map(|(name, value)| (name, value.into())).to_vec();
    place.rpar(&["start", "--nodes", "2", "--ppn", "2"]).says(0, &["is ready"]);
    let status = place.status();
    let nodes: Vec<&str> =
        status["nodes"].as_array().expect("nodes").iter().filter_map(|node| node["node"].as_str()).collect();
    // a command's parent is its engine host, which others run on too
    let script = "[ {} != 3 ] || kill -KILL $PPID; sleep 0.2; echo {}";
    let words = ["--json", "map", script, ":::", "1", "2", "3", "4", "5"];
    let map = place.rpar(&words);
    assert_eq!(map.exit, Some(1), "{map:?}");
    let ends: Vec<Value> = map.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    for end in ends[..5].iter().filter(|end| end["task"] != 3) {
        assert_eq!(
            (&end["ok"], &end["stdout"]),
            (&json!(true), &json!(format!("{}\n", end["task"]))),
            "{end}"
        );
    }
    let end = &ends[2];
    assert_eq!((&end["task"], &end["status"], &end["attempts"]), (&json!(3), &json!("lost"), &json!(3)));
    assert!(end["node"].as_str().is_some_and(|node| nodes.contains(&node)), "{end}");
    let problem = end["problem"].as_str().expect("a problem");
    let cause = "3 attempts at it lost their engines, on ";
    let (said, told) = problem.split_once(cause).unwrap_or_else(|| panic!("{problem}"));
    assert!(said.contains("was lost while it had this task (the peer closed the link)"), "{problem}");
    let (told, end) = told.split_once(": ").expect("nodes");
    assert_eq!(end, "it is not tried again");
    assert!(told.split(", ").all(|node| nodes.contains(&node)), "{told} of {nodes:?}");
    let problems = place.status()["problems"].to_string();
    assert!(problems.contains(&format!("task 3 of a client was given up: {cause}{told}")), "{problems}");
    // the cluster is whole
    place.engines(4);
    place.rpar(&["map", "echo {}", ":::", "6"]).says(0, &[]);
    place.stop();
}
