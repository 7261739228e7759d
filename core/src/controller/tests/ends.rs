//! The time of engines ends, and tasks tell how much they need.

use super::super::limits::END_MARGIN;
use super::*;
use crate::error::{Action, BackendError, Retry};
use crate::id::RequestId;
use crate::scheduler::{AllocationPhase, AllocationState};
use crate::wire::PilotInfo;

const PILOT: LinkId = LinkId(50);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn timed(time: Duration) -> TaskOptions {
    TaskOptions { time_ms: Some(time.as_millis() as u64), ..TaskOptions::default() }
}

/// With an allocation of this walltime that the site has accepted, and a client.
fn asking(walltime: Option<Duration>) -> Bench {
    let requests = vec![AllocationRequest { walltime, ..request(1) }];
    let mut bench = Bench::new(ControllerConfig { requests, ..config() });
    bench.step(Input::Submitted { request: RequestId(0), answer: Ok("1".into()) });
    bench.client(CLIENT);
    bench
}

fn polled(bench: &mut Bench, state: AllocationState) {
    bench.step(Input::Polled { answer: Ok(BTreeMap::from([("1".into(), state)])) });
}

fn running(remaining: Option<Duration>, elapsed: Option<Duration>) -> AllocationState {
    AllocationState { remaining, elapsed, ..AllocationState::new(AllocationPhase::Running) }
}

fn pilot(bench: &mut Bench, remaining: Option<Duration>, nodes: &[&str]) {
    bench.step(Input::LinkUp { link: PILOT, role: Role::Engine, address: "there".into() });
    let nodes = nodes.iter().map(|node| (*node).to_owned()).collect();
    let remaining_ms = remaining.map(|remaining| remaining.as_millis() as u64);
    let info = PilotInfo {
        node: "n".into(),
        pid: 1,
        allocation: Some("1".into()),
        element: None,
        nodes,
        remaining_ms,
    };
    bench.say(PILOT, Message::Pilot(info));
}

/// How long the host's engines have.
fn left(bench: &Bench) -> Option<Duration> {
    bench.controller.hosts[&LinkId(100)].ends.map(|ends| ends.since(bench.now))
}

#[test]
fn the_earliest_end_that_was_told_counts() {
    let cases = [
        // what was asked for, the site's remaining and elapsed, the pilot's; and what is known
        (None, None, None, None, None),
        (Some(600), None, None, None, Some(600)),
        (Some(600), Some(500), None, None, Some(500)),
        (Some(600), None, Some(30), None, Some(570)),
        (None, None, Some(30), None, None),
        (Some(600), Some(500), Some(1), Some(480), Some(480)),
        (Some(600), Some(500), Some(1), Some(490), Some(490)),
        (None, None, None, Some(40), Some(40)),
    ];
    for (walltime, remaining, elapsed, told, known) in cases {
        let mut bench = asking(walltime.map(seconds));
        polled(&mut bench, running(remaining.map(seconds), elapsed.map(seconds)));
        pilot(&mut bench, told.map(seconds), &["node100"]);
        bench.host(LinkId(100), 1, Some("1"));
        let case = (walltime, remaining, elapsed, told);
        assert_eq!(left(&bench), known.map(seconds), "{case:?}");
        let shown = bench.controller.status().allocations[0].state.remaining;
        assert_eq!(shown, known.map(seconds), "the status shows it: {case:?}");
    }
}

#[test]
fn an_end_that_is_put_off_is_believed_once_it_would_be_over() {
    let mut bench = asking(Some(seconds(100)));
    pilot(&mut bench, Some(seconds(90)), &["node100"]);
    bench.host(LinkId(100), 2, Some("1"));
    assert_eq!(left(&bench), Some(seconds(90)));
    let first = bench.submit(CLIENT, 1, timed(seconds(300)));
    assert_eq!(bench.result(first).unwrap().0, TaskStatus::Unplaced);
    polled(&mut bench, running(Some(seconds(1000)), None));
    assert_eq!(left(&bench), Some(seconds(90)));
    bench.wait(seconds(91));
    polled(&mut bench, running(Some(seconds(909)), None));
    assert_eq!(left(&bench), Some(seconds(909)));
    let second = bench.submit(CLIENT, 1, timed(seconds(300)));
    bench.work(1);
    assert_eq!(bench.result(second).unwrap().0, TaskStatus::Ok);
}

