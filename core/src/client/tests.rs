//! The machine, step by step.

use std::time::Duration;

use bytes::Bytes;

use super::{Client, ClientConfig, Effect, Input};
use crate::id::{EngineId, SubmissionId, TaskId};
use crate::task::{Failure, Function, FunctionKind, TaskOptions, TaskStatus};
use crate::time::Timestamp;
use crate::wire::{
    BULK, Batch, BulkLength, CLIENT_OUTPUT_WINDOW_BYTES, FRAME_LIMIT_BYTES, Message, Opened, Outcomes,
    Output, Runs, TASK_COST_BYTES, Transfer, encode,
};

const SECOND: Duration = Duration::from_secs(1);

struct Bench {
    client: Client,
    now: Timestamp,
    next: u64,
}

fn function(body: &'static str) -> Function {
    Function { kind: FunctionKind::Native, body: Bytes::from_static(body.as_bytes()) }
}

impl Bench {
    fn new(submit: u64, result: u64) -> Self {
        let config = ClientConfig {
            heartbeat: SECOND,
            lost_after: 10 * SECOND,
            submit_window_bytes: submit,
            result_window_bytes: result,
        };
        let mut bench = Bench { client: Client::new(config), now: Timestamp(5), next: 0 };
        assert_eq!(bench.step(Input::Tick), []);
        bench
    }

    fn open() -> Self {
        Bench::new(1 << 30, 1 << 30)
    }

    fn step(&mut self, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.client.step(self.now, input, &mut effects);
        effects
    }

    fn receive(&mut self, message: Message) -> Vec<Effect> {
        self.step(Input::Received(message))
    }

    fn submit_to(&mut self, function: Function, batch: Batch, bulk: Vec<Bytes>) -> Vec<Effect> {
        let base = TaskId(self.next);
        self.next += batch.lengths.len() as u64;
        let hash = function.hash();
        self.step(Input::Submit { base, function, hash, options: TaskOptions::default(), batch, bulk })
    }

    fn submit(&mut self, batch: Batch, bulk: Vec<Bytes>) -> Vec<Effect> {
        self.submit_to(function("f"), batch, bulk)
    }
}

fn payloads(count: usize, bytes: usize) -> Batch {
    std::iter::repeat_n(Bytes::from(vec![b'a'; bytes]), count).collect()
}

fn announced(bytes: u64) -> Batch {
    Batch {
        lengths: [BULK].into_iter().collect(),
        payload: Bytes::new(),
        bulk: vec![BulkLength { index: 0, bytes }],
    }
}

fn results(ids: &[u64], batch: Batch) -> Message {
    Message::Results(Outcomes {
        engine: Some(EngineId(1)),
        runs: ids.iter().copied().map(TaskId).collect(),
        codes: Bytes::new(),
        ran: ids.iter().map(|_| 1).collect(),
        batch,
        ..Outcomes::default()
    })
}

/// Ids and status of what was delivered.
fn delivered(effects: &[Effect]) -> Vec<(u64, u8)> {
    let mut all = Vec::new();
    for effect in effects {
        if let Effect::Deliver { outcomes, bulk } = effect {
            assert_eq!(bulk.len(), outcomes.batch.bulk.len());
            let codes = outcomes.codes.iter().copied().chain(std::iter::repeat(0));
            all.extend(outcomes.runs.ids().map(|id| id.0).zip(codes));
        }
    }
    all
}

/// First id and number of tasks of each submission that has left.
fn submitted(effects: &[Effect]) -> Vec<(u64, usize)> {
    let submit = |effect: &Effect| match effect {
        Effect::Send(Message::Submit { base, batch, .. }) => Some((base.0, batch.lengths.len())),
        _ => None,
    };
    effects.iter().filter_map(submit).collect()
}

fn sent(effects: &[Effect]) -> u64 {
    effects.iter().map(|effect| if let Effect::Sent { bytes } = effect { *bytes } else { 0 }).sum()
}

