//! Results one after the other, of tasks that are submitted as results are taken.

use std::fmt;
use std::task::{Context, Poll, ready};

use rpar_runtime::client::Outcome;

use super::stream::Stream;
use super::tasks::Tasks;
use super::{Metadata, TaskError};
use crate::raw::Group;

/// A task may be so many tasks behind the latest: what is known of those between is kept, at most 64 MiB of it.
const SPREAD_LIMIT: usize = 1 << 20;

/// Submits the next argument; false when there is none.
type Feed<'a> = Box<dyn FnMut() -> bool + Send + 'a>;

/// Tasks, and where more of them come from.
pub(super) struct Source<'a, T> {
    tasks: Tasks<T>,
    feed: Option<Feed<'a>>,
    /// How many tasks may be submitted whose results have not been taken.
    outstanding: usize,
    /// How many results have been taken.
    taken: usize,
}

impl<T> Source<'static, T> {
    /// Tasks that have all been submitted.
    pub(super) fn submitted(tasks: Tasks<T>) -> Self {
        Source { tasks, feed: None, outstanding: 0, taken: 0 }
    }
}

impl<'a, T> Source<'a, T> {
    /// Tasks that `feed` submits, one at a time.
    pub(super) fn fed(tasks: Tasks<T>, outstanding: usize, feed: Feed<'a>) -> Self {
        Source { tasks, feed: Some(feed), outstanding: outstanding.max(1), taken: 0 }
    }

    /// Submits a task, and more while the next result is not there and so many may be outstanding. So a slow input holds up a
    /// result until its next argument, and not until all that may be outstanding have come; and whenever results are what
    /// is waited for, the engines get as much as they may.
    ///
    /// Blocks only in the input: where a link takes no more, the results that are to come make room.
    fn fill(&mut self, is_there: impl Fn(&Group, usize) -> bool) {
        let group = &self.tasks.group;
        while let Some(feed) = &mut self.feed {
            let waiting = group.len() - self.taken;
            let room = waiting < self.outstanding
                && group.len() - group.discarded() < SPREAD_LIMIT
                && (waiting == 0 || self.tasks.client.link().is_ready());
            if !room {
                return;
            }
            if !feed() {
                self.feed = None;
            } else if is_there(group, self.taken) {
                return;
            }
        }
    }

    /// The same, for results in the order of the arguments.
    fn fill_in_order(&mut self) {
        self.fill(|group, taken| group.has_ended(taken));
    }

    /// The same, for results as they come.
    fn fill_unordered(&mut self) {
        self.fill(|group, taken| group.finished() > taken);
    }

    /// Whether every result has been taken.
    fn is_over(&self) -> bool {
        self.feed.is_none() && self.taken >= self.tasks.group.len()
    }

    fn take(&mut self, index: usize, outcome: &Outcome) -> Result<T, TaskError> {
        self.taken += 1;
        self.tasks.group.discard(index);
        self.tasks.result(index, outcome)
    }
}

impl<T> Drop for Source<'_, T> {
    fn drop(&mut self) {
        if self.taken < self.tasks.group.len() {
            self.tasks.client.link().cancel(&self.tasks.group);
        }
    }
}

/// The results of tasks in the order of the arguments: blocks for each that is not there yet.
///
/// Dropped before its end it cancels the tasks whose results were not taken. A lazy input is asked for arguments as results
/// are taken, so that only so many are outstanding.
pub struct Results<'a, T> {
    source: Source<'a, T>,
}

impl<'a, T> Results<'a, T> {
    pub(super) fn new(source: Source<'a, T>) -> Self {
        Results { source }
    }

    /// The results as they come, with what is known of their tasks.
    pub fn unordered(self) -> Unordered<'a, T> {
        Unordered { source: self.source }
    }

    /// The same for asynchronous programs.
    pub fn into_stream(self) -> Stream<Self> {
        Stream::new(self)
    }

    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<T, TaskError>>> {
        let source = &mut self.source;
        source.fill_in_order();
        if source.is_over() {
            return Poll::Ready(None);
        }
        let index = source.taken;
        let outcome = ready!(source.tasks.group.poll_wait(index, context));
        Poll::Ready(Some(source.take(index, &outcome)))
    }
}

impl<T> Iterator for Results<'_, T> {
    type Item = Result<T, TaskError>;

    fn next(&mut self) -> Option<Self::Item> {
        let source = &mut self.source;
        source.fill_in_order();
        if source.is_over() {
            return None;
        }
        let index = source.taken;
        let outcome = source.tasks.wait(index);
        Some(source.take(index, &outcome))
    }
}

/// The results of tasks as they come: blocks while none does.
///
/// Dropped before its end it cancels the tasks whose results were not taken. A lazy input is asked for arguments as results
/// are taken, so that only so many are outstanding.
pub struct Unordered<'a, T> {
    source: Source<'a, T>,
}

/// A task that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ended<T> {
    /// Its place among the arguments, from 0.
    pub index: usize,
    /// What it gave.
    pub result: Result<T, TaskError>,
    /// When, where, and at which try it ended.
    pub metadata: Metadata,
}

impl<T> Unordered<'_, T> {
    /// The same for asynchronous programs.
    pub fn into_stream(self) -> Stream<Self> {
        Stream::new(self)
    }

    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Ended<T>>> {
        self.source.fill_unordered();
        if self.source.is_over() {
            return Poll::Ready(None);
        }
        let next = ready!(self.source.tasks.group.poll_next_finished(context));
        Poll::Ready(next.map(|(index, outcome)| self.ended(index, &outcome)))
    }

    fn ended(&mut self, index: usize, outcome: &Outcome) -> Ended<T> {
        let metadata = self.source.tasks.metadata(outcome);
        Ended { index, result: self.source.take(index, outcome), metadata }
    }
}

impl<T> Iterator for Unordered<'_, T> {
    type Item = Ended<T>;

    fn next(&mut self) -> Option<Ended<T>> {
        self.source.fill_unordered();
        if self.source.is_over() {
            return None;
        }
        let (index, outcome) = self.source.tasks.group.next_finished(None)?;
        Some(self.ended(index, &outcome))
    }
}

impl<T> fmt::Debug for Source<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} taken of {:?}", self.taken, self.tasks.group)
    }
}

impl<T> fmt::Debug for Results<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Results").field(&self.source).finish()
    }
}

impl<T> fmt::Debug for Unordered<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Unordered").field(&self.source).finish()
    }
}
