//! What runs tasks of one kind on an engine's thread.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rpar_core::id::TaskId;
use rpar_core::task::{Function, RunOptions};

use super::feed::Feed;
use super::guard::Guard;
use super::stock::Stock;

/// Runs the tasks of one [`FunctionKind`](rpar_core::task::FunctionKind) for one engine.
///
/// It is made on the engine's thread at the first task of its kind, lives as long as the thread, and blocks at will:
/// nobody else waits for this thread. It takes as many tasks ahead from the [`Feed`] as its way of running them needs
/// to stay busy (one for a command, several for an interpreter at the end of a pipe) and reports each by
/// [`Feed::end`] or [`Feed::fail`] as soon as it has ended, in any order.
///
/// The rules of waiting:
///
/// - Whoever waits does so in poll(2), with [`Feed::wake`] among its descriptors and the nearest time limit of a task
///   that it holds as its time-out. A limit counts from the moment the task itself begins.
/// - When `wake` is readable: [`Feed::heed`], and then ask [`Feed::is_cancelled`] for the task that runs: such a task is
///   ended by force and reported as `Cancelled`. For tasks that are held and have not begun there is
///   [`Feed::drop_unwanted`].
///   If [`Feed::is_reset`], everything held is ended by force at once, and `run` returns; nothing need be reported.
/// - What tasks with [`live`](RunOptions::live) write is passed on by [`Feed::write`] while [`Feed::has_room`]; without
///   room it is left where it is, until `wake` is readable.
/// - New tasks do not wake it: it looks for them by [`Feed::take`] whenever one that it holds has ended.
pub(crate) trait Executor {
    /// Runs tasks until [`Feed::take`] gives none and every one taken was reported. What is worth keeping for the
    /// next call (a running interpreter) is kept in `self`, and ended when `self` is dropped.
    fn run(&mut self, feed: &mut Feed);
}

/// One try at one task.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    /// Which task.
    pub(crate) id: TaskId,
    /// What to run. Tasks of one batch share it: `Arc::ptr_eq` tells cheaply that nothing has changed.
    pub(crate) function: Arc<Function>,
    /// How it is to be run.
    pub(crate) options: Arc<RunOptions>,
    /// The argument, in the form of the function's kind.
    pub(crate) argument: Bytes,
}

impl Task {
    /// After how long of running it is to be ended.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.options.timeout()
    }
}

/// What an executor knows of the engine that it works for. The engine's id is asked from [`Feed::engine`]: it changes
/// when the host has found its controller again.
#[derive(Clone, Debug)]
pub(crate) struct EngineContext {
    /// The engine's place on its host, from 0.
    pub(crate) slot: u32,
    /// The node's name, as the site calls it: for messages.
    pub(crate) node: String,
    /// Value of `OMP_NUM_THREADS` for children, unless the host's own environment sets it.
    pub(crate) threads: u32,
    /// Kills children should this process be killed itself.
    pub(crate) guard: Arc<Guard>,
    /// Where tasks get what they ask for, shared by the host's engines.
    pub(crate) stock: Arc<Stock>,
    /// How Python tasks are run.
    pub(crate) python: PythonSettings,
}

impl EngineContext {
    /// Environment variables that every child gets above those of the engine host; `RPAR_ENGINE_ID` and
    /// `RPAR_TASK_ID` are left to the executor.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let mut variables =
            vec![("RPAR_LOCAL_RANK", self.slot.to_string()), ("RPAR_NODE", self.node.clone())];
        if std::env::var_os("OMP_NUM_THREADS").is_none() {
            variables.push(("OMP_NUM_THREADS", self.threads.to_string()));
        }
        variables
    }
}

/// How Python tasks are run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PythonSettings {
    /// The interpreter; `None` is `python3`, looked for on the engine's `PATH`.
    pub executable: Option<PathBuf>,
}
