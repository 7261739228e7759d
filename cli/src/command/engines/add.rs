//! `rpar engines add`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rpar_core::id::{AllocationId, EngineId, RequestId};
use rpar_core::scheduler::AllocationPhase;
use rpar_core::wire::{Change, ClusterStatus, EngineStatus, Retirees};
use rpar_runtime::client::{Client, ClientError};
use serde_json::{Value, json};

use super::ANSWER_WITHIN;
use crate::cluster::{
    WaitError, further, of_requests, plural, wait_for_requests, waiting_for, write_further,
};
use crate::command::arguments::AddArguments;
use crate::command::context::{Context, program};
use crate::command::exit::Exit;
use crate::command::interrupt::Interrupts;
use crate::command::output::Waiting;
use crate::command::report::{Outcome, Report};
use crate::command::start::preview;
use crate::paths::ClusterDir;
use crate::profile::{Profile, Resolved};

pub(super) fn run(context: &Context, arguments: &AddArguments) -> Outcome {
    let (directory, client) = context.client()?;
    let (started, site) = context.started_with(&directory)?;
    let profile = context.load()?;
    let values = values(context, &started, &profile);
    let resolved = profile.resolve_beside(&values, arguments.engines, taken(&client)?)?;
    let lock = directory.lock()?;
    let (file, growth) = further(&directory, &started, &resolved, &site.scheduler.info(), &program()?)?;
    if arguments.dry_run {
        return preview(context, &site, &growth);
    }
    let (engines, count) = (growth.engines(), growth.allocations());
    write_further(&directory, &file, &resolved)?;
    let agreed = client.change(Change::Grow(growth), ANSWER_WITHIN).inspect_err(|_| {
        let _ = fs::remove_file(directory.path.join(&file));
    })?;
    drop(lock);
    let first = agreed.request.unwrap_or_default().0;
    if !arguments.no_wait {
        return wait(context, arguments.timeout, &directory, &client, first..first + count);
    }
    if context.output.json {
        context.output.document(document(&directory, &[], &[]))?;
    } else {
        let engines = plural(engines, "engine");
        context.output.note(&format!("{engines} more will come: {} shows them", directory.command("status")));
    }
    Ok(Exit::Ok)
}

/// The values for the profile's parameters: those given now, else those that the cluster was started with. How many nodes
/// it has does not tell how many more are wanted.
fn values(context: &Context, started: &Resolved, profile: &Profile) -> BTreeMap<String, String> {
    let known = |name: &str| profile.params().iter().any(|param| param.name == name);
    let kept = started.params.iter().filter(|(name, _)| name.as_str() != "nodes" && known(name));
    let mut values: BTreeMap<String, String> =
        kept.map(|(name, value)| (name.clone(), value.to_string())).collect();
    values.extend(context.values.clone());
    values
}

/// The nodes of the allocations that the cluster has.
fn taken(client: &Client) -> Outcome<BTreeSet<String>> {
    let allocations = client.status(None, ANSWER_WITHIN)?.allocations;
    let held = allocations.into_iter().filter(|one| one.state.phase != AllocationPhase::Ended);
    Ok(held.flat_map(|one| one.state.nodes).collect())
}

/// Waits for the engines. Ctrl-C leaves the requests as they are.
fn wait(
    context: &Context,
    patience: Option<Duration>,
    directory: &ClusterDir,
    client: &Client,
    requests: Range<u64>,
) -> Outcome {
    let output = context.output;
    let (status, of) = (directory.command("status"), directory.clone());
    // the site's names of what is waited for, once it has some
    let known = Arc::new(Mutex::new("ID".to_owned()));
    let latest = Arc::clone(&known);
    Interrupts::watch(move |number| {
        let id = latest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let remove = of.command(&format!("engines remove --allocation {id}"));
        output.note_signal(&format!(
            "the engines still come: {status} shows how far it is, {remove} gives them back"
        ));
        std::process::exit(Exit::Signal(number).code().into());
    })?;
    let waiting = Waiting::new(&output, "waiting for the controller");
    let say = &mut |status: &ClusterStatus| {
        if let [id] = &allocations(status, &requests)[..] {
            *known.lock().unwrap_or_else(PoisonError::into_inner) = id.to_string();
        }
        waiting.say(&waiting_for(status, &requests));
    };
    let waited = wait_for_requests(client, &requests, patience, say);
    drop(waiting);
    match waited {
        Ok(status) => complete(context, directory, &status, &requests),
        Err(error) => {
            take_back(context, client, requests, &error);
            let report = Report::from(error);
            let hint = format!("{} shows what the site gets", directory.command("engines add --dry-run"));
            Err(if report.exit == Exit::Allocation { report.hint(hint) } else { report })
        }
    }
}

/// The site's names of the allocations that were asked for with these requests.
fn allocations(status: &ClusterStatus, requests: &Range<u64>) -> Vec<AllocationId> {
    of_requests(status, requests).into_iter().filter_map(|one| one.id.clone()).collect()
}

fn document(directory: &ClusterDir, allocations: &[AllocationId], engines: &[EngineId]) -> Value {
    json!({
        "cluster": directory.cluster(),
        "allocation": allocations.first(),
        "allocations": allocations,
        "engines": engines,
    })
}

fn complete(
    context: &Context,
    directory: &ClusterDir,
    status: &ClusterStatus,
    requests: &Range<u64>,
) -> Outcome {
    let allocations = allocations(status, requests);
    let is_new =
        |engine: &&EngineStatus| engine.allocation.as_ref().is_some_and(|id| allocations.contains(id));
    let new: Vec<EngineId> = status.engines.iter().filter(is_new).map(|engine| engine.id).collect();
    if context.output.json {
        context.output.document(document(directory, &allocations, &new))?;
        return Ok(Exit::Ok);
    }
    let (more, all) = (plural(new.len() as u64, "engine"), status.engines.len());
    context.output.note(&format!("{more} more: cluster {} has {all}", directory.cluster()));
    Ok(Exit::Ok)
}

/// Has the controller give back what could not be completed. What goes wrong here is told, but is not the error.
fn take_back(context: &Context, client: &Client, requests: Range<u64>, error: &WaitError) {
    if matches!(error, WaitError::Controller { .. }) {
        return;
    }
    for request in requests.map(RequestId) {
        let change = Change::Retire { retirees: Retirees::Request(request), now: true };
        match client.change(change, ANSWER_WITHIN) {
            // one that is over already is not there any more
            Ok(_) | Err(ClientError::Declined { .. }) => {}
            Err(error) => {
                context.output.warn(&format!("the request could not be taken back: {error}"));
                return;
            }
        }
    }
}
