//! `rpar clean`.

use rpar_core::id::AllocationId;
use rpar_core::profile::Place;
use rpar_runtime::files::ControllerRecord;
use serde_json::{Value, json};

use super::context::Context;
use super::stop::discard_dead;
use crate::cluster::elsewhere::{self, There};
use crate::cluster::{
    ClusterState, clusters_and_remains, empty_directories, find, find_controller, forgotten_locks,
};
use crate::command::arguments::CleanArguments;
use crate::command::exit::Exit;
use crate::command::output::Waiting;
use crate::command::report::{Outcome, Report};
use crate::paths::ClusterDir;

pub(crate) fn run(context: &Context, arguments: &CleanArguments) -> Outcome {
    let dry_run = arguments.dry_run;
    let (mut clusters, mut gone) = (Vec::new(), Vec::new());
    let mut failed = None;
    for directory in clusters_and_remains(&context.profiles) {
        match clean(context, &directory, dry_run) {
            Ok(None) => {}
            Ok(Some(allocations)) => {
                tell(context, &directory, &allocations, dry_run)?;
                clusters.push(document(&directory, &allocations));
                gone.push(directory.path);
            }
            Err(report) => {
                context.output.report(&report);
                failed = Some(report.exit);
            }
        }
    }
    let mut others = forgotten_locks(&context.profiles, !dry_run);
    gone.extend(others.iter().cloned());
    others.extend(empty_directories(&context.profiles, &gone, !dry_run));
    if context.output.json {
        let document = json!({ "dry_run": dry_run, "clusters": clusters, "others": others });
        context.output.document(document)?;
    } else {
        for path in &others {
            let remove = if dry_run { "would remove" } else { "removed" };
            context.output.answer(&format!("{remove} {}\n", path.display()))?;
        }
        if clusters.is_empty() && others.is_empty() && failed.is_none() {
            context.output.note("nothing is left of dead clusters");
        }
    }
    // what went wrong was told where it did
    failed.map_or(Ok(Exit::Ok), |exit| Err(Report::silent(exit)))
}

/// Removes what one cluster has left, or finds out what that would be; tells which allocations it had. `None` when it is
/// not known to be dead.
fn clean(context: &Context, directory: &ClusterDir, dry_run: bool) -> Outcome<Option<Vec<AllocationId>>> {
    match directory.state()? {
        ClusterState::Dead => {}
        ClusterState::Absent | ClusterState::Alive(_) => return Ok(None),
        ClusterState::Elsewhere(record) if is_gone(context, directory, Some(&record)) => {}
        ClusterState::Coming(_) if is_gone(context, directory, None) => {}
        ClusterState::Coming(_) => return Ok(None),
        ClusterState::Elsewhere(record) => {
            let (cluster, host) = (directory.cluster(), record.host);
            let note =
                format!("cluster {cluster} was started on {host}: only there is it known whether it runs");
            context.output.note(&note);
            return Ok(None);
        }
    }
    // who starts or stops it holds the lock: then it is not dead, or soon not there
    let _lock = directory.lock()?;
    match directory.state()? {
        ClusterState::Dead => {}
        ClusterState::Elsewhere(record) if is_gone(context, directory, Some(&record)) => {}
        ClusterState::Coming(_) if is_gone(context, directory, None) => {}
        _ => return Ok(None),
    }
    if let Some(process) = find_controller(directory) {
        let (cluster, pid, stop) = (directory.cluster(), process.pid, directory.command("stop"));
        let note = format!(
            "cluster {cluster} has lost its files, and its controller runs (pid {pid}): {stop} ends it"
        );
        context.output.note(&note);
        return Ok(None);
    }
    let _waiting =
        Waiting::new(&context.output, &format!("giving back what cluster {} holds", directory.cluster()));
    if !dry_run {
        return discard_dead(context, directory).map(Some);
    }
    if !directory.profile_file().exists() {
        return Ok(Some(Vec::new()));
    }
    let (resolved, site) = context.started_with(directory)?;
    let tags = directory.tags(&resolved);
    super::block_on(async { find(&*site.scheduler, &tags).await.map(Some) })
}

/// Whether a controller on another host has ended: as that host says, where ssh has started it and can ask; as the site
/// says, where it is an allocation's.
fn is_gone(context: &Context, directory: &ClusterDir, record: Option<&ControllerRecord>) -> bool {
    let Ok((resolved, site)) = context.started_with(directory) else { return false };
    match (resolved.controller.r#where, &resolved.controller.host, record) {
        (Place::Ssh, Some(host), Some(record)) => elsewhere::look(host, record) == There::Gone,
        (Place::Allocation, ..) => {
            let tag = directory.controller_tag(&resolved.request.name);
            super::block_on(site.scheduler.find(&tag)).is_ok_and(|found| found.is_empty())
        }
        _ => false,
    }
}

fn tell(
    context: &Context,
    directory: &ClusterDir,
    allocations: &[AllocationId],
    dry_run: bool,
) -> Outcome<()> {
    if context.output.json {
        return Ok(());
    }
    let (give_back, remove) =
        if dry_run { ("would give back", "would remove") } else { ("gave back", "removed") };
    let ids: Vec<String> = allocations.iter().map(ToString::to_string).collect();
    let given = match ids.len() {
        0 => String::new(),
        1 => format!("{give_back} allocation {}, ", ids[0]),
        _ => format!("{give_back} allocations {}, ", ids.join(", ")),
    };
    let (cluster, path) = (directory.cluster(), directory.path.display());
    context.output.answer(&format!("cluster {cluster}: {given}{remove} {path}\n"))
}

fn document(directory: &ClusterDir, allocations: &[AllocationId]) -> Value {
    json!({ "cluster": directory.cluster(), "directory": directory.path, "allocations": allocations })
}
