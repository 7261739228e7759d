//! What becomes of tasks where no interpreter can be had: they go back, to an engine that has one if there is any.

use std::time::{Duration, Instant};

use rpar_core::task::{Failure, FunctionKind, TaskStatus};

use super::child::{Child, executable};
use super::executor::PythonExecutor;
use crate::engine::Feed;

/// For so long after a start that failed none is tried: every task would wait for one, and the node would do nothing but
/// start interpreters.
const PAUSE: Duration = Duration::from_secs(5);

/// Why there is no interpreter, and until when that is taken for granted.
#[derive(Debug)]
pub(super) struct Refusal {
    failure: Failure,
    until: Instant,
}

impl PythonExecutor {
    /// Starts an interpreter in place of the last one, unless that has failed just now.
    pub(super) fn restart(&mut self, feed: &mut Feed) {
        self.forget_child();
        if self.refusal.as_ref().is_some_and(|refusal| refusal.until > Instant::now()) {
            return self.give_back(feed);
        }
        let Some(share) = &self.share else { return };
        match Child::start(&self.context, feed.engine(), self.means.clone(), share) {
            Ok(child) => self.child = Some(child),
            Err(error) => {
                let (python, node) = (executable(&self.context), &self.context.node);
                let message = format!(
                    "the Python interpreter `{python}` cannot be started on {node}: {error}; \
                     name one that is there as [python] executable in the profile"
                );
                self.refuse(feed, Failure { message, ..Failure::default() });
            }
        }
    }

    /// No interpreter can be had, for this reason.
    pub(super) fn refuse(&mut self, feed: &mut Feed, failure: Failure) {
        self.refusal = Some(Refusal { failure, until: Instant::now() + PAUSE });
        self.give_back(feed);
    }

    fn give_back(&mut self, feed: &mut Feed) {
        self.share = None;
        let Some(Refusal { failure, .. }) = &self.refusal else { return };
        while let Some(task) = self.waiting.pop_front().or_else(|| feed.take(FunctionKind::Python)) {
            feed.fail(task.id, TaskStatus::Unplaced, Duration::ZERO, failure);
        }
    }
}
