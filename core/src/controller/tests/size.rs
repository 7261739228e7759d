//! A cluster that grows and shrinks while it runs.

use super::site::{asked, polled, submitted, with_requests};
use super::*;
use crate::error::Retry;
use crate::id::RequestId;
use crate::scheduler::{AllocationPhase, AllocationState, Elements};
use crate::wire::{Agreement, Change, PilotInfo, Retirees};

/// What the controller answers.
fn change(bench: &mut Bench, change: Change) -> Result<Agreement, String> {
    bench.say(CLIENT, change.message(7));
    let answers = bench.others(|effect| match effect {
        Effect::Send { link: CLIENT, message: Message::Agreed { question: 7, request, engines } } => {
            Some(Ok(Agreement { request: *request, engines: engines.clone() }))
        }
        Effect::Send { link: CLIENT, message: Message::Declined { question: 7, reason } } => {
            Some(Err(reason.clone()))
        }
        _ => None,
    });
    answers.last().cloned().expect("an answer")
}

fn grow(bench: &mut Bench, nodes: u32, engines: u32) -> Result<Agreement, String> {
    change(bench, Change::Grow(grown(request(nodes), engines)))
}

fn retire(bench: &mut Bench, retirees: Retirees) -> Result<Vec<EngineId>, String> {
    change(bench, Change::Retire { retirees, now: false }).map(|agreed| agreed.engines)
}

fn remove(bench: &mut Bench, ids: &[u32]) -> Result<Vec<EngineId>, String> {
    let retirees = Retirees::Engines(ids.iter().copied().map(EngineId).collect());
    change(bench, Change::Retire { retirees, now: true }).map(|agreed| agreed.engines)
}

fn engines(ids: &[u32]) -> Retirees {
    Retirees::Engines(ids.iter().copied().map(EngineId).collect())
}

/// Two engines of a node introduce themselves.
fn register(node: &str, allocation: &str) -> Message {
    let allocation = Some(allocation.into());
    Message::Register(Registration {
        node: node.into(),
        engines: 2,
        pid: 1,
        allocation,
        ..Registration::default()
    })
}

fn pilot(bench: &mut Bench, link: LinkId, allocation: &str, nodes: &[&str]) {
    bench.step(Input::LinkUp { link, role: Role::Engine, address: "n1".into() });
    let nodes = nodes.iter().map(|node| (*node).to_owned()).collect();
    let allocation = Some(allocation.into());
    let info = PilotInfo { node: "n1".into(), pid: 1, allocation, nodes, ..PilotInfo::default() };
    bench.say(link, Message::Pilot(info));
}

/// What a pilot was told to release.
fn released(bench: &Bench, pilot: LinkId) -> Vec<(String, u32)> {
    bench.others(|effect| match effect {
        Effect::Send { link, message: Message::Release { node, engines } } if *link == pilot => {
            Some((node.clone(), *engines))
        }
        _ => None,
    })
}

/// The hosts that were told to leave.
fn told_to_leave(bench: &Bench) -> Vec<LinkId> {
    bench.others(|effect| match effect {
        Effect::Send { link, message: Message::Stop } => Some(*link),
        _ => None,
    })
}

/// A cluster with one allocation, its pilot, and two hosts of two engines.
fn two_nodes() -> Bench {
    let mut bench =
        Bench::new(ControllerConfig { requests: vec![request(2)], engines_wanted: 4, ..config() });
    submitted(&mut bench, 0, Ok("1.pbs"));
    pilot(&mut bench, LinkId(50), "1.pbs", &["node100", "node101"]);
    bench.host(LinkId(100), 2, Some("1.pbs"));
    bench.host(LinkId(101), 2, Some("1.pbs"));
    bench.client(CLIENT);
    polled(&mut bench, &[("1.pbs", AllocationPhase::Running)]);
    bench.other.clear();
    bench
}

#[test]
fn further_engines_come_with_an_allocation_of_their_own() {
    let mut bench = two_nodes();
    assert_eq!(grow(&mut bench, 2, 3).unwrap().request, Some(RequestId(1)));
    assert_eq!(asked(&bench)[0], 1);
    submitted(&mut bench, 1, Ok("2.pbs"));
    bench.host(LinkId(102), 2, Some("2.pbs"));
    let status = bench.controller.status();
    assert_eq!((status.engines.len(), status.engines_wanted), (6, 7));
    let seen: Vec<_> = status
        .allocations
        .iter()
        .map(|one| (one.request.0, one.engines, one.engines_wanted, one.coming))
        .collect();
    assert_eq!(seen, [(0, 4, 4, true), (1, 2, 3, true)]);
}

