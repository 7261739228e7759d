//! What `qstat -f` lists.

use std::collections::BTreeMap;

use rpar_core::id::AllocationId;
use rpar_core::scheduler::{AllocationEnd, AllocationPhase, AllocationState};

use crate::dialect::{States, parse_clock};
use crate::elements::together;

/// Attributes of a job by name.
pub(crate) type Attributes = BTreeMap<String, String>;
/// Jobs, in the site's order.
pub(crate) type Jobs = Vec<(AllocationId, Attributes)>;

/// Reads `qstat -f`: a line `Job Id: 12.server`, then ` key = value` lines, long ones going on after a tab.
pub(crate) fn parse(listing: &str) -> Jobs {
    let mut jobs = Jobs::new();
    let mut last = None;
    for line in listing.lines() {
        if let Some(id) = line.strip_prefix("Job Id:") {
            jobs.push((id.trim().into(), Attributes::new()));
            last = None;
            continue;
        }
        let Some((_, attributes)) = jobs.last_mut() else { continue };
        // a line is cut anywhere, also after a space
        let line = line.trim_start();
        let named = line.split_once(" = ").filter(|(key, _)| {
            key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.' || c == '-')
        });
        if let Some((key, value)) = named {
            attributes.insert(key.to_owned(), value.to_owned());
            last = Some(key.to_owned());
        } else if let Some(value) = last.as_ref().and_then(|key| attributes.get_mut(key)) {
            value.push_str(line);
        }
    }
    jobs
}

/// The states of jobs as `state` reads them, with those of elements (`4[2].server`) in those of their arrays (`4[].server`).
pub(crate) fn states(jobs: Jobs, state: impl Fn(&Attributes) -> AllocationState) -> States {
    let mut arrays: BTreeMap<AllocationId, Vec<AllocationState>> = BTreeMap::new();
    let mut states = States::new();
    for (id, attributes) in jobs {
        match array_of(&id) {
            Some(array) => arrays.entry(array).or_default().push(state(&attributes)),
            None => _ = states.insert(id, state(&attributes)),
        }
    }
    states.extend(arrays.into_iter().map(|(id, elements)| (id, together(&elements))));
    states
}

/// The array that an element is in.
fn array_of(element: &AllocationId) -> Option<AllocationId> {
    let (number, rest) = element.0.split_once('[')?;
    let (index, server) = rest.split_once(']')?;
    (!index.is_empty()).then(|| AllocationId(format!("{number}[]{server}")))
}

/// The state that a job's attributes tell.
pub(super) fn state(attributes: &Attributes) -> AllocationState {
    let get = |key: &str| attributes.get(key).map(String::as_str);
    let phase = match get("job_state") {
        None => AllocationPhase::Unknown,
        Some("Q" | "W" | "T") => AllocationPhase::Queued,
        Some("H") => AllocationPhase::Held,
        Some("R") => AllocationPhase::Running,
        Some("E") => AllocationPhase::Ending,
        Some("C" | "F") => AllocationPhase::Ended,
        Some(other) => AllocationPhase::Other(other.to_owned()),
    };
    AllocationState {
        // of one that runs it says when and where that began
        reason: get("comment").filter(|_| phase != AllocationPhase::Running).map(str::to_owned),
        phase,
        never: false,
        nodes: get("exec_host").map(hosts).unwrap_or_default(),
        end: get("exit_status").and_then(|text| text.parse().ok()).map(end),
        elapsed: get("resources_used.walltime").and_then(parse_clock),
        remaining: get("Walltime.Remaining").and_then(parse_clock),
        start: None,
        elements: None,
    }
}

/// How a job has ended, by its exit status. Torque writes 256 and the signal's number for one that a signal killed,
/// which is SIGTERM after `qdel`, and where Torque is old after the walltime too; numbers below 0 are its own (version 6:
/// `JOB_EXEC_OVERLIMIT_WT`).
fn end(status: i32) -> AllocationEnd {
    match status {
        -11 => AllocationEnd::Walltime,
        271 => AllocationEnd::Cancelled,
        257..=320 => AllocationEnd::Signal(status - 256),
        _ => AllocationEnd::Exit(status),
    }
}

/// Reads `exec_host`: `node1/0-7+node2/0-7`, or a part for each slot.
pub(crate) fn hosts(text: &str) -> Vec<String> {
    let mut hosts: Vec<String> = Vec::new();
    for part in text.split('+') {
        let name = part.split('/').next().unwrap_or_default().trim();
        if !name.is_empty() && !hosts.iter().any(|host| host == name) {
            hosts.push(name.to_owned());
        }
    }
    hosts
}
