//! Somebody asks why.

use super::*;
use crate::id::{RequestId, SubmissionId};
use crate::resources::Resources;
use crate::scheduler::{AllocationPhase, AllocationState};
use crate::task::{After, AfterEnd};
use crate::wire::{About, Because, Group, Reason, Retirees, Subject};

/// A client that fills a submission.
const FILLER: LinkId = LinkId(2);

fn why(bench: &mut Bench, subject: Subject) -> Because {
    bench.other.clear();
    bench.say(CLIENT, Message::Why { question: 7, subjects: vec![subject] });
    let answers = bench.others(|effect| match effect {
        Effect::Send { link: CLIENT, message: Message::Because { question: 7, because } } => {
            Some(*because.clone())
        }
        _ => None,
    });
    answers.into_iter().next().expect("an answer")
}

/// With a submission of one task, and one task more for each of the options.
fn submission(bench: &mut Bench, all: &[TaskOptions]) -> SubmissionId {
    bench.client(FILLER);
    bench.say(FILLER, Message::Open { name: "work".into() });
    bench.say(FILLER, Message::Define(echo()));
    for options in all {
        bench.submit(FILLER, 1, options.clone());
    }
    SubmissionId(1)
}

fn reason(bench: &mut Bench, task: u64) -> Option<Reason> {
    let because = why(bench, Subject::Task(SubmissionId(1), TaskId(task)));
    match because.about.into_iter().next() {
        Some(About::Task { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_reason_to_wait() {
    let labelled = TaskOptions { labels: vec!["x".into()], ..TaskOptions::default() };
    let wide =
        TaskOptions { resources: Resources { gpus: 4, ..Resources::default() }, ..TaskOptions::default() };
    let after = After { tasks: vec![(TaskId(0), 2)], on: AfterEnd::Success, ..After::default() };
    let later = TaskOptions { after: Some(after), ..TaskOptions::default() };
    let requests = vec![request(1)];
    let mut bench = Bench::new(ControllerConfig { requests, ..config() });
    bench.client(CLIENT);
    let plain = TaskOptions::default();
    submission(&mut bench, &[plain.clone(), plain, labelled, wide, later]);
    assert_eq!(reason(&mut bench, 0), Some(Reason::NoEngine));
    bench.host(LinkId(100), 1, None);
    assert_eq!(reason(&mut bench, 0), None, "it is at an engine");
    assert_eq!(reason(&mut bench, 1), Some(Reason::Busy { engines: 1, saved: false }));
    let Some(Reason::Lacks(what)) = reason(&mut bench, 2) else { panic!("it lacks a label") };
    assert!(what.contains("no engine has the label `x`"), "{what}");
    let Some(Reason::Lacks(what)) = reason(&mut bench, 3) else { panic!("it lacks GPUs") };
    assert!(what.contains("this task asks for 4 gpus"), "{what}");
    let others = Reason::Others { tasks: 2, first: Some(TaskId(0)), submissions: vec![] };
    assert_eq!(reason(&mut bench, 4), Some(others.clone()));
    let all = why(&mut bench, Subject::Submission(SubmissionId(1)));
    let [About::Tasks { waiting, assigned: 1, submission: Some(SubmissionId(1)) }] = &all.about[..] else {
        panic!("{all:?}")
    };
    assert_eq!(waiting.len(), 4, "{waiting:?}");
    assert!(waiting.contains(&Group { tasks: 1, reason: others }), "{waiting:?}");
    bench.finish(EngineId(0), 1, 1, TaskStatus::Ok);
    let left = Reason::Others { tasks: 1, first: Some(TaskId(1)), submissions: vec![] };
    assert_eq!(reason(&mut bench, 4), Some(left));
    let mut bench = Bench::with(config(), 1);
    submission(&mut bench, &[TaskOptions::default(), TaskOptions::default()]);
    bench.say(CLIENT, Message::Stop);
    assert_eq!(reason(&mut bench, 1), Some(Reason::Stopping));
}

#[test]
fn what_is_coming_is_told_with_what_waits() {
    let mut bench = Bench::new(ControllerConfig { requests: vec![request(1)], ..config() });
    bench.client(CLIENT);
    bench.step(Input::Submitted { request: RequestId(0), answer: Ok("12.login1".into()) });
    let reason = Some("not enough free nodes".to_owned());
    let state = AllocationState { reason, ..AllocationState::new(AllocationPhase::Queued) };
    bench.step(Input::Polled { answer: Ok(BTreeMap::from([("12.login1".into(), state)])) });
    bench.submit(CLIENT, 3, TaskOptions::default());
    let all = why(&mut bench, Subject::Waiting);
    assert_eq!(all.coming.len(), 1);
    assert_eq!(all.coming[0].state.reason.as_deref(), Some("not enough free nodes"));
    let waiting = vec![Group { tasks: 3, reason: Reason::NoEngine }];
    assert_eq!(all.about, [About::Tasks { submission: None, assigned: 0, waiting }]);
    for subject in [
        Subject::Allocation("12".into()),
        Subject::Allocation("12.login1".into()),
        Subject::Request(RequestId(0)),
    ] {
        let about = why(&mut bench, subject).about;
        assert!(
            matches!(&about[..], [About::Allocation(one)] if one.id == Some("12.login1".into())),
            "{about:?}"
        );
    }
    assert_eq!(why(&mut bench, Subject::Allocation("1".into())).about, []);
    assert_eq!(why(&mut bench, Subject::Engine(EngineId(0))).about, []);
}

#[test]
fn what_became_of_engines_and_their_tasks() {
    let mut bench = Bench::with(config(), 1);
    submission(&mut bench, &[TaskOptions::default()]);
    let there = why(&mut bench, Subject::Engine(EngineId(0))).about;
    assert!(
        matches!(&there[..], [About::Engine { status, remaining_ms: None, ending: false }] if status.assigned == 1)
    );
    bench.drop_host(LinkId(100));
    bench.host(LinkId(101), 1, None);
    let gone = why(&mut bench, Subject::Engine(EngineId(0))).about;
    let [About::Gone(gone)] = &gone[..] else { panic!("{gone:?}") };
    assert_eq!((&*gone.node, &*gone.why, gone.again, gone.together), ("node100", "gone", 1, 1));
    assert_eq!(gone.gone_micros, 2_000_000);
    let engines = Retirees::Engines(vec![EngineId(1)]);
    bench.say(CLIENT, Message::Retire { question: 1, now: true, retirees: engines });
    let task = why(&mut bench, Subject::Task(SubmissionId(1), TaskId(0))).about;
    let [About::Task { record, losses, .. }] = &task[..] else { panic!("{task:?}") };
    assert_eq!(record.attempts, 2);
    let told: Vec<(&str, u16, bool)> =
        losses.iter().map(|loss| (&*loss.node, loss.times, loss.excused)).collect();
    assert_eq!(told, [("node100", 1, false), ("node101", 1, true)]);
}

#[test]
fn what_became_of_a_task_that_has_ended() {
    let mut bench = Bench::with(config(), 1);
    let once = TaskOptions { rerun: false, ..TaskOptions::default() };
    submission(&mut bench, &[TaskOptions::default(), once]);
    bench.finish(EngineId(0), 1, 1, TaskStatus::Ok);
    bench.drop_host(LinkId(100));
    let mut failure = |task| {
        let about = why(&mut bench, Subject::Task(SubmissionId(1), TaskId(task))).about;
        let [About::Task { record, failure, .. }] = &about[..] else { panic!("{about:?}") };
        (record.state, failure.clone())
    };
    assert_eq!(failure(0), (crate::wire::TaskState::Ended(TaskStatus::Ok), None));
    let (state, why_it_failed) = failure(1);
    assert_eq!(state, crate::wire::TaskState::Ended(TaskStatus::Lost));
    assert!(why_it_failed.unwrap().contains("not to be run again"));
    assert_eq!(why(&mut bench, Subject::Task(SubmissionId(1), TaskId(2))).about, []);
    assert_eq!(why(&mut bench, Subject::Task(SubmissionId(2), TaskId(0))).about, []);
}
