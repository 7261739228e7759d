//! From a profile's name to a client of its running cluster.

use std::path::{Path, PathBuf};

use rpar_runtime::client::{Client, ConnectError as LinkError};
use rpar_runtime::files::{FileError, Liveness, read_connection, read_controller};
use thiserror::Error;

use crate::paths::ClusterDir;
use crate::profile::{Origins, ProfileError, Profiles, ReadError, Resolved, Section};
use crate::registry::Registry;
use crate::remote::{Remote, RemoteError};
use crate::site::SiteError;

/// A cluster could not be reached. Every message says what to type next.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The profile cannot be used.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// No such cluster runs.
    #[error("no cluster `{cluster_id}` of profile `{profile}` is running: start one with {start}")]
    NotRunning {
        /// The profile.
        profile: String,
        /// The cluster's id.
        cluster_id: String,
        /// The command that starts one.
        start: String,
    },
    /// The cluster's controller has died without removing its files.
    #[error(
        "the controller of cluster `{cluster_id}` of profile `{profile}` has died: clear it away with {stop}"
    )]
    Died {
        /// The profile.
        profile: String,
        /// The cluster's id.
        cluster_id: String,
        /// The command that clears it away.
        stop: String,
    },
    /// One of its files cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its resolved profile cannot be read.
    #[error(transparent)]
    Resolved(#[from] ReadError),
    /// Its transport cannot be made.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// The cluster of another host cannot be reached.
    #[error("{0}; {hint}", hint = .0.hint())]
    Remote(#[from] RemoteError),
    /// It cannot be reached, or refuses.
    #[error("cluster `{cluster_id}` of profile `{profile}` cannot be reached: {source}")]
    Link {
        /// The profile.
        profile: String,
        /// The cluster's id.
        cluster_id: String,
        /// Why.
        source: LinkError,
    },
}

/// Links to a running cluster of this user: finds its connection file by profile and cluster id, and dials. Blocks, at
/// most 10 s. `NAME@HOST` is a profile of another host: then ssh, which may ask the user something, takes its time.
///
/// # Errors
/// When the profile is wrong, no such cluster runs, or it cannot be reached.
pub fn connect(profile: &str, cluster_id: &str) -> Result<Client, ConnectError> {
    connect_with(&Profiles::current(), &Registry::builtin(), profile, cluster_id)
}

/// [`connect`] among the given profiles, with the given backends.
///
/// # Errors
/// When the profile is wrong, no such cluster runs, or it cannot be reached.
pub fn connect_with(
    profiles: &Profiles,
    registry: &Registry,
    profile: &str,
    cluster_id: &str,
) -> Result<Client, ConnectError> {
    if let Some(remote) = Remote::parse(profile)? {
        return Ok(remote.connect(cluster_id)?);
    }
    let directory = ClusterDir::find(profiles, profile, cluster_id)?;
    let file: PathBuf = directory.client_file();
    if !file.exists() {
        return Err(ConnectError::NotRunning {
            profile: profile.to_owned(),
            cluster_id: cluster_id.to_owned(),
            start: directory.command("start"),
        });
    }
    if let Some(record) = read_controller(&directory.path)?
        && record.process().liveness() == Liveness::Gone
    {
        return Err(ConnectError::Died {
            profile: profile.to_owned(),
            cluster_id: cluster_id.to_owned(),
            stop: directory.command("stop"),
        });
    }
    let connection = read_connection(&file)?;
    let resolved = Resolved::read(&directory.profile_file())?;
    let transport = registry.make_transport(&resolved.transport()?)?;
    Client::connect(&connection, transport).map_err(|source| ConnectError::Link {
        profile: profile.to_owned(),
        cluster_id: cluster_id.to_owned(),
        source,
    })
}

/// Links to the cluster of a connection file. The transport's options are those of the resolved profile beside it; a
/// file that was copied away goes without.
///
/// # Errors
/// When the file cannot be read, or its cluster cannot be reached.
pub fn connect_file(file: &Path) -> Result<Client, ConnectError> {
    let connection = read_connection(file)?;
    let beside = file.with_file_name(Resolved::FILE);
    let section = if beside.exists() {
        Resolved::read(&beside)?.transport()?
    } else {
        let scheme = connection.endpoints.first().and_then(|endpoint| endpoint.0.split_once("://"));
        let kind = scheme.map_or("tcp", |(scheme, _)| scheme).into();
        Section::new("transport", &toml::Table::from_iter([("kind".to_owned(), kind)]), &Origins::default())?
    };
    let transport = Registry::builtin().make_transport(&section)?;
    let (profile, cluster_id) = connection.cluster.split_once('/').unwrap_or((&connection.cluster, ""));
    Client::connect(&connection, transport).map_err(|source| ConnectError::Link {
        profile: profile.to_owned(),
        cluster_id: cluster_id.to_owned(),
        source,
    })
}
