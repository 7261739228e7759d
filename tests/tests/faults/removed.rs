//! The cluster's directory is removed under a running cluster.

use rustix::process::Signal;

use super::place::{Place, await_line, ended, send, until};

/// Removes it with all of its profile's, as people do.
fn remove(place: &Place) {
    std::fs::remove_dir_all(place.home.state().join("quick")).expect("the directory is removed");
}

#[test]
fn the_cluster_ends_by_itself() {
    let place = Place::started(2);
    remove(&place);
    let words =
        ["the files of cluster quick/default were removed", "controller still runs (pid", "stop` ends it"];
    place.rpar(&["status"]).says(111, &words);
    place.rpar(&["logs"]).says(111, &words);
    place.nothing_left();
    place.rpar(&["status"]).says(111, &["does not run", "rpar --profile quick start"]);
    place.rpar(&["stop"]).says(0, &["does not run"]);
}

#[test]
fn a_stop_finds_it_all_the_same() {
    let place = Place::new();
    // which does not notice by itself within this test
    place.home.profile("quick", "extends = \"local\"\n");
    place.start(2);
    remove(&place);
    place.rpar(&["stop"]).says(0, &["the files of cluster quick/default were removed: ending", "is stopped"]);
    place.nothing_left();
}

#[test]
fn a_stop_finds_a_controller_whose_record_alone_was_removed() {
    let place = Place::started(1);
    std::fs::remove_file(place.home.state().join("quick/default/controller.json")).expect("a record");
    place.rpar(&["status"]).says(111, &["controller still runs (pid"]);
    place.stop();
}

#[test]
fn a_map_that_runs_comes_to_its_end() {
    let place = Place::started(2);
    let mut map =
        place.begin(&["map", "until [ -e go ]; do sleep 0.02; done; echo {}", ":::", "1", "2", "3"]);
    until("both engines have a task", || place.running("sh -c until") == 2);
    remove(&place);
    // an engine host that dies now cannot be started again: there is no place for its log
    send(place.role("engine")[0], Signal::KILL);
    let notice = await_line(&mut map, "quick/default was removed");
    assert!(notice.ends_with("; the cluster ends with its last client"), "{notice}");
    std::fs::write(place.home.work().join("go"), "").expect("a file");
    let map = ended(map);
    assert_eq!((map.exit, map.out.as_str()), (Some(0), "1\n2\n3\n"), "{map:?}");
    place.nothing_left();
}
