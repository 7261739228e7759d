//! Tasks whose results are collected together.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyIndexError, PyTimeoutError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use rpar::raw::Outcome;
use rpar::task::TaskStatus;

use crate::ended::Ended;
use crate::failure::Failure;
use crate::printed::Listening;
use crate::sent::Sent;
use crate::wait;

/// One crossing brings at most about this much, so that payloads do not stand in memory twice all at once.
const LOT_BYTES: usize = 16 << 20;

/// Tasks whose results are collected together, in the order of their submission.
#[pyclass(frozen, module = "rpar._rpar")]
pub(crate) struct Group {
    pub(crate) inner: rpar::raw::Group,
    sent: Mutex<Sent>,
}

#[pymethods]
impl Group {
    fn __len__(&self) -> usize {
        self.inner.len()
    }

    /// How many have ended.
    fn finished(&self) -> usize {
        self.inner.finished()
    }

    /// Waits until all have ended; False if that does not come within so many seconds.
    fn wait_all(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let timeout = timeout.map(wait::seconds).transpose()?;
        let ended = wait::wait(py, timeout, |deadline| self.inner.wait_all(Some(deadline)).then_some(()))?;
        Ok(ended.is_some())
    }

    /// The same for `count` tasks from `index` on.
    fn wait_some(&self, py: Python<'_>, index: usize, count: usize, timeout: Option<f64>) -> PyResult<bool> {
        let timeout = timeout.map(wait::seconds).transpose()?;
        let end = index.saturating_add(count).min(self.inner.len());
        let all = |deadline| (index..end).all(|index| self.inner.wait(index, Some(deadline)).is_some());
        Ok(wait::wait(py, timeout, |deadline| all(deadline).then_some(()))?.is_some())
    }

    /// Waits for task `index`, and returns the results that are there from it on without a gap, at most `limit`: bytes
    /// for a task that ended well, a Failure for another.
    fn results<'py>(&self, py: Python<'py>, index: usize, limit: usize) -> PyResult<Bound<'py, PyList>> {
        let limit = limit.min(self.inner.len().saturating_sub(index));
        let outcomes = if limit == 0 {
            return Err(PyIndexError::new_err(format!("no task {index} in a group of {}", self.inner.len())));
        } else {
            wait::wait(py, None, |deadline| self.run_from(index, limit, deadline))?.unwrap_or_default()
        };
        let results = outcomes.iter().map(|outcome| match outcome.status {
            TaskStatus::Ok => PyBytes::new(py, &outcome.payload).into_py_any(py),
            _ => Failure::new(py, outcome).into_py_any(py),
        });
        PyList::new(py, results.collect::<PyResult<Vec<_>>>()?)
    }

    /// The indexes of tasks that have ended since the last call, in order of completion, at most `limit`; waits for one
    /// if there is none. Empty once all have been returned, or if none ends within so many seconds.
    #[pyo3(signature = (limit, timeout = None))]
    fn next_finished(&self, py: Python<'_>, limit: usize, timeout: Option<f64>) -> PyResult<Vec<usize>> {
        let timeout = timeout.map(wait::seconds).transpose()?;
        let first = wait::wait(py, timeout, |deadline| match self.inner.next_finished(Some(deadline)) {
            Some((index, _)) => Some(Some(index)),
            // all have been taken, or it is just late
            None => (self.inner.finished() >= self.inner.len()).then_some(None),
        })?;
        let mut indexes: Vec<usize> = first.flatten().into_iter().collect();
        while !indexes.is_empty() && indexes.len() < limit {
            match self.inner.next_finished(Some(Instant::now())) {
                Some((index, _)) => indexes.push(index),
                None => break,
            }
        }
        Ok(indexes)
    }

    /// How task `index` has ended.
    fn outcome(&self, index: usize) -> PyResult<Ended> {
        let outcome = self.inner.wait(index, Some(Instant::now()));
        let late = || PyTimeoutError::new_err(format!("task {index} has not ended"));
        outcome.map(|outcome| Ended::new(&outcome)).ok_or_else(late)
    }

    /// Whether task `index` has ended.
    fn has_ended(&self, index: usize) -> bool {
        self.inner.has_ended(index)
    }

    /// What task `index` has written so far to stdout and stderr, in its last attempt: of each the first and the latest
    /// 512 KiB.
    fn output<'py>(&self, py: Python<'py>, index: usize) -> (Bound<'py, PyBytes>, Bound<'py, PyBytes>) {
        let [stdout, stderr] = py.detach(|| self.inner.printed(index));
        (PyBytes::new(py, &stdout), PyBytes::new(py, &stderr))
    }

    /// Listens to what the tasks write: what they have written so far comes first.
    fn listen(&self) -> Listening {
        Listening::new(&self.inner)
    }

    /// Lets go of the payloads of `count` tasks from `index` on.
    fn forget(&self, index: usize, count: usize) {
        for index in index..index + count {
            self.inner.forget(index);
        }
    }
}

impl Group {
    pub(crate) fn new(inner: rpar::raw::Group) -> Self {
        Group { inner, sent: Mutex::default() }
    }

    /// What its tasks were submitted with.
    pub(crate) fn sent(&self) -> MutexGuard<'_, Sent> {
        // nothing in it is half done when a thread panics
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The outcomes from `index` on that are there without a gap; `None` if not even the first comes before `deadline`.
    fn run_from(&self, index: usize, limit: usize, deadline: Instant) -> Option<Vec<Outcome>> {
        let first = self.inner.wait(index, Some(deadline))?;
        let now = Instant::now() - Duration::from_nanos(1);
        let mut bytes = first.payload.len();
        let mut outcomes = Vec::with_capacity(limit);
        outcomes.push(first);
        while outcomes.len() < limit && bytes < LOT_BYTES {
            let Some(next) = self.inner.wait(index + outcomes.len(), Some(now)) else { break };
            bytes += next.payload.len();
            outcomes.push(next);
        }
        Some(outcomes)
    }
}