#[test]
fn what_cannot_be_is_declined_and_changes_nothing() {
    let mut bench = two_nodes();
    let other = AllocationRequest { tag: "rpar-other".into(), ..request(1) };
    let cases = [
        (grow(&mut bench, 2, 0), "cannot have 0"),
        (grow(&mut bench, 2, 5), "2 nodes with 2 engines each cannot have 5"),
        (grow(&mut bench, 10_000, 20_000), "the cluster would have 20004 engines"),
        (change(&mut bench, Change::Grow(grown(other, 1))), "`rpar-test`, not `rpar-other`"),
    ];
    for (answer, expected) in cases {
        let reason = answer.unwrap_err();
        assert!(reason.contains(expected), "{reason}");
    }
    let cases = [
        (engines(&[1, 9, 8]), "no such engine is there: 9, 8"),
        (Retirees::Node("n9".into()), "no engine is on a node `n9`"),
        (Retirees::Allocation("9.pbs".into()), "no such allocation"),
        (Retirees::Request(RequestId(1)), "no such allocation"),
    ];
    for (retirees, expected) in cases {
        let reason = retire(&mut bench, retirees).unwrap_err();
        assert!(reason.contains(expected), "{reason}");
    }
    assert_eq!(bench.controller.status().engines_wanted, 4);
    assert_eq!((asked(&bench)[0], told_to_leave(&bench).len()), (0, 0));
    bench.step(Input::Interrupted);
    assert!(grow(&mut bench, 1, 1).unwrap_err().contains("being stopped"));
    assert!(retire(&mut bench, engines(&[0])).unwrap_err().contains("being stopped"));
}

#[test]
fn engines_that_retire_finish_what_they_have_and_then_leave() {
    let mut bench = two_nodes();
    bench.submit(CLIENT, 8, TaskOptions::default());
    bench.runs.clear();
    assert_eq!(retire(&mut bench, Retirees::Node("node100".into())).unwrap(), [EngineId(0), EngineId(1)]);
    assert_eq!(released(&bench, LinkId(50)), [("node100".to_owned(), 0)]);
    let status = bench.controller.status();
    assert_eq!(
        (status.engines_wanted, status.engines[0].retiring, status.engines[2].retiring),
        (2, true, false)
    );
    assert!(told_to_leave(&bench).is_empty(), "they still have tasks");
    bench.finish(EngineId(0), 1, 5, TaskStatus::Ok);
    assert_eq!(bench.controller.status().engines.len(), 3, "one is done, and its host has another");
    assert!(told_to_leave(&bench).is_empty());
    bench.finish(EngineId(1), 1, 5, TaskStatus::Ok);
    assert_eq!(told_to_leave(&bench), [LinkId(100)]);
    assert!(bench.runs.iter().all(|(engine, _)| engine.0 >= 2), "{:?}", bench.runs);
    bench.drop_host(LinkId(100));
    bench.work(5);
    bench.all_ok(CLIENT);
    assert!(bench.notices.is_empty(), "it was wanted so: {:?}", bench.notices);
    assert_eq!(asked(&bench)[3], 0, "the other node is still needed");
    // the rest of it: now it is given back, without a word of complaint
    retire(&mut bench, engines(&[2, 3])).unwrap();
    assert_eq!(told_to_leave(&bench), [LinkId(100), LinkId(101)]);
    assert_eq!(asked(&bench)[3], 0, "its last host has not left");
    bench.drop_host(LinkId(101));
    // its pilot ends, and with it the job
    bench.step(Input::LinkDown { link: LinkId(50), reason: "it was released".into() });
    let polls = asked(&bench)[2];
    bench.wait(Duration::from_millis(100));
    assert_eq!((asked(&bench)[2], asked(&bench)[3]), (polls + 1, 0), "it may end by itself");
    polled(&mut bench, &[("1.pbs", AllocationPhase::Ended)]);
    bench.wait(Duration::from_secs(9));
    assert_eq!(asked(&bench)[3], 0, "there is nothing to be given back");
    let status = bench.controller.status();
    assert!(status.allocations.is_empty() && !status.engines_coming && status.engines_wanted == 0);
    assert!(bench.notices.is_empty() && status.problems.is_empty(), "{:?}", bench.notices);
}

