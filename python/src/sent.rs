//! What tasks were submitted with, so that they can be submitted again.

use std::sync::Arc;

use bytes::Bytes;
use rpar::raw::Defined;
use rpar::task::TaskOptions;

/// Of so many tasks it is kept: more are work that a program does again by itself, from what it has made them of.
const MOST_TASKS: usize = 1024;

/// And so much of arguments, which are in memory for as long as their results.
const MOST_BYTES: usize = 1 << 20;

/// What the tasks of a group were submitted with, unless that is much.
#[derive(Default)]
pub(crate) struct Sent {
    tasks: Vec<Task>,
    bytes: usize,
    too_much: bool,
}

/// What one was submitted with.
#[derive(Clone)]
pub(crate) struct Task {
    pub(crate) function: Arc<Defined>,
    pub(crate) options: Arc<TaskOptions>,
    pub(crate) argument: Bytes,
}

impl Sent {
    /// Takes note of further tasks of the group.
    pub(crate) fn note(&mut self, function: &Arc<Defined>, options: &Arc<TaskOptions>, arguments: &[Bytes]) {
        self.bytes += arguments.iter().map(Bytes::len).sum::<usize>();
        self.too_much |= self.bytes > MOST_BYTES || self.tasks.len() + arguments.len() > MOST_TASKS;
        if self.too_much {
            self.tasks = Vec::new();
            return;
        }
        let task = |argument: &Bytes| Task {
            function: Arc::clone(function),
            options: Arc::clone(options),
            argument: argument.clone(),
        };
        self.tasks.extend(arguments.iter().map(task));
    }

    /// What task `index` was submitted with, if that is kept.
    pub(crate) fn task(&self, index: usize) -> Option<Task> {
        self.tasks.get(index).cloned()
    }
}
