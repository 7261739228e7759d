//! Views: which engines tasks go to, and how they are run.

use std::fmt;
use std::iter;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rpar_core::id::EngineId;
use rpar_core::resources::Resources;
use rpar_core::task::{AfterEnd, Failure, TaskOptions};

use super::callable::{Call, Callable};
use super::results::{Results, Source};
use super::shape::{Many, One, Shape};
use super::tasks::Tasks;
use super::{AsyncResult, Client};
use crate::raw::{Defined, Group};

/// How many results of a lazy map may be outstanding: enough for the engines of a large cluster to be busy with tasks of a
/// millisecond, and in memory 64 MiB of results of 8 KiB.
const OUTSTANDING: usize = 8192;

/// Tasks go to whichever engine is free, as the cluster's policy chooses.
pub type LoadBalancedView = View<Balanced>;

/// Engines, and how tasks are run on them. A view is a value: its setters give another one.
///
/// It is a [`LoadBalancedView`] or a [`DirectView`](super::DirectView).
#[derive(Clone)]
pub struct View<K> {
    pub(super) client: Client,
    pub(super) options: Arc<TaskOptions>,
    pub(super) kind: K,
    /// Why its tasks can never run.
    blocked: Option<Failure>,
}

/// The kind of a load-balanced view.
#[derive(Clone, Debug)]
pub struct Balanced {
    outstanding: usize,
}

impl<K> View<K> {
    pub(super) fn new(client: Client, kind: K) -> Self {
        View { client, options: Arc::default(), kind, blocked: None }
    }

    /// Runs a task whose own code failed, or that timed out, again up to so many times.
    #[must_use]
    pub fn retries(self, retries: u16) -> Self {
        self.with(|options| options.retries = retries)
    }

    /// Whether a task whose engine was lost runs again, as it does by default: not for work with side effects.
    #[must_use]
    pub fn rerun(self, rerun: bool) -> Self {
        self.with(|options| options.rerun = rerun)
    }

