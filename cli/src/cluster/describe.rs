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
        (None, _) if allocation.state.reason.is_some() => {
            format!("{name} was refused, and is made again in a while")
        }
        (None, _) => format!("{name} is on its way to the site"),
        (Some(_), phase) if allocation.state.never => format!("{name} {phase}, and will never run"),
        (Some(_), phase) => format!("{name} {phase}"),
    };
    match &allocation.problem {
        // a problem that names the allocation says its state too
        Some(problem) if problem.starts_with(&name) => problem.clone(),
        Some(problem) => format!("{text}: {problem}"),
        None => match why(allocation) {
            why if why.is_empty() => text,
            why => format!("{text}: {why}"),
        },
    }
}

/// Why it is in its state, as far as the site tells: its reason, when it expects it to begin, how it has ended.
fn why(allocation: &AllocationStatus) -> String {
    let state = &allocation.state;
    let start = state.start.as_ref().map(|start| format!("estimated start {start}"));
    let end = state.end.map(|end| end.to_string());
    end.into_iter().chain(state.reason.clone()).chain(start).collect::<Vec<_>>().join(", ")
}

/// Nodes that are named in a line of a table; of more, the first ones tell where to look.
const NAMED: usize = 3;

/// What a table says of an allocation beside its state: what went wrong, else why it is in that state, and where it runs.
pub(crate) fn detail(allocation: &AllocationStatus) -> String {
    if let Some(problem) = &allocation.problem {
        return problem.replace('\n', " ");
    }
    let nodes = &allocation.state.nodes;
    let more = nodes.len().saturating_sub(NAMED);
    let named = nodes[..nodes.len() - more].join(", ");
    let place = match more {
        0 if named.is_empty() => String::new(),
        0 => format!("on {named}"),
        _ => format!("on {named} and {more} more"),
    };
    let parts = [place, why(allocation)];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

/// An allocation's state in a word, for tables. The site has forgotten one of which nothing is known, and is to be awaited.
pub(crate) fn state_word(allocation: &AllocationStatus) -> &str {
    match (&allocation.state.phase, &allocation.id) {
        (AllocationPhase::Unknown, None) if allocation.coming => "requested",
        (AllocationPhase::Unknown, None) => "refused",
        (AllocationPhase::Unknown, Some(_)) if !allocation.coming => "vanished",
        (phase, _) => phase_word(phase),
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
    use rpar_core::scheduler::{AllocationEnd, AllocationState};

    #[test]
    fn a_table_tells_states_in_words() {
        let one = |phase, coming| AllocationStatus {
            id: Some("12".into()),
            coming,
            state: AllocationState::new(phase),
            ..AllocationStatus::default()
        };
        let queued = AllocationStatus {
            state: AllocationState {
                reason: Some("Resources".into()),
                start: Some("2026-11-24 14:05".into()),
                ..AllocationState::new(AllocationPhase::Queued)
            },
            ..one(AllocationPhase::Queued, true)
        };
        let running = AllocationStatus {
            state: AllocationState {
                nodes: (1..=5).map(|number| format!("n{number}")).collect(),
                reason: Some("1 of 6 wait: Resources".into()),
                ..AllocationState::new(AllocationPhase::Running)
            },
            ..one(AllocationPhase::Running, true)
        };
        let ended = |end| AllocationStatus {
            state: AllocationState { end: Some(end), ..AllocationState::new(AllocationPhase::Ended) },
            ..one(AllocationPhase::Ended, false)
        };
        for (status, word, told) in [
            (queued, "queued", "Resources, estimated start 2026-11-24 14:05"),
            (running, "running", "on n1, n2, n3 and 2 more; 1 of 6 wait: Resources"),
            (one(AllocationPhase::Held, true), "held", ""),
            (ended(AllocationEnd::Exit(3)), "ended", "exit status 3"),
            (ended(AllocationEnd::Signal(9)), "ended", "killed by signal 9 (SIGKILL)"),
            (ended(AllocationEnd::Walltime), "ended", "its walltime was over"),
            (one(AllocationPhase::Unknown, false), "vanished", ""),
            (one(AllocationPhase::Unknown, true), "unknown", ""),
            (AllocationStatus { id: None, ..one(AllocationPhase::Unknown, true) }, "requested", ""),
            (AllocationStatus { id: None, ..one(AllocationPhase::Unknown, false) }, "refused", ""),
        ] {
            assert_eq!((state_word(&status), detail(&status).as_str()), (word, told));
        }
    }

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
                status(None, AllocationPhase::Unknown, Some("too many jobs"), None),
                "the request for 2 nodes was refused, and is made again in a while: too many jobs",
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
