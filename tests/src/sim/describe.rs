//! Messages in a few words, for the trace.

use rpar_core::wire::{Batch, Message, Runs};

pub(super) fn describe(message: &Message) -> String {
    let name = message.name();
    match message {
        Message::Refused { reason, .. } | Message::Goodbye { reason } => format!("{name}: {reason}"),
        Message::Submit { base, options, batch, .. } => {
            format!("{name} {} from {base} retries {} rerun {}", tasks(batch), options.retries, options.rerun)
        }
        Message::Cancel { runs, running } => format!("{name} {} running {running}", ids(runs)),
        Message::Withdraw { engine, runs } => format!("{name} {} from {engine}", ids(runs)),
        Message::Window { bytes } => format!("{name} {bytes}"),
        Message::Ask { question, after } => format!("{name} {question} after {after:?}"),
        Message::Status { question, status } => format!("{name} {question} version {}", status.version),
        Message::Notice { text } => format!("{name}: {text}"),
        Message::Registered { first } => format!("{name} from {first}"),
        Message::Run { engine, options, runs, batch, .. } => {
            format!("{name} on {engine} try {}: {} {}", options.attempt, ids(runs), tasks(batch))
        }
        Message::Done(outcomes) | Message::Results(outcomes) => {
            let codes = if outcomes.codes.is_empty() {
                "ok".to_owned()
            } else {
                format!("{:?}", &outcomes.codes[..])
            };
            let engine = outcomes.engine.map_or("nowhere".to_owned(), |engine| engine.to_string());
            format!("{name} from {engine}: {} {} {codes}", ids(&outcomes.runs), tasks(&outcomes.batch))
        }
        Message::Grant { transfer, upto } => format!("{name} {transfer:?} up to {upto}"),
        Message::Chunk { transfer, offset, data } => {
            format!("{name} {transfer:?} {offset}+{}", data.len())
        }
        Message::Output(output) => format!("{name} of {}: {} bytes", output.task, output.data.len()),
        Message::Room { engine, bytes } => format!("{name} {engine:?} {bytes}"),
        Message::Report { node, text, restarting } => {
            format!("{name} {node}: {text}, restarting {restarting}")
        }
        other => other.name().to_owned(),
    }
}

fn ids(runs: &Runs) -> String {
    let mut parts: Vec<String> = runs
        .iter()
        .take(8)
        .map(
            |(first, count)| {
                if count == 1 { first.to_string() } else { format!("{first}..{}", first.0 + count as u64) }
            },
        )
        .collect();
    if runs.iter().count() > 8 {
        parts.push("...".to_owned());
    }
    format!("[{}]", parts.join(" "))
}

fn tasks(batch: &Batch) -> String {
    format!("({} tasks, {} bytes, {} long)", batch.lengths.len(), batch.payload.len(), batch.bulk.len())
}