#[test]
fn a_function_goes_ahead_of_its_first_tasks_only() {
    let mut bench = Bench::open();
    let effects = bench.submit(payloads(2, 3), vec![]);
    assert_eq!(effects[0], Effect::Send(Message::Define(function("f"))));
    assert_eq!(submitted(&effects), [(0, 2)]);
    assert_eq!(effects[2], Effect::Sent { bytes: 6 + 2 * TASK_COST_BYTES });
    assert_eq!(bench.submit(payloads(1, 3), vec![]).len(), 2, "it is known now");
    let effects = bench.submit_to(function("g"), payloads(1, 3), vec![]);
    assert_eq!(effects[0], Effect::Send(Message::Define(function("g"))));
}

#[test]
fn submissions_stay_within_the_window_and_in_order() {
    let cost = 100 + TASK_COST_BYTES;
    let mut bench = Bench::new(10 * cost, 1 << 30);
    assert_eq!(submitted(&bench.submit(payloads(25, 100), vec![])), [(0, 10)]);
    assert_eq!(submitted(&bench.submit(payloads(5, 100), vec![])), [], "the others are first");
    assert_eq!(submitted(&bench.receive(Message::Window { bytes: 11 * cost })), [], "no crumbs");
    assert_eq!(submitted(&bench.receive(Message::Window { bytes: 15 * cost })), [(10, 5)]);
    assert_eq!(submitted(&bench.receive(Message::Window { bytes: 12 * cost })), [], "it never shrinks");
    let effects = bench.receive(Message::Window { bytes: 27 * cost });
    assert_eq!(submitted(&effects), [(15, 10)]);
    assert_eq!(sent(&effects), 10 * cost);
    assert_eq!(submitted(&bench.receive(Message::Window { bytes: 30 * cost })), [(25, 5)]);
}

#[test]
fn large_submissions_are_split_into_frames() {
    let mut bench = Bench::open();
    let effects = bench.submit(payloads(50, 200_000), vec![]);
    let parts = submitted(&effects);
    assert_eq!(parts.iter().map(|(_, count)| count).sum::<usize>(), 50);
    assert!(parts.windows(2).all(|pair| pair[0].0 + pair[0].1 as u64 == pair[1].0));
    for effect in effects {
        if let Effect::Send(message) = effect {
            let mut frame = bytes::BytesMut::new();
            encode(&message, &mut frame);
            assert!(frame.len() < FRAME_LIMIT_BYTES / 4);
        }
    }
}

#[test]
fn what_no_frame_can_carry_ends_at_once_with_a_reason() {
    let mut bench = Bench::open();
    let body = Bytes::from(vec![0; FRAME_LIMIT_BYTES]);
    let effects = bench.submit_to(Function { kind: FunctionKind::Python, body }, payloads(2, 1), vec![]);
    assert_eq!(delivered(&effects), [(0, TaskStatus::Failed as u8), (1, TaskStatus::Failed as u8)]);
    let Some(Effect::Deliver { outcomes, .. }) = effects.last() else { panic!("{effects:?}") };
    let half = outcomes.batch.payload.len() / 2;
    let why = Failure::decode(&outcomes.batch.payload[..half]).unwrap();
    assert!(why.message.contains("argument instead"), "{}", why.message);
    assert_eq!(sent(&effects), 2 + 2 * TASK_COST_BYTES);
    assert!(bench.client.is_idle());
}

#[test]
fn results_are_delivered_once() {
    let mut bench = Bench::open();
    bench.submit(payloads(6, 1), vec![]);
    assert_eq!(delivered(&bench.receive(results(&[3, 4], payloads(2, 1)))), [(3, 0), (4, 0)]);
    let effects = bench.receive(results(&[2, 3, 4, 5, 77], payloads(5, 1)));
    assert_eq!(delivered(&effects), [(2, 0), (5, 0)], "known and unknown ones are dropped");
    assert_eq!(delivered(&bench.receive(results(&[0, 0, 1], payloads(3, 1)))), [(0, 0), (1, 0)]);
    assert!(bench.client.is_idle());
}

