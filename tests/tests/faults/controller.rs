//! A controller is killed: nobody is left to say what is to be done.

use rustix::process::Signal;

use super::place::{Place, ended, send, until};

/// Engines wait for their controller for longer than any test.
const PATIENT: &str = "extends = \"local\"\n[engines]\ngive_up_after = \"1h\"\n";

#[test]
fn all_that_belonged_to_it_ends_by_itself() {
    let place = Place::started(2);
    let map = place.begin(&["map", "sleep 1000; echo {}", ":::", "1", "2", "3"]);
    until("both engines have a task", || place.running("sleep 1000") == 2);
    send(place.controller(), Signal::KILL);
    ended(map).says(
        114,
        &[
            "lost the link to the controller",
            "0 of 3 tasks had ended",
            "controller has died",
            "rpar --profile quick stop",
        ],
    );
    place.no_process_left();
    let words = ["the controller of cluster quick/default has died", "rpar --profile quick stop", "logs"];
    place.rpar(&["status"]).says(111, &words);
    place.rpar(&["map", "echo {}", ":::", "1"]).says(0, &[]);
    place.rpar(&["logs"]).says(0, &[]);
    place
        .rpar(&["start", "--nodes", "1", "--ppn", "1"])
        .says(0, &["cleaning up", "is ready: 1 engine on 1 node"]);
    assert_eq!(place.engines(1)[0].0, 0);
    place.stop();
}

#[test]
fn a_stop_ends_what_has_not_noticed_yet() {
    let place = Place::new();
    place.home.profile("quick", PATIENT);
    place.start(2);
    let map = place.begin(&["map", "sleep 1000; echo {}", ":::", "1", "2"]);
    until("both engines have a task", || place.running("sleep 1000") == 2);
    send(place.controller(), Signal::KILL);
    ended(map).says(114, &["lost the link"]);
    place.rpar(&["stop"]).says(0, &["is dead; cleaning up", "is stopped"]);
    place.nothing_left();
}

#[test]
fn a_stop_finds_engines_whose_pilot_was_killed_too() {
    let place = Place::new();
    place.home.profile("quick", PATIENT);
    place.start(2);
    let pilot = place.pilot();
    send(place.controller(), Signal::KILL);
    send(pilot, Signal::KILL);
    until("the pilot is gone", || place.role("pilot").is_empty());
    assert_eq!(place.role("engine").len(), 2);
    place.rpar(&["stop"]).says(0, &["is dead; cleaning up", "is stopped"]);
    assert_eq!(place.role("engine"), [0; 0]);
    place.nothing_left();
}