#[test]
fn what_a_site_tells_again_was_true_before() {
    let mut bench = asking(Some(seconds(100)));
    let shown = |bench: &Bench| bench.controller.status().allocations[0].state.remaining;
    assert_eq!(shown(&bench), None);
    polled(&mut bench, running(Some(seconds(100)), None));
    bench.host(LinkId(100), 2, Some("1"));
    for passed in 1..=4 {
        bench.wait(seconds(5));
        assert_eq!(shown(&bench), Some(seconds(100 - 5 * passed)));
        polled(&mut bench, running(Some(seconds(100)), None));
        assert_eq!((left(&bench), shown(&bench)), (shown(&bench), Some(seconds(100 - 5 * passed))));
    }
    polled(&mut bench, running(Some(seconds(81)), Some(seconds(19))));
    assert_eq!(shown(&bench), Some(seconds(81)));
    // while it is suspended, time stands still
    polled(&mut bench, AllocationState::new(AllocationPhase::Other("suspended".into())));
    bench.wait(seconds(15));
    assert_eq!(shown(&bench), None);
    polled(&mut bench, running(Some(seconds(81)), Some(seconds(19))));
    assert_eq!(shown(&bench), Some(seconds(81)));
}

#[test]
fn a_task_does_not_start_where_it_would_not_end() {
    let mut bench = asking(Some(seconds(60)));
    bench.host(LinkId(100), 1, Some("1"));
    bench.host(LinkId(101), 1, Some("outside"));
    // one that has time is busy, one that is free has not: it waits
    bench.submit(CLIENT, 1, TaskOptions { targets: Some(vec![EngineId(1)]), ..TaskOptions::default() });
    let long = bench.submit(CLIENT, 1, timed(seconds(60)));
    let fits = bench.submit(CLIENT, 1, timed(seconds(60) - END_MARGIN));
    assert_eq!(bench.engines[&EngineId(0)].front().map(|held| held.id.0), Some(fits));
    assert_eq!(bench.engines[&EngineId(1)].len(), 1);
    bench.finish(EngineId(1), 1, 1, TaskStatus::Ok);
    assert_eq!(bench.engines[&EngineId(1)].front().map(|held| held.id.0), Some(long));
    bench.work(1);
    bench.all_ok(CLIENT);
}

#[test]
fn a_task_for_which_there_is_never_time_fails_at_once() {
    let mut bench = asking(Some(seconds(1800)));
    let none = bench.submit(CLIENT, 1, timed(seconds(7200)));
    let why = "this task needs 2h, and 5s to spare; the longest allocation has 30m left. \
               `rpar engines add --walltime` asks for a longer one";
    assert_eq!(bench.result(none), Some((TaskStatus::Unplaced, why.to_owned())));
    // exactly the walltime is too much as well
    let all = bench.submit(CLIENT, 1, timed(seconds(1800)));
    assert_eq!(bench.result(all).unwrap().0, TaskStatus::Unplaced);
    let fits = bench.submit(CLIENT, 1, timed(seconds(1700)));
    assert_eq!(bench.result(fits), None, "it waits for the allocation");
    bench.host(LinkId(100), 1, Some("1"));
    bench.work(1);
    assert_eq!(bench.result(fits).unwrap().0, TaskStatus::Ok);
}

#[test]
fn a_task_that_waits_until_there_is_no_time_fails_then() {
    let mut bench = asking(Some(seconds(100)));
    bench.host(LinkId(100), 1, Some("1"));
    bench.submit(CLIENT, 1, TaskOptions::default());
    let late = bench.submit(CLIENT, 1, timed(seconds(50)));
    polled(&mut bench, running(Some(seconds(100)), None));
    bench.wait(seconds(45));
    assert_eq!(bench.result(late), None);
    bench.wait(seconds(1));
    let (status, why) = bench.result(late).unwrap();
    assert_eq!(status, TaskStatus::Unplaced);
    assert!(why.starts_with("this task needs 50s"), "{why}");
    // another allocation that has the time keeps such a task
    let again = bench.submit(CLIENT, 1, timed(seconds(50)));
    assert_eq!(bench.result(again).unwrap().0, TaskStatus::Unplaced);
    bench.host(LinkId(101), 1, Some("outside"));
    let fits = bench.submit(CLIENT, 1, timed(seconds(50)));
    bench.work(1);
    assert_eq!(bench.result(fits).unwrap().0, TaskStatus::Ok);
}

