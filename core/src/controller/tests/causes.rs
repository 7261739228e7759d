//! Engines are lost by no fault of their tasks.

use super::*;
use crate::id::RequestId;
use crate::scheduler::{AllocationEnd, AllocationPhase, AllocationState};
use crate::wire::{PilotInfo, Retirees};

const PILOT: LinkId = LinkId(50);

/// With an allocation of ten minutes whose pilot has come, and a client.
fn bench() -> Bench {
    let requests = vec![AllocationRequest { walltime: Some(Duration::from_secs(600)), ..request(1) }; 2];
    let mut bench = Bench::new(ControllerConfig { requests, engines_wanted: 4, ..config() });
    bench.step(Input::Submitted { request: RequestId(0), answer: Ok("1".into()) });
    bench.step(Input::Submitted { request: RequestId(1), answer: Ok("2".into()) });
    bench.client(CLIENT);
    bench.step(Input::LinkUp { link: PILOT, role: Role::Engine, address: "there".into() });
    let nodes = (100..120).map(|link| format!("node{link}")).collect();
    let allocation = Some("1".into());
    bench.say(
        PILOT,
        Message::Pilot(PilotInfo { node: "n".into(), pid: 1, allocation, nodes, ..Default::default() }),
    );
    bench
}

fn end(bench: &mut Bench, end: AllocationEnd) {
    let state = AllocationState { end: Some(end), ..AllocationState::new(AllocationPhase::Ended) };
    let other = AllocationState::new(AllocationPhase::Running);
    bench.step(Input::Polled { answer: Ok(BTreeMap::from([("1".into(), state), ("2".into(), other)])) });
}

/// How the engines of one host after the other are lost, `before` and after that.
fn lost_five_times(before: fn(&mut Bench)) -> Bench {
    let mut bench = bench();
    bench.submit(CLIENT, 1, TaskOptions::default());
    for link in 100..105 {
        bench.host(LinkId(link), 1, Some("1"));
        assert_eq!(bench.engines.values().map(VecDeque::len).sum::<usize>(), 1);
        before(&mut bench);
        bench.drop_host(LinkId(link));
    }
    bench
}

#[test]
fn losses_at_the_walltime_do_not_count() {
    let mut bench = lost_five_times(|bench| {
        let left = bench.controller.allocations.all[0].end(None, bench.now).unwrap().since(bench.now);
        bench.wait(left.saturating_sub(Duration::from_secs(1)));
    });
    bench.host(LinkId(110), 1, Some("2"));
    assert_eq!(bench.engines.values().find_map(|held| held.front()).unwrap().attempt, 6);
    bench.work(1);
    bench.all_ok(CLIENT);
    let told = "an engine on node node104 was lost: the walltime of allocation 1 was over; 1 of its tasks run again if an \
                engine comes, as attempt 6 at the most";
    assert_eq!(bench.notices.last().map(String::as_str), Some(told));
}

#[test]
fn losses_after_a_signal_to_the_pilot_do_not_count() {
    let mut bench = lost_five_times(|bench| bench.say(PILOT, Message::Ending { signal: "SIGTERM".into() }));
    assert!(
        bench.notices[0].contains("allocation 1 was ended from outside: its pilot got SIGTERM"),
        "{:?}",
        bench.notices
    );
    bench.host(LinkId(110), 1, Some("2"));
    bench.work(1);
    bench.all_ok(CLIENT);
}

#[test]
fn losses_by_engines_remove_now_do_not_count() {
    let mut bench = bench();
    bench.submit(CLIENT, 1, TaskOptions::default());
    for link in 100..105 {
        bench.host(LinkId(link), 1, Some("elsewhere"));
        let engines = vec![*bench.engines.keys().next().unwrap()];
        bench.say(CLIENT, Message::Retire { question: 1, now: true, retirees: Retirees::Engines(engines) });
        bench.engines.clear();
        bench.drop_host(LinkId(link));
    }
    bench.host(LinkId(110), 1, Some("2"));
    bench.work(1);
    bench.all_ok(CLIENT);
}

