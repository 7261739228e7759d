//! The machine, step by step.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{Effect, EngineHost, EngineHostConfig, Input};
use crate::id::{EngineId, FunctionHash, TaskId};
use crate::task::{Function, FunctionKind, RunOptions, TaskStatus};
use crate::time::Timestamp;
use crate::transfer::AHEAD_BYTES;
use crate::wire::{
    BATCH_TARGET_BYTES, BULK, Batch, BulkLength, CHUNK_BYTES, FRAME_LIMIT_BYTES, Message, Outcomes, Output,
    RETURNED, Registration, Runs, TRANSFER_WINDOW_BYTES, Transfer, encode,
};

const SECOND: Duration = Duration::from_secs(1);

struct Bench {
    host: EngineHost,
    now: Timestamp,
}

fn registration() -> Registration {
    Registration { node: "n1".into(), engines: 2, pid: 7, allocation: None, ..Registration::default() }
}

fn function() -> Function {
    Function { kind: FunctionKind::Native, body: Bytes::from_static(b"f") }
}

fn hash() -> FunctionHash {
    function().hash()
}

impl Bench {
    fn new() -> Self {
        let config = EngineHostConfig {
            registration: registration(),
            give_up_after: 60 * SECOND,
            lost_after: 10 * SECOND,
        };
        Bench { host: EngineHost::new(config), now: Timestamp(1_000_000) }
    }

    /// Linked, registered as engines 10 and 11, one function defined.
    fn ready() -> Self {
        let mut bench = Bench::new();
        assert_eq!(bench.step(Input::Tick), [Effect::Dial]);
        assert_eq!(
            bench.step(Input::LinkUp { heartbeat: SECOND }),
            [Effect::Send(Message::Register(registration()))]
        );
        assert_eq!(bench.receive(Message::Registered { first: EngineId(10) }), []);
        let defined = bench.receive(Message::Define(function()));
        assert_eq!(defined, [Effect::Define { hash: hash(), function: function() }]);
        bench
    }

    fn step(&mut self, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.host.step(self.now, input, &mut effects);
        effects
    }

    fn receive(&mut self, message: Message) -> Vec<Effect> {
        self.step(Input::Received(message))
    }

    /// Lets time pass until something happens.
    fn wait(&mut self) -> Vec<Effect> {
        for _ in 0..3 {
            self.now = self.now.max(self.host.deadline().unwrap());
            let effects = self.step(Input::Tick);
            if !effects.is_empty() {
                return effects;
            }
        }
        panic!("the deadline came and nothing happened");
    }
}

fn options() -> RunOptions {
    RunOptions { attempt: 1, timeout_ms: Some(5), shift: -40, ..RunOptions::default() }
}

fn run(engine: u32, first: u64, batch: Batch) -> Message {
    let runs = Runs::one(TaskId(first), batch.lengths.len() as u32);
    Message::Run { engine: EngineId(engine), function: hash(), options: options(), runs, batch }
}

