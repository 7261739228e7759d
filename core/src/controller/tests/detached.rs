//! Submissions: they outlive their client, and their results wait.

use super::*;
use crate::controller::limits::{LIST_LIMIT, SUBMISSIONS_LIMIT};
use crate::id::SubmissionId;
use crate::wire::{BULK, BulkLength, CHUNK_BYTES, Opened, TaskPage, TaskState, Transfer};

const READER: LinkId = LinkId(2);
const ID: SubmissionId = SubmissionId(1);

impl Bench {
    /// A client submits `count` tasks that outlive it, and leaves.
    fn detach(&mut self, count: u64) {
        self.say(CLIENT, Message::Open { name: "sweep".into() });
        self.submit(CLIENT, count, TaskOptions::default());
        self.say(CLIENT, Message::Close);
        self.leave(CLIENT);
    }

    fn leave(&mut self, link: LinkId) {
        self.step(Input::LinkDown { link, reason: "gone".into() });
    }

    fn read(&mut self, link: LinkId) {
        self.step(Input::LinkUp { link, role: Role::Client, address: "here".into() });
        self.say(link, Message::Read { submission: ID, results: true });
    }

    fn opened(&self, wanted: LinkId) -> Vec<Opened> {
        self.others(|effect| match effect {
            Effect::Send { link, message: Message::Opened(opened) } if *link == wanted => Some(*opened),
            _ => None,
        })
    }

    fn taken(&self, wanted: LinkId) -> usize {
        self.results.keys().filter(|(link, _)| *link == wanted).count()
    }

    fn page(&mut self, from: u64) -> TaskPage {
        self.say(READER, Message::List { question: 1, submission: ID, from: TaskId(from) });
        let pages = self.others(|effect| match effect {
            Effect::Send { message: Message::Listed { page, .. }, .. } => Some(page.clone()),
            _ => None,
        });
        pages.last().unwrap().clone()
    }
}

#[test]
fn tasks_outlive_their_client_and_results_wait() {
    let mut bench = Bench::with(config(), 2);
    bench.detach(20);
    assert_eq!(
        bench.opened(CLIENT).last(),
        Some(&Opened { submission: ID, tasks: 20, opened_micros: 2_000_000, ..Opened::default() })
    );
    bench.work(10);
    let status = &bench.controller.status().submissions[0];
    assert_eq!((status.tasks, status.succeeded, status.queued, status.assigned), (20, 20, 0, 0));
    assert_eq!((status.name.as_str(), status.open), ("sweep", false));
    for link in [READER, LinkId(3)] {
        bench.read(link);
        assert_eq!(bench.taken(link), 20, "they are there as often as somebody asks");
    }
    bench.say(READER, Message::Forget { upto: TaskId(20) });
    bench.leave(READER);
    assert_eq!(bench.controller.status().submissions.len(), 1, "somebody still reads it");
    bench.leave(LinkId(3));
    assert_eq!(bench.controller.status().submissions, []);
}

#[test]
fn results_tell_where_and_when_and_at_which_try() {
    let mut bench = Bench::with(config(), 1);
    bench.detach(1);
    bench.finish(EngineId(0), 1, 7, TaskStatus::Ok);
    bench.read(READER);
    let results = bench.others(|effect| match effect {
        Effect::Send { message: Message::Results(outcomes), .. } => Some(outcomes.clone()),
        _ => None,
    });
    assert_eq!(results[0].node.as_deref(), Some("node100"));
    assert_eq!(results[0].ended_micros, 2_000_000, "the bench's host has no clock: the controller's serves");
    assert!(results[0].attempts.is_empty());
}

#[test]
fn a_reader_gets_what_is_still_to_come() {
    let mut bench = Bench::with(config(), 1);
    bench.say(CLIENT, Message::Open { name: String::new() });
    bench.submit(CLIENT, 3, TaskOptions::default());
    bench.read(READER);
    bench.submit(CLIENT, 2, TaskOptions::default());
    bench.work(10);
    assert_eq!(bench.taken(READER), 5);
    let known: Vec<(u64, bool)> = bench.opened(READER).iter().map(|o| (o.tasks, o.open)).collect();
    assert_eq!(known, [(3, true), (5, true)]);
    bench.say(CLIENT, Message::Close);
    assert_eq!(bench.opened(READER).last().map(|o| o.open), Some(false));
}

