//! Tasks that an engine host gives back before they have begun.

use bytes::Bytes;

use super::{Outcomes, Runs};
use crate::id::EngineId;

/// The code of a task that is given back, where a [`TaskStatus`](crate::task::TaskStatus) is for one that has ended: it
/// has not begun, and is queued again. Only an engine host says so, to its controller.
pub const RETURNED: u8 = 7;

impl Outcomes {
    /// So many tasks of an engine, given back.
    pub fn returned(engine: EngineId, runs: Runs, count: usize) -> Self {
        Outcomes {
            engine: Some(engine),
            runs,
            codes: vec![RETURNED; count].into(),
            ran: std::iter::repeat_n(0, count).collect(),
            batch: std::iter::repeat_n(Bytes::new(), count).collect(),
            ..Outcomes::default()
        }
    }
}
