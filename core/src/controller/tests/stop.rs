//! The end of the cluster.

use super::site::{asked, error, found, polled, submitted, with_requests};
use super::*;
use crate::error::{Action, Retry};
use crate::id::RequestId;
use crate::scheduler::AllocationPhase;
use crate::wire::PilotInfo;

#[test]
fn a_stopped_cluster_owns_nothing() {
    let mut bench = with_requests(2);
    submitted(&mut bench, 0, Ok("1.pbs"));
    bench.client(CLIENT);
    bench.host(LinkId(100), 2, Some("1.pbs"));
    bench.submit(CLIENT, 10, TaskOptions::default());
    bench.runs.clear();
    bench.other.clear();
    bench.say(CLIENT, Message::Stop);
    let stops = bench.others(|e| matches!(e, Effect::Send { message: Message::Stop, .. }).then_some(()));
    assert_eq!(stops.len(), 1);
    assert_eq!(asked(&bench)[3], 1);
    // no task is sent any more, and results still come
    bench.finish(EngineId(0), 1, 5, TaskStatus::Ok);
    assert!(bench.runs.is_empty() && bench.results.len() == 1);
    // the answer to the second request comes late
    submitted(&mut bench, 1, Ok("2.pbs"));
    assert_eq!(asked(&bench)[3], 2);
    bench.step(Input::Cancelled { allocations: vec!["1.pbs".into()], answer: Ok(()) });
    bench.step(Input::Cancelled {
        allocations: vec!["2.pbs".into()],
        answer: Err(error(Action::Cancel, Retry::Later)),
    });
    bench.wait(Duration::from_secs(3));
    assert_eq!(asked(&bench)[3], 3);
    polled(&mut bench, &[("1.pbs", AllocationPhase::Ended), ("2.pbs", AllocationPhase::Ending)]);
    bench.drop_host(LinkId(100));
    assert!(bench.exit.is_none());
    bench.wait(Duration::from_secs(2));
    polled(&mut bench, &[("2.pbs", AllocationPhase::Ended)]);
    assert_eq!(bench.exit.as_deref(), Some("the cluster was stopped: a client stopped it"));
    assert!(bench.goodbyes[&CLIENT].contains("stopped"));
    assert_eq!(bench.controller.deadline(), None);
}

#[test]
fn a_stopped_allocation_may_end_by_itself_before_it_is_given_back() {
    const PILOT: LinkId = LinkId(50);
    for ends in [true, false] {
        let mut bench = with_requests(1);
        submitted(&mut bench, 0, Ok("1.pbs"));
        polled(&mut bench, &[("1.pbs", AllocationPhase::Running)]);
        bench.step(Input::LinkUp { link: PILOT, role: Role::Engine, address: "n1".into() });
        let allocation = Some("1.pbs".into());
        bench.say(PILOT, Message::Pilot(PilotInfo { allocation, ..PilotInfo::default() }));
        bench.step(Input::Interrupted);
        bench.step(Input::LinkDown { link: PILOT, reason: "told to stop".into() });
        bench.wait(Duration::from_millis(100));
        let phase = if ends { AllocationPhase::Ended } else { AllocationPhase::Running };
        polled(&mut bench, &[("1.pbs", phase)]);
        assert_eq!((bench.exit.is_some(), asked(&bench)[3]), (ends, 0));
        bench.wait(Duration::from_secs(5));
        assert_eq!(asked(&bench)[3], !ends as usize, "what stays all the same is given back");
    }
}

#[test]
fn a_cluster_that_nobody_can_find_ends_with_its_last_client() {
    for clients in [0, 2] {
        let mut bench = with_requests(1);
        submitted(&mut bench, 0, Ok("1.pbs"));
        (0..clients).for_each(|link| bench.client(LinkId(1 + link)));
        for _ in 0..2 {
            bench.step(Input::Orphaned { reason: "its directory is gone".into() });
        }
        assert_eq!(
            bench.notices,
            vec!["its directory is gone; the cluster ends with its last client"; clients as usize]
        );
        for link in 0..clients {
            assert_eq!(asked(&bench)[3], 0, "a client is there");
            bench.step(Input::LinkDown { link: LinkId(1 + link), reason: "done".into() });
        }
        assert_eq!(asked(&bench)[3], 1);
        bench.step(Input::Cancelled { allocations: vec!["1.pbs".into()], answer: Ok(()) });
        polled(&mut bench, &[("1.pbs", AllocationPhase::Ended)]);
        assert_eq!(bench.exit.as_deref(), Some("the cluster was stopped: its directory is gone"));
    }
}

#[test]
fn an_allocation_that_cannot_be_given_back_leaves_no_doubt_of_the_others() {
    const COUNT: u64 = 40;
    let mut bench = with_requests(COUNT as u32);
    for request in 0..COUNT {
        submitted(&mut bench, request, Ok(&format!("{request}.pbs")));
    }
    bench.client(CLIENT);
    bench.step(Input::Interrupted);
    // one of them makes each command fail that names it; the site forgets the others, once they have ended
    let mut rounds = Vec::new();
    while bench.exit.is_none() {
        let commands = bench.others(|effect| match effect {
            Effect::Cancel { allocations } => Some(allocations.clone()),
            _ => None,
        });
        rounds.extend((!commands.is_empty()).then_some(commands.len()));
        let polls = asked(&bench)[2];
        bench.other.clear();
        for allocations in commands {
            let fails = allocations.contains(&"7.pbs".into());
            let answer = if fails { Err(error(Action::Cancel, Retry::Never)) } else { Ok(()) };
            bench.step(Input::Cancelled { allocations, answer });
        }
        if polls > 0 {
            polled(&mut bench, &[("7.pbs", AllocationPhase::Running)]);
        }
        bench.wait(Duration::from_secs(1));
    }
    assert_eq!(rounds[..4], [1, 1, 14, 3], "ever smaller parts");
    assert!(rounds[4..].iter().all(|commands| *commands == 1), "{rounds:?}");
    let reason = bench.exit.unwrap();
    assert!(reason.contains("has not confirmed the end of allocation 7.pbs: look"), "{reason}");
}

