//! `rpar status`.

use std::collections::{BTreeMap, BTreeSet};
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
        let (mut has, mut in_use, mut labels) = (Resources::default(), Resources::default(), BTreeSet::new());
        // engine hosts of two allocations may share a node, and each counts what it has for its own engines
        for here in status.nodes.iter().filter(|one| one.node == node) {
            add(&mut has, &here.has);
            add(&mut in_use, &here.taken);
            labels.extend(here.labels.iter().cloned());
        }
        table.row([
            node.into(),
            count.to_string(),
            assigned.to_string(),
            completed.to_string(),
            taken(&in_use, &has),
            labels.into_iter().collect::<Vec<_>>().join(","),
        ]);
    }
    table
}

fn add(sum: &mut Resources, more: &Resources) {
    sum.cpus = sum.cpus.saturating_add(more.cpus);
    sum.gpus = sum.gpus.saturating_add(more.gpus);
    sum.memory_bytes = sum.memory_bytes.saturating_add(more.memory_bytes);
    for (name, count) in &more.custom {
        let own = sum.custom.entry(name.clone()).or_default();
        *own = own.saturating_add(*count);
    }
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

#[cfg(test)]
mod tests {
    use rpar_core::wire::{EngineStatus, NodeStatus};

    use super::*;

    #[test]
    fn hosts_that_share_a_node_are_one_row() {
        let resources = |cpus, tapes| Resources {
            cpus,
            custom: BTreeMap::from([("tapes".to_owned(), tapes)]),
            ..Resources::default()
        };
        let host = |taken, label: &str| NodeStatus {
            node: "n1".into(),
            engines: 2,
            labels: vec!["all".into(), label.into()],
            has: resources(2, 1),
            taken: resources(taken, 0),
        };
        let engine = EngineStatus { node: "n1".into(), assigned: 1, completed: 5, ..EngineStatus::default() };
        let status = ClusterStatus {
            engines: vec![engine; 4],
            nodes: vec![host(2, "big"), host(1, "all")],
            ..ClusterStatus::default()
        };
        let text = nodes(&status).render(false);
        let row: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(row, ["n1", "4", "4", "20", "3/4", "cpus,", "0/2", "tapes", "all,big"]);
    }
}
