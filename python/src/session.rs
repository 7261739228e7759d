//! The link to a cluster.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use pyo3::exceptions::{PyTimeoutError, PyValueError};
use pyo3::import_exception;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use rpar::ClientError;
use rpar::raw::{Client, Defined};
use rpar::task::{self, FunctionKind, TaskOptions};

use crate::group::Group;
use crate::wait;

import_exception!(rpar.error, ConnectionError);

/// Arguments up to this length are copied; longer ones are lent, which costs more than copying a short one.
const COPY_BYTES: usize = 64 << 10;

/// One round of waiting for the status, so that Ctrl-C is noticed.
const SLICE: Duration = Duration::from_millis(200);

/// Links to a running cluster, by profile and cluster id or by connection file.
#[pyfunction]
pub(crate) fn connect(
    py: Python<'_>,
    profile: Option<String>,
    cluster_id: Option<String>,
    connection_file: Option<PathBuf>,
) -> PyResult<Session> {
    let linked = py.detach(|| match connection_file {
        Some(file) => rpar::raw::connect_file(&file),
        None => {
            let variable = || std::env::var("RPAR_PROFILE").ok().filter(|name| !name.is_empty());
            let profile = profile.or_else(variable);
            let profile = profile.as_deref().unwrap_or(rpar::paths::DEFAULT_PROFILE);
            rpar::raw::connect(profile, cluster_id.as_deref().unwrap_or(rpar::paths::DEFAULT_CLUSTER))
        }
    });
    let client = linked.map_err(|error| ConnectionError::new_err(error.to_string()))?;
    Ok(Session { client: Mutex::new(Some(client)) })
}

/// A link to a cluster.
#[pyclass(frozen, module = "rpar._rpar")]
pub(crate) struct Session {
    client: Mutex<Option<Client>>,
}

/// A function that tasks can name.
#[pyclass(frozen, module = "rpar._rpar")]
pub(crate) struct Function {
    inner: Arc<Defined>,
}

/// How tasks are run.
#[pyclass(frozen, module = "rpar._rpar")]
pub(crate) struct Options {
    inner: Arc<TaskOptions>,
}

#[pymethods]
impl Options {
    #[new]
    fn new(
        retries: u16,
        timeout: Option<f64>,
        targets: Option<Vec<u32>>,
        time: Option<f64>,
    ) -> PyResult<Self> {
        let timeout = timeout.map(wait::seconds).transpose()?;
        let time = time.map(wait::seconds).transpose()?;
        // a limit of less than a millisecond is one of a millisecond
        let millis = |limit: Duration| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX).max(1);
        let (timeout_ms, time_ms) = (timeout.map(millis), time.map(millis));
        let targets = targets.map(|targets| targets.into_iter().map(rpar::EngineId).collect());
        let options = TaskOptions { retries, timeout_ms, time_ms, targets, ..TaskOptions::default() };
        Ok(Options { inner: Arc::new(options) })
    }
}

#[pymethods]
impl Session {
    /// Makes a function of its pickle.
    fn define(&self, py: Python<'_>, body: PyBackedBytes) -> Function {
        let body = Bytes::from_owner(body);
        Function { inner: py.detach(|| Defined::new(task::Function { kind: FunctionKind::Python, body })) }
    }

    /// A new, empty group.
    fn group(&self) -> PyResult<Group> {
        Ok(Group { inner: self.client()?.group() })
    }

    /// Submits a task for each argument.
    fn submit(
        &self,
        py: Python<'_>,
        group: &Group,
        function: &Function,
        options: &Options,
        arguments: Vec<PyBackedBytes>,
    ) -> PyResult<()> {
        let client = self.client()?;
        let arguments: Vec<Bytes> = arguments.into_iter().map(lend_or_copy).collect();
        py.detach(|| {
            for argument in arguments {
                client.submit(&group.inner, &function.inner, &options.inner, argument);
            }
        });
        Ok(())
    }

    /// Cancels the group's unfinished tasks.
    fn cancel(&self, group: &Group) -> PyResult<()> {
        self.client()?.cancel(&group.inner);
        Ok(())
    }

    /// The cluster's status, in JSON.
    fn status(&self, py: Python<'_>, timeout: f64) -> PyResult<String> {
        let client = self.client()?;
        let limit = wait::seconds(timeout)?;
        let answer = wait::wait(py, Some(limit), |_| match client.status(None, SLICE) {
            Err(ClientError::TimedOut(_)) => None,
            answer => Some(answer),
        })?;
        let late = || PyTimeoutError::new_err(format!("the controller has not answered within {timeout} s"));
        let status = answer.ok_or_else(late)?.map_err(|error| broken(&error))?;
        serde_json::to_string(&status).map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// Ends the cluster.
    fn stop_cluster(&self, py: Python<'_>, timeout: f64) -> PyResult<()> {
        let client = self.client()?;
        let limit = wait::seconds(timeout)?;
        match py.detach(|| client.stop_cluster(limit)) {
            Ok(()) => Ok(()),
            Err(ClientError::TimedOut(_)) => {
                Err(PyTimeoutError::new_err(format!("the cluster has not ended within {timeout} s")))
            }
            Err(error) => Err(broken(&error)),
        }
    }

    /// What the controller wants the user to know, since the last call.
    fn notices(&self) -> PyResult<Vec<String>> {
        Ok(self.client()?.notices())
    }

    /// Why the link is gone, if it is.
    fn lost(&self) -> PyResult<Option<String>> {
        Ok(self.client()?.lost())
    }

    /// Closes the link. The second time does nothing.
    fn close(&self, py: Python<'_>) {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner).take();
        // the last clone waits for what is left to be sent
        py.detach(|| drop(client));
    }
}

impl Session {
    fn client(&self) -> PyResult<Client> {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner).clone();
        client.ok_or_else(|| ConnectionError::new_err("this client was closed: make a new one"))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        Python::attach(|py| self.close(py));
    }
}

fn lend_or_copy(argument: PyBackedBytes) -> Bytes {
    if argument.len() <= COPY_BYTES { Bytes::copy_from_slice(&argument) } else { Bytes::from_owner(argument) }
}

fn broken(error: &ClientError) -> PyErr {
    ConnectionError::new_err(error.to_string())
}
