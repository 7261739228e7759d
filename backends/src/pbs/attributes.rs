//! What the attributes of a job tell (pbs_job_attributes(7B)).

use rpar_core::id::AllocationId;
use rpar_core::scheduler::{AllocationEnd, AllocationPhase, AllocationState};

use super::json;
use crate::dialect::parse_clock;
use crate::torque::{self, Attributes, Jobs};

/// The jobs of a listing in either form; `None` if it is in none.
pub(super) fn read(listing: &str) -> Option<Jobs> {
    if listing.trim_start().starts_with('{') { json::read(listing) } else { Some(torque::parse(listing)) }
}

/// The jobs that `qstat` calls finished without telling more: `qstat: 2.login1 Job has finished, use -x ...`.
pub(super) fn finished(stderr: &str) -> impl Iterator<Item = (AllocationId, AllocationState)> {
    let ids = stderr.lines().filter_map(|line| {
        let (before, _) = line.split_once(" Job has finished")?;
        before.rsplit(' ').next().filter(|id| !id.is_empty())
    });
    ids.map(|id| (id.into(), AllocationState::new(AllocationPhase::Ended)))
}

/// The state that a job's attributes tell.
pub(super) fn state(attributes: &Attributes) -> AllocationState {
    let get = |key: &str| attributes.get(key).map(|value| value.trim());
    let other = |words: &str| AllocationPhase::Other(words.to_owned());
    let phase = match get("job_state") {
        None => AllocationPhase::Unknown,
        Some("Q" | "W" | "T") => AllocationPhase::Queued,
        Some("H") => AllocationPhase::Held,
        // B: at least one element of the array has been started
        Some("R" | "B") => AllocationPhase::Running,
        Some("E") => AllocationPhase::Ending,
        Some("F" | "X") => AllocationPhase::Ended,
        Some("S" | "U") => other("suspended"),
        Some("M") => other("moved to another server"),
        Some(letter) => other(letter),
    };
    let elapsed = get("resources_used.walltime").and_then(parse_clock);
    let running = phase == AllocationPhase::Running;
    let walltime = get("Resource_List.walltime").and_then(parse_clock).filter(|_| running);
    AllocationState {
        reason: get("comment").and_then(said).map(str::to_owned),
        nodes: get("exec_host").map(torque::hosts).unwrap_or_default(),
        end: get("Exit_status").and_then(|text| text.parse().ok()).map(end),
        start: None,
        elements: None,
        remaining: walltime.map(|walltime| walltime.saturating_sub(elapsed.unwrap_or_default())),
        elapsed,
        phase,
    }
}

/// How a job has ended, by its `Exit_status`. Below 0 are PBS's own (`job.h`: `JOB_EXEC_KILL_WALLTIME`); 128 or 256 and
/// the number stand for a signal (PBS Professional User's Guide, "Job Exit Status Codes"), and SIGTERM is what `qdel` sends.
fn end(status: i32) -> AllocationEnd {
    match status {
        -29 => AllocationEnd::Walltime,
        271 => AllocationEnd::Cancelled,
        129..=192 => AllocationEnd::Signal(status - 128),
        257..=320 => AllocationEnd::Signal(status - 256),
        _ => AllocationEnd::Exit(status),
    }
}

/// What a comment says besides when and where the job was started: `Job run at Sun Nov 22 at 15:32 on (node3:ncpus=1)
/// and exceeded resource walltime`.
fn said(comment: &str) -> Option<&str> {
    if !["Job run at", "Job Array Began at"].iter().any(|start| comment.starts_with(start)) {
        return Some(comment).filter(|comment| !comment.is_empty());
    }
    comment.split_once(" and ").map(|(_, end)| end)
}