#[test]
fn engines_that_leave_at_once_have_their_tasks_run_elsewhere() {
    let mut bench = two_nodes();
    bench.submit(CLIENT, 4, TaskOptions::default());
    bench.submit(
        CLIENT,
        1,
        TaskOptions { rerun: false, targets: Some(vec![EngineId(1)]), ..Default::default() },
    );
    bench.finish(EngineId(1), 1, 5, TaskStatus::Ok);
    assert_eq!(remove(&mut bench, &[1]).unwrap(), [EngineId(1)]);
    let called_off = bench.others(|effect| match effect {
        Effect::Send { link: LinkId(100), message: Message::Cancel { runs, running: true } } => {
            Some(runs.count())
        }
        _ => None,
    });
    assert_eq!(called_off, [1], "its host has another engine, and stays");
    assert_eq!(released(&bench, LinkId(50)), [("node100".to_owned(), 1)]);
    let (status, why) = bench.result(4).unwrap();
    assert_eq!(status, TaskStatus::Lost);
    assert!(why.contains("engine 1 on node node100") && why.contains("was removed"), "{why}");
    // what the engine still says of it is too late, and no offence
    let late = bench.engines.remove(&EngineId(1)).unwrap();
    let late: Vec<Held> = late.into_iter().collect();
    bench.say(LinkId(100), Message::Done(outcomes(EngineId(1), &late, 5, TaskStatus::Cancelled)));
    assert!(bench.goodbyes.is_empty(), "{:?}", bench.goodbyes);
    // now the whole host: its tasks go to the other one
    bench.submit(CLIENT, 20, TaskOptions::default());
    assert_eq!(remove(&mut bench, &[0]).unwrap(), [EngineId(0)]);
    assert_eq!(told_to_leave(&bench), [LinkId(100)]);
    bench.engines.remove(&EngineId(0));
    bench.work(5);
    let ended: Vec<u64> = (0..25).filter(|id| bench.result(*id).unwrap().0 != TaskStatus::Ok).collect();
    assert_eq!(ended, [4]);
}

#[test]
fn tasks_for_engines_that_leave_alone_end() {
    let mut bench = two_nodes();
    let only = |ids: &[u32]| TaskOptions {
        targets: Some(ids.iter().copied().map(EngineId).collect()),
        ..TaskOptions::default()
    };
    bench.submit(CLIENT, 5, only(&[0]));
    bench.submit(CLIENT, 5, only(&[0, 3]));
    retire(&mut bench, engines(&[0])).unwrap();
    for id in 1..5 {
        let (status, why) = bench.result(id).unwrap();
        assert!(status == TaskStatus::Unplaced && why.contains("(engine 0)"), "{why}");
    }
    bench.submit(CLIENT, 1, only(&[0]));
    assert_eq!(bench.result(10).unwrap().0, TaskStatus::Unplaced);
    // one that fails there cannot be tried again
    bench.submit(CLIENT, 1, TaskOptions { retries: 3, ..only(&[1]) });
    retire(&mut bench, engines(&[1])).unwrap();
    bench.finish(EngineId(1), 1, 5, TaskStatus::Failed);
    assert_eq!(bench.result(11).unwrap().0, TaskStatus::Unplaced);
    bench.work(5);
    assert!((5..10).all(|id| bench.result(id).unwrap().0 == TaskStatus::Ok));
}

#[test]
fn an_allocation_that_still_waits_is_given_back_at_once() {
    let mut bench = two_nodes();
    grow(&mut bench, 1, 2).unwrap();
    submitted(&mut bench, 1, Ok("2.pbs"));
    polled(&mut bench, &[("1.pbs", AllocationPhase::Running), ("2.pbs", AllocationPhase::Queued)]);
    assert!(retire(&mut bench, Retirees::Allocation("2.pbs".into())).unwrap().is_empty());
    assert_eq!(asked(&bench)[3], 1);
    assert_eq!(bench.controller.status().engines_wanted, 4);
    // what comes of it all the same is sent away
    bench.step(Input::LinkUp { link: LinkId(110), role: Role::Engine, address: "there".into() });
    bench.say(LinkId(110), register("n", "2.pbs"));
    assert_eq!(told_to_leave(&bench), [LinkId(110)]);
    assert_eq!(bench.controller.status().engines.len(), 4);
    bench.say(LinkId(110), Message::Goodbye { reason: "told so".into() });
    // one that the site has not answered for yet is given back when it does
    grow(&mut bench, 1, 2).unwrap();
    assert!(retire(&mut bench, Retirees::Request(RequestId(2))).unwrap().is_empty());
    assert_eq!(asked(&bench)[3], 1);
    submitted(&mut bench, 2, Ok("3.pbs"));
    assert_eq!(asked(&bench)[3], 2);
    // and one that was refused is forgotten
    grow(&mut bench, 1, 2).unwrap();
    submitted(&mut bench, 3, Err(Retry::Never));
    let refused = bench.controller.status().allocations.pop().unwrap();
    assert!(refused.problem.is_some() && !refused.coming);
    retire(&mut bench, Retirees::Request(RequestId(3))).unwrap();
    bench.wait(Duration::from_secs(1));
    let known: Vec<_> = bench.controller.status().allocations.iter().map(|one| one.request.0).collect();
    assert_eq!(known, [0, 1, 2]);
}