#[test]
fn long_results_are_pulled_and_delivered_whole() {
    let mut bench = Bench::open();
    bench.submit(payloads(3, 1), vec![]);
    let transfer = Transfer::Result(TaskId(1));
    let mut batch = payloads(2, 1);
    batch.lengths = [1, BULK, 1].into_iter().collect();
    batch.bulk = vec![BulkLength { index: 1, bytes: 5 }];
    let effects = bench.receive(results(&[0, 1, 2], batch));
    assert_eq!(delivered(&effects), [(0, 0), (2, 0)], "short ones do not wait");
    assert!(effects.contains(&Effect::Send(Message::Grant { transfer, upto: 5 })));
    let chunk = |offset, data| Message::Chunk { transfer, offset, data: Bytes::from_static(data) };
    assert_eq!(bench.receive(chunk(0, b"ab")), []);
    let effects = bench.receive(chunk(2, b"cde"));
    let [Effect::Deliver { outcomes, bulk }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((outcomes.batch.bulk[0].index, &bulk[0][..]), (0, &b"abcde"[..]));
    assert_eq!(bench.receive(chunk(0, b"again")), [], "it is not expected any more");
    assert!(bench.client.is_idle());
}

#[test]
fn a_new_announcement_replaces_what_had_come() {
    let mut bench = Bench::open();
    bench.submit(payloads(2, 1), vec![]);
    let transfer = Transfer::Result(TaskId(0));
    let chunk = |offset, data| Message::Chunk { transfer, offset, data: Bytes::from_static(data) };
    bench.receive(results(&[0], announced(4)));
    bench.receive(chunk(0, b"XX"));
    let effects = bench.receive(results(&[0], announced(3)));
    assert_eq!(effects, [Effect::Send(Message::Grant { transfer, upto: 3 })]);
    let effects = bench.receive(chunk(0, b"new"));
    assert!(matches!(&effects[..], [Effect::Deliver { bulk, .. }] if bulk[0] == b"new"[..]), "{effects:?}");

    let transfer = Transfer::Result(TaskId(1));
    bench.receive(results(&[1], announced(4)));
    assert_eq!(
        delivered(&bench.receive(results(&[1], payloads(1, 2)))),
        [(1, 0)],
        "a short one in its place"
    );
    assert_eq!(bench.receive(Message::Chunk { transfer, offset: 0, data: Bytes::from_static(b"late") }), []);
    assert!(bench.client.is_idle());
}

#[test]
fn long_arguments_are_served_again_and_kept_until_the_end() {
    let mut bench = Bench::open();
    bench.submit(announced(3), vec![Bytes::from_static(b"abc")]);
    let transfer = Transfer::Argument(TaskId(0));
    let grant = |upto| Message::Grant { transfer, upto };
    let chunk =
        |offset, data| Effect::Send(Message::Chunk { transfer, offset, data: Bytes::from_static(data) });
    assert_eq!(bench.receive(grant(2)), [chunk(0, b"ab")]);
    assert_eq!(bench.receive(grant(9)), [chunk(2, b"c")]);
    assert_eq!(bench.receive(grant(0)), [], "that engine is lost");
    assert_eq!(bench.receive(grant(3)), [chunk(0, b"abc")]);
    assert!(!bench.client.is_idle());
    bench.receive(results(&[0], payloads(1, 1)));
    assert_eq!(bench.receive(grant(0)), []);
    assert_eq!(bench.receive(grant(3)), [], "kept no longer");
    assert!(bench.client.is_idle());
}

fn cancel(runs: Runs) -> Input {
    Input::Cancel { runs, running: true }
}

#[test]
fn cancelled_tasks_end_here_if_they_have_not_left() {
    let cost = 1 + TASK_COST_BYTES;
    let mut bench = Bench::new(4 * cost, 1 << 30);
    bench.submit(payloads(10, 1), vec![]);
    let effects = bench.step(cancel([2, 3, 4, 7].into_iter().map(TaskId).collect()));
    let cancelled = TaskStatus::Cancelled as u8;
    assert_eq!(delivered(&effects), [(4, cancelled), (7, cancelled)]);
    assert!(
        effects.contains(&Effect::Send(Message::Cancel { runs: Runs::one(TaskId(2), 2), running: true }))
    );
    assert_eq!(sent(&effects), 2 * cost, "there is room for others to be prepared");
    let effects = bench.receive(Message::Window { bytes: 100 * cost });
    assert_eq!(submitted(&effects), [(5, 2), (8, 2)]);
    assert_eq!(bench.step(cancel(Runs::one(TaskId(500), 9))), []);
}

#[test]
fn the_result_window_moves_with_what_is_taken() {
    let cost = 1 + TASK_COST_BYTES;
    let mut bench = Bench::new(1 << 30, 8 * cost);
    bench.submit(payloads(9, 1), vec![]);
    bench.receive(results(&[0, 1, 2], payloads(3, 1)));
    assert_eq!(bench.step(Input::Taken { bytes: cost }), [], "told in quarters");
    let window = |bytes| [Effect::Send(Message::Window { bytes })];
    assert_eq!(bench.step(Input::Taken { bytes: 2 * cost }), window(11 * cost));
    // a duplicate counted on its way here, though nobody takes it
    bench.receive(results(&[0], payloads(1, 1)));
    bench.receive(results(&[3], payloads(1, 1)));
    assert_eq!(bench.step(Input::Taken { bytes: cost }), window(13 * cost));
}

#[test]
fn what_ended_here_never_counted_against_the_result_window() {
    let mut bench = Bench::new(1, 1000);
    bench.submit(payloads(1, 1), vec![]);
    let effects = bench.step(cancel(Runs::one(TaskId(0), 1)));
    let Some(Effect::Deliver { outcomes, .. }) = effects.last() else { panic!("{effects:?}") };
    assert_eq!(bench.step(Input::Taken { bytes: outcomes.batch.cost() }), []);
    assert_eq!(bench.step(Input::Taken { bytes: 250 }), [Effect::Send(Message::Window { bytes: 1250 })]);
}

#[test]
fn silence_is_broken_by_heartbeats_and_punished() {
    let mut bench = Bench::open();
    let mut beats = 0;
    loop {
        bench.now = bench.client.deadline().unwrap();
        match &bench.step(Input::Tick)[..] {
            [Effect::Send(Message::Heartbeat)] => beats += 1,
            [Effect::Send(Message::Heartbeat), Effect::Lost { reason, orderly: false }]
            | [Effect::Lost { reason, orderly: false }] => {
                assert!(reason.contains("silent for 10s"), "{reason}");
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!((9..=10).contains(&beats), "{beats}");
    assert_eq!(bench.client.deadline(), None);
    assert_eq!(bench.submit(payloads(1, 1), vec![]), [], "nothing comes after the end");
}

#[test]
fn an_end_is_orderly_when_it_was_announced() {
    let lost = |input| match &Bench::open().step(input)[..] {
        [Effect::Lost { orderly, .. }] => *orderly,
        other => panic!("{other:?}"),
    };
    assert!(lost(Input::Received(Message::Goodbye { reason: "stopped".into() })));
    assert!(!lost(Input::LinkDown { reason: "reset".into() }));
}

#[test]
fn messages_that_do_not_fit_end_the_link_with_a_reason() {
    let grant = Message::Grant { transfer: Transfer::Result(TaskId(0)), upto: 1 };
    for message in [Message::Stop, Message::Registered { first: EngineId(0) }, grant] {
        let name = message.name();
        let effects = Bench::open().receive(message);
        let [Effect::Send(Message::Goodbye { .. }), Effect::Lost { reason, orderly: false }] = &effects[..]
        else {
            panic!("{name}: {effects:?}");
        };
        assert!(reason.contains(name), "{reason}");
    }
    let mut bench = Bench::open();
    bench.submit(payloads(1, 1), vec![]);
    bench.receive(results(&[0], announced(4)));
    let transfer = Transfer::Result(TaskId(0));
    let effects = bench.receive(Message::Chunk { transfer, offset: 2, data: Bytes::from_static(b"xx") });
    assert!(matches!(effects.last(), Some(Effect::Lost { orderly: false, .. })), "{effects:?}");
}

#[test]
fn questions_answers_and_words_pass() {
    let mut bench = Bench::open();
    let ask = Message::Ask { question: 3, after: Some(4) };
    assert_eq!(bench.step(Input::Ask { question: 3, after: Some(4) }), [Effect::Send(ask)]);
    let answer = Message::Status { question: 3, status: Box::default() };
    assert_eq!(bench.receive(answer), [Effect::Answer { question: 3, status: Box::default() }]);
    let notice = Message::Notice { text: "careful".into() };
    assert_eq!(bench.receive(notice), [Effect::Notice { text: "careful".into() }]);
    assert_eq!(bench.step(Input::Stop), [Effect::Send(Message::Stop)]);
}

#[test]
fn a_submission_is_closed_once_all_of_it_was_sent() {
    let mut bench = Bench::new(4 * TASK_COST_BYTES, 1 << 30);
    assert_eq!(
        bench.step(Input::Open { name: "n".into() }),
        [Effect::Send(Message::Open { name: "n".into() })]
    );
    bench.submit(payloads(6, 0), vec![]);
    assert_eq!(bench.step(Input::Close), [], "two tasks wait for the window");
    let effects = bench.receive(Message::Window { bytes: 8 * TASK_COST_BYTES });
    assert_eq!(submitted(&effects), [(4, 2)]);
    assert_eq!(effects.last(), Some(&Effect::Send(Message::Close)));
}

#[test]
fn a_reader_takes_the_results_of_tasks_that_it_did_not_submit() {
    let mut bench = Bench::open();
    let submission = SubmissionId(4);
    let opened =
        |tasks, forgotten| Opened { submission, tasks, forgotten: TaskId(forgotten), ..Opened::default() };
    bench.step(Input::Read { submission, results: true });
    assert_eq!(bench.receive(Message::Opened(opened(3, 1))), [Effect::Opened(opened(3, 1))]);
    assert_eq!(delivered(&bench.receive(results(&[0, 1], payloads(2, 1)))), [(1, 0)], "0 is forgotten");
    assert_eq!(delivered(&bench.receive(results(&[3], payloads(1, 1)))), [], "3 is not known yet");
    bench.receive(Message::Opened(opened(4, 2)));
    assert_eq!(delivered(&bench.receive(results(&[1, 2, 3], payloads(3, 1)))), [(2, 0), (3, 0)]);
    assert!(bench.client.is_idle());
}

#[test]
fn output_moves_its_window_as_it_is_taken() {
    let mut bench = Bench::open();
    let part = |bytes: u64| {
        let data = vec![7; bytes as usize].into();
        Output { engine: EngineId(1), task: TaskId(0), attempt: 1, stream: 1, data }
    };
    let half = CLIENT_OUTPUT_WINDOW_BYTES / 2 - TASK_COST_BYTES;
    for _ in 0..2 {
        assert_eq!(bench.receive(Message::Output(part(half))), [Effect::Output(part(half))]);
    }
    assert_eq!(bench.step(Input::OutputTaken { bytes: 1000 }), []);
    let bytes = CLIENT_OUTPUT_WINDOW_BYTES / 2 * 3;
    let room = Effect::Send(Message::Room { engine: None, bytes });
    assert_eq!(bench.step(Input::OutputTaken { bytes: CLIENT_OUTPUT_WINDOW_BYTES / 2 - 1000 }), [room]);
    bench.receive(Message::Output(part(CLIENT_OUTPUT_WINDOW_BYTES / 2)));
    let effects = bench.receive(Message::Output(part(1)));
    assert!(
        matches!(&effects[..], [.., Effect::Lost { reason, .. }] if reason.contains("more output")),
        "{effects:?}"
    );
}
