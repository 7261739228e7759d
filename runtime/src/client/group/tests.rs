//! Groups as tasks end in them, and programs wait.

use super::*;
use std::task::{Context, Poll, Wake};

fn end(group: &Group, indexes: &[usize]) {
    group.fill(|slots| {
        for index in indexes {
            slots.put(
                *index,
                End {
                    status: TaskStatus::Ok,
                    attempts: 1,
                    engine: Some(EngineId(1)),
                    ran: 7,
                    ended_micros: 9,
                    received_micros: 0,
                    payload: Bytes::from(vec![*index as u8]),
                },
            );
        }
    });
}

fn group(tasks: usize) -> Group {
    let group = Group::default();
    (0..tasks).for_each(|index| assert_eq!(group.add(), index));
    group
}

fn soon() -> Option<Instant> {
    Some(Instant::now() + Duration::from_millis(5))
}

#[test]
fn results_come_by_index_and_in_order_of_completion() {
    let group = group(4);
    end(&group, &[2, 3, 0]);
    end(&group, &[0]);
    assert_eq!((group.len(), group.finished()), (4, 3));
    assert_eq!(group.wait(3, None).unwrap().payload, Bytes::from_static(&[3]));
    assert!(group.wait(3, None).unwrap().received > UNIX_EPOCH);
    let taken: Vec<_> = std::iter::from_fn(|| group.next_finished(soon()).map(|(index, _)| index)).collect();
    assert_eq!(taken, [2, 3, 0]);
    assert!(group.wait(1, soon()).is_none());
    assert!(!group.wait_all(soon()));
    end(&group, &[1]);
    assert!(group.wait_all(None));
    assert_eq!(group.next_finished(None).unwrap().0, 1);
    assert!(group.next_finished(None).is_none());
}

type Wait = Box<dyn FnOnce(&Group) -> bool + Send>;

#[test]
fn whoever_waits_is_woken() {
    let group = group(3);
    let waits: [Wait; 3] = [
        Box::new(|group| group.wait(2, None).is_some()),
        Box::new(|group| group.wait_all(None)),
        Box::new(|group| (0..3).all(|_| group.next_finished(None).is_some())),
    ];
    let waiting: Vec<_> = waits
        .into_iter()
        .map(|wait| {
            std::thread::spawn({
                let group = group.clone();
                move || wait(&group)
            })
        })
        .collect();
    (0..3).for_each(|index| end(&group, &[index]));
    waiting.into_iter().for_each(|wait| assert!(wait.join().unwrap()));
}

/// Counts how often it is woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn who_polls_is_woken_once_and_finds_what_ended() {
    let (group, bell) = (group(3), Arc::new(Bell::default()));
    let (waker, rung) = (Waker::from(Arc::clone(&bell)), || bell.0.load(Ordering::Relaxed));
    let mut context = Context::from_waker(&waker);
    assert!(group.poll_wait(2, &mut context).is_pending() && group.poll_all(&mut context).is_pending());
    assert!(group.poll_next_finished(&mut context).is_pending());
    end(&group, &[2, 0]);
    end(&group, &[0]);
    assert_eq!(rung(), 1, "nobody has polled since");
    assert!(group.poll_wait(2, &mut context).is_ready());
    let mut next = || match group.poll_next_finished(&mut context) {
        Poll::Ready(next) => next.map(|(index, _)| index),
        Poll::Pending => Some(usize::MAX),
    };
    assert_eq!([next(), next(), next()], [Some(2), Some(0), Some(usize::MAX)]);
    end(&group, &[1]);
    assert_eq!((rung(), next(), next()), (2, Some(1), None));
    assert!(group.poll_all(&mut context).is_ready() && group.latest().is_some());
}

#[test]
fn discarded_tasks_take_no_memory() {
    let group = group(5);
    end(&group, &[1, 0, 2, 4]);
    [0, 2, 3].into_iter().for_each(|index| group.discard(index));
    let held = |group: &Group| {
        let state = group.lock();
        (state.first, state.slots.len())
    };
    assert_eq!(held(&group), (1, 4));
    assert!(group.wait(0, soon()).is_none() && group.wait(2, soon()).is_none());
    assert_eq!(group.wait(1, None).unwrap().payload, Bytes::from_static(&[1]));
    end(&group, &[0, 2, 3]);
    assert_eq!(group.finished(), 5, "the second end of a task is none");
    group.discard(1);
    assert_eq!(held(&group), (3, 2));
    [4, 3].into_iter().for_each(|index| group.discard(index));
    assert_eq!(held(&group), (5, 0));
    assert!(group.lock().order.is_empty(), "nobody has asked for it");
    assert!(group.wait_all(None));
}

#[test]
fn a_forgotten_payload_is_gone_and_the_rest_stays() {
    let group = group(1);
    end(&group, &[0]);
    group.forget(0);
    let outcome = group.wait(0, None).unwrap();
    assert_eq!((outcome.status, outcome.payload.len()), (TaskStatus::Ok, 0));
}
