//! A client is killed in mid-map.

use rustix::process::Signal;

use super::place::{Place, ended, send, until};

const WORK: [&str; 6] = ["map", "sleep 1000; echo {}", ":::", "1", "2", "3"];

#[test]
fn what_it_wanted_is_dropped_and_the_cluster_serves_others() {
    let place = Place::started(2);
    let map = place.begin(&WORK);
    until("both engines have a task", || place.running("sleep 1000") == 2);
    send(map.id(), Signal::KILL);
    until("its tasks have ended", || place.running("sleep 1000") == 0);
    let status = place.until_status("nothing waits", |status| status["tasks"]["assigned"] == 0);
    assert_eq!((&status["tasks"]["queued"], &status["controller"]["clients"]), (&0.into(), &1.into()));
    assert_eq!(ended(map).exit, None);
    place.rpar(&["map", "echo {}", ":::", "4"]).says(0, &[]);
    place.stop();
}

#[test]
fn its_throw_away_cluster_ends_with_it() {
    let place = Place::new();
    let map = place.begin(&[&WORK[..1], &["-n", "2"], &WORK[1..]].concat());
    until("both engines have a task", || place.running("sleep 1000") == 2);
    send(map.id(), Signal::KILL);
    assert_eq!(ended(map).exit, None);
    place.nothing_left();
}
