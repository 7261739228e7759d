//! Priorities, labels, and tasks that ask for resources.

use super::*;
use crate::resources::Resources;

fn host(bench: &mut Bench, link: u64, engines: u32, labels: &[&str], resources: Resources) {
    let link = LinkId(link);
    bench.step(Input::LinkUp { link, role: Role::Engine, address: "there".into() });
    bench.hosts.insert(link, Vec::new());
    let labels = labels.iter().map(|label| (*label).to_owned()).collect();
    let registration = Registration {
        node: format!("node{link}"),
        engines,
        pid: 7,
        allocation: None,
        element: None,
        labels,
        resources,
    };
    bench.say(link, Message::Register(registration));
    let first = bench.hosts[&link][0].0;
    bench.hosts.insert(link, (first..first + engines).map(EngineId).collect());
    (first..first + engines).for_each(|id| _ = bench.engines.entry(EngineId(id)).or_default());
}

fn cpus(cpus: u64) -> Resources {
    Resources { cpus, ..Resources::default() }
}

fn asks(resources: Resources) -> TaskOptions {
    TaskOptions { resources, ..TaskOptions::default() }
}

fn with_priority(priority: i32) -> TaskOptions {
    TaskOptions { priority, ..TaskOptions::default() }
}

fn labelled(label: &str) -> TaskOptions {
    TaskOptions { labels: vec![label.to_owned()], ..TaskOptions::default() }
}

fn held(bench: &Bench) -> Vec<usize> {
    bench.engines.values().map(VecDeque::len).collect()
}

#[test]
fn higher_priorities_go_first_whoever_they_are_of() {
    let mut bench = Bench::with(config(), 1);
    bench.client(LinkId(2));
    bench.submit(CLIENT, 1, TaskOptions::default());
    bench.submit(CLIENT, 1, with_priority(-1));
    bench.submit(CLIENT, 1, TaskOptions::default());
    bench.submit(LinkId(2), 1, with_priority(7));
    bench.submit(CLIENT, 1, with_priority(i32::MAX));
    let mut order = Vec::new();
    while let Some(task) = bench.engines[&EngineId(0)].front().cloned() {
        order.push(task.id.0);
        bench.finish(EngineId(0), 1, 1_000_000, TaskStatus::Ok);
    }
    assert_eq!(order, [0, 4, 3, 2, 1]);
}

#[test]
fn a_high_priority_of_picky_tasks_goes_before_common_ones() {
    let mut bench = Bench::with(config(), 1);
    bench.submit(CLIENT, 1, TaskOptions::default());
    bench.submit(CLIENT, 2, TaskOptions::default());
    let targets = Some(vec![EngineId(0)]);
    bench.submit(CLIENT, 1, TaskOptions { targets, priority: 1, ..TaskOptions::default() });
    bench.finish(EngineId(0), 1, 1_000_000, TaskStatus::Ok);
    assert_eq!(bench.engines[&EngineId(0)][0].id, TaskId(3));
}

#[test]
fn labels_pick_engines_and_what_has_them_may_still_come() {
    let mut bench = Bench::new(config());
    bench.client(CLIENT);
    host(&mut bench, 100, 2, &["small"], Resources::default());
    host(&mut bench, 101, 2, &["big", "gpu"], Resources::default());
    bench.submit(CLIENT, 6, labelled("big"));
    assert_eq!(held(&bench), [0, 0, 1, 1]);
    bench.work(1_000_000);
    bench.all_ok(CLIENT);
    let id = bench.submit(CLIENT, 1, labelled("huge"));
    let (status, text) = bench.result(id).unwrap();
    assert_eq!(status, TaskStatus::Unplaced);
    assert_eq!(text, "no engine has the label `huge`, and none is coming; there are big, gpu, small");

    let mut bench = Bench::new(ControllerConfig { requests: vec![request(1)], ..config() });
    bench.client(CLIENT);
    host(&mut bench, 100, 1, &[], Resources::default());
    bench.submit(CLIENT, 1, labelled("big"));
    assert_eq!(bench.result(0), None, "an allocation is asked for");
    host(&mut bench, 101, 1, &["big"], Resources::default());
    assert_eq!(held(&bench), [0, 1]);
}

