//! What the thread that reads arguments and the one that prints results exchange.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::command::input::{InputError, Record};

/// How many tasks may be submitted ahead of the first result that is not printed yet: keeps an endless input from
/// filling this process while a long task holds up the order, and is many more than any cluster has engines.
const AHEAD_LIMIT: usize = 1 << 16;

/// Records that were submitted, in order.
#[derive(Debug, Default)]
pub(super) struct Board {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Submitted, and not taken yet.
    fresh: Vec<Record>,
    /// Submitted, and not let go of.
    ahead: usize,
    /// No more come.
    over: bool,
    /// Why, when the input has not simply ended.
    refusal: Option<InputError>,
    stopped: bool,
}

impl Board {
    // the side of the input

    /// Submits a record, once there is room for it; false when nothing is to be submitted any more.
    pub(super) fn submit(&self, record: Record, submit: impl FnOnce()) -> bool {
        let full = |state: &mut State| state.ahead >= AHEAD_LIMIT && !state.stopped;
        let state = self.changed.wait_while(self.lock(), full);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if state.stopped {
            return false;
        }
        // under the lock, so that nothing is submitted once `stop` has returned
        submit();
        state.fresh.push(record);
        state.ahead += 1;
        let first = state.fresh.len() == 1;
        drop(state);
        // who waits, waits for the first
        if first {
            self.changed.notify_all();
        }
        true
    }

    /// Lets time pass; shorter when nothing is to be submitted any more.
    pub(super) fn pause(&self, time: Duration) {
        // either end of the wait will do
        let _ = self.changed.wait_timeout_while(self.lock(), time, |state| !state.stopped);
    }

    /// No more come.
    pub(super) fn end(&self, refusal: Option<InputError>) {
        let mut state = self.lock();
        state.over = true;
        state.refusal = state.refusal.take().or(refusal);
        drop(state);
        self.changed.notify_all();
    }

    // the side of the results

    /// What was submitted since the last call.
    pub(super) fn take(&self) -> Vec<Record> {
        std::mem::take(&mut self.lock().fresh)
    }

    /// Waits until something was submitted, or nothing more will be.
    pub(super) fn wait(&self, time: Duration) {
        let idle = |state: &mut State| state.fresh.is_empty() && !state.over;
        let _ = self.changed.wait_timeout_while(self.lock(), time, idle);
    }

    /// Makes room for as many.
    pub(super) fn release(&self, count: usize) {
        let mut state = self.lock();
        let full = state.ahead >= AHEAD_LIMIT;
        state.ahead -= count;
        drop(state);
        if full {
            self.changed.notify_all();
        }
    }

    /// Has nothing more submitted from now on.
    pub(super) fn stop(&self) {
        let mut state = self.lock();
        (state.stopped, state.over) = (true, true);
        drop(state);
        self.changed.notify_all();
    }

    /// Whether nothing more will be submitted.
    pub(super) fn is_over(&self) -> bool {
        self.lock().over
    }

    /// Why the input has ended early, if it has. Comes once.
    pub(super) fn refusal(&self) -> Option<InputError> {
        self.lock().refusal.take()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // each change is whole before anything that can panic
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
