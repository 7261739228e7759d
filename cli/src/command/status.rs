//! `rpar status`.

use std::collections::BTreeMap;
use std::time::Duration;

use rpar_core::profile::{duration, size};
use rpar_core::resources::Resources;
use rpar_core::wire::{AllocationStatus, ClusterStatus};

use super::context::Context;
use super::{documents, engines};
use crate::cluster::{detail, plural, state_word};
use crate::command::arguments::StatusArguments;
use crate::command::exit::Exit;
use crate::command::output::{Output, Table};
use crate::command::report::Outcome;
use crate::paths::ClusterDir;

/// A controller answers in a millisecond; one that is this late is not well.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

pub(crate) fn run(context: &Context, arguments: &StatusArguments) -> Outcome {
    let (directory, client) = context.client()?;
    let status = client.status(None, ANSWER_WITHIN)?;
    if context.output.json {
        context.output.document(documents::cluster(&status))?;
    } else {
        context.output.answer(&text(&status, arguments.engines, &directory, &context.output))?;
    }
    Ok(Exit::Ok)
}

fn text(status: &ClusterStatus, each_engine: bool, directory: &ClusterDir, output: &Output) -> String {
    let color = output.colors_stdout();
    let controller = &status.controller;
    let mut text = format!(
        "cluster {}: controller pid {} on {}, rpar {}, up {}, {}\n",
        controller.cluster,
        controller.pid,
        controller.host,
        controller.build,
        duration::clock(Duration::from_secs(controller.uptime_seconds)),
        plural(controller.clients.into(), "client"),
    );
    let tasks = &status.tasks;
    text += &format!(
        "engines: {} of {}; tasks: {}{} queued, {} assigned, {} succeeded, {} failed\n",
        status.engines.len(),
        status.engines_wanted,
        if tasks.waiting > 0 { format!("{} waiting for others, ", tasks.waiting) } else { String::new() },
        tasks.queued,
        tasks.assigned,
        tasks.succeeded,
        tasks.failed
    );
    if !status.submissions.is_empty() {
        let [tasks, forget] = ["tasks", "results ID --forget"].map(|verb| directory.command(verb));
        let paused = match status.paused {
            true => format!(", paused: {forget} makes room for results"),
            false => String::new(),
        };
        let count = plural(status.submissions.len() as u64, "submission");
        text += &format!("{count}, which {tasks} lists{paused}\n");
    }
    if !status.allocations.is_empty() {
        text += &format!("\n{}", allocations(&status.allocations).render(color));
    }
    if !status.engines.is_empty() {
        let table = if each_engine { engines::table(&status.engines) } else { nodes(status) };
        text += &format!("\n{}", table.render(color));
    }
    if !status.problems.is_empty() {
        text += "\nproblems, latest last:\n";
        text.extend(status.problems.iter().map(|problem| format!("  {problem}\n")));
    }
    text
}

fn allocations(list: &[AllocationStatus]) -> Table {
    let mut table = Table::new(["ALLOCATION", "STATE", "NODES", "ENGINES", "LEFT", "DETAIL"]);
    for allocation in list {
        let left = allocation.state.remaining.map_or_else(|| "-".into(), duration::clock);
        table.row([
            allocation.id.as_ref().map_or_else(|| "-".into(), ToString::to_string),
            state_word(allocation).into(),
            allocation.nodes.to_string(),
            format!("{} of {}", allocation.engines, allocation.engines_wanted),
            left,
            detail(allocation),
        ]);
    }
    table
}

fn nodes(status: &ClusterStatus) -> Table {
    let mut table = Table::new(["NODE", "ENGINES", "ASSIGNED", "COMPLETED", "TAKEN", "LABELS"]);
    let mut nodes: BTreeMap<&str, (u64, u64, u64)> = BTreeMap::new();
    for engine in &status.engines {
        let sums = nodes.entry(&engine.node).or_default();
        *sums = (sums.0 + 1, sums.1 + u64::from(engine.assigned), sums.2 + engine.completed);
    }
    for (node, (count, assigned, completed)) in nodes {
        let here = status.nodes.iter().find(|one| one.node == node);
        table.row([
            node.into(),
            count.to_string(),
            assigned.to_string(),
            completed.to_string(),
            here.map(|here| taken(&here.taken, &here.has)).unwrap_or_default(),
            here.map(|here| here.labels.join(",")).unwrap_or_default(),
        ]);
    }
    table
}

/// What is taken of what a node has, but for memory that nobody has asked for.
fn taken(taken: &Resources, has: &Resources) -> String {
    let mut parts = Vec::new();
    let mut part = |what: &str, taken: u64, has: u64| {
        if has > 0 {
            parts.push(format!("{taken}/{has} {what}"));
        }
    };
    part("cpus", taken.cpus, has.cpus);
    part("gpus", taken.gpus, has.gpus);
    for (name, has) in &has.custom {
        part(name, taken.custom.get(name).copied().unwrap_or(0), *has);
    }
    if taken.memory_bytes > 0 {
        parts.push(format!("{} of {}", size::display(taken.memory_bytes), size::display(has.memory_bytes)));
    }
    parts.join(", ")
}