#[test]
fn a_client_that_is_lost_while_it_submits_is_told_of() {
    let mut bench = Bench::with(config(), 1);
    bench.say(CLIENT, Message::Open { name: String::new() });
    bench.submit(CLIENT, 3, TaskOptions::default());
    bench.leave(CLIENT);
    let problems = bench.controller.status().problems;
    assert!(
        problems.iter().any(|text| text.contains("left before it had closed it: 3 of its tasks are there"))
    );
    bench.work(1);
    assert_eq!(bench.controller.status().submissions[0].succeeded, 3);
}

#[test]
fn too_many_results_pause_submissions_until_they_are_forgotten() {
    // a result takes 64 bytes and its argument
    let mut bench = Bench::with(ControllerConfig { result_bytes: 1000, ..config() }, 1);
    bench.detach(100);
    bench.work(20_000);
    let status = bench.controller.status();
    assert!(status.paused && status.submissions[0].succeeded < 100, "{status:?}");
    assert!(status.problems.iter().any(|text| text.contains("submissions wait")));
    bench.read(READER);
    let mut upto = 0;
    while bench.taken(READER) < 100 {
        let ended = bench.taken(READER) as u64;
        assert!(ended > upto, "no progress");
        upto = ended;
        bench.say(READER, Message::Forget { upto: TaskId(upto) });
        bench.work(20_000);
    }
    assert!(!bench.controller.status().paused);
}

#[test]
fn what_is_needed_is_not_forgotten() {
    let mut bench = Bench::with(config(), 1);
    bench.detach(10);
    bench.finish(EngineId(0), 1, 1, TaskStatus::Ok);
    bench.read(READER);
    bench.say(READER, Message::Forget { upto: TaskId(10) });
    bench.say(READER, Message::Read { submission: ID, results: true });
    assert_eq!(bench.opened(READER).last().map(|opened| opened.forgotten), Some(TaskId(1)));
}

#[test]
fn long_results_are_pulled_and_passed_on_when_asked_for() {
    let bytes = 3 * CHUNK_BYTES as u64;
    let mut bench = Bench::with(config(), 1);
    bench.detach(1);
    bench.engines.get_mut(&EngineId(0)).unwrap().clear();
    let batch = Batch {
        lengths: [BULK].into_iter().collect(),
        bulk: vec![BulkLength { index: 0, bytes }],
        ..Batch::default()
    };
    let runs = Runs::one(TaskId(0), 1);
    let ran = [50].into_iter().collect();
    bench.say(
        LinkId(100),
        Message::Done(Outcomes { engine: Some(EngineId(0)), runs, ran, batch, ..Default::default() }),
    );
    let transfer = Transfer::Result(TaskId(0));
    let asked = bench.others(|effect| match effect {
        Effect::Send { link: LinkId(100), message: Message::Grant { upto, .. } } => Some(*upto),
        _ => None,
    });
    assert_eq!(asked, [bytes]);
    for part in 0..3 {
        let data = Bytes::from(vec![part; CHUNK_BYTES]);
        let offset = part as u64 * CHUNK_BYTES as u64;
        bench.say(LinkId(100), Message::Chunk { transfer, offset, data });
    }
    assert_eq!(bench.controller.status().submissions[0].kept_bytes, 64 + bytes);
    bench.read(READER);
    bench.say(READER, Message::Grant { transfer, upto: bytes });
    let parts = bench.others(|effect| match effect {
        Effect::Send { link: READER, message: Message::Chunk { data, .. } } => Some(data[0]),
        _ => None,
    });
    assert_eq!(parts, [0, 1, 2]);
}

