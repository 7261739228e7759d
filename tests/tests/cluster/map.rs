//! Work goes out, results come back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rpar_core::task::{Failure, TaskOptions, TaskStatus};
use rpar_core::wire::INLINE_LIMIT_BYTES;

use super::place::{HUGE_BYTES, PATIENCE, Place, await_engines, deadline, native, until};

fn number(number: u64) -> Bytes {
    Bytes::copy_from_slice(&number.to_le_bytes())
}

fn ten_thousand(place: &Place) {
    let hosts = [place.host("n1", 2), place.host("n2", 2)];
    let client = place.client();
    await_engines(&client, 4);
    let (group, echo, options) = (client.group(), native("echo"), Arc::new(TaskOptions::default()));
    for index in 0..10_000 {
        assert_eq!(client.submit(&group, &echo, &options, number(index)), index as usize);
    }
    assert!(group.wait_all(deadline()), "{group:?}");
    let mut engines = BTreeSet::new();
    for index in 0..10_000 {
        let outcome = group.wait(index as usize, None).unwrap();
        assert_eq!((outcome.status, outcome.payload), (TaskStatus::Ok, number(index)));
        engines.extend(outcome.engine);
    }
    assert_eq!(engines.len(), 4);
    let status = client.status(None, PATIENCE).unwrap();
    assert_eq!(status.tasks.succeeded, 10_000);
    assert_eq!(status.engines.iter().map(|engine| engine.completed).sum::<u64>(), 10_000);
    client.stop_cluster(PATIENCE).unwrap();
    hosts.into_iter().for_each(|host| host.ended().unwrap());
}

#[test]
fn ten_thousand_tasks_over_tcp() {
    let place = Place::tcp();
    ten_thousand(&place);
    place.ended().1.unwrap();
}

#[test]
fn ten_thousand_tasks_in_process() {
    let place = Place::mem();
    ten_thousand(&place);
    place.ended().1.unwrap();
}

#[test]
fn every_task_of_a_killed_host_runs_again_elsewhere() {
    let place = Place::tcp();
    let (lost, stays) = (place.host("n1", 2), place.host("n2", 2));
    let client = place.client();
    await_engines(&client, 4);
    let (group, nap, options) = (client.group(), native("nap"), Arc::new(TaskOptions::default()));
    for index in 0..2000 {
        client.submit(&group, &nap, &options, number(index));
    }
    (0..200).for_each(|_| assert!(group.next_finished(deadline()).is_some()));
    lost.kill();
    assert!(group.wait_all(deadline()), "{group:?}");
    for index in 0..2000 {
        let outcome = group.wait(index as usize, None).unwrap();
        assert_eq!((outcome.status, outcome.payload), (TaskStatus::Ok, number(index)));
    }
    assert_eq!(std::iter::from_fn(|| group.next_finished(None)).count(), 1800);
    await_engines(&client, 2);
    client.stop_cluster(PATIENCE).unwrap();
    stays.ended().unwrap();
    place.ended().1.unwrap();
}

#[test]
fn a_failing_task_says_why_and_the_others_go_on() {
    let place = Place::mem();
    let host = place.host("n1", 2);
    let client = place.client();
    let (group, options) = (client.group(), Arc::new(TaskOptions::default()));
    // submitted before any engine is there: one is coming
    for (function, argument) in [("echo", "a"), ("fail", "b"), ("none", "c"), ("echo", "d")] {
        client.submit(&group, &native(function), &options, Bytes::from_static(argument.as_bytes()));
    }
    assert!(group.wait_all(deadline()), "{group:?}");
    let outcomes: Vec<_> = (0..4).map(|index| group.wait(index, None).unwrap()).collect();
    use TaskStatus::{Failed, Ok};
    assert_eq!(outcomes.iter().map(|outcome| outcome.status).collect::<Vec<_>>(), [Ok, Failed, Failed, Ok]);
    let failure = |index: usize| Failure::decode(&outcomes[index].payload).unwrap().message;
    assert_eq!(failure(1), "cannot do b");
    assert!(failure(2).contains("`none`"), "{}", failure(2));
    client.stop_cluster(PATIENCE).unwrap();
    host.ended().unwrap();
    place.ended().1.unwrap();
}

#[test]
fn long_arguments_and_results_pass_through() {
    let place = Place::tcp();
    let host = place.host("n1", 2);
    let client = place.client();
    let (group, echo, options) = (client.group(), native("echo"), Arc::new(TaskOptions::default()));
    let lengths = [INLINE_LIMIT_BYTES + 1, 0, 9 << 20, INLINE_LIMIT_BYTES, 3 << 20];
    let arguments: Vec<Bytes> =
        lengths.iter().map(|length| vec![*length as u8 + 1; *length].into()).collect();
    for argument in &arguments {
        client.submit(&group, &echo, &options, argument.clone());
    }
    assert!(group.wait_all(deadline()), "{group:?}");
    for (index, argument) in arguments.iter().enumerate() {
        assert!(group.wait(index, None).unwrap().payload == *argument, "task {index}");
    }
    client.stop_cluster(PATIENCE).unwrap();
    host.ended().unwrap();
    place.ended().1.unwrap();
}

#[test]
fn a_cancelled_group_ends_and_another_does_not() {
    let place = Place::mem();
    let host = place.host("n1", 1);
    let client = place.client();
    let (nap, options) = (native("nap"), Arc::new(TaskOptions::default()));
    let (unwanted, wanted) = (client.group(), client.group());
    for index in 0..10_000 {
        client.submit(&unwanted, &nap, &options, number(index));
    }
    client.submit(&wanted, &nap, &options, Bytes::new());
    client.cancel(&unwanted);
    assert!(unwanted.wait_all(deadline()) && wanted.wait_all(deadline()), "{unwanted:?} {wanted:?}");
    let cancelled = (0..10_000).filter(|index| {
        unwanted.wait(*index, None).is_some_and(|outcome| outcome.status == TaskStatus::Cancelled)
    });
    assert!(cancelled.count() > 5_000);
    assert_eq!(wanted.wait(0, None).unwrap().status, TaskStatus::Ok);
    client.stop_cluster(PATIENCE).unwrap();
    host.ended().unwrap();
    place.ended().1.unwrap();
}

#[test]
fn a_program_that_takes_results_slowly_holds_them_up() {
    let place = Place::tcp();
    let host = place.host("n1", 2);
    let client = place.client();
    let (group, huge, options) = (client.paced_group(), native("huge"), Arc::new(TaskOptions::default()));
    (0..12).for_each(|_| _ = client.submit(&group, &huge, &options, Bytes::new()));
    let most = (16 << 20) / HUGE_BYTES + 1;
    until("as much is kept as may be", || group.finished() >= most);
    // far longer than one more of them takes
    std::thread::sleep(Duration::from_millis(500));
    assert!(group.finished() <= most + 1, "{group:?}");
    for _ in 0..12 {
        let (index, outcome) = group.next_finished(deadline()).expect("a result");
        assert_eq!((outcome.status, outcome.payload.len()), (TaskStatus::Ok, HUGE_BYTES));
        group.discard(index);
    }
    client.stop_cluster(PATIENCE).unwrap();
    host.ended().unwrap();
    place.ended().1.unwrap();
}
