//! What Python tasks are given of their node. An interpreter learns of it only at its start, so a task that is to have
//! other GPUs, or another limit of memory, than the interpreter has gets a new one.

use std::time::Duration;

use rpar_core::resources::Resources;
use rpar_core::task::{Failure, FunctionKind, Live, TaskStatus};

use super::executor::PythonExecutor;
use crate::engine::{Feed, Task};

/// What an interpreter has for its whole life.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Means {
    pub(super) gpus: Vec<String>,
    pub(super) memory_bytes: u64,
}

impl Means {
    /// What is asked of the host at its start.
    pub(super) fn resources(&self) -> Resources {
        Resources { memory_bytes: self.memory_bytes, ..Resources::default() }
    }
}

/// Whether a task has the interpreter for itself: nothing is written to it ahead of its end.
pub(super) fn is_apart(task: &Task) -> bool {
    let Resources { gpus, memory_bytes, .. } = task.options.resources;
    task.options.live == Live::Yes || gpus > 0 || memory_bytes > 0
}

impl PythonExecutor {
    /// Gets what the next task asks for, and ends an interpreter that was given something else. The task fails if there is
    /// not enough.
    pub(super) fn provide(&mut self, feed: &mut Feed) {
        while self.pipeline.is_empty()
            && self.share.is_none()
            && let Some(task) = self.waiting.front()
        {
            let wanted = &task.options.resources;
            let liked = self.child.as_ref().map_or(&[][..], |child| &child.means.gpus);
            match self.context.stock.share(wanted, liked) {
                Ok(share) => {
                    self.means = Means { gpus: share.gpus().to_vec(), memory_bytes: wanted.memory_bytes };
                    self.share = Some(share);
                }
                Err(reason) => {
                    feed.fail(task.id, TaskStatus::Failed, Duration::ZERO, &Failure::new(reason));
                    self.waiting.pop_front();
                    let next = feed.take(FunctionKind::Python);
                    self.waiting.extend(next);
                }
            }
        }
        if self.pipeline.is_empty() && self.child.as_ref().is_some_and(|child| child.means != self.means) {
            self.forget_child();
        }
    }
}