/// An engine with many short tasks ahead, and one that has nothing.
fn queued(options: TaskOptions) -> Bench {
    let mut bench = asking(Some(seconds(100)));
    bench.host(LinkId(100), 1, Some("1"));
    bench.submit(CLIENT, 400, options);
    for _ in 0..4 {
        bench.finish(EngineId(0), 1, 1000, TaskStatus::Ok);
    }
    assert!(bench.engines[&EngineId(0)].len() > 1, "nothing is queued there");
    bench
}

fn taken_back(bench: &Bench) -> u64 {
    let asked = bench.others(|effect| match effect {
        Effect::Send { link: LinkId(100), message: Message::Withdraw { runs, .. } } => Some(runs.count()),
        _ => None,
    });
    asked.into_iter().sum()
}

#[test]
fn near_its_end_an_engine_has_one_task_at_a_time() {
    let mut bench = queued(TaskOptions::default());
    let had = bench.engines[&EngineId(0)].len() as u64;
    bench.wait(seconds(94));
    assert_eq!(taken_back(&bench), 0);
    bench.wait(seconds(2));
    assert_eq!(taken_back(&bench), had - 1, "all but the one that it is at");
    let held: Vec<Held> = bench.engines.get_mut(&EngineId(0)).unwrap().drain(1..).collect();
    let mut back = outcomes(EngineId(0), &held, 0, TaskStatus::Ok);
    back.codes = vec![crate::wire::RETURNED; held.len()].into();
    back.batch = held.iter().map(|_| Bytes::new()).collect();
    bench.say(LinkId(100), Message::Done(back));
    // it goes on, for tasks that are short enough
    for _ in 0..20 {
        assert_eq!(bench.engines[&EngineId(0)].len(), 1);
        bench.finish(EngineId(0), 1, 1000, TaskStatus::Ok);
    }
}

#[test]
fn what_is_queued_is_taken_back_when_its_time_runs_short() {
    let mut bench = queued(timed(seconds(30)));
    let had = bench.engines[&EngineId(0)].len() as u64;
    bench.wait(seconds(64));
    assert_eq!(taken_back(&bench), 0);
    bench.wait(seconds(2));
    assert_eq!(taken_back(&bench), had - 1);
}

#[test]
fn a_host_is_not_saved_up_for_a_task_that_it_has_no_time_for() {
    let mut bench = asking(Some(seconds(100)));
    bench.step(Input::LinkUp { link: LinkId(100), role: Role::Engine, address: "there".into() });
    bench.hosts.insert(LinkId(100), Vec::new());
    let resources = crate::resources::Resources { cpus: 2, ..Default::default() };
    let registration = Registration {
        node: "n".into(),
        engines: 2,
        allocation: Some("1".into()),
        resources: resources.clone(),
        ..Registration::default()
    };
    bench.say(LinkId(100), Message::Register(registration));
    bench.hosts.insert(LinkId(100), vec![EngineId(0), EngineId(1)]);
    bench.engines.entry(EngineId(1)).or_default();
    bench.submit(CLIENT, 2, TaskOptions::default());
    let wide = bench.submit(CLIENT, 1, TaskOptions { resources, ..timed(seconds(50)) });
    bench.finish(EngineId(0), 1, 1, TaskStatus::Ok);
    bench.submit(CLIENT, 1, TaskOptions::default());
    assert!(bench.engines[&EngineId(0)].is_empty(), "it is saved up");
    // a further allocation that may have the time keeps it waiting
    let growth = grown(request(1), 1);
    bench.say(CLIENT, Message::Grow { question: 1, growth: Box::new(growth) });
    bench.wait(seconds(46));
    assert_eq!(bench.result(wide), None);
    assert_eq!(bench.engines[&EngineId(0)].len(), 1, "others go on there");
    let reason = "no".to_owned();
    let error = BackendError {
        backend: "pbs".into(),
        action: Action::Submit,
        retry: Retry::Never,
        reason,
        command: None,
        hint: None,
    };
    bench.step(Input::Submitted { request: RequestId(1), answer: Err(error) });
    assert_eq!(bench.result(wide).unwrap().0, TaskStatus::Unplaced);
}