#[test]
fn engines_that_come_by_themselves_are_wanted_while_they_are_there() {
    let mut bench = two_nodes();
    bench.host(LinkId(102), 3, Some("held by the user"));
    let counts = |bench: &Bench| {
        let status = bench.controller.status();
        (status.engines.len(), status.engines_wanted)
    };
    assert_eq!(counts(&bench), (7, 7));
    bench.drop_host(LinkId(101));
    assert_eq!(counts(&bench), (5, 7), "they do not stand in for those that were asked for");
    bench.drop_host(LinkId(102));
    assert_eq!(counts(&bench), (2, 4));
}

#[test]
fn a_pilot_that_knows_nothing_of_it_is_told_again() {
    let mut bench = two_nodes();
    bench.step(Input::LinkDown { link: LinkId(50), reason: "gone".into() });
    retire(&mut bench, engines(&[0, 1, 2])).unwrap();
    assert_eq!(told_to_leave(&bench), [LinkId(100)]);
    bench.drop_host(LinkId(100));
    // it has started the host again, and only now hears that it should not
    bench.step(Input::LinkUp { link: LinkId(103), role: Role::Engine, address: "there".into() });
    bench.say(LinkId(103), register("node100", "1.pbs"));
    assert_eq!(told_to_leave(&bench), [LinkId(100), LinkId(103)]);
    pilot(&mut bench, LinkId(51), "1.pbs", &["node100", "node101"]);
    assert_eq!(released(&bench, LinkId(51)), [("node100".to_owned(), 0), ("node101".to_owned(), 1)]);
    // the other host dies, and comes back with more engines than are wanted
    bench.drop_host(LinkId(101));
    bench.hosts.insert(LinkId(104), Vec::new());
    bench.step(Input::LinkUp { link: LinkId(104), role: Role::Engine, address: "there".into() });
    bench.say(LinkId(104), register("node101", "1.pbs"));
    let there: Vec<u32> = bench.controller.status().engines.iter().map(|engine| engine.id.0).collect();
    assert_eq!((there, bench.controller.status().engines_wanted), (vec![4], 1));
    // its end: nobody else is there, so the allocation goes too
    retire(&mut bench, engines(&[4])).unwrap();
    bench.step(Input::LinkDown { link: LinkId(104), reason: "gone".into() });
    bench.wait(Duration::from_secs(5));
    assert_eq!(asked(&bench)[3], 1);
}

#[test]
fn an_allocation_whose_last_nodes_are_given_up_is_given_back() {
    let mut bench = two_nodes();
    retire(&mut bench, Retirees::Node("node100".into())).unwrap();
    bench.drop_host(LinkId(100));
    bench.drop_host(LinkId(101));
    assert_eq!(asked(&bench)[3], 0, "its pilot starts another");
    let report = Message::Report { node: "node101".into(), text: "killed".into(), restarting: false };
    bench.say(LinkId(50), report);
    assert_eq!(asked(&bench)[3], 0, "its pilot ends it");
    bench.wait(Duration::from_secs(5));
    assert_eq!(asked(&bench)[3], 1, "what stays all the same is given back");
    bench.step(Input::Cancelled { allocations: vec!["1.pbs".into()], answer: Ok(()) });
    polled(&mut bench, &[("1.pbs", AllocationPhase::Ended)]);
    bench.wait(Duration::from_secs(1));
    assert!(bench.controller.status().allocations.is_empty());
}

