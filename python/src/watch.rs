//! One thread waits for any number of groups, so that programs can be called back.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};
use std::time::Instant;

use pyo3::prelude::*;

use crate::group::Group;
use crate::wait;

/// Groups whose tasks have not all ended.
#[pyclass(frozen, module = "rpar._rpar")]
pub(crate) struct Watch {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    watched: HashMap<u64, Watched>,
    /// In which something has ended; a group stands here once at most for each time that it is asked again.
    stirred: VecDeque<u64>,
    closed: bool,
}

#[derive(Clone)]
struct Watched {
    group: rpar::raw::Group,
    /// Whether it is told of whenever something has ended, and not only in the end.
    each: bool,
    /// How many had ended when it was last told of.
    told: usize,
}

#[pymethods]
impl Watch {
    #[new]
    fn new() -> Self {
        Watch { shared: Arc::default() }
    }

    /// Adds a group under a number of the caller's, which no other one has. It is told of once all its tasks have ended;
    /// with `each`, also whenever some have.
    #[pyo3(signature = (group, number, each = false))]
    fn add(&self, group: &Group, number: u64, each: bool) {
        let mut state = self.shared.lock();
        state.watched.insert(number, Watched { group: group.inner.clone(), each, told: 0 });
        state.stirred.push_back(number);
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Waits until there is something to tell of a group, and returns its number; None once the watch is closed. One thread
    /// at a time.
    fn next(&self, py: Python<'_>) -> PyResult<Option<u64>> {
        wait::wait(py, None, |deadline| self.shared.next(deadline)).map(Option::flatten)
    }

    /// Ends the wait of `next`, for good, once it has told of all that has ended.
    fn close(&self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn next(self: &Arc<Self>, deadline: Instant) -> Option<Option<u64>> {
        let mut state = self.lock();
        loop {
            while let Some(number) = state.stirred.pop_front() {
                let Some(Watched { group, each, told }) = state.watched.get(&number).cloned() else {
                    continue;
                };
                // the group's lock is taken without ours: whoever fills a group holds its lock when it wakes us
                drop(state);
                let waker = Waker::from(Arc::new(Stir { number, shared: Arc::clone(self) }));
                // what ends after this wakes us again
                let all = group.poll_all(&mut Context::from_waker(&waker)).is_ready();
                let finished = group.finished();
                state = self.lock();
                if all {
                    state.watched.remove(&number);
                    return Some(Some(number));
                }
                if each && finished > told {
                    state.watched.entry(number).and_modify(|watched| watched.told = finished);
                    return Some(Some(number));
                }
            }
            if state.closed {
                return Some(None);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // nothing in it is half done when a thread panics
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has a group asked again.
struct Stir {
    number: u64,
    shared: Arc<Shared>,
}

impl Wake for Stir {
    fn wake(self: Arc<Self>) {
        self.shared.lock().stirred.push_back(self.number);
        self.shared.changed.notify_all();
    }
}