fn short(payloads: &[&'static str]) -> Batch {
    payloads.iter().map(|text| Bytes::from_static(text.as_bytes())).collect()
}

/// One payload of each length that is announced, between one-byte ones.
fn long(lengths: &[u64]) -> Batch {
    let bulk = lengths.iter().enumerate();
    Batch {
        lengths: lengths.iter().flat_map(|_| [1, BULK]).chain([1]).collect(),
        payload: vec![b'x'; lengths.len() + 1].into(),
        bulk: bulk.map(|(at, bytes)| BulkLength { index: 2 * at as u32 + 1, bytes: *bytes }).collect(),
    }
}

fn ended(engine: u32, first: u64, payloads: Batch, bulk: Vec<Bytes>) -> Input {
    let count = payloads.lengths.len();
    let outcomes = Outcomes {
        engine: Some(EngineId(engine)),
        runs: Runs::one(TaskId(first), count as u32),
        codes: Bytes::new(),
        ran: std::iter::repeat_n(9, count).collect(),
        batch: payloads,
        ..Outcomes::default()
    };
    Input::Ended { outcomes, bulk }
}

/// The ids of each `Run`, and how many long arguments came along.
fn runs(effects: &[Effect]) -> Vec<(u32, Vec<u64>, usize)> {
    let run = |effect: &Effect| match effect {
        Effect::Run { slot, runs, bulk, .. } => {
            Some((*slot, runs.ids().map(|id| id.0).collect(), bulk.len()))
        }
        _ => None,
    };
    effects.iter().filter_map(run).collect()
}

fn grants(effects: &[Effect]) -> Vec<(u64, u64)> {
    let grant = |effect: &Effect| match effect {
        Effect::Send(Message::Grant { transfer: Transfer::Argument(task), upto }) => Some((task.0, *upto)),
        _ => None,
    };
    effects.iter().filter_map(grant).collect()
}

fn chunk(task: u64, offset: u64, data: Bytes) -> Message {
    Message::Chunk { transfer: Transfer::Argument(TaskId(task)), offset, data }
}

/// Hangs up with a reason, ends everything, and dials again.
fn assert_breach(mut bench: Bench, message: Message, reason: &str) {
    let name = message.name();
    let effects = bench.receive(message);
    let Some(Effect::Send(Message::Goodbye { reason: said })) = effects.first() else {
        panic!("{name}: {effects:?}");
    };
    assert!(said.contains(reason), "{name}: {said}");
    assert_eq!(effects[1..3], [Effect::Hangup, Effect::Reset], "{name}");
    assert_eq!(bench.wait(), [Effect::Dial], "{name}");
}

#[test]
fn short_tasks_go_straight_to_their_engine_and_back() {
    let mut bench = Bench::ready();
    let batch = short(&["a", "bc"]);
    let effects = bench.receive(run(11, 40, batch.clone()));
    let expected = Effect::Run {
        slot: 1,
        engine: EngineId(11),
        function: hash(),
        options: Arc::new(options()),
        runs: Runs::one(TaskId(40), 2),
        batch,
        bulk: vec![],
    };
    assert_eq!(effects, [expected]);
    let Input::Ended { outcomes, .. } = ended(11, 40, short(&["A", "BC"]), vec![]) else { unreachable!() };
    let effects = bench.step(ended(11, 40, short(&["A", "BC"]), vec![]));
    assert_eq!(effects, [Effect::Send(Message::Done(outcomes))]);
    assert!(bench.host.is_idle());
}

#[test]
fn long_arguments_are_pulled_and_keep_their_engine_in_order() {
    let mut bench = Bench::ready();
    let effects = bench.receive(run(10, 0, long(&[5, 3])));
    assert_eq!(runs(&effects), [(0, vec![0], 0)], "what needs nothing runs at once");
    assert_eq!(grants(&effects), [(3, 3), (1, 5)]);
    assert_eq!(runs(&bench.receive(run(10, 100, short(&["later"])))), [], "its turn has not come");
    assert_eq!(runs(&bench.receive(run(11, 200, short(&["other"])))), [(1, vec![200], 0)]);

    assert_eq!(runs(&bench.receive(chunk(3, 0, Bytes::from_static(b"xyz")))), [], "the first is missing");
    assert_eq!(bench.receive(chunk(1, 0, Bytes::from_static(b"ab"))), []);
    let effects = bench.receive(chunk(1, 2, Bytes::from_static(b"cde")));
    assert_eq!(
        runs(&effects),
        [(0, vec![1], 1), (0, vec![2], 0), (0, vec![3], 1), (0, vec![4], 0), (0, vec![100], 0)]
    );
    let Some(Effect::Run { bulk, batch, .. }) = effects.first() else { unreachable!() };
    assert_eq!(bulk[..], [Bytes::from_static(b"abcde")]);
    assert_eq!(batch.bulk, [BulkLength { index: 0, bytes: 5 }]);
    assert!(bench.host.is_idle());
}

#[test]
fn a_long_argument_comes_within_the_window_and_leaves_room_for_others() {
    let mut bench = Bench::ready();
    let whole = 3 * TRANSFER_WINDOW_BYTES;
    assert_eq!(grants(&bench.receive(run(10, 0, long(&[whole])))), [(1, AHEAD_BYTES)]);
    assert_eq!(grants(&bench.receive(run(11, 10, long(&[7])))), [(11, 7)]);
    let part = Bytes::from(vec![1; CHUNK_BYTES]);
    let (mut have, mut granted) = (0, AHEAD_BYTES);
    while have < whole {
        let effects = bench.receive(chunk(1, have, part.clone()));
        have += part.len() as u64;
        for (task, upto) in grants(&effects) {
            assert_eq!(task, 1);
            assert!(upto > granted, "grants only grow");
            granted = upto;
        }
        assert!(granted - have.min(granted) <= TRANSFER_WINDOW_BYTES);
        assert!(granted >= have, "more came than was asked for");
        assert_eq!(runs(&effects).len(), if have == whole { 2 } else { 0 });
    }
    assert_eq!(granted, whole);
}

#[test]
fn many_long_arguments_share_the_window() {
    let mut bench = Bench::ready();
    let effects = bench.receive(run(10, 0, long(&[TRANSFER_WINDOW_BYTES; 100])));
    let asked: u64 = grants(&effects).iter().map(|(_, upto)| upto).sum();
    assert!(asked <= TRANSFER_WINDOW_BYTES && asked > TRANSFER_WINDOW_BYTES / 2, "{asked}");
}

#[test]
fn an_empty_long_argument_is_one_empty_chunk() {
    let mut bench = Bench::ready();
    assert_eq!(grants(&bench.receive(run(10, 0, long(&[0])))), [(1, 1)]);
    assert_eq!(runs(&bench.receive(chunk(1, 0, Bytes::new()))), [(0, vec![1], 1), (0, vec![2], 0)]);
}

#[test]
fn long_results_are_kept_until_they_are_pulled() {
    let mut bench = Bench::ready();
    let data = Bytes::from((0..CHUNK_BYTES as u32).flat_map(u32::to_le_bytes).collect::<Vec<u8>>());
    let effects = bench.step(ended(10, 0, long(&[data.len() as u64]), vec![data.clone()]));
    assert!(matches!(&effects[..], [Effect::Send(Message::Done(done))] if done.batch.bulk.len() == 1));
    assert!(!bench.host.is_idle());
    let transfer = Transfer::Result(TaskId(1));
    let mut back = Vec::new();
    for upto in [10, 10, 5, CHUNK_BYTES as u64 + 10, u64::MAX] {
        for effect in bench.receive(Message::Grant { transfer, upto }) {
            let Effect::Send(Message::Chunk { offset, data, .. }) = effect else { panic!("{effect:?}") };
            assert_eq!(offset, back.len() as u64);
            assert!(data.len() <= CHUNK_BYTES && offset + data.len() as u64 <= upto);
            back.extend_from_slice(&data);
        }
        assert!(back.len() as u64 <= upto.max(10));
    }
    assert_eq!(back, data);
    assert!(bench.host.is_idle(), "what was sent is kept no longer");
    assert_eq!(bench.receive(Message::Grant { transfer, upto: u64::MAX }), []);
}

#[test]
fn a_result_that_nobody_wants_is_dropped() {
    let mut bench = Bench::ready();
    bench.step(ended(10, 0, long(&[3]), vec![Bytes::from_static(b"abc")]));
    assert_eq!(bench.receive(Message::Grant { transfer: Transfer::Result(TaskId(1)), upto: 0 }), []);
    assert!(bench.host.is_idle());
}

#[test]
fn reports_are_split_below_the_limit_of_a_frame() {
    let mut bench = Bench::ready();
    let payloads = vec![Bytes::from(vec![7; 100_000]); 100];
    let effects = bench.step(ended(10, 5, payloads.iter().cloned().collect(), vec![]));
    let mut ids = Vec::new();
    for effect in effects {
        let Effect::Send(message) = effect else { panic!("{effect:?}") };
        let mut frame = bytes::BytesMut::new();
        encode(&message, &mut frame);
        assert!(frame.len() <= 2 * BATCH_TARGET_BYTES && frame.len() <= FRAME_LIMIT_BYTES);
        let Message::Done(part) = message else { panic!("{message:?}") };
        assert_eq!(part.runs.count(), part.ran.len() as u64);
        ids.extend(part.runs.ids().map(|id| id.0));
    }
    assert_eq!(ids, (5..105).collect::<Vec<_>>());
}

#[test]
fn tasks_that_wait_here_for_arguments_are_cancelled_and_given_back_here() {
    let unwanted: Runs = [TaskId(1), TaskId(2)].into_iter().collect();
    let runs_of = unwanted.clone();
    let cases = [
        (
            Message::Cancel { runs: unwanted.clone(), running: false },
            TaskStatus::Cancelled as u8,
            Effect::Cancel { runs: unwanted.clone(), running: false },
        ),
        (
            Message::Withdraw { engine: EngineId(10), runs: unwanted },
            RETURNED,
            Effect::Withdraw { slot: 0, runs: runs_of },
        ),
    ];
    for (message, code, passed_on) in cases {
        let mut bench = Bench::ready();
        bench.receive(run(10, 0, long(&[5, 5])));
        let effects = bench.receive(message);
        let mut ended = Vec::new();
        for effect in &effects {
            if let Effect::Send(Message::Done(done)) = effect {
                assert!(done.codes.iter().all(|told| *told == code));
                assert_eq!(done.engine, Some(EngineId(10)));
                ended.extend(done.runs.ids().map(|id| id.0));
            }
        }
        assert_eq!(ended, [1, 2]);
        assert!(effects.contains(&passed_on), "the shell may have others of them");
        assert_eq!(bench.receive(chunk(1, 0, Bytes::from_static(b"abcde"))), [], "too late");
        let effects = bench.receive(chunk(3, 0, Bytes::from_static(b"abcde")));
        assert_eq!(runs(&effects), [(0, vec![3], 1), (0, vec![4], 0)]);
    }
}

#[test]
fn a_lost_link_ends_everything_and_a_new_one_starts_afresh() {
    let mut bench = Bench::ready();
    bench.receive(run(10, 0, long(&[5])));
    bench.step(ended(11, 50, long(&[3]), vec![Bytes::from_static(b"abc")]));
    let effects = bench.step(Input::LinkDown { reason: "reset".into() });
    assert_eq!(effects[0], Effect::Reset);
    assert!(bench.host.is_idle());
    assert_eq!(bench.step(Input::LinkDown { reason: "again".into() }), [], "that is known");
    assert_eq!(bench.step(ended(11, 51, short(&["x"]), vec![])), [], "nobody waits for it");
    assert_eq!(bench.wait(), [Effect::Dial]);
    bench.step(Input::LinkUp { heartbeat: SECOND });
    bench.receive(Message::Registered { first: EngineId(20) });
    assert_eq!(bench.step(ended(11, 52, short(&["x"]), vec![])), [], "an engine of the earlier life");
    assert_breach(bench, run(20, 0, short(&["a"])), "not defined");
}

#[test]
fn it_dials_ever_more_rarely_and_gives_up() {
    let mut bench = Bench::new();
    let (start, mut dials) = (bench.now, Vec::new());
    bench.step(Input::Tick);
    loop {
        bench.step(Input::LinkDown { reason: "refused".into() });
        let effects = bench.wait();
        if effects == [Effect::Dial] {
            dials.push(bench.now.since(start));
            continue;
        }
        let [Effect::Reset, Effect::Exit { ok: false, reason }] = &effects[..] else { panic!("{effects:?}") };
        assert!(reason.contains("60s"), "{reason}");
        break;
    }
    assert!((14..30).contains(&dials.len()), "{dials:?}");
    assert_eq!(bench.now.since(start), 60 * SECOND);
    assert_eq!(bench.host.deadline(), None);
    assert_eq!(bench.step(Input::Tick), []);
}

#[test]
fn silence_is_broken_by_heartbeats_and_punished() {
    let mut bench = Bench::ready();
    let mut beats = 0;
    loop {
        match &bench.wait()[..] {
            [Effect::Send(Message::Heartbeat)] => beats += 1,
            [Effect::Hangup, Effect::Reset, Effect::Log { text }] => {
                assert!(text.contains("silent for 10s"), "{text}");
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!((8..=10).contains(&beats), "{beats}");

    let mut bench = Bench::ready();
    for _ in 0..30 {
        bench.now = bench.now + SECOND / 2;
        assert!(!bench.receive(Message::Heartbeat).contains(&Effect::Hangup));
    }
}

#[test]
fn it_leaves_when_told_to() {
    let exits = |input| {
        let effects = Bench::ready().step(input);
        let Some(Effect::Exit { ok, .. }) = effects.last() else { panic!("{effects:?}") };
        assert!(effects.contains(&Effect::Reset), "{effects:?}");
        *ok
    };
    assert!(exits(Input::Received(Message::Stop)));
    assert!(exits(Input::Received(Message::Goodbye { reason: "over".into() })));
    assert!(exits(Input::Interrupted));
    assert!(!exits(Input::Refused { reason: "an old build".into() }));
}

#[test]
fn messages_that_do_not_fit_end_the_link_with_a_reason() {
    let status = Message::Status { question: 1, status: Box::default() };
    for message in [Message::Window { bytes: 1 }, status, Message::Registered { first: EngineId(1) }] {
        let name = message.name();
        assert_breach(Bench::ready(), message, name);
    }
    assert_breach(Bench::ready(), run(12, 0, short(&["a"])), "engine 12");
    assert_breach(Bench::ready(), run(9, 0, short(&["a"])), "engine 9");
    let mut bench = Bench::ready();
    bench.receive(run(10, 0, long(&[5])));
    assert_breach(bench, chunk(1, 3, Bytes::from_static(b"ab")), "where 0 of 5 bytes had come");
    let mut bench = Bench::ready();
    bench.receive(run(10, 0, long(&[5])));
    assert_breach(bench, chunk(1, 0, Bytes::from_static(b"abcdef")), "of 5 bytes");
}

#[test]
fn output_of_engines_that_are_here_is_passed_on_and_room_comes_back() {
    let mut bench = Bench::ready();
    let output = |engine| {
        let data = Bytes::from_static(b"o");
        Output { engine: EngineId(engine), task: TaskId(3), attempt: 1, stream: 1, data }
    };
    let sent = bench.step(Input::Output(output(11)));
    assert_eq!(sent, [Effect::Send(Message::Output(output(11)))]);
    assert_eq!(bench.step(Input::Output(output(12))), [], "an engine of an earlier life");
    let room = |engine| Message::Room { engine, bytes: 70 };
    assert_eq!(bench.receive(room(Some(EngineId(11)))), [Effect::Room { slot: 1, bytes: 70 }]);
    assert_breach(bench, room(Some(EngineId(12))), "engine 12");
    assert_breach(Bench::ready(), room(None), "Room");
}
