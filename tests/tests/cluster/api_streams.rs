//! Results one after the other, blocking and not, of inputs without end.

use std::collections::BTreeSet;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use futures_core::Stream;
use rpar::{Client, Functions};

use super::place::{PATIENCE, Place, until};
use crate::HEAP;

/// How often `double` was called; each test of nextest is a process of its own.
static CALLS: AtomicUsize = AtomicUsize::new(0);

fn double(number: u64) -> Result<u64, String> {
    CALLS.fetch_add(1, Ordering::SeqCst);
    if number == 13 { Err("13".to_owned()) } else { Ok(2 * number) }
}

fn nap(millis: u64) -> Result<u64, String> {
    std::thread::sleep(Duration::from_millis(millis));
    Ok(millis)
}

fn functions() -> Functions {
    Functions::new().add("double", double).add("nap", nap)
}

/// Runs a test on a cluster of four engines.
fn with_client(test: impl FnOnce(&Client)) {
    let place = Place::mem();
    let host = place.host_knowing("n1", 4, functions().native().clone());
    let client = functions().client(place.client());
    client.wait_for_engines(4, PATIENCE).unwrap();
    test(&client);
    client.shutdown(PATIENCE).unwrap();
    host.ended().unwrap();
    place.ended().1.unwrap();
}

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The smallest of all runtimes.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park_timeout(PATIENCE),
        }
    }
}

async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    std::future::poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}

#[test]
fn results_come_in_order_or_as_they_come() {
    with_client(|client| {
        let view = client.load_balanced_view();
        let in_order: Vec<_> = view.map(double, 0..200).into_iter().map(|result| result.ok()).collect();
        let wanted = |n| (n != 13).then_some(2 * n);
        assert_eq!(in_order, (0..200).map(wanted).collect::<Vec<_>>());
        let sum: Result<u64, _> = view.imap(double, 20..200).sum();
        assert_eq!(sum.unwrap(), (20..200).map(|n| 2 * n).sum::<u64>());
        let mut seen = BTreeSet::new();
        for ended in view.map(double, 0..200).unordered() {
            assert_eq!(ended.result.as_ref().ok(), wanted(ended.index as u64).as_ref());
            assert!(ended.metadata.engine.is_some() && seen.insert(ended.index));
        }
        assert_eq!(seen.len(), 200);
        let slow_first = view.imap(nap, [300, 1, 1, 1]).unordered().map(|ended| ended.index);
        assert_eq!(slow_first.last(), Some(0));
    });
}

#[test]
fn an_endless_input_is_asked_for_no_more_than_is_outstanding() {
    with_client(|client| {
        let asked = AtomicUsize::new(0);
        let view = client.load_balanced_view().outstanding(100);
        let input = || (0..).inspect(|_| _ = asked.fetch_add(1, Ordering::SeqCst));
        let mut results = view.imap(double, input());
        assert_eq!(asked.load(Ordering::SeqCst), 0, "nothing is submitted before it is asked for");
        for taken in 0..20_000 {
            let result = results.next().unwrap();
            assert_eq!(result.is_err(), taken == 13);
            assert!((taken + 1..=taken + 100).contains(&asked.load(Ordering::SeqCst)));
        }
        let held = format!("{results:?}");
        assert!(held.contains("20000 taken"), "{held}");
        drop(results);
        asked.store(0, Ordering::SeqCst);
        for (taken, ended) in view.imap(double, input()).unordered().take(20_000).enumerate() {
            assert!(ended.index < taken + 100, "{taken} {}", ended.index);
        }
        assert!(asked.load(Ordering::SeqCst) <= 20_100);
        // what was asked for and not taken is cancelled, or ended before that
        until("nothing runs", || {
            let tasks = client.status().unwrap().tasks;
            tasks.queued + tasks.assigned == 0
        });
    });
}

#[test]
fn a_slow_input_holds_up_few_results() {
    with_client(|client| {
        let asked = AtomicUsize::new(0);
        // an argument comes once the function has been called with all before it
        let input = (20..420).inspect(|_| {
            let before = asked.fetch_add(1, Ordering::SeqCst);
            until("it was called", || CALLS.load(Ordering::SeqCst) >= before);
        });
        for (taken, result) in client.load_balanced_view().imap(double, input).enumerate() {
            assert_eq!(result, Ok(2 * (20 + taken as u64)));
            let ahead = asked.load(Ordering::SeqCst) - taken;
            assert!(ahead < 100, "{ahead} arguments were asked for before result {taken} came out");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 400);
    });
}

#[test]
fn an_endless_input_takes_no_more_memory_the_longer_it_lasts() {
    const TASKS: usize = 200_000;
    // queues and buffers find their sizes; to keep what is known of every task would take six times this
    const GROWTH_BYTES: usize = 4 << 20;
    with_client(|client| {
        let view = client.load_balanced_view().outstanding(1000);
        let mut ordered = view.imap(double, 20..);
        let mut unordered = view.imap(double, 20..).unordered();
        let mut take = |tasks| {
            assert!(ordered.by_ref().take(tasks).all(|result| result.is_ok()));
            assert!(unordered.by_ref().take(tasks).all(|ended| ended.result.is_ok()));
        };
        take(20_000);
        let before = HEAP.current_usage();
        take(TASKS);
        let growth = HEAP.current_usage().saturating_sub(before);
        assert!(growth < GROWTH_BYTES, "{growth} bytes for {TASKS} tasks of each kind");
    });
}

#[test]
fn asynchronous_programs_wait_without_blocking() {
    with_client(|client| {
        let view = client.load_balanced_view();
        block_on(async {
            assert_eq!(view.apply(double, 21).await, Ok(42));
            let mut several = view.map(double, 20..120);
            let again = (&mut several).await.unwrap();
            assert_eq!((again.len(), several.get().unwrap()), (100, again));
            assert_eq!(view.map(double, [13]).await.unwrap_err().message, "13");
            let each = client.direct_view(..).unwrap().apply(double, 1).await.unwrap();
            assert!(each.len() == 4 && each.values().all(|result| *result == 2));

            let mut ordered = view.clone().outstanding(10).imap(double, 20..1020).into_stream();
            for number in 20..1020 {
                assert_eq!(next(&mut ordered).await, Some(Ok(2 * number)));
            }
            assert_eq!(next(&mut ordered).await, None);
            let mut unordered = view.clone().outstanding(10).imap(double, 20..1020).unordered().into_stream();
            let mut seen = BTreeSet::new();
            while let Some(ended) = next(&mut unordered).await {
                assert!(seen.insert(ended.result.unwrap()));
            }
            assert_eq!(seen.len(), 1000);
        });
    });
}

#[test]
fn a_future_that_is_dropped_loses_nothing() {
    with_client(|client| {
        let mut result = client.load_balanced_view().apply(nap, 50);
        let waker = Waker::noop();
        assert!(Pin::new(&mut result).poll(&mut Context::from_waker(waker)).is_pending());
        {
            let mut dropped = pin!(async { (&mut result).await });
            assert!(dropped.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
        }
        assert_eq!(block_on(&mut result), Ok(50));
        assert_eq!(result.get(), Ok(50));
    });
}
