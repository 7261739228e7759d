use rpar_core::scheduler::{AllocationPhase, AllocationState};

use super::*;

fn queued() -> AllocationStatus {
    let state = AllocationState {
        reason: Some("not enough free nodes".into()),
        start: Some("14:05".into()),
        ..AllocationState::new(AllocationPhase::Queued)
    };
    AllocationStatus {
        id: Some("123.login1".into()),
        state,
        engines_wanted: 8,
        coming: true,
        ..Default::default()
    }
}

fn told(about: About, coming: Vec<AllocationStatus>) -> String {
    answer(&Because { about: vec![about], coming }, &|verb| format!("`rpar {verb}`"))
}

fn task(state: TaskState, reason: Option<Reason>) -> About {
    let record = TaskRecord { id: TaskId(2), state, attempts: 1, ..TaskRecord::default() };
    About::Task {
        submission: SubmissionId(7),
        record: Box::new(record),
        reason,
        losses: vec![],
        failure: None,
    }
}

#[test]
fn waiting_tasks_in_words() {
    let waits = |reason, coming| told(task(TaskState::Queued, Some(reason)), coming);
    let cases = [
        (
            waits(Reason::Busy { engines: 2, saved: false }, vec![queued()]),
            "task 7.3 waits: all 2 engines that may run it are busy, or others come first; allocation 123.login1 is \
             queued: not enough free nodes, estimated start 14:05\n",
        ),
        (
            waits(Reason::Busy { engines: 1, saved: true }, vec![]),
            "task 7.3 waits: the one engine that may run it is busy; a node is kept free for it\n",
        ),
        (
            waits(Reason::NoEngine, vec![]),
            "task 7.3 waits: no engine is there; none is coming: `rpar engines add` asks for more\n",
        ),
        (
            waits(Reason::Others { tasks: 1, first: Some(TaskId(0)), submissions: vec![] }, vec![]),
            "task 7.3 waits: for the end of task 7.1\n",
        ),
        (
            waits(
                Reason::Others { tasks: 4, first: Some(TaskId(0)), submissions: vec![SubmissionId(5)] },
                vec![],
            ),
            "task 7.3 waits: for the end of 4 tasks, of which 7.1 is the first and submission 5\n",
        ),
        (
            waits(Reason::Paused, vec![]),
            "task 7.3 waits: results fill what the controller keeps of them; `rpar results ID --forget` makes room\n",
        ),
        (
            waits(Reason::Lacks("no engine has the label `x`".into()), vec![queued()]),
            "task 7.3 waits: no engine has the label `x`; allocation 123.login1 is queued: not enough free nodes, \
             estimated start 14:05\n",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(text, expected);
    }
}

#[test]
fn tasks_that_wait_are_summed_up() {
    let waiting =
        vec![Group { tasks: 40, reason: Reason::Untaken }, Group { tasks: 1, reason: Reason::Stopping }];
    let about = |assigned, waiting| About::Tasks { submission: None, assigned, waiting };
    let text = told(about(3, waiting), vec![]);
    assert_eq!(
        text,
        "40 tasks wait: its client does not take its results\n1 task waits: the cluster is being stopped\n"
    );
    assert_eq!(told(about(3, vec![]), vec![]), "no task waits; 3 are at engines\n");
    assert_eq!(
        told(about(0, vec![]), vec![queued()]),
        "no task waits; allocation 123.login1 is queued: not enough free nodes, estimated start 14:05\n"
    );
}

#[test]
fn ended_tasks_and_gone_engines_in_words() {
    let record = TaskRecord {
        id: TaskId(0),
        state: TaskState::Ended(TaskStatus::Lost),
        attempts: 3,
        engine: Some(rpar_core::id::EngineId(9)),
        node: Some("n7".into()),
        ..TaskRecord::default()
    };
    let loss = TaskLoss { node: "n6".into(), allocation: Some("12".into()), times: 2, excused: true };
    let about = About::Task {
        submission: SubmissionId(7),
        record: Box::new(record),
        reason: None,
        losses: vec![loss],
        failure: Some("it is not tried again".into()),
    };
    assert_eq!(
        told(about, vec![]),
        "task 7.1 ended as lost at engine 9 on node n7, as attempt 3: it is not tried again\n  `rpar results 7` prints what \
         it wrote\n  it lost its engine 2 times on node n6 of allocation 12, by no doing of its own\n"
    );
    let gone = GoneEngine {
        id: rpar_core::id::EngineId(3),
        node: "n7".into(),
        allocation: None,
        gone_micros: u64::MAX >> 12,
        why: "silent for 20s".into(),
        again: 2,
        together: 1,
    };
    assert_eq!(
        told(About::Gone(gone), vec![]),
        "engine 3, on node n7, is gone since 00:00:00: silent for 20s; 2 of its tasks ran again\n"
    );
}
