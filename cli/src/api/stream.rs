//! Results for asynchronous programs, on any runtime.

use std::pin::Pin;
use std::task::{Context, Poll};

use super::TaskError;
use super::results::{Ended, Results, Unordered};

/// [`Results`] or [`Unordered`] as a [`futures_core::Stream`]: waits without blocking, woken by the client's own thread.
///
/// Cancel-safe: a `next()` that is dropped loses no result. The stream itself cancels, when it is dropped, the tasks whose
/// results were not taken. A lazy input is asked for arguments inside `poll`: it should not block.
#[derive(Debug)]
pub struct Stream<I> {
    results: I,
}

impl<I> Stream<I> {
    pub(super) fn new(results: I) -> Self {
        Stream { results }
    }
}

// nothing is pinned: results are moved out, and the input is behind a pointer
impl<I> Unpin for Stream<I> {}

impl<T> futures_core::Stream for Stream<Results<'_, T>> {
    type Item = Result<T, TaskError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.results.poll_next(context)
    }
}

impl<T> futures_core::Stream for Stream<Unordered<'_, T>> {
    type Item = Ended<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.results.poll_next(context)
    }
}
