//! Questions for reasons, and their answers.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use rpar_core::id::{AllocationId, EngineId, RequestId, SubmissionId, TaskId};
use rpar_core::wire::{
    About, Because, EngineStatus, GoneEngine, Group, Message, Reason, Subject, TaskLoss, TaskRecord,
};

use crate::strategies::text;

fn subject() -> impl Strategy<Value = Subject> {
    prop_oneof![
        Just(Subject::Waiting),
        any::<u64>().prop_map(|id| Subject::Submission(SubmissionId(id))),
        any::<(u64, u64)>().prop_map(|(id, task)| Subject::Task(SubmissionId(id), TaskId(task))),
        any::<u32>().prop_map(|id| Subject::Engine(EngineId(id))),
        text().prop_map(|id| Subject::Allocation(AllocationId(id))),
        any::<u64>().prop_map(|id| Subject::Request(RequestId(id))),
    ]
}

fn reason() -> impl Strategy<Value = Reason> {
    let others = (any::<u64>(), option::of(any::<u64>()), vec(any::<u64>(), 0..3));
    prop_oneof![
        others.prop_map(|(tasks, first, submissions)| Reason::Others {
            tasks,
            first: first.map(TaskId),
            submissions: submissions.into_iter().map(SubmissionId).collect(),
        }),
        Just(Reason::Paused),
        Just(Reason::Untaken),
        Just(Reason::Stopping),
        Just(Reason::NoEngine),
        text().prop_map(Reason::Lacks),
        any::<(u64, bool)>().prop_map(|(engines, saved)| Reason::Busy { engines, saved }),
    ]
}

fn about() -> impl Strategy<Value = About> {
    let group = (any::<u64>(), reason()).prop_map(|(tasks, reason)| Group { tasks, reason });
    let tasks =
        (option::of(any::<u64>()), any::<u64>(), vec(group, 0..3)).prop_map(|(id, assigned, waiting)| {
            About::Tasks { submission: id.map(SubmissionId), assigned, waiting }
        });
    let loss = (text(), any::<(u16, bool)>()).prop_map(|(node, (times, excused))| TaskLoss {
        node,
        allocation: None,
        times,
        excused,
    });
    let task = (any::<u64>(), option::of(reason()), vec(loss, 0..3), option::of(text())).prop_map(
        |(id, reason, losses, failure)| About::Task {
            submission: SubmissionId(id),
            record: Box::new(TaskRecord { id: TaskId(id), ..TaskRecord::default() }),
            reason,
            losses,
            failure,
        },
    );
    let engine =
        (any::<u32>(), option::of(any::<u64>()), any::<bool>()).prop_map(|(id, remaining_ms, ending)| {
            let status = Box::new(EngineStatus { id: EngineId(id), ..EngineStatus::default() });
            About::Engine { status, remaining_ms, ending }
        });
    let gone = (any::<u32>(), text(), any::<u64>()).prop_map(|(id, why, again)| {
        About::Gone(GoneEngine { id: EngineId(id), why, again, ..GoneEngine::default() })
    });
    let allocation = Just(About::Allocation(Box::default()));
    prop_oneof![tasks, task, engine, gone, allocation]
}

/// Any of them.
pub(crate) fn messages() -> impl Strategy<Value = Message> {
    prop_oneof![
        (any::<u32>(), vec(subject(), 0..4))
            .prop_map(|(question, subjects)| Message::Why { question, subjects }),
        (any::<u32>(), vec(about(), 0..4)).prop_map(|(question, about)| Message::Because {
            question,
            because: Box::new(Because { about, coming: Vec::new() }),
        }),
    ]
}

/// One of each.
pub(crate) fn examples() -> Vec<(&'static str, Message)> {
    let reason = Reason::Busy { engines: 8, saved: true };
    let waiting = vec![Group { tasks: 40, reason }];
    let about = vec![About::Tasks { submission: Some(SubmissionId(3)), assigned: 8, waiting }];
    let because = Box::new(Because { about, coming: Vec::new() });
    let subjects = vec![Subject::Submission(SubmissionId(3)), Subject::Engine(EngineId(3))];
    vec![
        ("why", Message::Why { question: 11, subjects }),
        ("because", Message::Because { question: 11, because }),
    ]
}
