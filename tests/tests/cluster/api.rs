//! The public Rust API: typed results, errors, views, metadata.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use rpar::{Client, EngineId, Functions, Named, TargetError, TaskError, TaskStatus};

use super::place::{Host, PATIENCE, Place, until};

/// What the functions of these tests have seen; each test of nextest is a process of its own.
static TRIES: AtomicU64 = AtomicU64::new(0);

fn square(number: i64) -> Result<i64, String> {
    number.checked_mul(number).ok_or_else(|| format!("the square of {number} is too large\nfor an i64"))
}

fn describe((path, sizes): (PathBuf, BTreeMap<String, f64>)) -> Result<Option<String>, std::fmt::Error> {
    let mut text = String::new();
    write!(text, "{} {sizes:?}", path.display())?;
    Ok(Some(text).filter(|_| !sizes.is_empty()))
}

fn reverse(bytes: Bytes) -> Result<Bytes, String> {
    Ok(bytes.iter().rev().copied().collect())
}

fn halve(number: u32) -> Result<u32, String> {
    assert!(number.is_multiple_of(2), "{number} is odd");
    Ok(number / 2)
}

fn third_time(_: ()) -> Result<u64, String> {
    let tries = TRIES.fetch_add(1, Ordering::SeqCst) + 1;
    if tries < 3 { Err("not yet".to_owned()) } else { Ok(tries) }
}

fn nap(millis: u64) -> Result<u64, String> {
    std::thread::sleep(Duration::from_millis(millis));
    Ok(millis)
}

fn never_added(number: u64) -> Result<u64, String> {
    Ok(number)
}

fn functions() -> Functions {
    Functions::new()
        .add("square", square)
        .add("describe", describe)
        .add("reverse", reverse)
        .add("halve", halve)
        .add("third_time", third_time)
        .add("nap", nap)
}

/// A cluster of two nodes with two engines each, and a client that knows their functions.
fn cluster() -> (Place, [Host; 2], Client) {
    let place = Place::mem();
    let hosts = ["n1", "n2"].map(|node| place.host_knowing(node, 2, functions().native().clone()));
    let client = functions().client(place.client());
    client.wait_for_engines(4, PATIENCE).unwrap();
    (place, hosts, client)
}

fn end((place, hosts, client): (Place, [Host; 2], Client)) {
    client.shutdown(PATIENCE).unwrap();
    hosts.into_iter().for_each(|host| host.ended().unwrap());
    place.ended().1.unwrap();
}

#[test]
fn results_are_typed_and_in_order() {
    let cluster = cluster();
    let view = cluster.2.load_balanced_view();
    let squares = view.map(square, -500..500);
    assert_eq!(squares.get().unwrap(), (-500..500).map(|n| n * n).collect::<Vec<_>>());
    assert_eq!(squares.iter().len(), 1000);
    assert!(squares.successful() && squares.results().iter().all(Result::is_ok));

    let sizes = BTreeMap::from([("a".to_owned(), 0.5)]);
    assert_eq!(view.apply(describe, ("x".into(), sizes)).get().unwrap().as_deref(), Some("x {\"a\": 0.5}"));
    assert_eq!(view.apply(describe, ("x".into(), BTreeMap::new())).get().unwrap(), None);

    let long: Bytes = (0..1_000_000u32).flat_map(u32::to_le_bytes).collect();
    let reversed = view.apply(reverse, long.clone()).get().unwrap();
    assert!(reversed.iter().eq(long.iter().rev()));

    let none = view.map(square, Vec::new());
    assert!(none.ready() && none.successful() && none.get().unwrap().is_empty());
    end(cluster);
}

#[test]
fn what_goes_wrong_is_told_with_its_place() {
    let cluster = cluster();
    let view = cluster.2.load_balanced_view();
    let squares = view.map(square, [1, i64::MAX, 3]);
    let error = squares.get().unwrap_err();
    assert_eq!((error.index, error.status), (1, TaskStatus::Failed));
    assert_eq!(error.message, format!("the square of {} is too large", i64::MAX));
    assert!(error.detail.ends_with("\nfor an i64"), "{error:?}");
    let (engine, node) = (error.engine.unwrap(), error.node.clone().unwrap());
    assert_eq!(
        error.to_string(),
        format!("task 1 failed on engine {engine} ({node}): the square of {} is too large", i64::MAX)
    );
    let results = squares.results();
    assert_eq!((&results[0], &results[2]), (&Ok(1), &Ok(9)));
    assert!(squares.ready() && !squares.successful());

    let error = view.apply(halve, 7).get().unwrap_err();
    assert!(error.message.starts_with("panicked at ") && error.message.ends_with(": 7 is odd"), "{error}");
    assert!(error.message.contains("api.rs:"), "{error}");
    assert_eq!(view.apply(halve, 8).get(), Ok(4), "the engine is none the worse");
    end(cluster);
}

