//! How tasks are run, as Python says it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rpar::raw::TaskId;
use rpar::task::{After, AfterEnd, Live, TaskOptions};
use rpar::{EngineId, Resources};

use crate::wait;

/// How tasks are run. Every argument is left out for what is usual.
#[pyclass(frozen, module = "rpar._rpar")]
pub(crate) struct Options {
    pub(crate) inner: Arc<TaskOptions>,
}

#[pymethods]
impl Options {
    /// Times are in seconds. `after` names tasks of the same session, as first number and count, of which all (or `any`)
    /// must have ended `on` "success", "failure" or "any".
    #[new]
    #[pyo3(signature = (
        *, retries = 0, timeout = None, time = None, targets = None, priority = 0, rerun = true, labels = Vec::new(),
        after = Vec::new(), on = "success", any = false, cpus = 0, gpus = 0, memory_bytes = 0, resources = BTreeMap::new()
    ))]
    #[expect(clippy::too_many_arguments, reason = "they are named where they are given")]
    fn new(
        retries: u16,
        timeout: Option<f64>,
        time: Option<f64>,
        targets: Option<Vec<u32>>,
        priority: i32,
        rerun: bool,
        labels: Vec<String>,
        after: Vec<(u64, u32)>,
        on: &str,
        any: bool,
        cpus: u64,
        gpus: u64,
        memory_bytes: u64,
        resources: BTreeMap<String, u64>,
    ) -> PyResult<Self> {
        let on = match on {
            "success" => AfterEnd::Success,
            "failure" => AfterEnd::Failure,
            "any" => AfterEnd::Any,
            other => return Err(PyValueError::new_err(format!("not a way to end: {other:?}"))),
        };
        let tasks: Vec<(TaskId, u32)> =
            after.into_iter().map(|(first, count)| (TaskId(first), count)).collect();
        let after = (!tasks.is_empty()).then(|| After { tasks, any, on, ..After::default() });
        let options = TaskOptions {
            retries,
            rerun,
            timeout_ms: timeout.map(millis).transpose()?,
            time_ms: time.map(millis).transpose()?,
            targets: targets.map(|targets| targets.into_iter().map(EngineId).collect()),
            priority,
            labels,
            resources: Resources { cpus, gpus, memory_bytes, custom: resources },
            after,
            live: Live::Printed,
        };
        Ok(Options { inner: Arc::new(options) })
    }
}

/// A limit of less than a millisecond is one of a millisecond.
fn millis(seconds: f64) -> PyResult<u64> {
    let limit: Duration = wait::seconds(seconds)?;
    Ok(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX).max(1))
}
