//! `rpar engines list`.

use rpar_core::wire::EngineStatus;
use serde_json::{Value, json};

use super::ANSWER_WITHIN;
use crate::command::context::Context;
use crate::command::documents;
use crate::command::exit::Exit;
use crate::command::output::Table;
use crate::command::report::Outcome;

pub(super) fn run(context: &Context) -> Outcome {
    let (directory, client) = context.client()?;
    let status = client.status(None, ANSWER_WITHIN)?;
    if context.output.json {
        let engines: Vec<Value> = status.engines.iter().map(documents::engine).collect();
        context.output.document(json!({ "cluster": directory.cluster(), "engines": engines }))?;
    } else if status.engines.is_empty() {
        let command = directory.command(if status.engines_coming { "status" } else { "engines add" });
        let what = if status.engines_coming { "shows what they wait for" } else { "asks for some" };
        context.output.note(&format!("cluster {} has no engines: {command} {what}", directory.cluster()));
    } else {
        context.output.answer(&table(&status.engines).render(context.output.colors_stdout()))?;
    }
    Ok(Exit::Ok)
}

/// A line for each engine.
pub(crate) fn table(engines: &[EngineStatus]) -> Table {
    let mut table = Table::new(["ENGINE", "NODE", "PID", "ALLOCATION", "STATE", "RUNNING", "QUEUED", "DONE"]);
    for engine in engines {
        let (running, queued) = running_and_queued(engine);
        table.row([
            engine.id.to_string(),
            engine.node.clone(),
            engine.pid.to_string(),
            engine.allocation.as_ref().map_or_else(|| "-".into(), ToString::to_string),
            engine_state(engine).into(),
            running.to_string(),
            queued.to_string(),
            engine.completed.to_string(),
        ]);
    }
    table
}

/// Its state in a word.
pub(crate) fn engine_state(engine: &EngineStatus) -> &'static str {
    match (engine.retiring, engine.assigned) {
        (true, _) => "leaving",
        (false, 0) => "idle",
        (false, _) => "busy",
    }
}

/// An engine runs one task at a time; the others wait there.
pub(crate) fn running_and_queued(engine: &EngineStatus) -> (u32, u32) {
    let running = engine.assigned.min(1);
    (running, engine.assigned - running)
}
