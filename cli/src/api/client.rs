//! A program's link to a cluster.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rpar_core::id::EngineId;
use rpar_core::wire::ClusterStatus;
use rpar_runtime::client::ClientError;

use super::view::View;
use super::{Balanced, Direct, DirectView, Functions, LoadBalancedView, TargetError, Targets};
use crate::cluster::ThrowAway;
use crate::connect::{self, ConnectError};
use crate::raw;

/// How long the controller may take to tell its status.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A link to a cluster. Clones share it; it closes when the last clone, and the last result of its tasks, is dropped. Tasks
/// that have not ended by then are cancelled.
///
/// All that blocks says so. Nothing needs an asynchronous runtime, and nothing minds one.
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
}

/// Dropped in this order: the link first, then what it leads to.
#[derive(Debug)]
struct Shared {
    link: raw::Client,
    functions: Arc<Functions>,
    _throw_away: Option<ThrowAway>,
}

impl Client {
    pub(super) fn new(link: raw::Client, functions: Arc<Functions>, throw_away: Option<ThrowAway>) -> Self {
        Client { shared: Arc::new(Shared { link, functions, _throw_away: throw_away }) }
    }

    /// Links to a running cluster of this user, for programs without functions of their own: they run
    /// [commands](super::Command), and functions of the engines' program by [name](super::Named). Blocks, at most 10 s.
    ///
    /// `NAME@HOST` is a profile of another host, such as a login node, which is reached by ssh: that takes what time it takes,
    /// and may ask for a password on the terminal. Commands then need a [`workdir`](super::Command::workdir) of that host.
    ///
    /// # Errors
    /// When the profile is wrong, no such cluster runs, or it cannot be reached.
    pub fn connect(profile: &str, cluster_id: &str) -> Result<Client, ConnectError> {
        connect::connect(profile, cluster_id).map(|link| Functions::new().client(link))
    }

    /// Links to the cluster of a connection file, such as one that was copied from another host. Blocks, at most 10 s.
    ///
    /// # Errors
    /// When the file cannot be read, or its cluster cannot be reached.
    pub fn connect_file(file: impl AsRef<Path>) -> Result<Client, ConnectError> {
        connect::connect_file(file.as_ref()).map(|link| Functions::new().client(link))
    }

    /// A view whose tasks go to whichever engine is free.
    pub fn load_balanced_view(&self) -> LoadBalancedView {
        View::new(self.clone(), Balanced::default())
    }

    /// A view of certain engines: `..` for all that are there now, one, or several. Blocks until the controller has told
    /// which there are.
    ///
    /// # Errors
    /// When one of them is not there, none is, or the controller does not answer within 30 s.
    pub fn direct_view(&self, targets: impl Into<Targets>) -> Result<DirectView, TargetError> {
        let there = self.ids()?;
        let engines = targets.into().among(&there)?;
        Ok(View::new(self.clone(), Direct::new(engines)))
    }

    /// The ids of the engines that are there, ascending. Blocks until the controller has told.
    ///
    /// # Errors
    /// When the link is gone, or no answer comes within 30 s.
    pub fn ids(&self) -> Result<Vec<EngineId>, ClientError> {
        let mut ids: Vec<EngineId> = self.status()?.engines.iter().map(|engine| engine.id).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// What the cluster is made of and does at present. Blocks until the controller has told.
    ///
    /// # Errors
    /// When the link is gone, or no answer comes within 30 s.
    pub fn status(&self) -> Result<ClusterStatus, ClientError> {
        self.shared.link.status(None, ANSWER_WITHIN)
    }

    /// Blocks until at least so many engines are there, and gives their ids.
    ///
    /// # Errors
    /// When they are not there in time, no more will come, or the link is gone.
    pub fn wait_for_engines(&self, count: usize, timeout: Duration) -> Result<Vec<EngineId>, TargetError> {
        let deadline = Instant::now().checked_add(timeout);
        let mut after = None;
        let mut engines = 0;
        loop {
            let left = deadline.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
            match self.shared.link.status(after, left.min(ANSWER_WITHIN)) {
                Ok(status) => {
                    engines = status.engines.len();
                    if engines >= count {
                        return Ok(self.ids()?);
                    }
                    if !status.engines_coming {
                        return Err(TargetError::NoMore { count, engines });
                    }
                    after = Some(status.version);
                }
                Err(ClientError::TimedOut(_)) if !left.is_zero() => {}
                Err(ClientError::TimedOut(_)) => {
                    return Err(TargetError::TooFew { count, engines, timeout });
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What the controller wants the user to know, since the last call; the latest 100 at most.
    pub fn notices(&self) -> Vec<String> {
        self.shared.link.notices()
    }

    /// Why the link is gone, if it is. Tasks that had not ended then are [lost](crate::TaskStatus::Lost).
    pub fn lost(&self) -> Option<String> {
        self.shared.link.lost()
    }

    /// Ends the cluster, whoever started it: its tasks, engines, allocations and its controller. Blocks until it has ended.
    ///
    /// # Errors
    /// When the link breaks before, or that takes longer than `timeout`.
    pub fn shutdown(&self, timeout: Duration) -> Result<(), ClientError> {
        self.shared.link.stop_cluster(timeout)
    }

    /// Whether `other` is a clone of this client.
    pub(super) fn is(&self, other: &Client) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    pub(super) fn link(&self) -> &raw::Client {
        &self.shared.link
    }

    pub(super) fn functions(&self) -> &Functions {
        &self.shared.functions
    }
}
