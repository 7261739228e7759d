//! Engines that cannot run what they are given.

use super::*;

const HEALTHY: EngineId = EngineId(0);
const BROKEN: EngineId = EngineId(1);

/// Two hosts of an engine each.
fn two() -> Bench {
    let mut bench = Bench::with(config(), 1);
    bench.host(LinkId(101), 1, None);
    bench
}

/// The engine gives back all that it has, for this reason.
fn refuse(bench: &mut Bench, engine: EngineId) -> usize {
    let held: Vec<Held> = bench.engines.get_mut(&engine).unwrap().drain(..).collect();
    let link = *bench.hosts.iter().find(|(_, ids)| ids.contains(&engine)).unwrap().0;
    let why = Failure::new("no interpreter starts").encode();
    let mut refused = outcomes(engine, &held, 0, TaskStatus::Unplaced);
    refused.batch = held.iter().map(|_| why.clone()).collect();
    bench.say(link, Message::Done(refused));
    held.len()
}

#[test]
fn what_an_engine_refuses_runs_elsewhere() {
    let mut bench = two();
    // as work with side effects may: it has not begun
    let alone = TaskOptions { rerun: false, ..Default::default() };
    bench.submit(CLIENT, 30, alone.clone());
    assert_eq!(refuse(&mut bench, BROKEN), 1);
    assert_eq!(bench.notices, ["Native tasks cannot run on node node101: no interpreter starts"]);
    for _ in 0..30 {
        bench.finish(HEALTHY, 1, 5, TaskStatus::Ok);
        assert!(bench.engines[&BROKEN].is_empty(), "it draws no more");
    }
    bench.all_ok(CLIENT);
    // which holds for a while
    bench.wait(Duration::from_secs(61));
    bench.submit(CLIENT, 2, alone);
    assert_eq!(refuse(&mut bench, BROKEN), 1);
    bench.work(5);
    bench.all_ok(CLIENT);
    assert_eq!(bench.notices.len(), 1, "told once");
    assert_eq!(bench.controller.status().tasks.failed, 0);
}

#[test]
fn what_all_engines_refuse_has_failed() {
    let mut bench = two();
    bench.submit(CLIENT, 10, TaskOptions::default());
    let mut rounds = 0;
    while bench.results.len() < 10 {
        refuse(&mut bench, BROKEN);
        refuse(&mut bench, HEALTHY);
        rounds += 1;
        assert!(rounds < 20, "they are passed to and fro");
    }
    for id in 0..10 {
        assert_eq!(bench.result(id).unwrap(), (TaskStatus::Failed, "no interpreter starts".to_owned()));
    }
    // one that comes later is not blamed for them
    bench.host(LinkId(102), 1, None);
    bench.submit(CLIENT, 5, TaskOptions::default());
    bench.work(5);
    assert_eq!(bench.result(14).unwrap().0, TaskStatus::Ok);
}

#[test]
fn a_target_that_refuses_is_spared_only_while_another_is_there() {
    let both = || Some(vec![HEALTHY, BROKEN]);
    let mut bench = two();
    bench.submit(CLIENT, 4, TaskOptions { targets: both(), ..Default::default() });
    assert_eq!(refuse(&mut bench, BROKEN), 1);
    assert!(bench.engines[&BROKEN].is_empty());
    bench.submit(CLIENT, 1, TaskOptions { targets: Some(vec![BROKEN]), ..Default::default() });
    assert_eq!(refuse(&mut bench, BROKEN), 1);
    assert_eq!(bench.result(4).unwrap().0, TaskStatus::Failed, "nobody else may run it");
    bench.drop_host(LinkId(100));
    while !bench.engines[&BROKEN].is_empty() {
        refuse(&mut bench, BROKEN);
    }
    for id in 0..4 {
        assert_eq!(bench.result(id).unwrap().0, TaskStatus::Failed, "task {id}");
    }
}
