//! The result of tasks that are still running.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use rpar_core::task::TaskStatus;

use super::results::{Results, Source, Unordered};
use super::shape::{Many, One, Shape};
use super::tasks::Tasks;
use super::{Metadata, Progress, TaskError};

/// The result of tasks that were submitted together, while they run and after.
///
/// `T` is what one task gives; [`get`](Self::get) gives a `T`, a `Vec<T>` or a `BTreeMap<EngineId, T>`, by how the tasks
/// were submitted. It can be asked any number of times; results are kept until this is dropped, which cancels nothing.
///
/// It is a future too, of what `get` gives, for any asynchronous runtime. It is cancel-safe: polled by reference
/// (`(&mut result).await`) and dropped, it loses nothing.
pub struct AsyncResult<T, S: Shape = One> {
    pub(super) tasks: Tasks<T>,
    shape: S,
}

impl<T, S: Shape> AsyncResult<T, S> {
    pub(super) fn new(tasks: Tasks<T>, shape: S) -> Self {
        AsyncResult { tasks, shape }
    }

    /// Blocks until the result is there, and gives it. Of several tasks the first, in their order, that did not end well is
    /// the error, as soon as those before it have ended; the others go on.
    ///
    /// # Errors
    /// When a task did not end well.
    pub fn get(&self) -> Result<S::Output<T>, TaskError> {
        self.shape.gather(self.len(), |index| self.tasks.result(index, &self.tasks.wait(index)))
    }

    /// [`get`](Self::get), but gives up after `timeout`: `None` then. The tasks go on.
    ///
    /// # Errors
    /// When a task did not end well, once all have ended.
    pub fn get_timeout(&self, timeout: Duration) -> Result<Option<S::Output<T>>, TaskError> {
        if self.wait_timeout(timeout) { self.get().map(Some) } else { Ok(None) }
    }

    /// Blocks until all tasks have ended, well or not.
    pub fn wait(&self) {
        self.tasks.group.wait_all(None);
    }

    /// [`wait`](Self::wait), but gives up after `timeout`; tells whether all have ended.
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.tasks.group.wait_all(Instant::now().checked_add(timeout))
    }

    /// Whether all tasks have ended, well or not.
    pub fn ready(&self) -> bool {
        self.tasks.is_ready()
    }

    /// Whether all tasks have ended well. Not while some have not ended.
    pub fn successful(&self) -> bool {
        let well = |outcome| matches!(outcome, Some(TaskStatus::Ok));
        self.ready() && self.tasks.outcomes().all(|outcome| well(outcome.map(|outcome| outcome.status)))
    }

    /// How many tasks there are.
    pub fn len(&self) -> usize {
        self.tasks.group.len()
    }

    /// Whether there is no task.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many tasks have ended, of how many.
    pub fn progress(&self) -> Progress {
        let of = self.len();
        // all that ended were submitted before
        Progress { done: self.tasks.group.finished().min(of), of }
    }

    /// Cancels the tasks that have not ended. Those end as [`Cancelled`](TaskStatus::Cancelled); a Rust function that runs
    /// is not interrupted, its task ends with it.
    pub fn cancel(&self) {
        self.tasks.client.link().cancel(&self.tasks.group);
    }

    /// What became of each task, in their order: `None` for one that has not ended.
    pub fn metadata(&self) -> Vec<Option<Metadata>> {
        let metadata = |outcome| self.tasks.metadata(&outcome);
        self.tasks.outcomes().map(|outcome| outcome.map(metadata)).collect()
    }

    /// The time since submission; once all tasks have ended, from submission to the last end, as
    /// [`wall_time`](Self::wall_time).
    pub fn elapsed(&self) -> Duration {
        self.wall_time().unwrap_or_else(|| self.tasks.begun.elapsed())
    }

    /// From the first submission to the last end, by this program's clock, once all tasks have ended.
    pub fn wall_time(&self) -> Option<Duration> {
        self.ready().then(|| self.tasks.wall_time())
    }

    /// How long the tasks that have ended ran, one after the other: the time that a single engine would have taken.
    pub fn serial_time(&self) -> Duration {
        self.tasks.outcomes().flatten().map(|outcome| outcome.duration).sum()
    }

    /// By how much the engines were faster than one of them: serial time over wall time, once all tasks have ended.
    pub fn speedup(&self) -> Option<f64> {
        let wall_time = self.wall_time()?.as_secs_f64();
        (wall_time > 0.0).then(|| self.serial_time().as_secs_f64() / wall_time)
    }
}

impl<T> AsyncResult<T, Many> {
    /// Blocks until all tasks have ended, and gives what became of each, in the order of the arguments.
    pub fn results(&self) -> Vec<Result<T, TaskError>> {
        self.iter().collect()
    }

    /// The results in the order of the arguments, each as soon as it is there; blocks for those that are not. Takes nothing
    /// away.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Result<T, TaskError>> {
        (0..self.len()).map(|index| self.tasks.result(index, &self.tasks.wait(index)))
    }

    /// The results as they come, with what is known of their tasks.
    pub fn unordered(self) -> Unordered<'static, T> {
        self.into_iter().unordered()
    }
}

/// The results in the order of the arguments, each as soon as it is there. A result is let go of as it is taken.
impl<T> IntoIterator for AsyncResult<T, Many> {
    type Item = Result<T, TaskError>;
    type IntoIter = Results<'static, T>;

    fn into_iter(self) -> Results<'static, T> {
        Results::new(Source::submitted(self.tasks))
    }
}

impl<T, S: Shape + Unpin> Future for AsyncResult<T, S> {
    type Output = Result<S::Output<T>, TaskError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(self.tasks.group.poll_all(context));
        Poll::Ready(self.get())
    }
}

impl<T, S: Shape> fmt::Debug for AsyncResult<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Progress { done, of } = self.progress();
        write!(f, "AsyncResult({done} of {of} tasks have ended)")
    }
}
