//! Allocations, from their requests to their ends.

use super::*;
use crate::error::{Action, BackendError, Retry};
use crate::id::RequestId;
use crate::scheduler::{AllocationEnd, AllocationPhase, AllocationState};
use crate::wire::{PilotInfo, Retirees};

pub(super) fn error(action: Action, retry: Retry) -> BackendError {
    BackendError {
        backend: "torque".into(),
        action,
        retry,
        reason: "qsub: the queue is closed".into(),
        command: None,
        hint: None,
    }
}

pub(super) fn with_requests(count: u32) -> Bench {
    Bench::new(ControllerConfig { requests: (0..count).map(|_| request(2)).collect(), ..config() })
}

pub(super) fn submitted(bench: &mut Bench, request: u64, answer: Result<&str, Retry>) {
    let answer = answer.map(AllocationId::from).map_err(|retry| error(Action::Submit, retry));
    bench.step(Input::Submitted { request: RequestId(request), answer });
}

pub(super) fn found(bench: &mut Bench, request: u64, ids: &[&str]) {
    let answer = Ok(ids.iter().map(|id| AllocationId::from(*id)).collect());
    bench.step(Input::Found { request: RequestId(request), answer });
}

pub(super) fn polled(bench: &mut Bench, states: &[(&str, AllocationPhase)]) {
    let end = Some(AllocationEnd::Exit(1));
    let state = |phase: &AllocationPhase| AllocationState { end, ..AllocationState::new(phase.clone()) };
    let states = states.iter().map(|(id, phase)| (AllocationId::from(*id), state(phase)));
    bench.step(Input::Polled { answer: Ok(states.collect()) });
}

/// How often each thing was asked of the site: submit, find, poll, cancel, read.
pub(super) fn asked(bench: &Bench) -> [usize; 5] {
    let mut counts = [0; 5];
    for effect in &bench.other {
        match effect {
            Effect::Submit { .. } => counts[0] += 1,
            Effect::Find { .. } => counts[1] += 1,
            Effect::Poll { .. } => counts[2] += 1,
            Effect::Cancel { .. } => counts[3] += 1,
            Effect::ReadOutput { .. } => counts[4] += 1,
            _ => {}
        }
    }
    counts
}

#[test]
fn requests_are_made_one_at_a_time_and_watched() {
    let mut bench = with_requests(2);
    assert_eq!(asked(&bench), [1, 0, 0, 0, 0]);
    submitted(&mut bench, 0, Ok("1.pbs"));
    assert_eq!(asked(&bench), [2, 0, 1, 0, 0]);
    submitted(&mut bench, 1, Ok("2.pbs"));
    bench.wait(Duration::from_secs(60));
    assert_eq!(asked(&bench), [2, 0, 1, 0, 0], "one poll at a time");
    polled(&mut bench, &[("1.pbs", AllocationPhase::Running), ("2.pbs", AllocationPhase::Queued)]);
    bench.wait(Duration::from_secs(15));
    assert_eq!(asked(&bench), [2, 0, 2, 0, 0]);
    bench.host(LinkId(100), 2, Some("1.pbs"));
    let status = bench.controller.status();
    assert!(status.engines_coming);
    let seen: Vec<_> = status.allocations.iter().map(|one| (one.state.phase.clone(), one.engines)).collect();
    assert_eq!(seen, [(AllocationPhase::Running, 2), (AllocationPhase::Queued, 0)]);
    bench.host(LinkId(101), 2, Some("2.pbs"));
    let phase = bench.controller.status().allocations[1].state.phase.clone();
    assert_eq!(phase, AllocationPhase::Running, "its engines tell sooner than the site");
}

#[test]
fn many_requests_are_not_a_poll_each() {
    let mut bench = with_requests(20);
    let ids: Vec<String> = (0..20).map(|number| format!("{number}.pbs")).collect();
    for (number, id) in ids.iter().enumerate() {
        submitted(&mut bench, number as u64, Ok(id));
        let states: Vec<_> = ids[..=number].iter().map(|id| (&**id, AllocationPhase::Queued)).collect();
        polled(&mut bench, &states);
    }
    bench.wait(Duration::from_millis(1));
    assert_eq!(asked(&bench), [20, 0, 2, 0, 0], "the first, and all of them");
    assert!(
        bench.controller.status().allocations.iter().all(|one| one.state.phase == AllocationPhase::Queued)
    );
}

