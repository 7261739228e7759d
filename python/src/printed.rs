//! What tasks write, for programs that show it at once.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rpar::raw::Heard;

use crate::wait;

/// One crossing brings at most this many pieces.
const LOT: usize = 1024;

/// A part of what a task has written.
#[pyclass(frozen, get_all, module = "rpar._rpar")]
pub(crate) struct Piece {
    /// The task's index in its group.
    index: usize,
    /// The engine that runs it.
    engine: u32,
    /// Which try at it, from 1: each writes from the start.
    attempt: u16,
    /// 1 is stdout, 2 is stderr.
    stream: u8,
    data: Py<PyBytes>,
}

/// Listens to what the tasks of a group write. While it is open and not read, tasks that write much wait in the end.
#[pyclass(frozen, module = "rpar._rpar")]
pub(crate) struct Listening {
    inner: Mutex<Option<rpar::raw::Listening>>,
}

impl Listening {
    pub(crate) fn new(group: &rpar::raw::Group) -> Self {
        Listening { inner: Mutex::new(Some(group.listen())) }
    }

    /// What there is, once there is something; `None` if that does not come before `deadline`.
    fn hear(&self, deadline: Instant) -> Option<Option<Vec<rpar::raw::Piece>>> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(listening) = inner.as_mut() else { return Some(None) };
        let mut pieces = match listening.next(Some(deadline)) {
            Heard::Piece(piece) => vec![piece],
            Heard::Silence => return None,
            Heard::End => return Some(None),
        };
        while pieces.len() < LOT
            && let Heard::Piece(piece) = listening.next(Some(Instant::now()))
        {
            pieces.push(piece);
        }
        Some(Some(pieces))
    }
}

#[pymethods]
impl Listening {
    /// Waits for what is written, at most so many seconds: an empty list if nothing was; None when all tasks have ended and
    /// all has been returned, or when it is closed.
    fn next(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<Vec<Piece>>> {
        let timeout = timeout.map(wait::seconds).transpose()?;
        let heard = wait::wait(py, timeout, |deadline| self.hear(deadline))?;
        let Some(pieces) = heard.unwrap_or_else(|| Some(Vec::new())) else { return Ok(None) };
        let pieces = pieces.into_iter().map(|piece| Piece {
            index: piece.index,
            engine: piece.engine.0,
            attempt: piece.attempt,
            stream: piece.stream,
            data: PyBytes::new(py, &piece.data).unbind(),
        });
        Ok(Some(pieces.collect()))
    }

    /// Stops listening. The second time does nothing.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.inner.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}
