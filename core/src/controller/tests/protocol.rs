//! Peers that say what they should not.

use super::*;
use crate::wire::{BULK, Transfer};

const HOST: LinkId = LinkId(100);

fn submit(base: u64, batch: Batch) -> Message {
    Message::Submit { base: TaskId(base), function: echo().hash(), options: TaskOptions::default(), batch }
}

fn two() -> Batch {
    [Bytes::from_static(b"a"), Bytes::from_static(b"b")].into_iter().collect()
}

#[test]
fn a_client_that_breaks_the_protocol_is_sent_away() {
    let undefined = Function { kind: FunctionKind::Native, body: Bytes::from_static(b"no") }.hash();
    let torn = Batch { payload: Bytes::from_static(b"abc"), ..two() };
    let unannounced = Batch { lengths: [BULK].into_iter().collect(), ..Default::default() };
    let long: Batch = [Bytes::from(vec![0; 300 << 10])].into_iter().collect();
    let window: Batch = (0..100).map(|_| Bytes::from(vec![0; 200 << 10])).collect();
    let undefined = Message::Submit {
        base: TaskId(0),
        function: undefined,
        options: TaskOptions::default(),
        batch: two(),
    };
    let cases: Vec<(Vec<Message>, &str)> = vec![
        (vec![Message::Registered { first: EngineId(0) }], "not for a client"),
        (vec![Message::Done(Outcomes::default())], "not for a client"),
        (vec![Message::Grant { transfer: Transfer::Argument(TaskId(0)), upto: 1 }], "not for a client"),
        (vec![submit(0, two()), submit(1, two())], "submitted before"),
        (vec![submit(u64::MAX, two())], "pass the last"),
        (vec![undefined], "not defined"),
        (vec![submit(0, torn)], "add up"),
        (vec![submit(0, unannounced)], "not announced"),
        (vec![submit(0, long)], "must be announced"),
        (vec![submit(0, window)], "window"),
        ((0..17).map(|question| Message::Ask { question, after: Some(u64::MAX) }).collect(), "questions"),
    ];
    for (messages, reason) in cases {
        let mut bench = Bench::with(ControllerConfig { submit_window_bytes: 1 << 20, ..config() }, 1);
        messages.into_iter().for_each(|message| bench.say(CLIENT, message));
        assert!(
            bench.goodbyes.get(&CLIENT).is_some_and(|said| said.contains(reason)),
            "{reason}: {:?}",
            bench.goodbyes
        );
        assert!(bench.others(|e| matches!(e, Effect::Close { link: CLIENT, .. }).then_some(())).len() == 1);
        assert_eq!(bench.controller.tasks.batches().count(), 0);
        // what it still says is not heard
        bench.say(CLIENT, submit(10, two()));
        assert_eq!(bench.controller.status().tasks.queued, 0);
    }
}

#[test]
fn an_engine_host_that_breaks_the_protocol_is_sent_away() {
    let task = |id| Held { id: TaskId(id), argument: Bytes::new(), attempt: 1 };
    let done = |engine, id| outcomes(EngineId(engine), &[task(id)], 1, TaskStatus::Ok);
    let cases: Vec<(Message, &str)> = vec![
        (submit(0, two()), "not for an engine host"),
        (Message::Stop, "not for an engine host"),
        (Message::Register(Registration::default()), "not for an engine host"),
        (Message::Done(done(1, 0)), "not on this host"),
        (Message::Done(done(0, 77)), "never were"),
        (Message::Done(Outcomes { engine: None, ..done(0, 0) }), "names no engine"),
        (Message::Done(Outcomes { codes: Bytes::from_static(&[9]), ..done(0, 0) }), "status"),
        (Message::Done(Outcomes { codes: Bytes::from_static(&[5]), ..done(0, 0) }), "status"),
        (Message::Done(Outcomes { ran: Column::default(), ..done(0, 0) }), "different length"),
        (Message::Done(Outcomes { runs: Runs::one(TaskId(0), 2), ..done(0, 0) }), "different length"),
    ];
    for (message, reason) in cases {
        let mut bench = Bench::with(config(), 1);
        bench.submit(CLIENT, 1, TaskOptions::default());
        bench.host(LinkId(101), 1, None);
        bench.say(HOST, message);
        assert!(
            bench.goodbyes.get(&HOST).is_some_and(|said| said.contains(reason)),
            "{reason}: {:?}",
            bench.goodbyes
        );
        bench.hosts.remove(&HOST);
        bench.engines.remove(&EngineId(0));
        bench.work(1);
        bench.all_ok(CLIENT);
    }
}

#[test]
fn a_stranger_must_say_what_it_is() {
    let registration = |engines, node: &str| {
        Message::Register(Registration {
            node: node.into(),
            engines,
            pid: 1,
            allocation: None,
            ..Registration::default()
        })
    };
    let cases = [
        (Message::Done(Outcomes::default()), "before the peer said"),
        (registration(0, "n"), "0 engines"),
        (registration(u32::MAX, "n"), "engines on one host"),
        (registration(1, &"n".repeat(100)), "name"),
    ];
    for (message, reason) in cases {
        let mut bench = Bench::new(config());
        bench.step(Input::LinkUp { link: HOST, role: Role::Engine, address: "there".into() });
        bench.say(HOST, message);
        assert!(
            bench.goodbyes.get(&HOST).is_some_and(|said| said.contains(reason)),
            "{reason}: {:?}",
            bench.goodbyes
        );
    }
}

#[test]
fn stale_outcomes_are_ignored() {
    let mut bench = Bench::with(config(), 2);
    bench.submit(CLIENT, 2, TaskOptions::default());
    let other = bench.engines[&EngineId(1)][0].clone();
    // engine 0 claims engine 1's task, twice, and its own twice
    let own = bench.engines[&EngineId(0)][0].clone();
    let claimed = [own.clone(), other.clone(), own, other];
    bench.say(HOST, Message::Done(outcomes(EngineId(0), &claimed, 1, TaskStatus::Ok)));
    assert_eq!(bench.results.len(), 1);
    bench.work(1);
    bench.all_ok(CLIENT);
}

#[test]
fn questions_are_answered_when_there_is_news() {
    let mut bench = Bench::with(config(), 1);
    bench.say(CLIENT, Message::Ask { question: 1, after: None });
    let version = bench.answers[0].version;
    bench.say(CLIENT, Message::Ask { question: 2, after: Some(version) });
    bench.submit(CLIENT, 1, TaskOptions::default());
    assert_eq!(bench.answers.len(), 1, "tasks are no news");
    bench.host(LinkId(101), 3, None);
    assert_eq!(bench.answers.len(), 2);
    assert_eq!(bench.answers[1].engines.len(), 4);
    bench.say(CLIENT, Message::Ask { question: 3, after: Some(version) });
    assert_eq!(bench.answers.len(), 3);
}