    /// Ends a task that runs longer than this, to the millisecond. A Rust function is not interrupted: its task fails when
    /// it returns.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        // a limit of less than a millisecond is one of a millisecond
        let limit = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX).max(1);
        self.with(|options| options.timeout_ms = Some(limit))
    }

    /// How long a task takes at most: it is not started on an engine whose walltime ends sooner. Nothing ends it when it
    /// takes longer.
    #[must_use]
    pub fn time(self, time: Duration) -> Self {
        self.with(|options| options.time_ms = Some(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Tasks of a higher priority go first; 0 is usual.
    #[must_use]
    pub fn priority(self, priority: i32) -> Self {
        self.with(|options| options.priority = priority)
    }

    /// What each task takes of its node.
    #[must_use]
    pub fn resources(self, resources: Resources) -> Self {
        self.with(|options| options.resources = resources)
    }

    /// Runs tasks only after those of another result, and of other calls, have all ended as `on` says: the latest call says
    /// it for all. A task whose wait can never be over ends as [`Unplaced`](rpar_core::task::TaskStatus::Unplaced).
    #[must_use]
    pub fn after<T, S: Shape>(mut self, result: &AsyncResult<T, S>, on: AfterEnd) -> Self {
        let Tasks { client, group, .. } = &result.tasks;
        if !client.is(&self.client) {
            self.blocked = Some(Failure::new("this was to run after tasks of another client"));
            return self;
        }
        let ids = client.link().task_ids(group);
        let sent: usize = ids.iter().map(|(_, count)| *count as usize).sum();
        if sent < group.len() && on == AfterEnd::Success {
            self.blocked = Some(Failure::new(
                "this was to run after the success of tasks of which some failed before they were sent",
            ));
        }
        self.with(|options| {
            let after = options.after.get_or_insert_default();
            after.tasks.extend(ids);
            after.on = on;
        })
    }

    /// How tasks are run.
    pub fn options(&self) -> &TaskOptions {
        &self.options
    }

    pub(super) fn with(mut self, set: impl FnOnce(&mut TaskOptions)) -> Self {
        set(Arc::make_mut(&mut self.options));
        self
    }

    /// No tasks yet.
    pub(super) fn tasks<A, T>(&self, call: &Call<'_, A, T>) -> Tasks<T> {
        Tasks {
            client: self.client.clone(),
            group: self.client.link().group(),
            decode: call.decode,
            exit: call.exit,
            begun: Instant::now(),
        }
    }

    /// Adds a task to a group. Does not block.
    pub(super) fn submit(
        &self,
        group: &Group,
        options: &Arc<TaskOptions>,
        encoded: Result<(Arc<Defined>, Bytes), Failure>,
    ) {
        let link = self.client.link();
        let encoded = match &self.blocked {
            Some(failure) => Err(failure.clone()),
            None => encoded,
        };
        match encoded {
            Ok((function, payload)) => link.submit(group, &function, options, payload),
            Err(failure) => link.reject(group, &failure),
        };
    }
}

impl LoadBalancedView {
    /// Only these engines.
    #[must_use]
    pub fn targets(self, engines: impl IntoIterator<Item = EngineId>) -> Self {
        self.with(|options| options.targets = Some(engines.into_iter().collect()))
    }

    /// Only engines that have this label, and those of other calls.
    #[must_use]
    pub fn label(self, label: impl Into<String>) -> Self {
        self.with(|options| options.labels.push(label.into()))
    }

    /// How many results of [`imap`](Self::imap) may be outstanding at any time: submitted, and not yet taken. 8192 unless
    /// set; memory for so many arguments and results should be there, and so many tasks keep the engines busy.
    #[must_use]
    pub fn outstanding(mut self, tasks: usize) -> Self {
        self.kind.outstanding = tasks;
        self
    }

    /// Calls a function with one argument on some engine. Does not block.
    pub fn apply<A, F: Callable<A>>(&self, function: F, argument: A) -> AsyncResult<F::Output> {
        let AsyncResult { tasks, .. } = self.map(function, iter::once(argument));
        AsyncResult::new(tasks, One::default())
    }

    /// Calls a function with each argument; the engines share the load. All arguments are submitted at once: for an input
    /// that is endless or does not fit into memory there is [`imap`](Self::imap). Blocks only while more than 64 MiB of
    /// arguments have not left this program.
    pub fn map<A, F: Callable<A>>(
        &self,
        function: F,
        arguments: impl IntoIterator<Item = A>,
    ) -> AsyncResult<F::Output, Many> {
        let mut call = function.call(self.client.functions());
        let tasks = self.tasks(&call);
        for (number, argument) in (1..).zip(arguments) {
            self.submit(&tasks.group, &self.options, (call.encode)(number, argument));
            self.client.link().wait_ready(None);
        }
        AsyncResult::new(tasks, Many::default())
    }

    /// Calls a function with each argument of a lazy input, which may be endless: it is asked for arguments as results are
    /// taken, so that only [so many](Self::outstanding) are outstanding. Submits nothing before the first result is asked
    /// for. While the input waits for an argument, a result that has come waits too.
    pub fn imap<'a, A, F>(
        &self,
        function: F,
        arguments: impl IntoIterator<Item = A, IntoIter: Send + 'a>,
    ) -> Results<'a, F::Output>
    where
        A: 'a,
        F: Callable<A> + 'a,
    {
        let mut call = function.call(self.client.functions());
        let (tasks, view) = (self.tasks(&call), self.clone());
        let (group, mut arguments) = (tasks.group.clone(), (1..).zip(arguments));
        let feed = move || {
            let next = arguments.next();
            if let Some((number, argument)) = next {
                view.submit(&group, &view.options, (call.encode)(number, argument));
                return true;
            }
            false
        };
        Results::new(Source::fed(tasks, self.kind.outstanding, Box::new(feed)))
    }
}

impl Default for Balanced {
    fn default() -> Self {
        Balanced { outstanding: OUTSTANDING }
    }
}

impl<K: fmt::Debug> fmt::Debug for View<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("kind", &self.kind).field("options", &self.options).finish()
    }
}