#[test]
fn each_element_of_an_array_has_its_own_end() {
    let requests = vec![AllocationRequest { walltime: Some(seconds(100)), array: true, ..request(2) }];
    let mut bench = Bench::new(ControllerConfig { requests, ..config() });
    bench.step(Input::Submitted { request: RequestId(0), answer: Ok("1".into()) });
    polled(&mut bench, running(Some(seconds(100)), Some(seconds(0))));
    pilot(&mut bench, None, &["node100"]);
    bench.host(LinkId(100), 1, Some("1"));
    assert_eq!(left(&bench), Some(seconds(100)));
    bench.wait(seconds(60));
    // the other element begins; the site tells of the first one, or of both
    bench.step(Input::LinkUp { link: LinkId(51), role: Role::Engine, address: "there".into() });
    let nodes = vec!["node101".to_owned()];
    let allocation = Some("1".into());
    let info =
        PilotInfo { node: "n".into(), pid: 1, allocation, element: None, nodes, remaining_ms: Some(99_000) };
    bench.say(LinkId(51), Message::Pilot(info));
    bench.host(LinkId(101), 1, Some("1"));
    polled(&mut bench, running(Some(seconds(40)), Some(seconds(60))));
    assert_eq!(left(&bench), Some(seconds(40)));
    let other = bench.controller.hosts[&LinkId(101)].ends.map(|ends| ends.since(bench.now));
    assert_eq!(other, Some(seconds(99)));
}

/// The engines of an element of the array `1`, on the node that they all share: how long they have.
fn element(bench: &mut Bench, link: u64, element: u32, pid: u32) -> Option<Duration> {
    let (pilot, host) = (LinkId(link), LinkId(link + 100));
    for link in [pilot, host] {
        bench.step(Input::LinkUp { link, role: Role::Engine, address: "there".into() });
    }
    let (node, allocation, element) = ("n".to_owned(), Some(AllocationId::from("1")), Some(element));
    let nodes = vec![node.clone()];
    let info = PilotInfo {
        node: node.clone(),
        pid,
        allocation: allocation.clone(),
        element,
        nodes,
        remaining_ms: None,
    };
    bench.say(pilot, Message::Pilot(info));
    let registration = Registration { node, engines: 1, pid, allocation, element, ..Registration::default() };
    bench.say(host, Message::Register(registration));
    bench.controller.hosts[&host].ends.map(|ends| ends.since(bench.now))
}

#[test]
fn an_element_that_begins_anew_on_its_node_has_its_whole_time_again() {
    let requests = vec![AllocationRequest { walltime: Some(seconds(100)), array: true, ..request(2) }];
    let mut bench = Bench::new(ControllerConfig { requests, ..config() });
    bench.step(Input::Submitted { request: RequestId(0), answer: Ok("1".into()) });
    polled(&mut bench, running(None, None));
    assert_eq!(element(&mut bench, 1, 1, 70), Some(seconds(100)));
    bench.wait(seconds(30));
    assert_eq!(element(&mut bench, 2, 2, 71), Some(seconds(100)), "another one beside it");
    bench.wait(seconds(30));
    for link in [1, 101, 2, 102] {
        bench.step(Input::LinkDown { link: LinkId(link), reason: "gone".into() });
    }
    assert_eq!(element(&mut bench, 3, 2, 71), Some(seconds(70)), "the same one links anew");
    assert_eq!(element(&mut bench, 4, 1, 99), Some(seconds(100)), "the site has requeued it");
}

#[test]
fn what_goes_back_into_the_queue_has_its_whole_time_again() {
    let mut bench = asking(Some(seconds(100)));
    polled(&mut bench, running(None, None));
    bench.host(LinkId(100), 1, Some("1"));
    assert_eq!(left(&bench), Some(seconds(100)));
    bench.wait(seconds(60));
    // told late: its engines are there
    polled(&mut bench, AllocationState::new(AllocationPhase::Queued));
    assert_eq!(left(&bench), Some(seconds(40)));
    polled(&mut bench, running(None, None));
    bench.drop_host(LinkId(100));
    polled(&mut bench, AllocationState::new(AllocationPhase::Queued));
    bench.wait(seconds(600));
    polled(&mut bench, running(None, None));
    bench.host(LinkId(100), 1, Some("1"));
    assert_eq!(left(&bench), Some(seconds(100)));
}
