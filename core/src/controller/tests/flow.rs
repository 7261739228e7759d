//! Tasks go out and results come back: windows, balance, order, long payloads.

use super::*;
use crate::wire::{BULK, BulkLength, TASK_COST_BYTES, Transfer};

#[test]
fn many_tiny_tasks_stream() {
    let mut bench = Bench::with(config(), 2);
    for _ in 0..10 {
        bench.submit(CLIENT, 10_000, TaskOptions::default());
    }
    let rounds = bench.work(1);
    bench.all_ok(CLIENT);
    assert!(rounds < 40, "{rounds} rounds for 100,000 tasks of a microsecond");
    assert!(bench.runs.iter().all(|(_, count)| *count <= 16_384));
    let status = bench.controller.status();
    assert_eq!((status.tasks.succeeded, status.tasks.queued, status.tasks.assigned), (100_000, 0, 0));
    assert_eq!(status.engines.iter().map(|engine| engine.completed).sum::<u64>(), 100_000);
}

#[test]
fn long_tasks_wait_for_whoever_is_free() {
    let mut bench = Bench::with(config(), 4);
    bench.submit(CLIENT, 100, TaskOptions::default());
    for _ in 0..99 {
        assert!(bench.engines.values().all(|held| held.len() <= 1), "{:?}", bench.engines);
        // one engine is much slower than the others, and has no task more than it runs
        let fast = bench.engines.iter().find(|(id, held)| id.0 > 0 && !held.is_empty()).map(|(id, _)| *id);
        bench.finish(fast.unwrap(), 1, 1_000_000, TaskStatus::Ok);
    }
    bench.finish(EngineId(0), 1, 99_000_000, TaskStatus::Ok);
    bench.all_ok(CLIENT);
}

#[test]
fn few_tasks_are_spread() {
    let mut bench = Bench::with(config(), 8);
    bench.submit(CLIENT, 1000, TaskOptions::default());
    bench.work(1000);
    bench.runs.clear();
    bench.submit(CLIENT, 16, TaskOptions::default());
    let used: BTreeSet<EngineId> = bench.runs.iter().map(|(engine, _)| *engine).collect();
    assert_eq!(used.len(), 8, "{:?}", bench.runs);
    bench.work(1000);
    bench.all_ok(CLIENT);
}

#[test]
fn clients_share_the_engines() {
    let mut bench = Bench::with(config(), 1);
    bench.submit(CLIENT, 1000, TaskOptions::default());
    bench.client(LinkId(2));
    bench.submit(LinkId(2), 10, TaskOptions::default());
    for _ in 0..22 {
        bench.finish(EngineId(0), 1, 1_000_000, TaskStatus::Ok);
    }
    let second = bench.results.keys().filter(|(link, _)| *link == LinkId(2)).count();
    assert_eq!(second, 10, "the second client waits for the first one's queue");
}

#[test]
fn targets_are_respected_and_share_with_others() {
    let mut bench = Bench::with(config(), 3);
    let only = |id| TaskOptions { targets: Some(vec![EngineId(id)]), ..Default::default() };
    bench.submit(CLIENT, 50, TaskOptions::default());
    let first = bench.submit(CLIENT, 20, only(1));
    let mut own = 0;
    for _ in 0..30 {
        let held = bench.engines[&EngineId(1)].front().cloned().unwrap();
        own += (held.argument == argument(first + own)) as u64;
        bench.finish(EngineId(1), 1, 1_000_000, TaskStatus::Ok);
    }
    assert!((12..=18).contains(&own), "{own} of 30 turns");
    for engine in [0, 2] {
        let held = &bench.engines[&EngineId(engine)];
        assert!(held.iter().all(|task| task.argument.len() < 13 && task.id.0 < first), "{held:?}");
    }
    bench.work(1_000_000);
    bench.all_ok(CLIENT);
}

#[test]
fn a_target_that_is_not_there_is_told() {
    let mut bench = Bench::with(config(), 2);
    bench.host(LinkId(101), 1, None);
    let only = TaskOptions { targets: Some(vec![EngineId(2)]), ..Default::default() };
    // one is at the engine
    bench.submit(CLIENT, 1, only.clone());
    bench.drop_host(LinkId(101));
    bench.host(LinkId(102), 1, None);
    bench.submit(CLIENT, 1, only);
    bench.submit(CLIENT, 1, TaskOptions { targets: Some(vec![]), ..Default::default() });
    for id in 0..3 {
        let (status, why) = bench.result(id).unwrap();
        assert_eq!(status, TaskStatus::Unplaced);
        assert!(why.contains("rpar status"), "{why}");
    }
}

#[test]
fn a_failed_task_runs_again_only_as_often_as_asked() {
    for (retries, status) in [(0, TaskStatus::Failed), (2, TaskStatus::TimedOut), (2, TaskStatus::Crashed)] {
        let mut bench = Bench::with(config(), 1);
        bench.submit(CLIENT, 1, TaskOptions { retries, ..Default::default() });
        for attempt in 1..=retries + 1 {
            assert!(bench.results.is_empty());
            assert_eq!(bench.engines[&EngineId(0)][0].attempt, attempt);
            bench.finish(EngineId(0), 1, 5, status);
        }
        assert_eq!(bench.result(0).unwrap().0, status);
        assert!(bench.engines[&EngineId(0)].is_empty());
    }
}