#[test]
fn a_refused_request_ends_what_waits_for_it() {
    let mut bench = with_requests(1);
    bench.client(CLIENT);
    bench.submit(CLIENT, 3, TaskOptions::default());
    bench.wait(Duration::from_secs(600));
    assert!(bench.results.is_empty(), "the request is under way");
    submitted(&mut bench, 0, Err(Retry::Never));
    for id in 0..3 {
        let (status, why) = bench.result(id).unwrap();
        assert_eq!(status, TaskStatus::Unplaced);
        assert!(why.contains("the queue is closed") && why.contains("rpar status"), "{why}");
    }
    assert!(bench.notices[0].contains("torque could not submit an allocation: qsub: the queue is closed"));
    let status = bench.controller.status();
    assert!(!status.engines_coming && status.problems.len() == 1 && status.allocations[0].problem.is_some());
}

#[test]
fn a_request_that_may_pass_later_is_tried_again_within_bounds() {
    let mut bench = with_requests(1);
    for tries in 1..=6 {
        assert_eq!(asked(&bench)[0], tries);
        submitted(&mut bench, 0, Err(Retry::Later));
        let status = bench.controller.status();
        let reason = status.allocations[0].state.reason.as_deref().unwrap_or_default();
        assert!(tries == 6 || reason.contains("the queue is closed"), "{reason}");
        assert_eq!(status.problems.len(), 1 + tries / 6, "not told of each try: {:?}", status.problems);
        bench.wait(Duration::from_secs(301));
    }
    assert_eq!(asked(&bench)[0], 6);
    assert!(!bench.controller.status().engines_coming);
}

#[test]
fn what_was_held_runs_once_its_pilot_is_here() {
    let mut bench = with_requests(1);
    submitted(&mut bench, 0, Ok("1.pbs"));
    for phase in [AllocationPhase::Held, AllocationPhase::Queued] {
        polled(&mut bench, &[("1.pbs", phase.clone())]);
        assert_eq!(bench.controller.status().allocations[0].state.phase, phase);
        bench.host(LinkId(100), 1, Some("1.pbs"));
        assert_eq!(bench.controller.status().allocations[0].state.phase, AllocationPhase::Running);
        bench.step(Input::LinkDown { link: LinkId(100), reason: "gone".into() });
    }
}

#[test]
fn a_request_in_doubt_is_looked_for_before_it_is_made_again() {
    // found: adopted
    let mut bench = with_requests(1);
    submitted(&mut bench, 0, Err(Retry::Unsure));
    assert_eq!(asked(&bench), [1, 1, 0, 0, 0]);
    found(&mut bench, 0, &["7.pbs"]);
    assert_eq!(asked(&bench), [1, 1, 1, 0, 0]);
    assert_eq!(bench.controller.status().allocations[0].id, Some("7.pbs".into()));
    // not found, also after a moment: made again
    let mut bench = with_requests(1);
    submitted(&mut bench, 0, Err(Retry::Unsure));
    found(&mut bench, 0, &[]);
    assert_eq!(asked(&bench), [1, 1, 0, 0, 0]);
    bench.wait(Duration::from_secs(11));
    assert_eq!(asked(&bench), [1, 2, 0, 0, 0]);
    found(&mut bench, 0, &[]);
    bench.wait(Duration::from_secs(1));
    assert_eq!(asked(&bench), [2, 2, 0, 0, 0]);
    // what belongs to another request is not taken for it
    let mut bench = with_requests(2);
    submitted(&mut bench, 0, Ok("1.pbs"));
    submitted(&mut bench, 1, Err(Retry::Unsure));
    found(&mut bench, 1, &["1.pbs", "2.pbs"]);
    let ids: Vec<_> =
        bench.controller.status().allocations.into_iter().map(|one| one.id.unwrap().0).collect();
    assert_eq!(ids, ["1.pbs", "2.pbs"]);
    // and nothing else is asked for until the doubt is over
    let mut bench = with_requests(2);
    submitted(&mut bench, 0, Err(Retry::Unsure));
    bench.step(Input::Found { request: RequestId(0), answer: Err(error(Action::Find, Retry::Later)) });
    assert_eq!(asked(&bench)[0], 1);
    bench.wait(Duration::from_secs(3));
    found(&mut bench, 0, &["1.pbs"]);
    assert_eq!(asked(&bench)[0], 2);
    // a site that never answers is not asked for ever
    let mut bench = with_requests(1);
    submitted(&mut bench, 0, Err(Retry::Unsure));
    for _ in 0..20 {
        bench.step(Input::Found { request: RequestId(0), answer: Err(error(Action::Find, Retry::Later)) });
        bench.wait(Duration::from_secs(301));
    }
    assert_eq!(asked(&bench), [1, 6, 0, 0, 0]);
    assert!(bench.controller.status().problems.last().unwrap().contains("rpar-test"));
}

