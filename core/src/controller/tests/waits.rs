//! Tasks that run after others.

use super::*;
use crate::id::SubmissionId;
use crate::task::{After, AfterEnd};

fn after(first: u64, count: u32, on: AfterEnd) -> TaskOptions {
    let after = After { tasks: vec![(TaskId(first), count)], on, ..After::default() };
    TaskOptions { after: Some(after), ..TaskOptions::default() }
}

fn any_of(tasks: &[u64], on: AfterEnd) -> TaskOptions {
    let tasks = tasks.iter().map(|id| (TaskId(*id), 1)).collect();
    TaskOptions { after: Some(After { tasks, any: true, on, ..After::default() }), ..TaskOptions::default() }
}

fn after_submission(id: u64, on: AfterEnd) -> TaskOptions {
    let after = After { submissions: vec![SubmissionId(id)], on, ..After::default() };
    TaskOptions { after: Some(after), ..TaskOptions::default() }
}

#[test]
fn tasks_run_once_those_before_them_have_ended() {
    let mut bench = Bench::with(config(), 1);
    bench.submit(CLIENT, 3, TaskOptions::default());
    let last = bench.submit(CLIENT, 2, after(0, 3, AfterEnd::Success));
    assert_eq!(bench.controller.status().tasks.waiting, 2);
    for _ in 0..2 {
        bench.finish(EngineId(0), 1, 1, TaskStatus::Ok);
    }
    assert_eq!(bench.controller.status().tasks.waiting, 2);
    bench.work(1);
    bench.all_ok(CLIENT);
    assert_eq!(bench.result(last).unwrap().0, TaskStatus::Ok);
}

#[test]
fn what_has_ended_before_need_not_be_waited_for() {
    let mut bench = Bench::with(config(), 1);
    bench.submit(CLIENT, 3, TaskOptions::default());
    bench.work(1);
    bench.submit(CLIENT, 1, after(0, 3, AfterEnd::Success));
    assert_eq!(bench.controller.status().tasks.assigned, 1);
    bench.work(1);
    bench.all_ok(CLIENT);
}

#[test]
fn a_wait_that_can_never_be_over_ends_at_once_and_so_does_what_waits_for_it() {
    let mut bench = Bench::with(config(), 1);
    bench.submit(CLIENT, 2, TaskOptions::default());
    let second = bench.submit(CLIENT, 1, after(0, 2, AfterEnd::Success));
    let third = bench.submit(CLIENT, 1, after(second, 1, AfterEnd::Success));
    let otherwise = bench.submit(CLIENT, 1, after(third, 1, AfterEnd::Failure));
    bench.finish(EngineId(0), 1, 1, TaskStatus::Failed);
    for id in [second, third] {
        let (status, text) = bench.result(id).unwrap();
        assert_eq!(status, TaskStatus::Unplaced);
        assert!(text.contains("after the success of task"), "{text}");
    }
    assert!(bench.result(second).unwrap().1.contains("task 0, which failed"));
    assert_eq!(bench.controller.status().tasks.waiting, 0);
    bench.work(1);
    assert_eq!(bench.result(otherwise).unwrap().0, TaskStatus::Ok, "it was to run if the other failed");
}

#[test]
fn either_end_will_do_when_asked_for() {
    let mut bench = Bench::with(config(), 1);
    bench.submit(CLIENT, 2, TaskOptions::default());
    bench.submit(CLIENT, 1, after(0, 2, AfterEnd::Any));
    bench.finish(EngineId(0), 1, 1, TaskStatus::Failed);
    bench.work(1);
    assert_eq!(bench.result(2).unwrap().0, TaskStatus::Ok);
}