#[test]
fn an_array_goes_on_without_the_elements_that_leave_or_give_up() {
    let spec = AllocationRequest { array: true, ..request(3) };
    let mut bench = Bench::new(ControllerConfig { requests: vec![spec], engines_wanted: 6, ..config() });
    submitted(&mut bench, 0, Ok("4[].pbs"));
    bench.client(CLIENT);
    let state = |waiting, running, ended| AllocationState {
        elements: Some(Elements { waiting, running, ended }),
        ..AllocationState::new(AllocationPhase::Running)
    };
    let tell = |bench: &mut Bench, state| {
        bench.step(Input::Polled { answer: Ok([("4[].pbs".into(), state)].into()) })
    };
    tell(&mut bench, state(1, 2, 0));
    // two elements share a node, and one of them calls the array by its number alone
    for (element, id) in [(1, "4[].pbs"), (2, "4.pbs")] {
        let (pilot, host) = (LinkId(50 + u64::from(element)), LinkId(100 + u64::from(element)));
        bench.step(Input::LinkUp { link: pilot, role: Role::Engine, address: "n1".into() });
        let allocation = Some(AllocationId::from(id));
        let info = PilotInfo {
            node: "n1".into(),
            pid: element,
            allocation: allocation.clone(),
            element: Some(element),
            nodes: vec!["n1".into()],
            remaining_ms: None,
        };
        bench.say(pilot, Message::Pilot(info));
        bench.step(Input::LinkUp { link: host, role: Role::Engine, address: "n1".into() });
        bench.hosts.insert(host, Vec::new());
        let registration = Registration {
            node: "n1".into(),
            engines: 2,
            pid: 70 + element,
            allocation,
            element: Some(element),
            ..Registration::default()
        };
        bench.say(host, Message::Register(registration));
        let first = bench.hosts[&host][0].0;
        bench.hosts.insert(host, vec![EngineId(first), EngineId(first + 1)]);
        (first..first + 2).for_each(|id| _ = bench.engines.entry(EngineId(id)).or_default());
    }
    let status = bench.controller.status();
    assert_eq!((status.allocations[0].engines, status.allocations[0].engines_wanted), (4, 6));
    // the engines of the first element leave: only its pilot hears of it, and the array stays
    retire(&mut bench, engines(&[0, 1])).unwrap();
    let released = bench.others(|effect| match effect {
        Effect::Send { link, message: Message::Release { node, engines } } => {
            Some((*link, node.clone(), *engines))
        }
        _ => None,
    });
    assert_eq!(released, [(LinkId(51), "n1".to_owned(), 0)]);
    bench.drop_host(LinkId(101));
    bench.step(Input::LinkDown { link: LinkId(51), reason: "it was released".into() });
    bench.wait(Duration::from_secs(2));
    tell(&mut bench, state(1, 1, 1));
    assert_eq!(asked(&bench)[3], 0, "the others are still needed");
    // the second gives up; the third is still to come
    bench.drop_host(LinkId(102));
    bench.say(LinkId(52), Message::Report { node: "n1".into(), text: "killed".into(), restarting: false });
    bench.submit(CLIENT, 1, TaskOptions::default());
    assert!(bench.results.is_empty() && bench.controller.status().engines_coming);
    bench.step(Input::LinkDown { link: LinkId(52), reason: "it gave up".into() });
    bench.wait(Duration::from_secs(2));
    tell(&mut bench, AllocationState::new(AllocationPhase::Ended));
    assert!(bench.result(0).unwrap().1.contains("allocation 4[].pbs has ended"), "{:?}", bench.result(0));
}

#[test]
fn tasks_without_any_engine_left_end_and_say_why() {
    let mut bench = two_nodes();
    bench.submit(CLIENT, 6, TaskOptions::default());
    remove(&mut bench, &[0, 1, 2, 3]).unwrap();
    let (status, why) = bench.result(0).unwrap();
    assert_eq!(status, TaskStatus::Unplaced);
    assert!(why.contains("rpar engines add"), "{why}");
}

#[test]
fn requests_are_kept_within_bounds() {
    let mut bench = with_requests(1);
    submitted(&mut bench, 0, Ok("1.pbs"));
    bench.client(CLIENT);
    for number in 1..600 {
        grow(&mut bench, 1, 1).unwrap();
        submitted(&mut bench, number, Err(Retry::Never));
    }
    let known = bench.controller.status().allocations;
    assert_eq!((known.len(), known[0].id.clone()), (512, Some("1.pbs".into())));
    // those that are alive do not give way
    let mut bench = with_requests(1);
    bench.client(CLIENT);
    (1..512).for_each(|_| assert!(grow(&mut bench, 1, 1).is_ok()));
    assert!(grow(&mut bench, 1, 1).unwrap_err().contains("512 may be"));
}