#[test]
fn an_allocation_that_dies_early_shows_its_output() {
    let mut bench = with_requests(1);
    bench.client(CLIENT);
    bench.submit(CLIENT, 1, TaskOptions::default());
    submitted(&mut bench, 0, Ok("1.pbs"));
    polled(&mut bench, &[("1.pbs", AllocationPhase::Ended)]);
    assert_eq!(asked(&bench)[4], 1);
    assert!(bench.results.is_empty(), "the reason is awaited");
    let text = "module: command not found\n".to_owned();
    bench.step(Input::Output { allocation: "1.pbs".into(), text });
    let (status, why) = bench.result(0).unwrap();
    assert_eq!(status, TaskStatus::Unplaced);
    assert!(
        why.contains("before its engines registered") && why.contains("module: command not found"),
        "{why}"
    );
    assert!(bench.notices[0].contains("exit status 1"), "{:?}", bench.notices);
    assert!(bench.controller.status().allocations[0].problem.as_ref().unwrap().contains("module"));
    // output that never comes is not awaited for ever
    let mut bench = with_requests(1);
    submitted(&mut bench, 0, Ok("1.pbs"));
    polled(&mut bench, &[("1.pbs", AllocationPhase::Ended)]);
    bench.wait(Duration::from_secs(11));
    assert!(!bench.controller.status().engines_coming);
}

#[test]
fn an_allocation_that_ends_after_its_engines_is_told_without_its_output() {
    let mut bench = with_requests(1);
    submitted(&mut bench, 0, Ok("1.pbs"));
    bench.client(CLIENT);
    bench.host(LinkId(100), 2, Some("1.pbs"));
    bench.submit(CLIENT, 3, TaskOptions::default());
    bench.drop_host(LinkId(100));
    assert!(bench.results.is_empty(), "its pilot may start another");
    polled(&mut bench, &[("1.pbs", AllocationPhase::Ended)]);
    assert_eq!(asked(&bench)[4], 0);
    assert!(bench.result(0).unwrap().1.contains("allocation 1.pbs has ended"));
}

#[test]
fn engines_leave_the_nodes_of_an_allocation_that_has_ended() {
    let mut bench = with_requests(2);
    submitted(&mut bench, 0, Ok("1.pbs"));
    submitted(&mut bench, 1, Ok("2.pbs"));
    bench.client(CLIENT);
    for (link, allocation) in [(100, "1.pbs"), (101, "2.pbs")] {
        bench.host(LinkId(link), 1, Some(allocation));
    }
    bench.submit(CLIENT, 2, TaskOptions::default());
    polled(&mut bench, &[("1.pbs", AllocationPhase::Ended), ("2.pbs", AllocationPhase::Running)]);
    assert_eq!(bench.goodbyes.get(&LinkId(100)).map(String::as_str), Some("allocation 1.pbs has ended"));
    assert!(!bench.goodbyes.contains_key(&LinkId(101)));
    let gone = bench.hosts.remove(&LinkId(100)).unwrap()[0];
    bench.engines.remove(&gone);
    bench.work(5);
    bench.all_ok(CLIENT);
    let lost = "an engine on node node100 was lost: allocation 1.pbs has ended";
    assert!(bench.notices.iter().any(|notice| notice.contains(lost)), "{:?}", bench.notices);
}

