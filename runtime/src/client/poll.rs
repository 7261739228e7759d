//! Waiting without blocking, for asynchronous programs: whoever fills a group wakes them.

use std::task::{Context, Poll};

use super::group::State;
use super::{Group, Outcome};

impl Group {
    /// As [`wait`](Self::wait): ready with a task's end. Takes nothing away.
    pub fn poll_wait(&self, index: usize, context: &mut Context<'_>) -> Poll<Outcome> {
        let mut state = self.lock();
        match state.outcome(index) {
            Some(outcome) => Poll::Ready(outcome),
            None => state.wake_later(context),
        }
    }

    /// As [`wait_all`](Self::wait_all): ready when every submitted task has ended.
    pub fn poll_all(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.finished >= self.len() { Poll::Ready(()) } else { state.wake_later(context) }
    }

    /// As [`next_finished`](Self::next_finished): ready with the next task in order of completion, or with `None` when
    /// all submitted tasks have been taken.
    pub fn poll_next_finished(&self, context: &mut Context<'_>) -> Poll<Option<(usize, Outcome)>> {
        let mut state = self.lock();
        match state.take_next() {
            Some(index) => Poll::Ready(state.outcome(index).map(|outcome| (index, outcome))),
            None if state.finished >= self.len() => Poll::Ready(None),
            None => state.wake_later(context),
        }
    }
}

impl State {
    /// Has the program woken at the next end in this group.
    fn wake_later<T>(&mut self, context: &mut Context<'_>) -> Poll<T> {
        // a program that asks again, for example because of something else, keeps its one entry
        if !self.wakers.iter().any(|waker| waker.will_wake(context.waker())) {
            self.wakers.push(context.waker().clone());
        }
        Poll::Pending
    }
}
