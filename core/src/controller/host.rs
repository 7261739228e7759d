//! The engine hosts that are there.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::pool::Pool;
use crate::id::AllocationId;
use crate::time::Timestamp;

/// One process that holds a node's engines.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) node: Arc<str>,
    pub(super) pid: u32,
    pub(super) allocation: Option<AllocationId>,
    /// Which element of that it is in, if it is an array.
    pub(super) element: Option<u32>,
    pub(super) engines: std::ops::Range<u32>,
    /// The functions that were sent to it.
    pub(super) defined: BTreeSet<u32>,
    /// What tasks may ask for by name.
    pub(super) labels: BTreeSet<String>,
    pub(super) pool: Pool,
    /// When the site ends it, as far as is known.
    pub(super) ends: Option<Timestamp>,
    /// When its engines are to be looked at, as its time runs short.
    pub(super) look: Option<Timestamp>,
    /// The lane for which its room is saved up: its tasks ask for more than there is at once.
    pub(super) reserved: Option<u32>,
    /// Whether it was told to leave, as none of its engines is to stay.
    pub(super) leaving: bool,
}
