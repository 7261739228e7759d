//! `rpar stop`.

use rpar_core::id::AllocationId;
use rpar_runtime::files::ControllerRecord;
use serde_json::json;

use super::context::Context;
use crate::cluster::{self, ClusterState, discard, discard_stopped};
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
        context.output.document(&json!({ "cluster": directory.cluster(), "stopped": stopped }))?;
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
        context.output.document(&json!({ "stopped": stopped }))?;
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
    if directory.state()? == ClusterState::Absent {
        context.output.note(&format!("cluster {cluster} does not run"));
        return Ok(false);
    }
    let _lock = directory.lock()?;
    let waiting = Waiting::new(&context.output, &format!("stopping cluster {cluster}"));
    let stopped = match directory.state()? {
        ClusterState::Absent => {
            context.output.note(&format!("cluster {cluster} does not run"));
            return Ok(false);
        }
        ClusterState::Alive(record) => stop_here(context, directory, &record)?,
        ClusterState::Elsewhere(record) => stop_elsewhere(context, directory, &record)?,
        ClusterState::Dead => {
            let note = format!("the controller of cluster {cluster} is dead; cleaning up what it has left");
            context.output.note(&note);
            false
        }
    };
    remove(context, directory, stopped)?;
    drop(waiting);
    context.output.note(&format!("cluster {cluster} is stopped"));
    Ok(true)
}

/// Asks the controller to end; tells whether it has done so in good order.
fn stop_here(context: &Context, directory: &ClusterDir, record: &ControllerRecord) -> Outcome<bool> {
    let (_, site) = context.started_with(directory)?;
    let asked =
        cluster::connect(directory, site.transport).and_then(|client| cluster::stop(directory, &client));
    let Err(error) = asked else { return Ok(true) };
    // it is ours, on this host, and certainly that process: make it end
    context.output.warn(&format!("{error}; ending its process {}", record.pid));
    cluster::kill(&record.process());
    Ok(false)
}

fn stop_elsewhere(context: &Context, directory: &ClusterDir, record: &ControllerRecord) -> Outcome<bool> {
    let (_, site) = context.started_with(directory)?;
    let hint = format!(
        "run `rpar stop` on {}; if that host is gone for good, remove {} after cancelling its allocations",
        record.host,
        directory.path.display()
    );
    let asked =
        cluster::connect(directory, site.transport).and_then(|client| cluster::stop(directory, &client));
    asked.map(|()| true).map_err(|error| Report::from(error).hint(hint))
}

/// Gives back what is left and removes the directory.
fn remove(context: &Context, directory: &ClusterDir, stopped: bool) -> Outcome<()> {
    if !stopped || !directory.profile_file().exists() {
        return discard_dead(context, directory).map(drop);
    }
    let (resolved, site) = context.started_with(directory)?;
    let tag = directory.tag(&resolved.request.name);
    if let Some(error) = super::block_on(discard_stopped(directory, &*site.scheduler, &tag))? {
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
    super::block_on(discard(directory, &*site.scheduler, &directory.tag(&resolved.request.name)))
}