#[test]
fn cancelled_tasks_end_at_once_or_are_told_to_their_host() {
    let mut bench = Bench::with(config(), 1);
    bench.submit(CLIENT, 10, TaskOptions { retries: 9, ..Default::default() });
    let cancel = |first, count, running| Message::Cancel { runs: Runs::one(TaskId(first), count), running };
    bench.say(CLIENT, cancel(0, 7, true));
    bench.say(CLIENT, cancel(5, u32::MAX, true));
    bench.say(CLIENT, cancel(0, 1, false));
    for id in 1..10 {
        assert_eq!(bench.result(id), Some((TaskStatus::Cancelled, "cancelled before it ran".into())));
    }
    let told = bench.others(|effect| match effect {
        Effect::Send { message: cancel @ Message::Cancel { .. }, .. } => Some(cancel.clone()),
        _ => None,
    });
    assert_eq!(told, [cancel(0, 1, true)]);
    // however it ends, it does not run again
    bench.finish(EngineId(0), 1, 5, TaskStatus::Crashed);
    assert_eq!(bench.result(0).unwrap().0, TaskStatus::Crashed);
    assert_eq!(bench.controller.tasks.batches().count(), 0);
}

#[test]
fn what_has_begun_may_be_left_to_end_once() {
    let mut bench = Bench::with(config(), 1);
    bench.submit(CLIENT, 3, TaskOptions { retries: 9, ..Default::default() });
    let cancel = |running| Message::Cancel { runs: Runs::one(TaskId(0), 3), running };
    for running in [false, false, true, true] {
        bench.say(CLIENT, cancel(running));
    }
    assert_eq!(bench.result(2), Some((TaskStatus::Cancelled, "cancelled before it ran".into())));
    let told = bench.others(|effect| match effect {
        Effect::Send { message: Message::Cancel { running, .. }, .. } => Some(*running),
        _ => None,
    });
    assert_eq!(told, [false, true], "first what has not begun, then what runs, each once");
    bench.finish(EngineId(0), 1, 5, TaskStatus::Failed);
    assert_eq!(bench.result(0).unwrap().0, TaskStatus::Failed, "it does not run again");
    assert_eq!(bench.controller.tasks.batches().count(), 0);
}

#[test]
fn a_client_that_leaves_is_forgotten() {
    let mut bench = Bench::with(config(), 2);
    bench.submit(CLIENT, 100, TaskOptions::default());
    bench.client(LinkId(2));
    bench.submit(LinkId(2), 4, TaskOptions::default());
    bench.step(Input::LinkDown { link: CLIENT, reason: "gone".into() });
    assert!(bench.exit.is_none());
    // what its engines still report is ignored
    bench.work(1_000_000);
    bench.all_ok(LinkId(2));
    assert_eq!(bench.results.len(), 4);
    let tasks = bench.controller.status().tasks;
    assert_eq!((tasks.queued, tasks.assigned, tasks.succeeded), (0, 0, 4));
}

#[test]
fn results_wait_for_a_client_that_does_not_read() {
    let window = 8 << 20;
    let mut bench = Bench::with(ControllerConfig { result_window_bytes: window, ..config() }, 1);
    let big = Bytes::from(vec![7; 200 << 10]);
    let each = big.len() as u64 + TASK_COST_BYTES;
    bench.submit(CLIENT, 1000, TaskOptions::default());
    let work = |bench: &mut Bench| {
        let mut done = 0;
        while let Some(task) = bench.engines.get_mut(&EngineId(0)).and_then(VecDeque::pop_front) {
            let task = Held { argument: big.clone(), ..task };
            bench.say(LinkId(100), Message::Done(outcomes(EngineId(0), &[task], 5, TaskStatus::Ok)));
            done += 1;
        }
        done
    };
    let done = work(&mut bench);
    // the window, as much again that is held, and what was at the engine
    assert!(done * each < 2 * window + (8 << 20), "{done} tasks");
    assert!((bench.results.len() as u64 - 1) * each <= window, "{} results", bench.results.len());
    // as the client takes them, the rest follows
    let mut upto = window;
    while bench.results.len() < 1000 {
        upto += window;
        bench.say(CLIENT, Message::Window { bytes: upto });
        work(&mut bench);
        assert!(upto < 1 << 40, "no progress");
    }
}

/// A task with a long argument and a long result.
fn submit_long(bench: &mut Bench, bytes: u64) {
    let base = *bench.next.entry(CLIENT).or_default();
    bench.next.insert(CLIENT, base + 3);
    let batch = Batch {
        lengths: [2, BULK, 3].into_iter().collect(),
        payload: Bytes::from_static(b"ab123"),
        bulk: vec![BulkLength { index: 1, bytes }],
    };
    let options = TaskOptions::default();
    bench.say(CLIENT, Message::Submit { base: TaskId(base), function: echo().hash(), options, batch });
}

