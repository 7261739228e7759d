//! A job array is one allocation: its state is what its elements are together.

use rpar_core::scheduler::{AllocationEnd, AllocationPhase, AllocationState, Elements};

/// What the elements of an array are together: what some do counts for more than what others wait for, and it is over
/// when all of them are.
pub(crate) fn together(elements: &[AllocationState]) -> AllocationState {
    let count =
        |phases: &[AllocationPhase]| elements.iter().filter(|one| phases.contains(&one.phase)).count() as u32;
    let counts = Elements {
        waiting: count(&[AllocationPhase::Queued, AllocationPhase::Held]),
        running: count(&[AllocationPhase::Running, AllocationPhase::Ending]),
        ended: count(&[AllocationPhase::Ended]),
    };
    let order =
        [AllocationPhase::Running, AllocationPhase::Queued, AllocationPhase::Held, AllocationPhase::Ending];
    let phase = order.into_iter().find(|phase| count(std::slice::from_ref(phase)) > 0);
    let other = || elements.iter().map(|one| &one.phase).find(|phase| **phase != AllocationPhase::Ended);
    let phase = phase.or_else(|| other().cloned()).unwrap_or(AllocationPhase::Ended);
    let first = |phase: &AllocationPhase| elements.iter().find(|one| one.phase == *phase);
    let waits = || first(&AllocationPhase::Queued).or_else(|| first(&AllocationPhase::Held));
    let (end, reason) = match &phase {
        AllocationPhase::Ended => worst(elements),
        AllocationPhase::Running => (None, lacking(counts, elements.len(), waits())),
        phase => (None, first(phase).and_then(|one| one.reason.clone())),
    };
    let mut nodes: Vec<String> = Vec::new();
    for node in elements.iter().flat_map(|one| &one.nodes) {
        if !nodes.contains(node) {
            nodes.push(node.clone());
        }
    }
    AllocationState {
        never: phase == AllocationPhase::Queued && elements.iter().any(|one| one.never),
        reason,
        nodes,
        start: elements.iter().filter_map(|one| one.start.clone()).min(),
        end,
        elements: Some(counts),
        elapsed: elements.iter().filter_map(|one| one.elapsed).max(),
        // the first of them to end takes its engines along
        remaining: elements.iter().filter_map(|one| one.remaining).min(),
        phase,
    }
}

/// Of ends that differ, one that was not good.
fn worst(elements: &[AllocationState]) -> (Option<AllocationEnd>, Option<String>) {
    let bad = |one: &&AllocationState| one.end.is_some_and(|end| end != AllocationEnd::Exit(0));
    let told = elements.iter().find(bad).or(elements.first());
    told.map_or((None, None), |one| (one.end, one.reason.clone()))
}

/// What a running array lacks: `2 of 4 wait: Resources`.
fn lacking(counts: Elements, of: usize, waits: Option<&AllocationState>) -> Option<String> {
    let mut parts = Vec::new();
    if counts.waiting > 0 {
        let reason = waits.and_then(|one| one.reason.as_ref());
        let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        parts.push(format!("{} of {of} wait{reason}", counts.waiting));
    }
    if counts.ended > 0 {
        parts.push(format!("{} of {of} ended", counts.ended));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(phase: AllocationPhase, node: &str, reason: Option<&str>) -> AllocationState {
        let nodes = Some(node.to_owned()).filter(|node| !node.is_empty()).into_iter().collect();
        AllocationState { nodes, reason: reason.map(str::to_owned), ..AllocationState::new(phase) }
    }

    #[test]
    fn what_runs_counts_for_more_than_what_waits() {
        use AllocationPhase::{Ended, Ending, Held, Queued, Running};
        let waits = one(Queued, "", Some("Resources"));
        let ended = |end| AllocationState { end: Some(end), ..one(Ended, "n1", None) };
        for (elements, phase, reason, end) in [
            (vec![waits.clone(), waits.clone()], Queued, Some("Resources"), None),
            (
                vec![one(Running, "n1", None), waits.clone(), waits.clone()],
                Running,
                Some("2 of 3 wait: Resources"),
                None,
            ),
            (
                vec![one(Running, "n1", None), waits.clone(), ended(AllocationEnd::Exit(0))],
                Running,
                Some("1 of 3 wait: Resources; 1 of 3 ended"),
                None,
            ),
            (vec![one(Running, "n1", None), one(Running, "n2", None)], Running, None, None),
            (vec![one(Ending, "n1", None), one(Ended, "n2", None)], Ending, None, None),
            (vec![one(Held, "", Some("user")), one(Ended, "n2", None)], Held, Some("user"), None),
            (
                vec![ended(AllocationEnd::Exit(0)), ended(AllocationEnd::NodeFailed)],
                Ended,
                None,
                Some(AllocationEnd::NodeFailed),
            ),
            (vec![ended(AllocationEnd::Exit(0)); 2], Ended, None, Some(AllocationEnd::Exit(0))),
        ] {
            let whole = together(&elements);
            assert_eq!(
                (&whole.phase, whole.reason.as_deref(), whole.end),
                (&phase, reason, end),
                "{elements:?}"
            );
        }
        let whole =
            together(&[one(Running, "n1", None), one(Ending, "n1", None), one(Ended, "n2", None), waits]);
        assert_eq!(whole.nodes, ["n1", "n2"]);
        assert_eq!(whole.elements, Some(Elements { waiting: 1, running: 2, ended: 1 }));
    }
}