#[test]
fn a_stop_that_the_site_does_not_confirm_says_so() {
    let mut bench = with_requests(1);
    submitted(&mut bench, 0, Ok("1.pbs"));
    bench.client(CLIENT);
    bench.step(Input::Interrupted);
    bench.wait(Duration::from_secs(61));
    let reason = bench.exit.unwrap();
    assert!(reason.contains("allocation 1.pbs") && reason.contains("not confirmed"), "{reason}");
    // who has stopped it must not take that for a good end
    assert!(bench.goodbyes.is_empty() && bench.notices.contains(&reason), "{:?}", bench.notices);
}

#[test]
fn a_stop_looks_again_for_what_was_in_doubt_while_the_site_does_not_answer() {
    let unanswered = || Err(error(Action::Find, Retry::Later));
    for answers in [true, false] {
        let mut bench = with_requests(1);
        submitted(&mut bench, 0, Err(Retry::Unsure));
        for _ in 0..6 {
            bench.step(Input::Found { request: RequestId(0), answer: unanswered() });
            bench.wait(Duration::from_secs(301));
        }
        bench.step(Input::Interrupted);
        let searches = asked(&bench)[1];
        bench.step(Input::Found { request: RequestId(1), answer: unanswered() });
        assert!(bench.exit.is_none() && asked(&bench)[1] == searches);
        bench.wait(Duration::from_secs(3));
        assert_eq!(asked(&bench)[1], searches + 1);
        if answers {
            found(&mut bench, 2, &[]);
            assert_eq!(bench.exit.as_deref(), Some("the cluster was stopped: it was interrupted"));
        } else {
            bench.wait(Duration::from_secs(60));
            let reason = bench.exit.unwrap();
            assert!(
                reason.contains("has not confirmed the end of what else is named `rpar-test`"),
                "{reason}"
            );
        }
    }
}

#[test]
fn a_stop_looks_for_what_was_in_doubt() {
    let mut bench = with_requests(1);
    submitted(&mut bench, 0, Err(Retry::Unsure));
    found(&mut bench, 0, &["1.pbs"]);
    bench.step(Input::Interrupted);
    bench.step(Input::Cancelled { allocations: vec!["1.pbs".into()], answer: Ok(()) });
    polled(&mut bench, &[("1.pbs", AllocationPhase::Ended)]);
    assert_eq!(asked(&bench)[1], 2);
    found(&mut bench, 1, &["1.pbs", "2.pbs"]);
    assert_eq!(asked(&bench)[3], 2);
    bench.step(Input::Cancelled { allocations: vec!["2.pbs".into()], answer: Ok(()) });
    // the site forgets what was given back: asked several times, that is an end
    for _ in 0..3 {
        assert!(bench.exit.is_none());
        bench.wait(Duration::from_secs(2));
        polled(&mut bench, &[]);
    }
    assert!(bench.exit.is_some());
}

#[test]
fn a_stop_while_a_request_is_in_doubt_waits_for_the_truth() {
    let mut bench = with_requests(1);
    bench.step(Input::Interrupted);
    submitted(&mut bench, 0, Err(Retry::Unsure));
    assert!(bench.exit.is_none());
    found(&mut bench, 0, &["1.pbs"]);
    assert_eq!(asked(&bench)[3], 1);
    // one that was never made is not made now
    let mut bench = with_requests(2);
    bench.step(Input::Interrupted);
    submitted(&mut bench, 0, Err(Retry::Later));
    assert_eq!(asked(&bench)[0], 1);
    assert!(bench.exit.is_some());
}

#[test]
fn a_throw_away_cluster_ends_with_its_client() {
    let mut bench = Bench::with(ControllerConfig { ephemeral: true, ..config() }, 1);
    bench.submit(CLIENT, 1, TaskOptions::default());
    bench.step(Input::LinkDown { link: CLIENT, reason: "gone".into() });
    let stops = bench.others(|e| matches!(e, Effect::Send { message: Message::Stop, .. }).then_some(()));
    assert_eq!(stops.len(), 1);
    // who comes now is told
    bench.step(Input::LinkUp { link: LinkId(3), role: Role::Client, address: "late".into() });
    assert!(bench.goodbyes[&LinkId(3)].contains("stopped"));
    bench.wait(Duration::from_secs(6));
    assert!(bench.exit.is_some(), "hosts that stay are not awaited for ever");
    // and when none ever comes
    let mut bench = Bench::new(ControllerConfig { ephemeral: true, ..config() });
    bench.wait(Duration::from_secs(119));
    assert!(bench.exit.is_none());
    bench.wait(Duration::from_secs(2));
    assert!(bench.exit.is_some());
}
