//! What `squeue` lists.

use std::collections::BTreeMap;

use rpar_core::id::AllocationId;
use rpar_core::scheduler::{AllocationEnd, AllocationPhase, AllocationState};

use crate::dialect::{States, moment, parse_clock};
use crate::elements::together;
use crate::hostlist;

/// Reasons that no waiting takes away, unless an admin changes something (squeue(1), JOB REASON CODES).
const NEVER: [&str; 4] = ["BadConstraints", "InvalidAccount", "InvalidQOS", "PartitionTimeLimit"];

/// What is listed, each followed by `|`, which keeps it whole. The reason, which may hold anything, is last.
pub(crate) const FORMAT: &str =
    "ArrayJobID:|,ArrayTaskID:|,State:|,exit_code:|,StartTime:|,TimeUsed:|,TimeLeft:|,NodeList:|,Reason:|";

/// The states that a listing tells, with those of elements in those of their arrays.
pub(crate) fn states(listing: &str) -> States {
    let mut arrays: BTreeMap<AllocationId, Vec<AllocationState>> = BTreeMap::new();
    let mut states = States::new();
    for (id, is_element, state) in listing.lines().filter_map(row) {
        if is_element {
            arrays.entry(id).or_default().push(state);
        } else {
            states.insert(id, state);
        }
    }
    states.extend(arrays.into_iter().map(|(id, elements)| (id, together(&elements))));
    states
}

/// The state that a line tells, and whether it is that of an element of the job.
fn row(line: &str) -> Option<(AllocationId, bool, AllocationState)> {
    let mut fields = line.trim().splitn(9, '|');
    let (id, index) = (fields.next()?, fields.next()?);
    let (name, status, start) = (fields.next()?, fields.next()?, fields.next()?);
    let (elapsed, remaining) = (fields.next()?, fields.next()?);
    let (nodes, reason) = (fields.next()?, fields.next()?);
    let reason = Some(reason.trim_end_matches('|').trim()).filter(|reason| !matches!(*reason, "" | "None"));
    let phase = match name {
        "PENDING" if reason.is_some_and(|reason| reason.starts_with("JobHeld")) => AllocationPhase::Held,
        "PENDING" | "CONFIGURING" | "REQUEUED" | "REQUEUE_HOLD" => AllocationPhase::Queued,
        "RUNNING" => AllocationPhase::Running,
        "COMPLETING" | "STAGE_OUT" => AllocationPhase::Ending,
        "BOOT_FAIL" | "CANCELLED" | "COMPLETED" | "DEADLINE" | "FAILED" | "NODE_FAIL" | "OUT_OF_MEMORY"
        | "PREEMPTED" | "REVOKED" | "TIMEOUT" => AllocationPhase::Ended,
        other => AllocationPhase::Other(other.to_owned()),
    };
    // how it ended, or why it is not ready, stands in the state's name alone
    let said_by_name =
        matches!(phase, AllocationPhase::Ended) && name != "COMPLETED" || name == "CONFIGURING";
    let reason = match (said_by_name, reason) {
        (true, Some(reason)) if !reason.eq_ignore_ascii_case(name) => Some(format!("{name}: {reason}")),
        (true, _) => Some(name.to_owned()),
        (false, reason) => reason.map(str::to_owned),
    };
    let state = AllocationState {
        never: phase == AllocationPhase::Queued && reason.as_deref().is_some_and(|one| NEVER.contains(&one)),
        remaining: (phase == AllocationPhase::Running).then(|| parse_clock(remaining)).flatten(),
        elapsed: (phase != AllocationPhase::Queued).then(|| parse_clock(elapsed)).flatten(),
        nodes: hostlist::expand(nodes).unwrap_or_default(),
        start: (phase == AllocationPhase::Queued).then(|| moment(start)).flatten(),
        end: if phase == AllocationPhase::Ended { end(name, status) } else { None },
        elements: None,
        phase,
        reason,
    };
    Some((id.into(), index.starts_with(|c: char| c.is_ascii_digit()), state))
}

/// How a job has ended: by its state, or its wait status (wait(2)), which is a signal's number, or 256 times an exit status.
fn end(name: &str, status: &str) -> Option<AllocationEnd> {
    Some(match (name, status.parse::<i32>()) {
        ("COMPLETED", _) => AllocationEnd::Exit(0),
        ("TIMEOUT", _) => AllocationEnd::Walltime,
        ("CANCELLED", _) => AllocationEnd::Cancelled,
        ("NODE_FAIL" | "BOOT_FAIL", _) => AllocationEnd::NodeFailed,
        ("FAILED", Ok(status)) if status & 0x7f != 0 => AllocationEnd::Signal(status & 0x7f),
        ("FAILED", Ok(status)) => AllocationEnd::Exit(status >> 8),
        _ => return None,
    })
}
