//! Tasks that are taken back from slow engines.

use super::*;
use crate::resources::Resources;
use crate::wire::{BULK, BulkLength, RETURNED, Retirees, Transfer};

const SLOW: EngineId = EngineId(0);
const FAST: EngineId = EngineId(1);

/// Two engines that have run enough short tasks to be given 20 more each; `FAST` has ended its own.
fn held_up() -> Bench {
    let mut bench = practised(config());
    bench.submit(CLIENT, 40, TaskOptions::default());
    assert_eq!(bench.engines.values().map(VecDeque::len).collect::<Vec<_>>(), [20, 20]);
    bench.finish(FAST, 20, 100, TaskStatus::Ok);
    bench
}

/// Two engines that have run many short tasks.
fn practised(config: ControllerConfig) -> Bench {
    let mut bench = Bench::with(config, 2);
    bench.submit(CLIENT, 1000, TaskOptions::default());
    bench.work(100);
    bench
}

/// What `SLOW` was asked for since the last call.
fn asked(bench: &mut Bench) -> Vec<Vec<TaskId>> {
    let asked = bench.others(|effect| match effect {
        Effect::Send { link, message: Message::Withdraw { engine, runs } } => {
            assert_eq!((*link, *engine), (LinkId(100), SLOW));
            Some(runs.ids().collect())
        }
        _ => None,
    });
    bench.other.clear();
    asked
}

/// `SLOW` gives back some of what it has.
fn give_back(bench: &mut Bench, tasks: &[TaskId]) {
    bench.engines.get_mut(&SLOW).unwrap().retain(|held| !tasks.contains(&held.id));
    let outcomes = Outcomes::returned(SLOW, tasks.iter().copied().collect(), tasks.len());
    bench.say(LinkId(100), Message::Done(outcomes));
}

fn ids(bench: &Bench, engine: EngineId) -> Vec<TaskId> {
    bench.engines[&engine].iter().map(|held| held.id).collect()
}

#[test]
fn a_long_task_does_not_hold_up_those_behind_it() {
    let mut bench = held_up();
    bench.wait(Duration::from_millis(60));
    assert!(asked(&mut bench).is_empty(), "an engine may take its time");
    bench.wait(Duration::from_millis(65));
    let wanted = ids(&bench, SLOW)[1..].to_vec();
    assert_eq!(asked(&mut bench).concat(), wanted);
    // one has begun meanwhile
    give_back(&mut bench, &wanted[1..]);
    assert_eq!(ids(&bench, FAST), wanted[1..]);
    assert!(bench.engines[&FAST].iter().all(|held| held.attempt == 1), "it was no try");
    bench.finish(FAST, 20, 100, TaskStatus::Ok);
    let tries = bench.others(|effect| match effect {
        Effect::Send { message: Message::Results(outcomes), .. } => Some(outcomes.attempts.clone()),
        _ => None,
    });
    assert!(!tries.is_empty() && tries.iter().all(Bytes::is_empty), "{tries:?}");
    // it is not asked again, and has nothing new behind what it has
    bench.wait(Duration::from_secs(2));
    assert!(asked(&mut bench).is_empty());
    bench.submit(CLIENT, 10, TaskOptions::default());
    assert_eq!(bench.engines[&SLOW].len(), 2);
    bench.finish(SLOW, 2, 2_000_000, TaskStatus::Ok);
    bench.work(100);
    bench.all_ok(CLIENT);
}

#[test]
fn an_engine_whose_tasks_turn_out_long_keeps_its_part() {
    let mut bench = held_up();
    // it goes on, but what it has would take it nearly two seconds
    bench.wait(Duration::from_millis(60));
    bench.finish(SLOW, 1, 1_000_000, TaskStatus::Ok);
    bench.wait(Duration::from_millis(65));
    let last = ids(&bench, SLOW)[10..].to_vec();
    assert_eq!(asked(&mut bench).concat(), last);
    // what ran out of tasks gets some again
    give_back(&mut bench, &last);
    assert_eq!(ids(&bench, FAST).first(), last.first());
    bench.work(100);
    bench.submit(CLIENT, 100, TaskOptions::default());
    assert!(bench.engines.values().all(|held| !held.is_empty()));
}

#[test]
fn nobody_is_asked_while_all_have_work() {
    let mut bench = practised(config());
    bench.submit(CLIENT, 1000, TaskOptions::default());
    assert!(bench.engines.values().all(|held| held.len() > 50));
    bench.wait(Duration::from_secs(2));
    assert!(asked(&mut bench).is_empty());
    // until one runs dry
    bench.finish(FAST, 1000, 100, TaskStatus::Ok);
    while !bench.engines[&FAST].is_empty() {
        assert!(asked(&mut bench).is_empty());
        bench.finish(FAST, 1000, 100, TaskStatus::Ok);
    }
    assert_eq!(asked(&mut bench).len(), 1);
}

#[test]
fn only_what_others_may_run_is_taken_back() {
    let targets = |ids: &[EngineId]| TaskOptions { targets: Some(ids.to_vec()), ..Default::default() };
    let cases = [
        (targets(&[SLOW]), false),
        (targets(&[SLOW, FAST]), true),
        (TaskOptions { priority: 3, ..Default::default() }, true),
    ];
    for (options, taken) in cases {
        let mut bench = practised(config());
        bench.submit(CLIENT, 20, options.clone());
        bench.finish(FAST, 20, 100, TaskStatus::Ok);
        let behind = ids(&bench, SLOW).len() - 1;
        assert!(behind > 0);
        bench.wait(Duration::from_secs(2));
        let wanted: Vec<TaskId> = asked(&mut bench).into_iter().flatten().collect();
        assert_eq!(wanted.len(), if taken { behind } else { 0 }, "{options:?}");
        give_back(&mut bench, &wanted);
        assert_eq!(ids(&bench, FAST), wanted, "{options:?}");
        bench.work(100);
        bench.all_ok(CLIENT);
    }
}