#[test]
fn an_engine_that_is_lost_takes_its_long_result_along() {
    let mut bench = Bench::with(config(), 1);
    bench.detach(1);
    bench.engines.get_mut(&EngineId(0)).unwrap().clear();
    let batch = Batch {
        lengths: [BULK].into_iter().collect(),
        bulk: vec![BulkLength { index: 0, bytes: 1 << 30 }],
        ..Batch::default()
    };
    let (runs, ran) = (Runs::one(TaskId(0), 1), [50].into_iter().collect());
    bench.say(
        LinkId(100),
        Message::Done(Outcomes { engine: Some(EngineId(0)), runs, ran, batch, ..Default::default() }),
    );
    bench.drop_host(LinkId(100));
    bench.host(LinkId(101), 1, None);
    bench.work(1);
    assert_eq!(bench.controller.status().submissions[0].succeeded, 1);
}

#[test]
fn tasks_are_listed_page_by_page() {
    let mut bench = Bench::with(config(), 1);
    bench.detach(LIST_LIMIT + 5);
    bench.finish(EngineId(0), 1, 9, TaskStatus::Failed);
    bench.step(Input::LinkUp { link: READER, role: Role::Client, address: "here".into() });
    let page = bench.page(0);
    assert_eq!((page.tasks.len() as u64, page.next), (LIST_LIMIT, Some(TaskId(LIST_LIMIT))));
    let first = &page.tasks[0];
    assert_eq!((first.state, first.ran_micros, first.attempts), (TaskState::Ended(TaskStatus::Failed), 9, 1));
    assert_eq!(first.node.as_deref(), Some("node100"));
    assert_eq!(page.tasks[1].state, TaskState::Assigned);
    let last = bench.page(LIST_LIMIT);
    assert_eq!((last.tasks.len(), last.next), (5, None));
    assert_eq!(last.tasks[4].state, TaskState::Queued);
}

#[test]
fn a_reader_cancels_the_submission_that_it_reads() {
    let mut bench = Bench::with(config(), 1);
    bench.detach(5);
    bench.read(READER);
    bench.say(READER, Message::Cancel { runs: Runs::one(TaskId(0), 5), running: true });
    let ended = bench.results.values().filter(|(status, _)| *status == TaskStatus::Cancelled).count();
    assert_eq!(ended, 4, "one runs, and is the engine host's to end");
    bench.finish(EngineId(0), 1, 1, TaskStatus::Cancelled);
    assert_eq!(bench.taken(READER), 5);
}

#[test]
fn who_breaks_the_rules_is_sent_away() {
    let long = Batch {
        lengths: [BULK].into_iter().collect(),
        bulk: vec![BulkLength { index: 0, bytes: 1 << 20 }],
        ..Batch::default()
    };
    let submit = |batch| Message::Submit {
        base: TaskId(0),
        function: echo().hash(),
        options: TaskOptions::default(),
        batch,
    };
    let open = || Message::Open { name: "n".into() };
    let short = || [Bytes::from_static(b"a")].into_iter().collect::<Batch>();
    let cases = [
        (vec![open(), open()], "one submission"),
        (vec![submit(short()), open()], "one submission"),
        (vec![open(), submit(long)], "long argument"),
        (vec![open(), Message::Close, submit(short())], "is closed"),
        (vec![Message::Close], "no submission is open"),
        (vec![Message::Forget { upto: TaskId(1) }], "no submission is read"),
        (vec![Message::Read { submission: SubmissionId(9), results: true }], "there is no submission 9"),
        (
            vec![Message::List { question: 0, submission: SubmissionId(9), from: TaskId(0) }],
            "there is no submission 9",
        ),
    ];
    for (messages, reason) in cases {
        let mut bench = Bench::with(config(), 1);
        messages.into_iter().for_each(|message| bench.say(CLIENT, message));
        assert!(bench.goodbyes[&CLIENT].contains(reason), "{reason}: {:?}", bench.goodbyes);
    }
    let mut bench = Bench::with(config(), 1);
    for link in 0..=SUBMISSIONS_LIMIT as u64 {
        bench.client(LinkId(1000 + link));
        bench.say(LinkId(1000 + link), open());
    }
    assert_eq!(bench.goodbyes.len(), 1, "there is room for so many and no more");
}
