//! What tasks of submissions write: given to the shell in order, in bounds, and there before their results.

use super::*;
use crate::id::SubmissionId;
use crate::task::Live;
use crate::wire::{ENGINE_OUTPUT_WINDOW_BYTES, Output, TaskState};

const HOST: LinkId = LinkId(100);
const READER: LinkId = LinkId(2);
const ID: SubmissionId = SubmissionId(1);

/// As much as one message of a flood holds.
const PART_BYTES: usize = 60 << 10;

/// What is to be done with files: `+` where they begin anew.
#[derive(Debug, PartialEq, Eq)]
enum Order {
    Write(u64, &'static str, String),
    Discard(Vec<u64>),
}

fn begin(task: u64, text: &str) -> Order {
    Order::Write(task, "+", text.into())
}

fn add(task: u64, text: &str) -> Order {
    Order::Write(task, "", text.into())
}

impl Bench {
    /// A cluster of one host with a closed submission of `count` tasks.
    fn with_submission(engines: u32, count: u64, options: TaskOptions) -> Self {
        let mut bench = Bench::with(config(), engines);
        bench.say(CLIENT, Message::Open { name: "sweep".into() });
        bench.submit(CLIENT, count, TaskOptions { live: Live::Yes, ..options });
        bench.say(CLIENT, Message::Close);
        bench
    }

    fn reads(&mut self) {
        self.step(Input::LinkUp { link: READER, role: Role::Client, address: "here".into() });
        self.say(READER, Message::Read { submission: ID, results: true });
    }

    /// The task that an engine runs writes.
    fn writes(&mut self, engine: u32, data: impl Into<Bytes>) {
        let task = self.engines[&EngineId(engine)][0].id;
        let output = Output { engine: EngineId(engine), task, attempt: 1, stream: 1, data: data.into() };
        self.say(HOST, Message::Output(output));
    }

    /// All that the shell was given, and has not been asked about.
    fn orders(&mut self) -> Vec<Order> {
        let orders = self.others(|effect| match effect {
            Effect::Write { submission: ID, task, begins, data, stream: 1 } => {
                let text = String::from_utf8_lossy(data).into_owned();
                Some(Order::Write(task.0, if *begins { "+" } else { "" }, text))
            }
            Effect::Discard { submission: ID, tasks } => {
                Some(Order::Discard(tasks.iter().map(|task| task.0).collect()))
            }
            _ => None,
        });
        self.other.retain(|effect| !matches!(effect, Effect::Write { .. } | Effect::Discard { .. }));
        orders
    }

    fn wrote(&mut self, count: usize) {
        self.step(Input::Written { answers: vec![Ok(()); count] });
    }

    /// The room that an engine was given last.
    fn room(&self, engine: u32) -> u64 {
        let rooms = self.others(|effect| match effect {
            Effect::Send { link: HOST, message: Message::Room { engine: Some(id), bytes } }
                if id.0 == engine =>
            {
                Some(*bytes)
            }
            _ => None,
        });
        rooms.last().copied().unwrap_or(ENGINE_OUTPUT_WINDOW_BYTES)
    }

    fn came_so_far(&self) -> u64 {
        self.results.keys().filter(|(link, _)| *link == READER).count() as u64
    }

