//! A cluster's status in words.

use rpar_core::scheduler::AllocationPhase;
use rpar_core::wire::{AllocationStatus, ClusterStatus};

/// One allocation in a line: `allocation 12 is queued: Resources`.
pub(crate) fn allocation(allocation: &AllocationStatus) -> String {
    let name = match &allocation.id {
        Some(id) => format!("allocation {id}"),
        None => format!("the request for {}", plural(u64::from(allocation.nodes), "node")),
    };
    let text = match (&allocation.id, phase(&allocation.state.phase)) {
        (None, _) if allocation.problem.is_some() => format!("{name} failed"),
        (None, _) => format!("{name} is on its way to the site"),
        (Some(_), phase) => format!("{name} {phase}"),
    };
    match (&allocation.problem, &allocation.state.reason) {
        // a problem that names the allocation says its state too
        (Some(problem), _) if problem.starts_with(&name) => problem.clone(),
        (Some(problem), _) => format!("{text}: {problem}"),
        (None, reason) => {
            let reason = reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
            let start = allocation.state.start.as_ref();
            let start = start.map_or_else(String::new, |start| format!(", estimated start {start}"));
            format!("{text}{reason}{start}")
        }
    }
}

fn phase(phase: &AllocationPhase) -> String {
    match phase {
        AllocationPhase::Unknown => "was submitted, and the site has not mentioned it yet".into(),
        AllocationPhase::Queued => "is queued".into(),
        AllocationPhase::Held => "is held".into(),
        AllocationPhase::Running => "runs".into(),
        AllocationPhase::Ending => "is being taken down".into(),
        AllocationPhase::Ended => "has ended".into(),
        AllocationPhase::Other(state) => format!("is in state {state}"),
    }
}

/// An allocation's phase in a word, for tables.
pub(crate) fn phase_word(phase: &AllocationPhase) -> &str {
    match phase {
        AllocationPhase::Unknown => "unknown",
        AllocationPhase::Queued => "queued",
        AllocationPhase::Held => "held",
        AllocationPhase::Running => "running",
        AllocationPhase::Ending => "ending",
        AllocationPhase::Ended => "ended",
        AllocationPhase::Other(state) => state,
    }
}

/// What a cluster that is not complete waits for: `9 of 16 engines; allocation 12 is queued: Resources`.
pub fn waiting(status: &ClusterStatus) -> String {
    let engines = format!("{} of {}", status.engines.len(), plural(status.engines_wanted.into(), "engine"));
    // a running allocation without all its engines is as interesting as a queued one
    let allocations = status.allocations.iter().filter(|a| a.state.phase != AllocationPhase::Ended);
    std::iter::once(engines).chain(told(allocations)).collect::<Vec<_>>().join("; ")
}

/// The most allocations that are told of in a line; of those of `shape = "each"` the first ones tell enough.
const TOLD: usize = 3;

/// Some allocations in words, a few at most.
pub(super) fn told<'a>(allocations: impl Iterator<Item = &'a AllocationStatus>) -> Vec<String> {
    let mut all: Vec<&AllocationStatus> = allocations.collect();
    let more = all.len().saturating_sub(TOLD);
    all.truncate(TOLD);
    let more = (more > 0).then(|| format!("and {} more", plural(more as u64, "allocation")));
    all.into_iter().map(allocation).chain(more).collect()
}

/// `1 engine`, `2 engines`.
pub(crate) fn plural(count: u64, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rpar_core::scheduler::AllocationState;

    #[test]
    fn allocations_in_words() {
        let status =
            |id: Option<&str>, phase, reason: Option<&str>, problem: Option<&str>| AllocationStatus {
                id: id.map(Into::into),
                nodes: 2,
                state: AllocationState { reason: reason.map(str::to_owned), ..AllocationState::new(phase) },
                problem: problem.map(str::to_owned),
                ..AllocationStatus::default()
            };
        let cases = [
            (
                status(Some("12"), AllocationPhase::Queued, Some("Resources"), None),
                "allocation 12 is queued: Resources",
            ),
            (status(Some("12"), AllocationPhase::Running, None, None), "allocation 12 runs"),
            (
                status(Some("12"), AllocationPhase::Ended, Some("done"), Some("no module `python`")),
                "allocation 12 has ended: no module `python`",
            ),
            (
                status(Some("12"), AllocationPhase::Ended, None, Some("allocation 12 ended early")),
                "allocation 12 ended early",
            ),
            (status(Some("1"), AllocationPhase::Other("W".into()), None, None), "allocation 1 is in state W"),
            (
                status(None, AllocationPhase::Unknown, None, None),
                "the request for 2 nodes is on its way to the site",
            ),
            (
                status(None, AllocationPhase::Unknown, None, Some("no such queue")),
                "the request for 2 nodes failed: no such queue",
            ),
        ];
        for (status, expected) in cases {
            assert_eq!(allocation(&status), expected);
        }
    }
}
