//! Engines are lost.

use super::*;

#[test]
fn tasks_of_a_lost_engine_run_again_first() {
    let mut bench = Bench::with(config(), 1);
    bench.submit(CLIENT, 5000, TaskOptions::default());
    bench.finish(EngineId(0), 1, 1, TaskStatus::Ok);
    bench.finish(EngineId(0), 1, 1, TaskStatus::Ok);
    let had: Vec<TaskId> = bench.engines[&EngineId(0)].iter().map(|task| task.id).collect();
    assert!(had.len() > 1);
    bench.drop_host(LinkId(100));
    assert!(bench.notices.iter().any(|text| text.contains("node100")), "{:?}", bench.notices);
    bench.host(LinkId(101), 1, None);
    for id in had {
        // one at a time: if one of them is the cause, the next loss tells which
        let held = bench.engines[&EngineId(1)].clone();
        assert_eq!(held.len(), 1, "{held:?}");
        assert_eq!((held[0].id, held[0].attempt), (id, 2));
        bench.finish(EngineId(1), 1, 1, TaskStatus::Ok);
    }
    bench.work(1);
    bench.all_ok(CLIENT);
}

#[test]
fn nobody_is_promised_that_tasks_run_again_where_no_engine_is_left() {
    let mut bench = Bench::with(config(), 1);
    bench.host(LinkId(101), 1, None);
    bench.submit(CLIENT, 2, TaskOptions::default());
    bench.drop_host(LinkId(100));
    assert!(bench.notices[0].ends_with("; 1 of its tasks run again"), "{:?}", bench.notices);
    bench.drop_host(LinkId(101));
    assert!(bench.notices[1].ends_with("tasks run again if an engine comes"), "{:?}", bench.notices);
}

#[test]
fn a_task_that_kills_its_engines_ends_lost_and_alone() {
    let mut bench = Bench::with(config(), 1);
    bench.submit(CLIENT, 50, TaskOptions::default());
    let mut link = 100;
    // all is well until task 5 is first
    while bench.result(4).is_none() {
        let engine = *bench.engines.keys().next().unwrap();
        bench.finish(engine, 1, 1, TaskStatus::Ok);
    }
    for _ in 0..10 {
        if bench.engines.values().next().unwrap().front().is_none_or(|task| task.id != TaskId(5)) {
            break;
        }
        bench.drop_host(LinkId(link));
        link += 1;
        bench.host(LinkId(link), 1, None);
    }
    bench.work(1);
    assert_eq!(link, 103, "it may be tried three times");
    let (status, why) = bench.result(5).unwrap();
    assert_eq!(status, TaskStatus::Lost);
    let cause = "3 attempts at it lost their engines, on node100, node101, node102: it is not tried again";
    assert!(why.contains("engine 2 on node node102 was lost") && why.ends_with(cause), "{why}");
    let told = format!("task 6 of a client was given up: {cause}");
    assert!(bench.controller.status().problems.contains(&told), "{:?}", bench.controller.status().problems);
    assert!(bench.notices.contains(&told), "{:?}", bench.notices);
    for id in (0..50).filter(|id| *id != 5) {
        assert_eq!(bench.result(id).unwrap().0, TaskStatus::Ok, "task {id}");
    }
}

#[test]
fn what_runs_beside_it_on_its_node_is_not_given_up_with_it() {
    let mut bench = Bench::new(config());
    bench.client(CLIENT);
    let mut link = 100;
    bench.host(LinkId(link), 3, None);
    // the second one kills its host at once, whatever else is there; nothing else ends meanwhile
    let killer = bench.submit(CLIENT, 8, TaskOptions::default()) + 1;
    for _ in 0..50 {
        let held =
            |bench: &Bench| bench.engines.values().any(|held| held.iter().any(|task| task.id.0 == killer));
        if held(&bench) {
            bench.drop_host(LinkId(link));
            link += 1;
            bench.host(LinkId(link), 3, None);
        } else if let Some((engine, _)) = bench.engines.iter().find(|(_, held)| !held.is_empty()) {
            let engine = *engine;
            bench.finish(engine, 1, 1, TaskStatus::Ok);
        }
    }
    assert_eq!(link, 103);
    for id in 0..8 {
        let expected = if id == killer { TaskStatus::Lost } else { TaskStatus::Ok };
        assert_eq!(bench.result(id).map(|(status, _)| status), Some(expected), "task {id}");
    }
}