    fn came(&self, id: u64) -> Option<TaskStatus> {
        self.results.get(&(READER, TaskId(id))).map(|(status, _)| *status)
    }
}

#[test]
fn it_is_written_in_order_under_the_submissions_own_numbers_before_the_result_is_there() {
    let mut bench = Bench::with_submission(2, 2, TaskOptions::default());
    bench.reads();
    for (engine, text) in [(0, "one"), (1, "other"), (0, "two")] {
        bench.writes(engine, text);
    }
    assert_eq!(bench.orders(), [begin(0, "one"), begin(1, "other"), add(0, "two")]);
    bench.finish(EngineId(0), 1, 5, TaskStatus::Ok);
    bench.wrote(2);
    assert_eq!(bench.came(0), None, "`two` is not in its file yet");
    let status = bench.controller.status().submissions[0].clone();
    assert_eq!((status.succeeded, status.assigned, status.kept_bytes), (0, 2, 0));
    bench.say(READER, Message::List { question: 1, submission: ID, from: TaskId(0) });
    let pages = bench.others(|effect| match effect {
        Effect::Send { message: Message::Listed { page, .. }, .. } => Some(page.clone()),
        _ => None,
    });
    let states: Vec<TaskState> = pages[0].tasks.iter().map(|task| task.state).collect();
    assert_eq!(states, [TaskState::Assigned; 2]);
    bench.finish(EngineId(1), 1, 5, TaskStatus::Ok);
    assert_eq!(bench.came(1), Some(TaskStatus::Ok), "nothing of its own is left to be written");
    bench.say(READER, Message::Forget { upto: TaskId(2) });
    assert_eq!(bench.orders(), [], "task 0 is needed");
    bench.wrote(1);
    assert_eq!(bench.came(0), Some(TaskStatus::Ok));
    bench.say(READER, Message::Forget { upto: TaskId(2) });
    assert_eq!(bench.orders(), [Order::Discard(vec![0, 1])]);
}

#[test]
fn a_flood_waits_for_its_file() {
    let mut bench = Bench::with_submission(1, 1, TaskOptions::default());
    let (mut sent, cost) = (0, PART_BYTES as u64 + crate::wire::TASK_COST_BYTES);
    while sent < bench.room(0) {
        bench.writes(0, vec![b'x'; PART_BYTES]);
        sent += cost;
    }
    assert_eq!(bench.room(0), ENGINE_OUTPUT_WINDOW_BYTES, "nothing is written yet");
    let parts = bench.orders().len();
    assert_eq!(parts as u64, sent / cost);
    bench.wrote(parts);
    // it hears of each half of the window
    assert!(bench.room(0) > sent + ENGINE_OUTPUT_WINDOW_BYTES / 2);
}

#[test]
fn each_try_begins_anew_and_files_that_no_result_is_about_go() {
    let mut bench = Bench::with_submission(1, 1, TaskOptions { retries: 2, ..TaskOptions::default() });
    for text in ["first", "second"] {
        bench.writes(0, text);
        bench.writes(0, "more");
        assert_eq!(bench.orders(), [begin(0, text), add(0, "more")]);
        bench.wrote(2);
        bench.finish(EngineId(0), 1, 5, TaskStatus::Failed);
    }
    // the third writes little: its result holds it
    bench.finish(EngineId(0), 1, 5, TaskStatus::Ok);
    assert_eq!(bench.orders(), [Order::Discard(vec![0])]);
}

#[test]
fn what_a_cancelled_task_wrote_goes_with_it() {
    let mut bench = Bench::with_submission(1, 1, TaskOptions::default());
    bench.writes(0, "words");
    bench.say(CLIENT, Message::Cancel { runs: Runs::one(TaskId(0), 1), running: true });
    bench.finish(EngineId(0), 1, 5, TaskStatus::Cancelled);
    assert_eq!(bench.orders(), [begin(0, "words")], "it is about to be written");
    bench.wrote(1);
    assert_eq!(bench.orders(), [Order::Discard(vec![0])]);
}

#[test]
fn a_task_whose_file_cannot_be_written_is_ended_and_the_others_go_on() {
    let mut bench = Bench::with_submission(2, 2, TaskOptions { retries: 5, ..TaskOptions::default() });
    bench.reads();
    bench.writes(0, "one");
    bench.writes(0, "two");
    bench.writes(1, "other");
    bench.orders();
    let full = || Err("/there/1.output: No space left on device".to_owned());
    bench.step(Input::Written { answers: vec![full(), full(), Ok(())] });
    assert_eq!(bench.orders(), [Order::Discard(vec![0])], "others can do with the space");
    let problems = bench.controller.status().problems;
    assert!(problems.len() == 1 && problems[0].contains("task 1 of submission 1"), "{problems:?}");
    let cancelled = bench.others(|effect| match effect {
        Effect::Send { link: HOST, message: Message::Cancel { runs, running } } => {
            Some((runs.count(), *running))
        }
        _ => None,
    });
    assert_eq!(cancelled, [(1, true)]);
    bench.writes(0, "before it hears of it");
    assert_eq!(bench.orders(), [], "that is dropped");
    // it may have ended well meanwhile
    bench.finish(EngineId(0), 1, 5, TaskStatus::Ok);
    bench.finish(EngineId(1), 1, 5, TaskStatus::Ok);
    assert_eq!((bench.came(0), bench.came(1)), (Some(TaskStatus::Failed), Some(TaskStatus::Ok)));
    let why = Failure::decode(&bench.results[&(READER, TaskId(0))].1).unwrap().message;
    assert!(why.contains("/there/1.output: No space left on device"), "{why}");
    let status = bench.controller.status();
    assert_eq!((status.tasks.succeeded, status.tasks.failed), (1, 1));
    assert_eq!((status.submissions[0].succeeded, status.submissions[0].failed), (1, 1));
}

#[test]
fn results_that_came_together_stay_together_when_one_is_a_failure() {
    let mut bench = Bench::with_submission(1, 50, TaskOptions::default());
    bench.reads();
    while bench.engines[&EngineId(0)].len() < 3 {
        bench.finish(EngineId(0), 1, 5, TaskStatus::Ok);
    }
    let first = bench.came_so_far();
    // the middle one of three writes
    bench.engines.get_mut(&EngineId(0)).unwrap().rotate_left(1);
    bench.writes(0, "words");
    bench.engines.get_mut(&EngineId(0)).unwrap().rotate_right(1);
    bench.finish(EngineId(0), 3, 5, TaskStatus::Ok);
    assert_eq!(bench.came_so_far(), first);
    bench.step(Input::Written { answers: vec![Err("full".into())] });
    let all: Vec<_> = (first..first + 3).map(|id| bench.came(id)).collect();
    assert_eq!(all, [Some(TaskStatus::Ok), Some(TaskStatus::Failed), Some(TaskStatus::Ok)]);
    assert_eq!(bench.results[&(READER, TaskId(first + 2))].1, argument(first + 2));
}