#[test]
fn names_and_types_that_do_not_fit_are_told() {
    let cluster = cluster();
    let view = cluster.2.load_balanced_view();
    let error = view.map(never_added, [1, 2]).get().unwrap_err();
    assert_eq!((error.index, error.engine, error.attempts), (0, None, 0));
    assert!(error.message.contains("::never_added was not added"), "{error}");
    assert!(
        error.message.ends_with("they are: describe, halve, nap, reverse, square, third_time"),
        "{error}"
    );

    let misspelt = Named::<i64, i64>::new("sqaure");
    let error = view.apply(&misspelt, 3).get().unwrap_err();
    assert!(error.message.contains("no function `sqaure`") && error.message.contains("square"), "{error}");
    // here client and engines are one program
    assert_eq!(error.message.matches("(rpar ").count(), 2, "{error}");

    let argument = Named::<String, i64>::new("square");
    let error = view.apply(&argument, "three".to_owned()).get().unwrap_err();
    assert_eq!(error.message, "the argument of `square` is no i64: invalid type: string, expected integer");
    let result = Named::<i64, Vec<i64>>::new("square");
    let results = view.apply(&result, 3);
    let error = results.get().unwrap_err();
    assert_eq!(error.status, TaskStatus::Failed);
    assert!(error.message.starts_with("the result is no alloc::vec::Vec<i64>: "), "{error}");

    let path = PathBuf::from(std::ffi::OsString::from_vec(vec![0xff]));
    let error = view.apply(describe, (path, BTreeMap::new())).get().unwrap_err();
    assert!(error.message.contains("that cannot be written as CBOR"), "{error}");

    let stranger = Functions::new().client(cluster.0.client());
    let error = stranger.load_balanced_view().apply(square, 3).get().unwrap_err();
    assert!(error.message.contains("this client knows no functions"), "{error}");
    assert_eq!(stranger.load_balanced_view().apply(&Named::<i64, i64>::new("square"), 3).get(), Ok(9));
    drop(stranger);
    end(cluster);
}

#[test]
fn a_failed_task_runs_again_as_often_as_asked() {
    let cluster = cluster();
    let view = cluster.2.load_balanced_view();
    let result = view.clone().retries(2).apply(third_time, ());
    assert_eq!(result.get(), Ok(3));
    assert_eq!(result.metadata()[0].as_ref().unwrap().attempts, 3);
    TRIES.store(0, Ordering::SeqCst);
    let error = view.retries(1).apply(third_time, ()).get().unwrap_err();
    assert_eq!((error.message.as_str(), error.attempts), ("not yet", 2));
    end(cluster);
}

#[test]
fn limits_and_cancelling_end_tasks() {
    let cluster = cluster();
    let view = cluster.2.load_balanced_view();
    let error = view.clone().timeout(Duration::from_millis(1)).apply(nap, 20).get().unwrap_err();
    assert_eq!(error.status, TaskStatus::TimedOut);
    assert!(error.to_string().starts_with("task 0 timed out on engine"), "{error}");

    // the engines take only so many ahead of this
    let naps = view.map(nap, [100; 400]);
    assert_eq!(naps.get_timeout(Duration::ZERO), Ok(None));
    assert!(!naps.ready() && !naps.wait_timeout(Duration::ZERO) && naps.wall_time().is_none());
    assert!(naps.progress().done < 400 && naps.progress().of == 400);
    naps.cancel();
    naps.wait();
    let cancelled = |result: &Result<u64, TaskError>| {
        result.as_ref().is_err_and(|error| error.status == TaskStatus::Cancelled)
    };
    assert!(naps.results().iter().filter(|result| cancelled(result)).count() > 300, "{naps:?}");
    assert_eq!(naps.progress().done, 400);
    assert_eq!(view.apply(nap, 1).get(), Ok(1), "the engines go on");
    end(cluster);
}

