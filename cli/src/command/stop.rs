//! `rpar stop`.

use rpar_core::id::AllocationId;
use rpar_core::profile::Place;
use rpar_runtime::files::{ControllerRecord, FileError, Liveness};
use serde_json::json;

use super::context::Context;
use crate::cluster::elsewhere::{self, There};
use crate::cluster::{
    self, ClusterState, END_WITHIN, Lock, LockError, RELEASE_WITHIN, discard, discard_stopped,
    find_controller,
};
use crate::command::arguments::StopArguments;
use crate::command::exit::Exit;
use crate::command::output::Waiting;
use crate::command::report::{Outcome, Report};
use crate::paths::{ClusterDir, cluster_dirs};

pub(crate) fn run(context: &Context, arguments: &StopArguments) -> Outcome {
    if arguments.all {
        return all(context);
    }
    let directory = context.directory()?;
    let stopped = stop(context, &directory)?;
    if context.output.json {
        let stopped: Vec<String> = stopped.then(|| directory.cluster()).into_iter().collect();
        context.output.document(json!({ "stopped": stopped }))?;
    }
    Ok(Exit::Ok)
}

fn all(context: &Context) -> Outcome {
    let mut failed = None;
    let mut stopped = Vec::new();
    for directory in cluster_dirs(&context.profiles) {
        match stop(context, &directory) {
            Ok(true) => stopped.push(directory.cluster()),
            Ok(false) => {}
            Err(report) => {
                context.output.report(&report);
                failed = Some(report.exit);
            }
        }
    }
    if context.output.json {
        context.output.document(json!({ "stopped": stopped }))?;
    } else if stopped.is_empty() && failed.is_none() {
        context.output.note("no cluster is running");
    }
    // what went wrong was told where it did
    failed.map_or(Ok(Exit::Ok), |exit| Err(Report::silent(exit)))
}

/// Ends one cluster, whatever state it is in; tells whether there was anything to end.
fn stop(context: &Context, directory: &ClusterDir) -> Outcome<bool> {
    let cluster = directory.cluster();
    // without a directory there is nothing to lock either
    if state(directory)? == ClusterState::Absent {
        return Ok(stop_absent(context, directory));
    }
    let lock = lock(context, directory)?;
    let waiting = Waiting::new(&context.output, &format!("stopping cluster {cluster}"));
    let stopped = match state(directory)? {
        ClusterState::Absent => return Ok(stop_absent(context, directory)),
        ClusterState::Alive(record) => stop_here(context, directory, &record),
        ClusterState::Elsewhere(record) => stop_elsewhere(context, directory, &record)?,
        ClusterState::Coming(id) => {
            let note =
                format!("giving back allocation {id}, which the controller of cluster {cluster} is for");
            context.output.note(&note);
            false
        }
        ClusterState::Dead => {
            if !end_orphan(context, directory) {
                let note =
                    format!("the controller of cluster {cluster} is dead; cleaning up what it has left");
                context.output.note(&note);
            }
            false
        }
    };
    remove(context, directory, stopped)?;
    drop(lock);
    directory.remove_empty_parent();
    drop(waiting);
    context.output.note(&format!("cluster {cluster} is stopped"));
    Ok(true)
}

/// What the files tell of the cluster. A damaged record is as good as none.
fn state(directory: &ClusterDir) -> Outcome<ClusterState> {
    match directory.state() {
        Err(FileError::Malformed { .. }) => Ok(ClusterState::Dead),
        state => Ok(state?),
    }
}

