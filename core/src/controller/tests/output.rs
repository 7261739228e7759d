//! What running tasks write: passed on in order, whole, and held in bounds.

use super::*;
use crate::task::Live;
use crate::wire::{CLIENT_OUTPUT_WINDOW_BYTES, ENGINE_OUTPUT_WINDOW_BYTES, Output};

const HOST: LinkId = LinkId(100);

/// As much as one message of a flood holds.
const PART_BYTES: usize = 60 << 10;

fn live() -> TaskOptions {
    TaskOptions { live: Live::Yes, ..TaskOptions::default() }
}

fn output(engine: u32, task: u64, data: impl Into<Bytes>) -> Message {
    let (engine, task) = (EngineId(engine), TaskId(task));
    Message::Output(Output { engine, task, attempt: 1, stream: 1, data: data.into() })
}

/// What the client got: the output of a task, or its end.
fn heard(bench: &Bench, link: LinkId) -> Vec<String> {
    let own = |to: &LinkId| *to == link;
    bench.others(|effect| match effect {
        Effect::Send { link, message: Message::Output(output) } if own(link) => {
            Some(format!("{} {}", output.task, String::from_utf8_lossy(&output.data)))
        }
        Effect::Send { link, message: Message::Results(results) } if own(link) => {
            Some(format!("{} ended", results.runs.ids().next().unwrap()))
        }
        _ => None,
    })
}

/// The room that each engine has been given last.
fn rooms(bench: &Bench) -> BTreeMap<u32, u64> {
    let rooms = bench.others(|effect| match effect {
        Effect::Send { link: HOST, message: Message::Room { engine: Some(engine), bytes } } => {
            Some((engine.0, *bytes))
        }
        _ => None,
    });
    rooms.into_iter().collect()
}

fn passed_bytes(bench: &Bench) -> u64 {
    let passed = bench.others(|effect| match effect {
        Effect::Send { link: CLIENT, message: Message::Output(output) } => Some(output.cost()),
        _ => None,
    });
    passed.iter().sum()
}

/// Writes as long as the engine has room.
fn flood(bench: &mut Bench, engine: u32, task: u64, sent: &mut u64) {
    while *sent < rooms(bench).get(&engine).copied().unwrap_or(ENGINE_OUTPUT_WINDOW_BYTES) {
        let message = output(engine, task, vec![b'x'; PART_BYTES]);
        *sent += PART_BYTES as u64 + crate::wire::TASK_COST_BYTES;
        bench.say(HOST, message);
    }
}

#[test]
fn output_comes_before_the_end_under_the_clients_own_id() {
    let mut bench = Bench::with(config(), 1);
    bench.client(LinkId(2));
    bench.submit(CLIENT, 2, live());
    bench.submit(LinkId(2), 1, live());
    let mut expected = Vec::new();
    for link in [CLIENT, LinkId(2), CLIENT] {
        let task = bench.engines[&EngineId(0)][0].id.0;
        let own = expected.iter().filter(|(to, _)| *to == link).count() / 3;
        for words in ["one", "two"] {
            bench.say(HOST, output(0, task, words));
            expected.push((link, format!("{own} {words}")));
        }
        bench.finish(EngineId(0), 1, 5, TaskStatus::Ok);
        expected.push((link, format!("{own} ended")));
    }
    for link in [CLIENT, LinkId(2)] {
        let own = expected.iter().filter(|(to, _)| *to == link).map(|(_, what)| what.clone());
        assert_eq!(heard(&bench, link), own.collect::<Vec<_>>());
    }
}

#[test]
fn what_nobody_waits_for_is_dropped_and_makes_room() {
    let mut bench = Bench::with(config(), 1);
    bench.submit(CLIENT, 2, live());
    // task 1 has not begun, and task 9 is nobody's
    for _ in 0..4 {
        bench.say(HOST, output(0, 1, vec![b'x'; PART_BYTES / 2]));
        bench.say(HOST, output(0, 9, vec![b'x'; PART_BYTES / 2]));
    }
    assert_eq!(heard(&bench, CLIENT), [""; 0]);
    assert!(rooms(&bench)[&0] > ENGINE_OUTPUT_WINDOW_BYTES);
}

#[test]
fn a_flood_comes_whole_to_a_client_that_takes_it_and_waits_for_one_that_does_not() {
    let mut bench = Bench::with(config(), 2);
    bench.submit(CLIENT, 2, live());
    let mut sent = [0, 0];
    let before = |sent: &[u64; 2]| sent.iter().sum::<u64>();
    (0..2).for_each(|engine| flood(&mut bench, engine, engine as u64, &mut sent[engine as usize]));
    // the client's window, and what each engine may have on its way; each by a message more
    let most = CLIENT_OUTPUT_WINDOW_BYTES + 2 * ENGINE_OUTPUT_WINDOW_BYTES + 3 * (64 << 10);
    assert!(before(&sent) >= CLIENT_OUTPUT_WINDOW_BYTES && before(&sent) < most, "{sent:?}");
    assert_eq!(bench.notices, [""; 0], "nothing is lost");
    // the end of a task waits for what it wrote
    bench.finish(EngineId(0), 1, 5, TaskStatus::Ok);
    assert!(bench.results.is_empty());
    let mut room = CLIENT_OUTPUT_WINDOW_BYTES;
    while before(&sent) < 3 * CLIENT_OUTPUT_WINDOW_BYTES {
        room += CLIENT_OUTPUT_WINDOW_BYTES / 2;
        bench.say(CLIENT, Message::Room { engine: None, bytes: room });
        flood(&mut bench, 1, 1, &mut sent[1]);
        assert!(room < 8 * CLIENT_OUTPUT_WINDOW_BYTES, "no progress");
    }
    bench.say(CLIENT, Message::Room { engine: None, bytes: 2 * room });
    assert_eq!(passed_bytes(&bench), before(&sent));
    bench.finish(EngineId(1), 1, 5, TaskStatus::Ok);
    bench.all_ok(CLIENT);
}

#[test]
fn a_client_that_leaves_gives_back_its_room() {
    let mut bench = Bench::with(config(), 1);
    bench.submit(CLIENT, 1, live());
    let mut sent = 0;
    flood(&mut bench, 0, 0, &mut sent);
    let stuck = rooms(&bench)[&0];
    assert!(stuck <= sent);
    bench.client(LinkId(2));
    bench.step(Input::LinkDown { link: CLIENT, reason: "gone".into() });
    assert!(rooms(&bench)[&0] > stuck);
    bench.finish(EngineId(0), 1, 5, TaskStatus::Cancelled);
    let own = bench.submit(LinkId(2), 1, live());
    let task = bench.engines[&EngineId(0)][0].id.0;
    bench.say(HOST, output(0, task, "mine"));
    assert_eq!(heard(&bench, LinkId(2)), [format!("{own} mine")]);
}

#[test]
fn a_host_that_does_not_keep_to_its_room_is_sent_away() {
    let mut bench = Bench::with(config(), 1);
    bench.submit(CLIENT, 1, live());
    let mut sent = 0;
    flood(&mut bench, 0, 0, &mut sent);
    assert!(bench.goodbyes.is_empty());
    bench.say(HOST, output(0, 0, "more"));
    assert!(bench.goodbyes[&HOST].contains("engine 0 sent more output than it may"), "{:?}", bench.goodbyes);
    let mut bench = Bench::with(config(), 1);
    bench.say(HOST, output(1, 0, "of nobody here"));
    assert!(bench.goodbyes[&HOST].contains("engine 1"), "{:?}", bench.goodbyes);
}
