//! What most commands need: the profile, the cluster's directory, and how the user wants to be told things.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use rpar_core::id::AllocationId;
use rpar_core::profile::Place;
use rpar_core::transport::Transport;
use rpar_runtime::client::Client;
use rpar_runtime::native::NativeFunctions;

use crate::cluster::{ClusterState, Launch, StopError, connect, find_controller, granted};
use crate::command::exit::Exit;
use crate::command::output::Output;
use crate::command::report::{Outcome, Report};
use crate::paths::{ClusterDir, cluster_dirs};
use crate::profile::{Profile, Profiles, Resolved};
use crate::remote::Remote;
use crate::{Registry, Site};

/// What a command works with.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) output: Output,
    pub(crate) profiles: Profiles,
    pub(crate) registry: Registry,
    /// The Rust functions that engines of this program know.
    pub(crate) native: NativeFunctions,
    /// The profile's name; it need not exist.
    pub(crate) profile: String,
    /// The same, if it is one of another host.
    pub(crate) remote: Option<Remote>,
    pub(crate) cluster_id: String,
    /// What the user gave for the profile's parameters.
    pub(crate) values: BTreeMap<String, String>,
}

impl Context {
    /// The profile, with all its layers.
    pub(crate) fn load(&self) -> Outcome<Profile> {
        Ok(self.profiles.load(&self.profile)?)
    }

    /// The profile with the user's values, and `total` engines if given.
    pub(crate) fn resolve(&self, total: Option<u32>) -> Outcome<Resolved> {
        Ok(self.load()?.resolve(&self.values, total)?)
    }

    /// The directory of the named cluster.
    pub(crate) fn directory(&self) -> Outcome<ClusterDir> {
        Ok(ClusterDir::find(&self.profiles, &self.profile, &self.cluster_id)?)
    }

    /// The backends of a resolved profile.
    pub(crate) fn site(&self, resolved: &Resolved) -> Outcome<Site> {
        Ok(Site::new(resolved, &self.registry)?)
    }

    /// The profile that a cluster was started with, and the site that it makes.
    pub(crate) fn started_with(&self, directory: &ClusterDir) -> Outcome<(Resolved, Site)> {
        let resolved = Resolved::read(&directory.profile_file())?;
        let site = self.site(&resolved)?;
        Ok((resolved, site))
    }

    /// Links to a running cluster as a client.
    pub(crate) fn linked(&self, directory: &ClusterDir) -> Outcome<Client> {
        let (_, site) = self.started_with(directory)?;
        link(directory, site.transport)
    }

    /// Says that a cluster does not run, and what to do: its id may only be misspelt.
    pub(crate) fn not_running(&self, directory: &ClusterDir) -> Report {
        if let Some(report) = orphaned(directory) {
            return report;
        }
        let of_profile = |other: &ClusterDir| other.profile == directory.profile;
        let others = cluster_dirs(&self.profiles).into_iter().filter(of_profile);
        let ids: Vec<String> = others.map(|other| other.cluster_id).collect();
        let start = directory.command("start");
        not_running(directory).hint(match ids.as_slice() {
            [] => format!("{start} starts it, `rpar list` shows all clusters"),
            _ => format!("{start} starts it; of this profile there is --cluster-id {}", ids.join(", ")),
        })
    }

    /// Links to the named cluster, which must run.
    pub(crate) fn client(&self) -> Outcome<(ClusterDir, Client)> {
        if let Some(remote) = &self.remote {
            return Ok((remote.cluster(&self.cluster_id), remote.connect(&self.cluster_id)?));
        }
        let directory = self.running()?;
        let client = self.linked(&directory)?;
        Ok((directory, client))
    }

    /// The directory of the named cluster, which must run.
    pub(crate) fn running(&self) -> Outcome<ClusterDir> {
        let directory = self.directory()?;
        match directory.state()? {
            ClusterState::Absent => Err(self.not_running(&directory)),
            ClusterState::Dead => Err(died(&directory)),
            ClusterState::Coming(id) => Err(self.coming(&directory, &id)?.0),
            ClusterState::Alive(_) | ClusterState::Elsewhere(_) => Ok(directory),
        }
    }

    /// Says that a cluster's controller does not run, and what the site says of the allocation that it is to run in; and
    /// whether that has ended.
    pub(crate) fn coming(&self, directory: &ClusterDir, id: &AllocationId) -> Outcome<(Report, bool)> {
        let (_, site) = self.started_with(directory)?;
        let (outlook, over) = super::block_on(granted::outlook(&*site.scheduler, id))?;
        let what = format!("the controller of cluster {} does not run", directory.cluster());
        let [stop, logs] = ["stop", "logs"].map(|verb| directory.command(verb));
        let hint = match over {
            true => format!("{logs} may say why; {stop} cleans up"),
            false => format!("it starts by itself; {stop} gives its allocation back"),
        };
        Ok((Report::new(Exit::NotRunning, what).because(outlook).hint(hint), over))
    }
}

/// Says that a cluster does not run, and how to start it.
pub(crate) fn not_running(directory: &ClusterDir) -> Report {
    if let Some(report) = orphaned(directory) {
        return report;
    }
    let hint = format!("{} starts it, `rpar list` shows all clusters", directory.command("start"));
    Report::new(Exit::NotRunning, format!("cluster {} does not run", directory.cluster())).hint(hint)
}

/// Says that a cluster is dead, which is worse than not to run: its nodes may still be there, and cost.
pub(crate) fn died(directory: &ClusterDir) -> Report {
    if let Some(report) = orphaned(directory) {
        return report;
    }
    let [logs, stop] = ["logs controller", "stop"].map(|verb| directory.command(verb));
    let what = format!("the controller of cluster {} has died", directory.cluster());
    Report::new(Exit::NotRunning, what)
        .hint(format!("{logs} may say why; {stop} gives back what it has left"))
}

/// Says that a cluster's controller runs, though its files are gone, if that is so.
fn orphaned(directory: &ClusterDir) -> Option<Report> {
    let process = find_controller(directory)?;
    let (cluster, pid) = (directory.cluster(), process.pid);
    let what =
        format!("the files of cluster {cluster} were removed, but its controller still runs (pid {pid})");
    let stop = directory.command("stop");
    Some(
        Report::new(Exit::NotRunning, what)
            .because(format!("there is no {}", directory.controller_file().display()))
            .hint(format!("{stop} ends it and gives its nodes back; it does so by itself before long")),
    )
}

/// Links to a running cluster as a client, over a transport that is at hand.
pub(crate) fn link(directory: &ClusterDir, transport: Arc<dyn Transport>) -> Outcome<Client> {
    connect(directory, transport).map_err(unreachable)
}

/// Says why a running cluster could not be linked to, and what to do.
pub(crate) fn unreachable(error: StopError) -> Report {
    let elsewhere = matches!(&error, StopError::Unreachable { .. });
    let report = Report::from(error);
    if elsewhere {
        report.hint("`rpar logs` shows what the controller says; `rpar stop` cleans up")
    } else {
        report
    }
}

/// How this program starts a controller for a resolved profile.
pub(crate) fn launch(resolved: &Resolved) -> Outcome<Launch> {
    let controller = &resolved.controller;
    let host = controller.host.clone().filter(|_| controller.r#where == Place::Ssh);
    Ok(Launch { program: program()?, profile: resolved.to_toml()?, throw_away: false, host })
}

/// This program, absolute.
pub(crate) fn program() -> Outcome<PathBuf> {
    std::env::current_exe()
        .map_err(|error| Report::of(Exit::Files, &error).because("this program's own path is unknown"))
}