#[test]
fn the_end_of_a_walltime_is_told_as_that() {
    for (minutes, over) in [(10, true), (5, false)] {
        let walltime = Some(Duration::from_secs(600));
        let requests = vec![AllocationRequest { walltime, ..request(1) }];
        let mut bench = Bench::new(ControllerConfig { requests, ..config() });
        submitted(&mut bench, 0, Ok("1.pbs"));
        bench.host(LinkId(100), 2, Some("1.pbs"));
        polled(&mut bench, &[("1.pbs", AllocationPhase::Running)]);
        bench.drop_host(LinkId(100));
        bench.now = bench.now + Duration::from_secs(60 * minutes);
        let state = AllocationState::new(AllocationPhase::Ended);
        bench.step(Input::Polled { answer: Ok([("1.pbs".into(), state)].into()) });
        let problem = bench.controller.status().allocations[0].problem.clone().unwrap();
        assert_eq!(problem.contains("its walltime of 00:10:00 was over"), over, "{problem}");
    }
}

#[test]
fn what_the_site_says_of_an_end_counts_for_more_than_the_clock() {
    for (end, told) in [
        (AllocationEnd::Walltime, "its walltime of 00:10:00 was over"),
        (AllocationEnd::Exit(7), "exit status 7"),
        (AllocationEnd::Signal(9), "killed by signal 9 (SIGKILL)"),
        (AllocationEnd::Cancelled, "cancelled"),
        (AllocationEnd::NodeFailed, "a node has failed"),
    ] {
        let walltime = Some(Duration::from_secs(600));
        let requests = vec![AllocationRequest { walltime, ..request(1) }];
        let mut bench = Bench::new(ControllerConfig { requests, ..config() });
        submitted(&mut bench, 0, Ok("1.pbs"));
        bench.host(LinkId(100), 2, Some("1.pbs"));
        bench.drop_host(LinkId(100));
        let state = AllocationState { end: Some(end), ..AllocationState::new(AllocationPhase::Ended) };
        bench.step(Input::Polled { answer: Ok([("1.pbs".into(), state)].into()) });
        let problem = bench.controller.status().allocations[0].problem.clone().unwrap();
        assert_eq!(problem, format!("allocation 1.pbs has ended ({told})"));
    }
}

#[test]
fn what_is_to_be_given_back_goes_in_few_commands() {
    let mut bench = Bench::new(ControllerConfig { requests: vec![request(1); 64], ..config() });
    for number in 0..64 {
        submitted(&mut bench, number, Ok(&format!("{number}.pbs")));
    }
    bench.step(Input::Interrupted);
    let told = bench.others(|effect| match effect {
        Effect::Cancel { allocations } => Some(allocations.len()),
        _ => None,
    });
    assert_eq!(told, [64]);
    let ids: Vec<AllocationId> = (0..64).map(|number| AllocationId(format!("{number}.pbs"))).collect();
    bench.step(Input::Cancelled { allocations: ids, answer: Err(error(Action::Cancel, Retry::Later)) });
    bench.wait(Duration::from_secs(3));
    assert_eq!(asked(&bench)[3], 2, "all of them once more");
    assert_eq!(bench.controller.status().problems.len(), 1);
}

#[test]
fn unknown_is_not_ended() {
    let mut bench = with_requests(1);
    submitted(&mut bench, 0, Ok("1.pbs"));
    polled(&mut bench, &[("1.pbs", AllocationPhase::Running)]);
    let mut answers = 0;
    while bench.controller.status().engines_coming {
        bench.wait(Duration::from_secs(11));
        polled(&mut bench, &[]);
        answers += 1;
        assert!(answers < 20, "it is unknown for ever");
    }
    assert!(answers >= 5, "{answers} answers");
    assert!(bench.controller.status().problems[0].contains("no longer knows"));
    // with its engines there, it does not matter
    let mut bench = with_requests(1);
    submitted(&mut bench, 0, Ok("1.pbs"));
    bench.host(LinkId(100), 1, Some("1.pbs"));
    for _ in 0..20 {
        polled(&mut bench, &[]);
        bench.wait(Duration::from_secs(11));
    }
    assert!(bench.controller.status().engines_coming);
}