#[test]
fn tasks_tell_when_and_where_they_ran() {
    let cluster = cluster();
    let naps = cluster.2.load_balanced_view().map(nap, [20; 16]);
    naps.wait();
    for metadata in naps.metadata().into_iter().flatten() {
        assert_eq!((metadata.status, metadata.attempts, metadata.exit), (TaskStatus::Ok, 1, None));
        assert!(metadata.submitted <= metadata.started && metadata.started < metadata.completed);
        assert!(metadata.duration >= Duration::from_millis(20), "{metadata:?}");
        assert!(metadata.engine.is_some() && ["n1", "n2"].contains(&metadata.node.as_deref().unwrap()));
    }
    assert_eq!(naps.metadata().len(), 16);
    let (serial, wall) = (naps.serial_time(), naps.wall_time().unwrap());
    assert!(serial >= Duration::from_millis(320) && wall >= Duration::from_millis(20));
    assert_eq!(naps.elapsed(), wall, "time stands still once all is done");
    assert!((naps.speedup().unwrap() - serial.as_secs_f64() / wall.as_secs_f64()).abs() < 1e-9);
    end(cluster);
}

#[test]
fn a_direct_view_addresses_engines() {
    let cluster = cluster();
    let client = &cluster.2;
    let ids = client.ids().unwrap();
    assert_eq!(client.direct_view(..).unwrap().targets(), ids);
    let all = client.direct_view(..).unwrap().apply(square, 5);
    assert_eq!(all.get().unwrap(), ids.iter().map(|id| (*id, 25)).collect::<BTreeMap<_, _>>());
    for (id, metadata) in ids.iter().zip(all.metadata()) {
        assert_eq!(metadata.unwrap().engine, Some(*id));
    }

    let two = client.direct_view([ids[3], ids[1], ids[3]]).unwrap();
    assert_eq!(two.targets(), [ids[1], ids[3]]);
    let parts = two.map(square, vec![1, 2, 3, 4, 5]);
    assert_eq!(parts.get().unwrap(), [1, 4, 9, 16, 25]);
    let ran: Vec<EngineId> =
        parts.metadata().into_iter().map(|metadata| metadata.unwrap().engine.unwrap()).collect();
    assert_eq!(ran, [ids[1], ids[1], ids[1], ids[3], ids[3]]);
    let (lbv, target) = (client.load_balanced_view().targets([ids[2]]), ids[2]);
    let there = lbv.map(square, 0..100);
    there.wait();
    assert!(there.metadata().iter().flatten().all(|metadata| metadata.engine == Some(target)));

    let error = client.direct_view([ids[0], EngineId(99)]).unwrap_err();
    assert_eq!(error, TargetError::Absent { engine: EngineId(99), there: ids });
    assert_eq!(client.direct_view(Vec::new()).unwrap_err(), TargetError::None);
    let error = client.wait_for_engines(5, Duration::from_millis(200)).unwrap_err();
    assert!(error.to_string().starts_with("4 of 5 engines"), "{error}");
    end(cluster);
}

#[test]
fn a_lost_engine_is_told_and_its_tasks_run_again_unless_asked_not_to() {
    let (place, [lost, stays], client) = cluster();
    let view = client.load_balanced_view();
    let once = view.clone().rerun(false).map(nap, [20; 100]);
    let naps = view.map(nap, [5; 200]);
    until("some have ended", || once.progress().done > 20);
    lost.kill();
    assert_eq!(naps.get().unwrap().len(), 200);
    let errors: Vec<_> = once.results().into_iter().filter_map(Result::err).collect();
    assert!(!errors.is_empty() && errors.iter().all(|error| error.status == TaskStatus::Lost), "{errors:?}");
    assert!(errors.iter().all(|error| error.to_string().contains("was lost")), "{errors:?}");
    client.shutdown(PATIENCE).unwrap();
    assert!(client.lost().is_some());
    let error = view.apply(nap, 1).get().unwrap_err();
    assert_eq!(error.status, TaskStatus::Lost);
    assert!(error.message.contains("the cluster has ended"), "{error}");
    stays.ended().unwrap();
    place.ended().1.unwrap();
}