fn long_done(engine: u32, id: u64, bytes: u64) -> Message {
    Message::Done(Outcomes {
        engine: Some(EngineId(engine)),
        runs: Runs::one(TaskId(id), 1),
        codes: Bytes::new(),
        ran: [50].into_iter().collect(),
        batch: Batch {
            lengths: [BULK].into_iter().collect(),
            payload: Bytes::new(),
            bulk: vec![BulkLength { index: 0, bytes }],
        },
        ..Outcomes::default()
    })
}

#[test]
fn long_payloads_pass_through() {
    let mut bench = Bench::with(config(), 1);
    let (argument, result) = (Transfer::Argument(TaskId(1)), Transfer::Result(TaskId(1)));
    submit_long(&mut bench, 10);
    bench.finish(EngineId(0), 1, 50, TaskStatus::Ok);
    assert_eq!(bench.engines[&EngineId(0)][0].id, TaskId(1));
    bench.other.clear();
    bench.say(LinkId(100), Message::Grant { transfer: argument, upto: 99 });
    bench.say(CLIENT, Message::Chunk { transfer: argument, offset: 0, data: Bytes::from_static(b"0123") });
    bench.say(CLIENT, Message::Chunk { transfer: argument, offset: 4, data: Bytes::from_static(b"456789") });
    // one that does not follow is dropped
    bench.say(CLIENT, Message::Chunk { transfer: argument, offset: 4, data: Bytes::from_static(b"456789") });
    bench.engines.get_mut(&EngineId(0)).unwrap().pop_front();
    bench.say(LinkId(100), long_done(0, 1, 3));
    bench.say(CLIENT, Message::Grant { transfer: result, upto: 3 });
    bench.say(LinkId(100), Message::Chunk { transfer: result, offset: 0, data: Bytes::from_static(b"xyz") });
    let (host, client) = (LinkId(100), CLIENT);
    let seen = bench.others(|effect| match effect {
        Effect::Send { link, message: Message::Grant { upto, .. } } => Some((*link, *upto, Bytes::new())),
        Effect::Send { link, message: Message::Chunk { offset, data, .. } } => {
            Some((*link, *offset, data.clone()))
        }
        _ => None,
    });
    let expected = [
        (client, 10, Bytes::new()),
        (host, 0, Bytes::from_static(b"0123")),
        (host, 4, Bytes::from_static(b"456789")),
        (host, 3, Bytes::new()),
        (client, 0, Bytes::from_static(b"xyz")),
    ];
    assert_eq!(seen, expected);
    bench.work(50);
    assert_eq!(bench.controller.status().tasks.succeeded, 3);
    assert_eq!(bench.controller.tasks.batches().count(), 0);
}

#[test]
fn a_long_result_whose_engine_is_lost_comes_again() {
    let mut bench = Bench::with(config(), 1);
    bench.submit(CLIENT, 1, TaskOptions::default());
    bench.engines.get_mut(&EngineId(0)).unwrap().clear();
    bench.say(LinkId(100), long_done(0, 0, 1 << 30));
    bench.say(CLIENT, Message::Grant { transfer: Transfer::Result(TaskId(0)), upto: 1 << 40 });
    bench.host(LinkId(101), 1, None);
    bench.drop_host(LinkId(100));
    assert_eq!(bench.engines[&EngineId(1)][0].attempt, 2);
    bench.work(5);
    bench.all_ok(CLIENT);
    let granted = bench.others(|effect| match effect {
        Effect::Send { message: Message::Grant { upto, .. }, .. } => Some(*upto),
        _ => None,
    });
    assert_eq!(granted, [crate::wire::TRANSFER_WINDOW_BYTES]);
}

#[test]
fn frames_stay_small() {
    let mut bench = Bench::with(config(), 1);
    let big = Bytes::from(vec![1; 100 << 10]);
    let batch: Batch = (0..30).map(|_| big.clone()).collect();
    let options = TaskOptions::default();
    bench.say(CLIENT, Message::Submit { base: TaskId(0), function: echo().hash(), options, batch });
    // nobody asks for more than a few MiB ahead
    bench.finish(EngineId(0), 1, 0, TaskStatus::Ok);
    bench.finish(EngineId(0), 9, 0, TaskStatus::Ok);
    assert!(bench.runs.iter().all(|(_, count)| *count <= 3), "{:?}", bench.runs);
    // a host that fills a frame to its end has it split
    let tasks: Vec<Held> = bench.engines.get_mut(&EngineId(0)).unwrap().drain(..).collect();
    bench.other.clear();
    bench.say(LinkId(100), Message::Done(outcomes(EngineId(0), &tasks, 0, TaskStatus::Ok)));
    let parts = bench.others(|effect| match effect {
        Effect::Send { message: Message::Results(results), .. } => Some(results.batch.payload.len()),
        _ => None,
    });
    assert!(tasks.len() < 6 || parts.len() > 1, "{parts:?} of {} tasks", tasks.len());
    bench.work(0);
    assert_eq!(bench.results.len(), 30);
}