#[test]
fn of_many_losses_the_latest_nodes_are_told() {
    let mut bench = Bench::with(ControllerConfig { attempts_limit: 9, ..config() }, 1);
    bench.submit(CLIENT, 1, TaskOptions::default());
    for link in 100..109 {
        bench.drop_host(LinkId(link));
        bench.host(LinkId(link + 1), 1, None);
    }
    let (status, why) = bench.result(0).unwrap();
    assert_eq!(status, TaskStatus::Lost);
    let cause = "9 attempts at it lost their engines, the last of them on node104, node105, node106, node107, node108";
    assert!(why.contains(cause), "{why}");
}

#[test]
fn work_with_side_effects_is_not_repeated() {
    let mut bench = Bench::with(config(), 1);
    bench.submit(CLIENT, 2, TaskOptions { rerun: false, ..Default::default() });
    bench.drop_host(LinkId(100));
    let (status, why) = bench.result(0).unwrap();
    assert_eq!(status, TaskStatus::Lost);
    assert!(why.contains("not to be run again"), "{why}");
    assert!(bench.result(1).is_none(), "it has not begun");
    bench.host(LinkId(101), 1, None);
    bench.work(5);
    assert_eq!(bench.result(1).unwrap().0, TaskStatus::Ok);
}

#[test]
fn what_must_not_run_again_is_lost_only_where_it_may_have_begun() {
    let mut bench = Bench::with(config(), 2);
    // short tasks, of which many are sent ahead
    bench.submit(CLIENT, 500, TaskOptions::default());
    bench.work(5);
    let once = bench.submit(CLIENT, 10, TaskOptions { rerun: false, ..Default::default() });
    let again = bench.submit(CLIENT, 10, TaskOptions::default());
    assert!(bench.engines.values().all(|held| held.len() == 1), "nothing waits behind them");
    bench.drop_host(LinkId(100));
    let lost = |bench: &Bench| {
        (once..again)
            .filter(|id| bench.result(*id).is_some_and(|(status, _)| status == TaskStatus::Lost))
            .count()
    };
    assert_eq!(lost(&bench), 2);
    bench.host(LinkId(101), 2, None);
    bench.work(5);
    assert_eq!(lost(&bench), 2);
    assert!((once..again + 10).all(|id| bench.result(id).is_some()));
}

#[test]
fn a_silent_peer_is_lost_and_a_talking_one_is_not() {
    let mut bench = Bench::with(config(), 1);
    bench.submit(CLIENT, 1, TaskOptions::default());
    bench.wait(Duration::from_secs(20));
    assert!(bench.goodbyes.is_empty());
    bench.hosts.remove(&LinkId(100));
    bench.engines.clear();
    bench.wait(Duration::from_secs(6));
    // without a goodbye: it may only have been cut off, and come again
    let closed = bench.others(|e| matches!(e, Effect::Close { link: LinkId(100), .. }).then_some(()));
    assert!(closed.len() == 1 && bench.goodbyes.is_empty(), "{:?}", bench.goodbyes);
    assert!(bench.controller.status().engines.is_empty());
    assert_eq!(bench.controller.status().tasks.queued, 1);
}

#[test]
fn heartbeats_fill_silences_only() {
    let mut bench = Bench::with(config(), 1);
    let mut beats = Vec::new();
    for second in 0..10 {
        bench.now = Timestamp(2_000_000 + second * 500_000);
        let mut effects = Vec::new();
        for link in [CLIENT, LinkId(100)] {
            bench.controller.step(
                bench.now,
                Input::Received { link, message: Message::Heartbeat },
                &mut effects,
            );
        }
        let beat = |effect: &&Effect| matches!(effect, Effect::Send { message: Message::Heartbeat, .. });
        beats.push(effects.iter().filter(beat).count());
    }
    assert!(beats.iter().sum::<usize>() >= 8, "{beats:?}");
    assert!(beats.iter().all(|count| *count <= 2), "{beats:?}");
}

#[test]
fn without_any_engine_tasks_end_with_the_reason() {
    let mut bench = Bench::new(config());
    bench.client(CLIENT);
    bench.submit(CLIENT, 1, TaskOptions::default());
    assert!(bench.controller.status().engines_coming);
    bench.wait(Duration::from_secs(61));
    let (status, why) = bench.result(0).unwrap();
    assert_eq!(status, TaskStatus::Unplaced);
    assert!(why.contains("rpar status") && why.contains("rpar logs"), "{why}");
    // nobody waits again for what will not come
    bench.submit(CLIENT, 1, TaskOptions::default());
    assert_eq!(bench.result(1).unwrap().0, TaskStatus::Unplaced);
}
