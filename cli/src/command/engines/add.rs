//! `rpar engines add`.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rpar_core::id::{AllocationId, RequestId};
use rpar_core::wire::{Change, ClusterStatus, Retirees};
use rpar_runtime::client::Client;
use serde_json::json;

use super::ANSWER_WITHIN;
use crate::cluster::{WaitError, further, plural, wait_for_request, waiting_for, write_further};
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
    let resolved = profile.resolve(&values(context, &started, &profile), arguments.engines)?;
    let lock = directory.lock()?;
    let (file, growth) = further(&directory, &started, &resolved, &program()?)?;
    if arguments.dry_run {
        return preview(context, &site, &growth.request);
    }
    let engines = growth.engines;
    write_further(&directory, &file, &resolved)?;
    let agreed = client.change(Change::Grow(growth), ANSWER_WITHIN).inspect_err(|_| {
        let _ = fs::remove_file(directory.path.join(&file));
    })?;
    drop(lock);
    let request = agreed.request.unwrap_or_default();
    if !arguments.no_wait {
        return wait(context, arguments.timeout, &directory, &client, request);
    }
    if context.output.json {
        context
            .output
            .document(json!({ "cluster": directory.cluster(), "allocation": null, "engines": [] }))?;
    } else {
        let engines = plural(engines.into(), "engine");
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

/// Waits for the engines. Ctrl-C leaves the request as it is.
fn wait(
    context: &Context,
    patience: Option<Duration>,
    directory: &ClusterDir,
    client: &Client,
    request: RequestId,
) -> Outcome {
    let output = context.output;
    let (status, of) = (directory.command("status"), directory.clone());
    // the site's name of what is waited for, once it has one
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
        if let Some(id) = allocation(status, request) {
            *known.lock().unwrap_or_else(PoisonError::into_inner) = id.to_string();
        }
        waiting.say(&waiting_for(status, request));
    };
    let waited = wait_for_request(client, request, patience, say);
    drop(waiting);
    match waited {
        Ok(status) => complete(context, directory, &status, request),
        Err(error) => {
            take_back(context, client, request, &error);
            let report = Report::from(error);
            let hint = format!("{} shows what the site gets", directory.command("engines add --dry-run"));
            Err(if report.exit == Exit::Allocation { report.hint(hint) } else { report })
        }
    }
}

/// The site's name of the allocation that was asked for with this request.
fn allocation(status: &ClusterStatus, request: RequestId) -> Option<AllocationId> {
    status.allocations.iter().find(|one| one.request == request).and_then(|one| one.id.clone())
}

fn complete(
    context: &Context,
    directory: &ClusterDir,
    status: &ClusterStatus,
    request: RequestId,
) -> Outcome {
    let allocation = allocation(status, request);
    let new = status.engines.iter().filter(|engine| allocation.is_some() && engine.allocation == allocation);
    let new: Vec<_> = new.map(|engine| engine.id).collect();
    if context.output.json {
        let document = json!({ "cluster": directory.cluster(), "allocation": allocation, "engines": new });
        context.output.document(document)?;
        return Ok(Exit::Ok);
    }
    let (more, all) = (plural(new.len() as u64, "engine"), status.engines.len());
    context.output.note(&format!("{more} more: cluster {} has {all}", directory.cluster()));
    Ok(Exit::Ok)
}

/// Has the controller give back what could not be completed. What goes wrong here is told, but is not the error.
fn take_back(context: &Context, client: &Client, request: RequestId, error: &WaitError) {
    if matches!(error, WaitError::Controller { .. }) {
        return;
    }
    let change = Change::Retire { retirees: Retirees::Request(request), now: true };
    if let Err(error) = client.change(change, ANSWER_WITHIN) {
        context.output.warn(&format!("the request could not be taken back: {error}"));
    }
}
