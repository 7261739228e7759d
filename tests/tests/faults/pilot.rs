//! A pilot is killed: its allocation is over then.

use rustix::process::Signal;

use super::place::{Place, ended, send, until};

#[test]
fn its_engines_leave_and_everybody_is_told() {
    let place = Place::started(2);
    let map = place.begin(&["map", "echo {}; sleep 1000", ":::", "1", "2", "3"]);
    until("both engines have a task", || place.running("sleep 1000") == 2);
    send(place.pilot(), Signal::KILL);
    let words =
        ["3 of 3 tasks failed", "there is no engine", "has ended (killed by signal 9 (SIGKILL))", "rpar"];
    ended(map).says(3, &words);
    let status = place.status();
    assert_eq!(status["engines"].as_array().map(Vec::len), Some(0));
    assert_eq!(status["allocations"][0]["state"], "ended");
    assert_eq!(status["engines_coming"], false);
    until("nothing of its nodes runs any more", || {
        place.role("engine").is_empty() && place.running("sleep 1000") == 0
    });
    place
        .rpar(&["map", "echo {}", ":::", "1"])
        .says(1, &["none can come any more", "killed by signal 9 (SIGKILL)"]);
    place.stop();
}
