//! What `squeue` lists.

use rpar_core::id::AllocationId;
use rpar_core::scheduler::{AllocationPhase, AllocationState};

use crate::dialect::parse_clock;
use crate::hostlist;

/// Id, state, nodes, time used, time left, reason. The reason, which may hold anything, is last.
pub(super) const FORMAT: &str = "%i|%T|%N|%M|%L|%r";

/// The state that a line tells.
pub(super) fn row(line: &str) -> Option<(AllocationId, AllocationState)> {
    let mut fields = line.trim().splitn(6, '|');
    let (id, name, nodes) = (fields.next()?, fields.next()?, fields.next()?);
    let (elapsed, remaining, reason) = (fields.next()?, fields.next()?, fields.next()?);
    let reason = Some(reason.trim()).filter(|reason| !matches!(*reason, "" | "None"));
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
        remaining: (phase == AllocationPhase::Running).then(|| parse_clock(remaining)).flatten(),
        elapsed: (phase != AllocationPhase::Queued).then(|| parse_clock(elapsed)).flatten(),
        nodes: hostlist::expand(nodes).unwrap_or_default(),
        exit: (name == "COMPLETED").then_some(0),
        phase,
        reason,
    };
    Some((id.into(), state))
}