#[test]
fn tasks_run_beside_each_other_as_far_as_their_node_has_what_they_ask_for() {
    let mut bench = Bench::new(config());
    bench.client(CLIENT);
    host(&mut bench, 100, 4, &[], cpus(4));
    bench.submit(CLIENT, 5, asks(cpus(2)));
    assert_eq!(held(&bench).iter().sum::<usize>(), 2);
    let taken = &bench.controller.status().nodes[0];
    assert_eq!((taken.has.cpus, taken.taken.cpus), (4, 4));
    let busy = bench.engines.iter().find(|(_, held)| !held.is_empty()).map(|(id, _)| *id).unwrap();
    bench.finish(busy, 1, 1_000_000, TaskStatus::Ok);
    assert_eq!(held(&bench).iter().sum::<usize>(), 2);
    bench.work(1_000_000);
    bench.all_ok(CLIENT);
    assert_eq!(bench.controller.status().nodes[0].taken, Resources::default());
}

#[test]
fn a_counted_thing_is_had_by_one_at_a_time() {
    let licence = || Resources { custom: [("licence".to_owned(), 1)].into(), ..Resources::default() };
    let mut bench = Bench::new(config());
    bench.client(CLIENT);
    host(&mut bench, 100, 3, &[], licence());
    bench.submit(CLIENT, 4, asks(licence()));
    assert_eq!(held(&bench).iter().sum::<usize>(), 1);
    bench.submit(CLIENT, 4, TaskOptions::default());
    assert_eq!(held(&bench), [1, 1, 1], "the others need no licence");
    bench.work(1_000_000);
    bench.all_ok(CLIENT);
}

#[test]
fn what_can_never_fit_is_refused_at_once() {
    let mut bench = Bench::new(config());
    bench.client(CLIENT);
    host(&mut bench, 100, 2, &[], Resources { cpus: 4, gpus: 2, memory_bytes: 1000, ..Resources::default() });
    let custom = Resources { custom: [("licence".to_owned(), 1)].into(), ..Resources::default() };
    let cases = [
        (cpus(5), "this task asks for 5 cpus; the largest node has 4"),
        (Resources { gpus: 3, ..Resources::default() }, "this task asks for 3 gpus; the largest node has 2"),
        (
            Resources { memory_bytes: 2000, ..Resources::default() },
            "this task asks for 2000 bytes of memory; the largest node has 1000 bytes",
        ),
        (
            Resources { memory_bytes: 9999 << 30, ..Resources::default() },
            "this task asks for 9999 GiB of memory; the largest node has 1000 bytes",
        ),
        (custom, "this task asks for 1 of `licence`; the largest node has 0"),
    ];
    for (request, expected) in cases {
        let id = bench.submit(CLIENT, 1, asks(request));
        assert_eq!(bench.result(id), Some((TaskStatus::Unplaced, expected.to_owned())));
    }
}

#[test]
fn a_big_task_is_not_starved_by_small_ones() {
    let mut bench = Bench::new(config());
    bench.client(CLIENT);
    bench.client(LinkId(2));
    host(&mut bench, 100, 2, &[], cpus(2));
    host(&mut bench, 101, 2, &[], cpus(2));
    bench.submit(LinkId(2), 1000, TaskOptions::default());
    bench.submit(CLIENT, 1, asks(cpus(2)));
    let mut rounds = 0;
    while bench.result(0).is_none() {
        for engine in (0..4).map(EngineId) {
            bench.finish(engine, 1, 100_000, TaskStatus::Ok);
        }
        rounds += 1;
        assert!(rounds < 10, "it waits for {rounds} rounds");
    }
    let ended = bench.results.len();
    assert!(ended > 2 * rounds, "the other host went on: {ended} in {rounds} rounds");
    bench.work(100_000);
    assert_eq!(bench.results.len(), 1001);
}

#[test]
fn a_lost_host_takes_its_room_along_and_a_client_gives_it_back() {
    let mut bench = Bench::new(config());
    bench.client(CLIENT);
    host(&mut bench, 100, 2, &[], cpus(2));
    host(&mut bench, 101, 2, &[], cpus(2));
    bench.submit(CLIENT, 4, asks(cpus(2)));
    assert_eq!(held(&bench).iter().sum::<usize>(), 2);
    bench.drop_host(LinkId(100));
    assert_eq!(bench.controller.status().nodes.len(), 1);
    bench.step(Input::LinkDown { link: CLIENT, reason: "gone".into() });
    assert_eq!(bench.controller.status().nodes[0].taken, Resources::default());
}