#[test]
fn one_of_several_is_enough_when_asked_for() {
    let mut bench = Bench::with(config(), 2);
    bench.submit(CLIENT, 2, TaskOptions::default());
    bench.submit(CLIENT, 1, any_of(&[0, 1], AfterEnd::Success));
    bench.finish(EngineId(0), 1, 1, TaskStatus::Failed);
    assert_eq!(bench.controller.status().tasks.waiting, 1, "the other may still end well");
    bench.finish(EngineId(1), 1, 1, TaskStatus::Ok);
    bench.work(1);
    assert_eq!(bench.result(2).unwrap().0, TaskStatus::Ok);
    let never = bench.submit(CLIENT, 1, any_of(&[1, 2], AfterEnd::Failure));
    assert_eq!(bench.result(never).unwrap().0, TaskStatus::Unplaced, "both ended well");
}

#[test]
fn waiting_tasks_can_be_cancelled() {
    let mut bench = Bench::with(config(), 1);
    bench.submit(CLIENT, 1, TaskOptions::default());
    bench.submit(CLIENT, 4, after(0, 1, AfterEnd::Success));
    bench.say(CLIENT, Message::Cancel { runs: Runs::one(TaskId(2), 2), running: true });
    assert_eq!(bench.result(3).unwrap().0, TaskStatus::Cancelled);
    bench.work(1);
    let ended: Vec<TaskStatus> = (0..5).map(|id| bench.result(id).unwrap().0).collect();
    let (ok, cancelled) = (TaskStatus::Ok, TaskStatus::Cancelled);
    assert_eq!(ended, [ok, ok, cancelled, cancelled, ok]);
}

#[test]
fn a_client_takes_its_waiting_tasks_along() {
    let mut bench = Bench::with(config(), 1);
    bench.submit(CLIENT, 1, TaskOptions::default());
    bench.submit(CLIENT, 4, after(0, 1, AfterEnd::Success));
    bench.step(Input::LinkDown { link: CLIENT, reason: "gone".into() });
    assert_eq!(bench.controller.status().tasks.waiting, 0);
    assert_eq!(bench.controller.tasks.batches().count(), 0);
}

#[test]
fn without_engines_a_chain_ends_too() {
    let mut bench = Bench::new(config());
    bench.client(CLIENT);
    bench.submit(CLIENT, 1, TaskOptions::default());
    bench.submit(CLIENT, 1, after(0, 1, AfterEnd::Success));
    bench.submit(CLIENT, 1, after(0, 1, AfterEnd::Any));
    bench.wait(Duration::from_secs(70));
    for id in 0..3 {
        assert_eq!(bench.result(id).unwrap().0, TaskStatus::Unplaced);
    }
}

#[test]
fn a_submission_is_waited_for_as_a_whole() {
    let mut bench = Bench::with(config(), 1);
    let fill = |bench: &mut Bench, link, options| {
        bench.client(link);
        bench.say(link, Message::Open { name: "n".into() });
        bench.submit(link, 2, options);
        bench.say(link, Message::Close);
    };
    fill(&mut bench, LinkId(10), TaskOptions::default());
    fill(&mut bench, LinkId(11), after_submission(1, AfterEnd::Success));
    fill(&mut bench, LinkId(12), after_submission(2, AfterEnd::Failure));
    fill(&mut bench, LinkId(13), after_submission(9, AfterEnd::Any));
    let counts = |bench: &Bench, at: usize| {
        let one = &bench.controller.status().submissions[at];
        (one.queued, one.assigned, one.succeeded, one.failed)
    };
    assert_eq!(counts(&bench, 1), (2, 0, 0, 0));
    bench.work(1);
    assert_eq!(counts(&bench, 1), (0, 0, 2, 0));
    assert_eq!(counts(&bench, 2), (0, 0, 0, 2), "the second did not fail");
    assert_eq!(counts(&bench, 3), (0, 0, 0, 2), "there is no ninth");
}

#[test]
fn what_was_not_submitted_cannot_be_waited_for() {
    let mut bench = Bench::with(config(), 1);
    bench.submit(CLIENT, 1, after(0, 1, AfterEnd::Any));
    assert!(bench.goodbyes[&CLIENT].contains("not submitted"), "{:?}", bench.goodbyes);
}