#[test]
fn a_failed_poll_is_told_once_and_tried_less_often() {
    let mut bench = with_requests(1);
    submitted(&mut bench, 0, Ok("1.pbs"));
    for _ in 0..10 {
        bench.step(Input::Polled { answer: Err(error(Action::Poll, Retry::Later)) });
        bench.wait(Duration::from_secs(301));
    }
    assert_eq!(asked(&bench)[2], 11);
    assert_eq!(bench.controller.status().problems.len(), 1);
    assert!(bench.controller.status().engines_coming);
}

#[test]
fn a_site_that_does_not_answer_makes_states_unknown_until_it_does() {
    let mut bench = with_requests(1);
    submitted(&mut bench, 0, Ok("1.pbs"));
    let running =
        AllocationState { nodes: vec!["n1".into()], ..AllocationState::new(AllocationPhase::Running) };
    let tell = |bench: &mut Bench| {
        bench.step(Input::Polled { answer: Ok([("1.pbs".into(), running.clone())].into()) });
    };
    tell(&mut bench);
    for failures in 1..=8 {
        bench.wait(Duration::from_secs(301));
        bench.step(Input::Polled { answer: Err(error(Action::Poll, Retry::Later)) });
        let status = bench.controller.status();
        let state = &status.allocations[0].state;
        let known = failures < 3;
        assert_eq!(state.phase == AllocationPhase::Running, known, "after {failures} failures");
        assert_eq!(state.phase == AllocationPhase::Unknown, !known, "after {failures} failures");
        assert!(status.engines_coming && status.allocations[0].problem.is_none(), "that is no end");
        if !known {
            let reason = "the site does not answer: qsub: the queue is closed";
            assert_eq!(state.reason.as_deref(), Some(reason));
        }
    }
    bench.wait(Duration::from_secs(301));
    tell(&mut bench);
    assert_eq!(bench.controller.status().allocations[0].state, running);
}

#[test]
fn a_pilot_that_gives_up_ends_the_wait() {
    let mut bench = with_requests(1);
    submitted(&mut bench, 0, Ok("1.pbs"));
    bench.client(CLIENT);
    bench.submit(CLIENT, 1, TaskOptions::default());
    let pilot = LinkId(50);
    bench.step(Input::LinkUp { link: pilot, role: Role::Engine, address: "n1".into() });
    let nodes = vec!["n1".to_owned(), "n2".to_owned()];
    let info = PilotInfo {
        node: "n1".into(),
        pid: 1,
        allocation: Some("1.pbs".into()),
        nodes,
        ..PilotInfo::default()
    };
    bench.say(pilot, Message::Pilot(info));
    let report =
        |node: &str, restarting| Message::Report { node: node.into(), text: "killed".into(), restarting };
    bench.say(pilot, report("n1", true));
    bench.say(pilot, report("n1", false));
    assert!(bench.results.is_empty(), "n2 may still come");
    bench.say(pilot, report("n2", false));
    let (status, why) = bench.result(0).unwrap();
    assert_eq!(status, TaskStatus::Unplaced);
    assert!(why.contains("n2") && why.contains("not started again"), "{why}");
}

#[test]
fn an_end_that_a_site_refuses_to_make_is_asked_for_less_and_less_often() {
    let mut bench = with_requests(1);
    submitted(&mut bench, 0, Ok("1"));
    bench.client(CLIENT);
    bench.host(LinkId(100), 1, Some("1"));
    let retirees = Retirees::Allocation("1".into());
    bench.say(CLIENT, Message::Retire { question: 1, now: true, retirees });
    bench.drop_host(LinkId(100));
    let cancels = |bench: &Bench| bench.others(|e| matches!(e, Effect::Cancel { .. }).then_some(())).len();
    let problems = bench.notices.len();
    let mut times = Vec::new();
    for second in 0..600 {
        if cancels(&bench) > times.len() {
            times.push(second);
            let answer = Err(error(Action::Cancel, Retry::Never));
            bench.step(Input::Cancelled { allocations: vec!["1".into()], answer });
        }
        bench.wait(Duration::from_secs(1));
    }
    assert!((5..=10).contains(&times.len()), "{times:?}");
    assert_eq!(bench.notices.len(), problems + 1, "it is told once: {:?}", bench.notices);
}