#[test]
fn what_comes_back_goes_before_the_others() {
    let mut bench = held_up();
    bench.wait(Duration::from_millis(125));
    let wanted = asked(&mut bench).remove(0);
    bench.submit(CLIENT, 1000, TaskOptions::default());
    assert!(!bench.engines[&FAST].is_empty() && bench.controller.status().tasks.queued > 0);
    // as an interpreter does, which gives back what it has taken last before the rest
    let (early, late) = wanted.split_at(5);
    let order: Vec<TaskId> = late.iter().chain(early.iter().rev()).copied().collect();
    give_back(&mut bench, &order);
    let before = bench.engines[&FAST].len();
    bench.finish(FAST, before, 100, TaskStatus::Ok);
    assert_eq!(ids(&bench, FAST)[..wanted.len()], wanted);
}

#[test]
fn what_must_not_run_again_is_given_to_another_before_it_has_begun() {
    let mut bench = practised(config());
    bench.submit(CLIENT, 2, TaskOptions::default());
    bench.submit(CLIENT, 2, TaskOptions { rerun: false, ..Default::default() });
    assert_eq!(bench.engines.values().map(VecDeque::len).collect::<Vec<_>>(), [3, 1]);
    bench.finish(FAST, 1, 100, TaskStatus::Ok);
    bench.wait(Duration::from_millis(125));
    let wanted = asked(&mut bench).remove(0);
    assert_eq!(wanted, ids(&bench, SLOW)[1..]);
    give_back(&mut bench, &wanted);
    let given = bench.engines[&FAST].iter().map(|held| (held.id, held.attempt));
    assert_eq!(given.collect::<Vec<_>>(), [(wanted[0], 1), (wanted[1], 1)]);
    bench.work(100);
    bench.all_ok(CLIENT);
}

#[test]
fn what_is_cancelled_on_its_way_back_ends() {
    for running in [true, false] {
        let mut bench = held_up();
        bench.wait(Duration::from_millis(125));
        let wanted = asked(&mut bench).remove(0);
        bench.say(CLIENT, Message::Cancel { runs: Runs::one(TaskId(0), 2000), running });
        give_back(&mut bench, &wanted);
        bench.finish(SLOW, 1, 100, TaskStatus::Cancelled);
        let cancelled = bench.results.values().filter(|(status, _)| *status == TaskStatus::Cancelled).count();
        assert_eq!(cancelled, 20);
        assert_eq!(bench.controller.tasks.batches().count(), 0);
    }
}

#[test]
fn an_engine_that_retires_leaves_once_it_has_given_back_what_it_had() {
    let mut bench = held_up();
    let retirees = Retirees::Engines(vec![SLOW]);
    bench.say(CLIENT, Message::Retire { question: 1, now: false, retirees });
    bench.wait(Duration::from_millis(125));
    let mut wanted = asked(&mut bench).remove(0);
    wanted.insert(0, ids(&bench, SLOW)[0]);
    give_back(&mut bench, &wanted);
    assert_eq!(bench.controller.status().nodes[0].engines, 1);
    assert_eq!(ids(&bench, FAST), wanted);
    bench.work(100);
    bench.all_ok(CLIENT);
}

#[test]
fn a_return_is_no_loss_and_leaves_nothing_taken() {
    let mut bench = Bench::with(ControllerConfig { attempts_limit: 2, ..config() }, 1);
    let resources = Resources { cpus: 1, ..Resources::default() };
    for options in [TaskOptions { resources, ..Default::default() }, TaskOptions::default()] {
        bench.submit(CLIENT, 1, options);
        for _ in 0..5 {
            let task = ids(&bench, SLOW)[0];
            give_back(&mut bench, &[task]);
        }
        assert_eq!(bench.engines[&SLOW][0].attempt, 1);
        if bench.results.is_empty() {
            bench.finish(SLOW, 1, 1, TaskStatus::Ok);
        }
    }
    bench.drop_host(LinkId(100));
    bench.host(LinkId(101), 1, None);
    assert_eq!(bench.engines[&FAST][0].attempt, 2);
    bench.work(1);
    bench.all_ok(CLIENT);
    assert!(TaskStatus::from_code(RETURNED).is_none(), "no client sees it");
}

#[test]
fn a_long_argument_is_sent_anew_when_its_task_has_not_begun() {
    for code in [RETURNED, TaskStatus::Unplaced as u8] {
        let mut bench = Bench::with(config(), 2);
        let batch = Batch {
            lengths: [BULK].into_iter().collect(),
            payload: Bytes::new(),
            bulk: vec![BulkLength { index: 0, bytes: 1 << 20 }],
        };
        let (base, options) = (TaskId(0), TaskOptions::default());
        bench.say(CLIENT, Message::Submit { base, function: echo().hash(), options, batch });
        let task = ids(&bench, SLOW)[0];
        let argument = Transfer::Argument(task);
        bench.say(LinkId(100), Message::Grant { transfer: argument, upto: 1 << 20 });
        bench.other.clear();
        let mut back = Outcomes::returned(SLOW, Runs::one(task, 1), 1);
        back.codes = vec![code].into();
        bench.say(LinkId(100), Message::Done(back));
        let told = bench.others(|effect| match effect {
            Effect::Send { link: CLIENT, message: Message::Grant { transfer, upto } } => {
                Some((*transfer, *upto))
            }
            _ => None,
        });
        assert_eq!(told, [(Transfer::Argument(TaskId(0)), 0)], "{code}");
    }
}
