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
        never: phase == AllocationPhase::Queued
            && get("comment").is_some_and(|comment| comment.starts_with("Can Never Run")),
        nodes: get("exec_host").map(torque::hosts).unwrap_or_default(),
        end: get("Exit_status").and_then(|text| text.parse().ok()).map(end),
        start: get("estimated.start_time").filter(|_| !running).and_then(date),
        elements: None,
        remaining: walltime.map(|walltime| walltime.saturating_sub(elapsed.unwrap_or_default())),
        elapsed,
        phase,
    }
}

/// How a job has ended, by its `Exit_status`. Below 0 are PBS's own (`job.h`: `JOB_EXEC_KILL_WALLTIME`; `RERUN_ON_SIS_FAIL` and `RERUN_MS_FAIL`); 128 or 256 and
/// the number stand for a signal (PBS Professional User's Guide, "Job Exit Status Codes"), and SIGTERM is what `qdel` sends.
fn end(status: i32) -> AllocationEnd {
    match status {
        -29 => AllocationEnd::Walltime,
        -14 | -20 => AllocationEnd::NodeFailed,
        271 => AllocationEnd::Cancelled,
        129..=192 => AllocationEnd::Signal(status - 128),
        257..=320 => AllocationEnd::Signal(status - 256),
        _ => AllocationEnd::Exit(status),
    }
}

/// What a comment says besides when and where the job was started: `Job run at Sun Nov 22 at 15:32 on (node3:ncpus=1)
/// and exceeded resource walltime`.
fn said(comment: &str) -> Option<&str> {
    if !["Job run at", "Job was sent for execution at", "Job Array Began at"]
        .iter()
        .any(|start| comment.starts_with(start))
    {
        return Some(comment).filter(|comment| !comment.is_empty());
    }
    comment.split_once(" and ").map(|(_, end)| end)
}

/// `Tue Nov 24 14:05:00 2026`, as ctime(3) writes it, as `2026-11-24 14:05`.
fn date(text: &str) -> Option<String> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let words: Vec<&str> = text.split_whitespace().collect();
    let [_, month, day, time, year] = words[..] else { return None };
    let month = MONTHS.find(month).filter(|at| month.len() == 3 && at % 3 == 0)? / 3 + 1;
    let (day, year): (u32, u32) = (day.parse().ok()?, year.parse().ok()?);
    let minutes = time.get(..5).filter(|minutes| minutes.as_bytes()[2] == b':')?;
    Some(format!("{year}-{month:02}-{day:02} {minutes}"))
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn dates() {
        assert_eq!(date("Tue Nov  4 14:05:00 2026").as_deref(), Some("2026-11-04 14:05"));
        for text in
            ["", "1795536300", "Tue Nov 24 2026", "Tue Foo 24 14:05:00 2026", "Tue ovD 24 14:05:00 2026"]
        {
            assert_eq!(date(text), None, "{text}");
        }
    }
}
