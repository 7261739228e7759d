//! The link to a cluster.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use pyo3::exceptions::{PyTimeoutError, PyValueError};
use pyo3::import_exception;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use rpar::raw::{Change, Client, Defined, Retirees};
use rpar::task::{self, FunctionKind};
use rpar::{ClientError, EngineId};

use crate::group::Group;
use crate::options::Options;
use crate::sent::Task;
use crate::wait;

import_exception!(rpar.error, ConnectionError);

/// Arguments up to this length are copied; longer ones are lent, which costs more than copying a short one.
const COPY_BYTES: usize = 64 << 10;

/// A longer argument is refused: it stands in this process and in the engine's host at once. The engines' interpreters have
/// the same limit for results.
const OBJECT_LIMIT_BYTES: usize = 4 << 30;

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

#[pymethods]
impl Session {
    /// Makes a function of its pickle.
    fn define(&self, py: Python<'_>, body: PyBackedBytes) -> Function {
        let body = Bytes::from_owner(body);
        Function { inner: py.detach(|| Defined::new(task::Function { kind: FunctionKind::Python, body })) }
    }

    /// A new, empty group.
    fn group(&self) -> PyResult<Group> {
        Ok(Group::new(self.client()?.printed_group()))
    }

    /// Submits a task for each argument, of at most 4 GiB. Waits first while more than 64 MiB of arguments have not left this
    /// process.
    fn submit(
        &self,
        py: Python<'_>,
        group: &Group,
        function: &Function,
        options: &Options,
        arguments: Vec<PyBackedBytes>,
    ) -> PyResult<()> {
        let client = self.client()?;
        if let Some(long) =
            arguments.iter().map(|argument| argument.len()).find(|len| *len > OBJECT_LIMIT_BYTES)
        {
            let (long, limit) = (long as f64 / 1e9, OBJECT_LIMIT_BYTES as f64 / 1e9);
            return Err(PyValueError::new_err(format!(
                "an argument takes {long:.1} GB when it is pickled, and at most {limit:.1} GB can be sent: save it to a file and \
                 pass its name"
            )));
        }
        wait::wait(py, None, |deadline| client.wait_ready(Some(deadline)).then_some(()))?;
        let arguments: Vec<Bytes> = arguments.into_iter().map(lend_or_copy).collect();
        py.detach(|| {
            group.sent().note(&function.inner, &options.inner, &arguments);
            for argument in arguments {
                client.submit(&group.inner, &function.inner, &options.inner, argument);
            }
        });
        Ok(())
    }

    /// Submits tasks of a group again, as a group of their own; None if what they were submitted with is no longer kept.
    fn resubmit(&self, py: Python<'_>, group: &Group, indexes: Vec<usize>) -> PyResult<Option<Group>> {
        let client = self.client()?;
        let sent: Option<Vec<Task>> = {
            let kept = group.sent();
            indexes.into_iter().map(|index| kept.task(index)).collect()
        };
        let Some(sent) = sent else { return Ok(None) };
        let again = self.group()?;
        py.detach(|| {
            for Task { function, options, argument } in sent {
                again.sent().note(&function, &options, std::slice::from_ref(&argument));
                client.submit(&again.inner, &function, &options, argument);
            }
        });
        Ok(Some(again))
    }

    /// First numbers, and how many, of the group's tasks: what `Options` calls them in `after`.
    fn task_ids(&self, group: &Group) -> PyResult<Vec<(u64, u32)>> {
        let runs = self.client()?.task_ids(&group.inner);
        Ok(runs.into_iter().map(|(first, count)| (first.0, count)).collect())
    }

    /// Cancels the group's unfinished tasks; with `queued`, only those that have not begun.
    #[pyo3(signature = (group, queued = false))]
    fn cancel(&self, group: &Group, queued: bool) -> PyResult<()> {
        let client = self.client()?;
        if queued {
            client.cancel_queued(&group.inner);
        } else {
            client.cancel(&group.inner);
        }
        Ok(())
    }

    /// Cancels those of `count` tasks of the group from `index` on that have not ended.
    fn cancel_some(&self, group: &Group, index: usize, count: usize) -> PyResult<()> {
        self.client()?.cancel_some(&group.inner, index..index.saturating_add(count));
        Ok(())
    }

    /// The cluster's status, in JSON; with `after`, once it is newer than that version.
    #[pyo3(signature = (timeout, after = None))]
    fn status(&self, py: Python<'_>, timeout: f64, after: Option<u64>) -> PyResult<String> {
        let client = self.client()?;
        let limit = wait::seconds(timeout)?;
        let answer = wait::wait(py, Some(limit), |_| match client.status(after, SLICE) {
            Err(ClientError::TimedOut(_)) => None,
            answer => Some(answer),
        })?;
        let late = || PyTimeoutError::new_err(format!("the controller has not answered within {timeout} s"));
        let status = answer.ok_or_else(late)?.map_err(|error| broken(&error))?;
        serde_json::to_string(&status).map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// Has engines leave: when they have no more tasks, or at once with `now`, and then their tasks run elsewhere.
    fn retire(&self, py: Python<'_>, engines: Vec<u32>, now: bool, timeout: f64) -> PyResult<Vec<u32>> {
        let client = self.client()?;
        let limit = wait::seconds(timeout)?;
        let retirees = Retirees::Engines(engines.into_iter().map(EngineId).collect());
        let agreed = py.detach(|| client.change(Change::Retire { retirees, now }, limit));
        match agreed {
            Ok(agreed) => Ok(agreed.engines.into_iter().map(|engine| engine.0).collect()),
            Err(ClientError::Declined { reason }) => Err(PyValueError::new_err(reason)),
            Err(ClientError::TimedOut(_)) => {
                Err(PyTimeoutError::new_err(format!("the controller has not answered within {timeout} s")))
            }
            Err(error) => Err(broken(&error)),
        }
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
