//! `rpar engines remove`.

use std::collections::BTreeSet;

use rpar_core::id::{AllocationId, EngineId};
use rpar_core::wire::{Change, ClusterStatus, Retirees};
use serde_json::json;

use super::ANSWER_WITHIN;
use crate::cluster::{plural, wait_for_leaving};
use crate::command::arguments::{RemoveArguments, Which};
use crate::command::context::Context;
use crate::command::exit::Exit;
use crate::command::interrupt::Interrupts;
use crate::command::output::{Output, Waiting};
use crate::command::report::{Outcome, Report};
use crate::paths::ClusterDir;

pub(super) fn run(context: &Context, arguments: &RemoveArguments) -> Outcome {
    let (directory, client) = context.client()?;
    let before = client.status(None, ANSWER_WITHIN)?;
    let (retirees, whole) = retirees(&arguments.which, &before, &directory)?;
    let change = Change::Retire { retirees, now: arguments.now };
    let engines = client.change(change, ANSWER_WITHIN)?.engines;
    if arguments.no_wait {
        return told(context, &directory, &engines, None, &[]);
    }
    watch(context.output, &directory)?;
    let waiting = Waiting::new(&context.output, "waiting for the controller");
    let say = &mut |status: &ClusterStatus| waiting.say(&left_to_do(status, &engines));
    let after = wait_for_leaving(&client, &engines, whole.as_ref(), say);
    drop(waiting);
    let after = after?;
    let released = released(&before, &after, &engines, whole.as_ref());
    told(context, &directory, &engines, Some(&after), &released)
}

/// What the controller is told, and the allocation if it is meant as a whole.
fn retirees(
    which: &Which,
    status: &ClusterStatus,
    directory: &ClusterDir,
) -> Outcome<(Retirees, Option<AllocationId>)> {
    if let Some(node) = &which.node {
        return Ok((Retirees::Node(node.clone()), None));
    }
    let Some(wanted) = &which.allocation else {
        let ids = which.engines.iter().flat_map(|range| range.first..=range.last).map(EngineId);
        return Ok((Retirees::Engines(ids.collect()), None));
    };
    // 123 is enough for 123.login1
    let short = |id: &AllocationId| id.0.split('.').next() == Some(wanted.as_str());
    let known: Vec<AllocationId> = status.allocations.iter().filter_map(|one| one.id.clone()).collect();
    let exact = known.iter().find(|id| id.0 == *wanted);
    match exact.or_else(|| known.iter().find(|id| short(id))) {
        Some(id) => Ok((Retirees::Allocation(id.clone()), Some(id.clone()))),
        None => {
            let what = format!("cluster {} has no allocation `{wanted}`", directory.cluster());
            let known: Vec<String> = known.iter().map(ToString::to_string).collect();
            Err(Report::new(Exit::Usage, what).hint(match known.is_empty() {
                true => "it has none at all".to_owned(),
                false => format!("it has {}", known.join(", ")),
            }))
        }
    }
}

/// Ctrl-C leaves it as it is.
fn watch(output: Output, directory: &ClusterDir) -> Outcome<()> {
    let (list, now) = (directory.command("engines list"), directory.command("engines remove --now ..."));
    Interrupts::watch(move |number| {
        output.note_signal(&format!(
            "the engines still leave when they have finished: {list} shows them, {now} does not let them"
        ));
        std::process::exit(Exit::Signal(number).code().into());
    })
    .map(drop)
}

/// What is waited for: `2 engines still have 5 tasks`.
fn left_to_do(status: &ClusterStatus, engines: &[EngineId]) -> String {
    let there = status.engines.iter().filter(|engine| engines.contains(&engine.id));
    let (count, tasks) =
        there.fold((0, 0), |(count, tasks), engine| (count + 1, tasks + u64::from(engine.assigned)));
    match count {
        0 => "waiting for the allocation to end".to_owned(),
        1 => format!("1 engine still has {}", plural(tasks, "task")),
        _ => format!("{count} engines still have {}", plural(tasks, "task")),
    }
}

/// The allocations that are given back: those named, and those that these engines were all of.
fn released(
    before: &ClusterStatus,
    after: &ClusterStatus,
    engines: &[EngineId],
    whole: Option<&AllocationId>,
) -> Vec<AllocationId> {
    let gone = before.engines.iter().filter(|engine| engines.contains(&engine.id));
    let ids: BTreeSet<&AllocationId> =
        gone.filter_map(|engine| engine.allocation.as_ref()).chain(whole).collect();
    let kept = |id: &&AllocationId| {
        after.allocations.iter().any(|one| one.id.as_ref() == Some(*id) && one.engines_wanted > 0)
    };
    ids.into_iter().filter(|id| !kept(id)).cloned().collect()
}

/// Says what has happened; `after` is the status once the engines have left, if that was waited for.
fn told(
    context: &Context,
    directory: &ClusterDir,
    engines: &[EngineId],
    after: Option<&ClusterStatus>,
    released: &[AllocationId],
) -> Outcome {
    let cluster = directory.cluster();
    if context.output.json {
        let document = json!({
            "cluster": cluster,
            "engines": engines,
            "left": after.is_some(),
            "allocations": released,
        });
        context.output.document(document)?;
        return Ok(Exit::Ok);
    }
    let count = plural(engines.len() as u64, "engine");
    let Some(after) = after else {
        let leave = if engines.len() == 1 { "leaves" } else { "leave" };
        context.output.note(&format!(
            "{count} {leave} when finished: {} shows them",
            directory.command("engines list")
        ));
        return Ok(Exit::Ok);
    };
    let mut parts = Vec::new();
    if !engines.is_empty() {
        let (have, left) = (if engines.len() == 1 { "has" } else { "have" }, after.engines.len());
        parts.push(format!("{count} {have} left: cluster {cluster} has {left}"));
    }
    parts.extend(released.iter().map(|id| format!("allocation {id} is given back")));
    if after.engines.is_empty() && !after.engines_coming {
        parts.push(format!("{} asks for others", directory.command("engines add")));
    }
    context.output.note(&parts.join("; "));
    Ok(Exit::Ok)
}
