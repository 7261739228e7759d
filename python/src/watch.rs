//! One thread waits for any number of groups, so that programs can be called back.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};
use std::time::Instant;

use pyo3::prelude::*;

use crate::group::Group;
use crate::wait;

/// Groups whose tasks have not all ended. Each is told of once.
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
    watched: HashMap<u64, rpar::raw::Group>,
    /// In which something has ended; a group stands here once at most for each time that it is asked again.
    stirred: VecDeque<u64>,
    closed: bool,
}

#[pymethods]
impl Watch {
    #[new]
    fn new() -> Self {
        Watch { shared: Arc::default() }
    }

    /// Adds a group under a number of the caller's, which no other one has.
    fn add(&self, group: &Group, number: u64) {
        let mut state = self.shared.lock();
        state.watched.insert(number, group.inner.clone());
        state.stirred.push_back(number);
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Waits until all tasks of some group have ended, and tells its number; None once the watch is closed. One thread at a
    /// time.
    fn next(&self, py: Python<'_>) -> PyResult<Option<u64>> {
        wait::wait(py, None, |deadline| self.shared.next(deadline)).map(Option::flatten)
    }

    /// Ends the wait of `next`, for good.
    fn close(&self) {
        let mut state = self.shared.lock();
        state.closed = true;
        state.watched.clear();
        drop(state);
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn next(self: &Arc<Self>, deadline: Instant) -> Option<Option<u64>> {
        let mut state = self.lock();
        loop {
            while let Some(number) = state.stirred.pop_front() {
                let Some(group) = state.watched.get(&number).cloned() else { continue };
                // the group's lock is taken without ours: whoever fills a group holds its lock when it wakes us
                drop(state);
                let waker = Waker::from(Arc::new(Stir { number, shared: Arc::clone(self) }));
                let ready = group.poll_all(&mut Context::from_waker(&waker)).is_ready();
                state = self.lock();
                if ready {
                    state.watched.remove(&number);
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