#[test]
fn what_the_site_tells_later_is_heeded() {
    for (how, counts) in [
        (AllocationEnd::NodeFailed, false),
        (AllocationEnd::Cancelled, false),
        (AllocationEnd::Walltime, false),
        (AllocationEnd::Exit(1), true),
        (AllocationEnd::Signal(9), true),
    ] {
        let mut bench = bench();
        bench.submit(CLIENT, 1, TaskOptions::default());
        for link in 100..102 {
            bench.host(LinkId(link), 1, Some("1"));
            bench.drop_host(LinkId(link));
        }
        end(&mut bench, how);
        for link in 110..112 {
            bench.host(LinkId(link), 1, Some("2"));
            bench.drop_host(LinkId(link));
        }
        let lost = bench.result(0).map(|(status, _)| status);
        assert_eq!(lost, counts.then_some(TaskStatus::Lost), "{how:?}");
        bench.host(LinkId(112), 1, Some("2"));
        bench.drop_host(LinkId(112));
        let (status, why) = bench.result(0).unwrap();
        assert_eq!(status, TaskStatus::Lost);
        assert!(
            counts || why.contains("3 attempts at it lost their engines, on node110, node111, node112:"),
            "{why}"
        );
    }
}

#[test]
fn engines_of_an_allocation_that_was_taken_away_are_excused() {
    let mut bench = bench();
    let once = TaskOptions { rerun: false, ..TaskOptions::default() };
    let first = bench.submit(CLIENT, 1, once.clone());
    bench.host(LinkId(100), 1, Some("1"));
    // their links are still there
    end(&mut bench, AllocationEnd::Walltime);
    let why = "killed at the walltime of allocation 1, on engine 0 of node node100; it was submitted as not to be run again";
    assert_eq!(bench.result(first), Some((TaskStatus::Lost, why.to_owned())));
}

#[test]
fn what_was_told_to_end_and_is_known_no_more_has_ended() {
    for told in [true, false] {
        let mut bench = bench();
        bench.host(LinkId(100), 1, Some("1"));
        if told {
            bench.say(PILOT, Message::Ending { signal: "SIGTERM".into() });
        }
        let unmentioned = |bench: &mut Bench| {
            let other = AllocationState::new(AllocationPhase::Running);
            bench.step(Input::Polled { answer: Ok(BTreeMap::from([("2".into(), other)])) });
            bench.wait(Duration::from_secs(6));
            bench.controller.status().allocations[0].state.phase == AllocationPhase::Ended
        };
        // while an engine of it is there, it is not over
        assert!(!unmentioned(&mut bench) && !unmentioned(&mut bench));
        bench.drop_host(LinkId(100));
        assert_eq!(unmentioned(&mut bench), told);
        let how = "allocation 1 has ended (from outside: its pilot got SIGTERM)";
        assert_eq!(bench.notices.last().is_some_and(|last| last == how), told, "{:?}", bench.notices);
    }
}

/// After a node has failed for one.
#[test]
fn what_the_site_puts_back_into_its_queue_begins_anew() {
    let mut bench = bench();
    let state = |bench: &mut Bench, phase: AllocationPhase| {
        let states = ["1", "2"].map(|id| (id.into(), AllocationState::new(phase.clone())));
        bench.step(Input::Polled { answer: Ok(states.into()) });
    };
    // while an engine is there, the site tells late of the beginning
    bench.host(LinkId(100), 1, Some("1"));
    state(&mut bench, AllocationPhase::Queued);
    assert_eq!(bench.notices, Vec::<String>::new());
    state(&mut bench, AllocationPhase::Running);
    // the site may tell before the last engine is gone
    state(&mut bench, AllocationPhase::Queued);
    bench.drop_host(LinkId(100));
    bench.submit(CLIENT, 1, TaskOptions::default());
    for _ in 0..2 {
        state(&mut bench, AllocationPhase::Queued);
    }
    let told = "allocation 1 has lost its nodes: the site has put it back into its queue";
    assert_eq!(bench.notices.iter().filter(|notice| *notice == told).count(), 1, "{:?}", bench.notices);
    assert!(bench.controller.status().allocations[0].coming);
    bench.host(LinkId(101), 1, Some("1"));
    bench.work(1);
    bench.all_ok(CLIENT);
}