/// Keeps others from starting this cluster meanwhile. Where no lock can be made, as on a full disk, a cluster must be
/// stopped all the same.
fn lock(context: &Context, directory: &ClusterDir) -> Outcome<Option<Lock>> {
    match directory.lock() {
        Ok(lock) => Ok(Some(lock)),
        Err(error @ LockError::Io { .. }) => {
            context.output.warn(&format!("{error}; stopping the cluster without a lock"));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Ends what may still run of a cluster without a directory; tells whether there was anything.
fn stop_absent(context: &Context, directory: &ClusterDir) -> bool {
    let waiting = Waiting::new(&context.output, &format!("stopping cluster {}", directory.cluster()));
    let ended = end_orphan(context, directory);
    drop(waiting);
    let how = if ended { "is stopped" } else { "does not run" };
    context.output.note(&format!("cluster {} {how}", directory.cluster()));
    ended
}

/// Ends a controller whose files were removed, if there is one on this host; tells whether there was.
fn end_orphan(context: &Context, directory: &ClusterDir) -> bool {
    let Some(process) = find_controller(directory) else { return false };
    let (cluster, pid) = (directory.cluster(), process.pid);
    context
        .output
        .warn(&format!("the files of cluster {cluster} were removed: ending its controller, process {pid}"));
    cluster::kill(&[process], RELEASE_WITHIN);
    true
}

/// Asks the controller to end; tells whether it has done so in good order.
fn stop_here(context: &Context, directory: &ClusterDir, record: &ControllerRecord) -> bool {
    let asked = context.started_with(directory).and_then(|(_, site)| {
        let client = cluster::connect(directory, site.transport)?;
        Ok(cluster::stop(directory, &client)?)
    });
    let Err(report) = asked else { return true };
    if record.process().liveness() != Liveness::Alive {
        context.output.warn(&report.error.unwrap_or_default());
        return false;
    }
    // it is ours, on this host, and certainly that process: make it end
    let why = report.error.unwrap_or_default();
    context.output.warn(&format!("{why}; ending its process {}", record.pid));
    cluster::kill(&[record.process()], END_WITHIN);
    false
}

/// Asks a controller on another host to end; tells whether it has done so in good order. When it does not answer, its
/// host is asked by ssh, if that is how it was started.
fn stop_elsewhere(context: &Context, directory: &ClusterDir, record: &ControllerRecord) -> Outcome<bool> {
    let (resolved, site) = context.started_with(directory)?;
    let hint = format!(
        "run `rpar stop` on {}; if that host is gone for good, remove {} after cancelling its allocations",
        record.host,
        directory.path.display()
    );
    let asked =
        cluster::connect(directory, site.transport).and_then(|client| cluster::stop(directory, &client));
    let Err(error) = asked else { return Ok(true) };
    let ended = match (&resolved.controller.host, resolved.controller.r#where) {
        (Some(host), Place::Ssh) => elsewhere::end(host, record),
        // it ends with its allocation, which is given back with the others
        (_, Place::Allocation) => There::Gone,
        _ => There::Unknown(String::new()),
    };
    match ended {
        There::Gone => {
            let (cluster, host) = (directory.cluster(), &record.host);
            let how = match resolved.controller.r#where {
                Place::Allocation => "does not answer: its allocation is given back",
                Place::Local | Place::Ssh => "is dead now; cleaning up what it has left",
            };
            context.output.note(&format!("the controller of cluster {cluster} on {host} {how}"));
            Ok(false)
        }
        There::Unknown(why) if !why.is_empty() => Err(Report::from(error).because(why).hint(hint)),
        There::Runs | There::Unknown(_) => Err(Report::from(error).hint(hint)),
    }
}

/// Gives back what is left and removes the directory.
fn remove(context: &Context, directory: &ClusterDir, stopped: bool) -> Outcome<()> {
    if !stopped || !directory.profile_file().exists() {
        return discard_dead(context, directory).map(drop);
    }
    let (resolved, site) = context.started_with(directory)?;
    let tags = directory.tags(&resolved);
    if let Some(error) = super::block_on(discard_stopped(directory, &*site.scheduler, &tags))? {
        context.output.warn(&format!("could not check that the site holds nothing more: {error}"));
    }
    Ok(())
}

/// Gives back what a dead cluster has left, tells which allocations those were, and removes its directory. One that
/// never got its profile has no allocations. The caller holds the cluster's lock.
pub(super) fn discard_dead(context: &Context, directory: &ClusterDir) -> Outcome<Vec<AllocationId>> {
    if !directory.profile_file().exists() {
        let removed = directory.remove().map(|()| Vec::new());
        return removed.map_err(|error| {
            Report::of(Exit::Files, &error).because(format!("{} cannot be removed", directory.path.display()))
        });
    }
    let (resolved, site) = context.started_with(directory)?;
    super::block_on(discard(directory, &*site.scheduler, &directory.tags(&resolved)))
}
