//! The cluster that work goes to: the named one if it runs, else a throw-away one.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use rpar_core::id::AllocationId;
use rpar_runtime::client::Client;
use rpar_runtime::files::FileError;
use thiserror::Error;

use super::describe::plural;
use super::directory::ClusterState;
use super::stop::{self, StopError};
use super::throw_away::{ThrowAway, ThrowAwayError, is_temporary};
use crate::paths::ClusterDir;
use crate::profile::{ProfileError, Profiles, ReadError, Resolved};
use crate::registry::Registry;
use crate::remote::{Remote, RemoteError};
use crate::site::{Site, SiteError};

/// Which cluster, and what to start when it does not run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) profiles: &'a Profiles,
    pub(crate) registry: &'a Registry,
    pub(crate) profile: &'a str,
    pub(crate) cluster_id: &'a str,
    /// What was given for the profile's parameters.
    pub(crate) values: &'a BTreeMap<String, String>,
    /// How many engines a throw-away cluster has in all.
    pub(crate) engines: Option<u32>,
    /// Whether a throw-away cluster may spend allocation time.
    pub(crate) allocate: bool,
    /// This program, absolute.
    pub(crate) program: &'a Path,
}

/// A cluster at hand. Its fields go in this order: the link first, then what it leads to.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) client: Client,
    pub(crate) throw_away: Option<ThrowAway>,
    /// Where the cluster lives, if it is not a throw-away one.
    pub(crate) named: Option<ClusterDir>,
}

/// There is no cluster to work with. Every message says what to do next.
#[derive(Debug, Error)]
pub enum AttachError {
    /// The profile, or what was given for its parameters, makes no sense.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The profile's backends cannot be made.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// The cluster's files cannot be read.
    #[error(transparent)]
    Files(#[from] FileError),
    /// The running cluster's profile cannot be read.
    #[error(transparent)]
    Resolved(#[from] ReadError),
    /// The cluster does not run, and a throw-away one would spend allocation time.
    #[error(
        "cluster {} does not run: {} starts it, and so does permission to ask the site for {}",
        directory.cluster(), directory.command("start"), plural((*nodes).into(), "node")
    )]
    NotRunning {
        /// The cluster.
        directory: ClusterDir,
        /// How many nodes a throw-away cluster would take.
        nodes: u32,
    },
    /// The cluster's controller waits for an allocation of its own, or has lost it.
    #[error(
        "the controller of cluster {} does not run: {} tells of its allocation {allocation}",
        directory.cluster(), directory.command("status")
    )]
    Coming {
        /// The cluster.
        directory: ClusterDir,
        /// The allocation.
        allocation: AllocationId,
    },
    /// The cluster's controller has died; its nodes may still be there, and cost.
    #[error(
        "the controller of cluster {} has died: {} gives back what it has left",
        directory.cluster(), directory.command("stop")
    )]
    Died {
        /// The cluster.
        directory: ClusterDir,
    },
    /// The cluster runs, and cannot be reached.
    #[error(transparent)]
    Link(StopError),
    /// The cluster of another host cannot be reached.
    #[error("{0}; {hint}", hint = .0.hint())]
    Remote(#[from] RemoteError),
    /// This program's own path, which a cluster is started from, is unknown.
    #[error("this program's own path is unknown: {source}")]
    Program {
        /// The system's reason.
        source: io::Error,
    },
    /// A throw-away cluster could not be started.
    #[error("could not start a throw-away cluster: {source}{}", if *temporary {
        "; it lives below $TMPDIR, else /tmp"
    } else {
        ""
    })]
    ThrowAway {
        /// Why.
        source: ThrowAwayError,
        /// Whether it would live below the directory of temporary files.
        temporary: bool,
    },
}

/// Links to the named cluster, or starts a throw-away one.
///
/// # Errors
/// When neither is possible, or allowed.
pub(crate) fn attach(wanted: &Wanted<'_>) -> Result<Attached, AttachError> {
    if let Some(remote) = Remote::parse(wanted.profile)? {
        let client = remote.connect(wanted.cluster_id)?;
        return Ok(Attached { client, throw_away: None, named: Some(remote.cluster(wanted.cluster_id)) });
    }
    let directory = ClusterDir::find(wanted.profiles, wanted.profile, wanted.cluster_id)?;
    let state = directory.state()?;
    if matches!(state, ClusterState::Alive(_) | ClusterState::Elsewhere(_)) {
        let resolved = Resolved::read(&directory.profile_file())?;
        let transport = wanted.registry.make_transport(&resolved.transport()?)?;
        let client = stop::connect(&directory, transport).map_err(AttachError::Link)?;
        return Ok(Attached { client, throw_away: None, named: Some(directory) });
    }
    if let ClusterState::Coming(allocation) = state {
        return Err(AttachError::Coming { directory, allocation });
    }
    let resolved = wanted.profiles.load(wanted.profile)?.resolve(wanted.values, wanted.engines)?;
    let site = Site::new(&resolved, wanted.registry)?;
    let queued = site.scheduler.info().queued;
    if queued && state == ClusterState::Dead {
        return Err(AttachError::Died { directory });
    }
    if queued && !wanted.allocate {
        return Err(AttachError::NotRunning { directory, nodes: resolved.engines.nodes });
    }
    let temporary = is_temporary(&resolved, &site);
    let started = ThrowAway::start(&resolved, site, wanted.program, wanted.profiles.surroundings());
    let (client, throw_away) = started.map_err(|source| AttachError::ThrowAway { source, temporary })?;
    Ok(Attached { client, throw_away: Some(throw_away), named: None })
}
