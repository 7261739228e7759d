//! A job array is one allocation: its state is what its elements are together.

use std::collections::BTreeMap;

use rpar_core::id::AllocationId;
use rpar_core::scheduler::{AllocationEnd, AllocationPhase, AllocationState, Elements};

use super::attributes::state;
use crate::dialect::States;
use crate::torque::Jobs;

/// The states of the jobs, with those of elements (`4[2].login1`) in those of their arrays (`4[].login1`).
pub(super) fn states(jobs: Jobs) -> States {
    let mut elements: BTreeMap<AllocationId, Vec<AllocationState>> = BTreeMap::new();
    let mut states = States::new();
    for (id, attributes) in jobs {
        let state = state(&attributes);
        match array_of(&id) {
            Some(array) => elements.entry(array).or_default().push(state),
            None => _ = states.insert(id, state),
        }
    }
    for (array, elements) in elements {
        if let Some(whole) = states.get_mut(&array) {
            join(whole, &elements);
        }
    }
    states
}

/// The array that an element is in.
fn array_of(element: &AllocationId) -> Option<AllocationId> {
    let (number, rest) = element.0.split_once('[')?;
    let (index, server) = rest.split_once(']')?;
    (!index.is_empty()).then(|| AllocationId(format!("{number}[]{server}")))
}

/// Tells of the whole what only its elements know.
fn join(whole: &mut AllocationState, elements: &[AllocationState]) {
    let running = in_phase(elements, &AllocationPhase::Running).count();
    if whole.phase == AllocationPhase::Running {
        let waiting = in_phase(elements, &AllocationPhase::Queued).next();
        let ending = in_phase(elements, &AllocationPhase::Ending).next();
        (whole.phase, whole.reason) = match (running, waiting, ending) {
            (0, Some(waiting), _) => (AllocationPhase::Queued, waiting.reason.clone()),
            (0, None, Some(_)) => (AllocationPhase::Ending, None),
            (_, Some(waiting), _) => (AllocationPhase::Running, waiting.reason.clone()),
            (_, None, _) => (AllocationPhase::Running, whole.reason.take()),
        };
    }
    whole.elements = Some(counted(elements));
    for element in elements {
        let fresh = element.nodes.iter().filter(|node| !whole.nodes.contains(node)).cloned();
        let fresh: Vec<_> = fresh.collect();
        whole.nodes.extend(fresh);
    }
    whole.elapsed = elements.iter().filter_map(|element| element.elapsed).max();
    // the first of them to end takes its engines along
    let running = in_phase(elements, &AllocationPhase::Running);
    whole.remaining = running.filter_map(|element| element.remaining).min();
    // an array's own status is 1 when any of its elements failed; theirs say how
    let failed =
        elements.iter().filter(|element| element.end.is_some_and(|end| end != AllocationEnd::Exit(0)));
    if whole.phase == AllocationPhase::Ended
        && let Some(failed) = failed.into_iter().next()
    {
        (whole.end, whole.reason) = (failed.end, failed.reason.clone());
    }
}

/// How many are how far.
fn counted(elements: &[AllocationState]) -> Elements {
    let mut counted = Elements::default();
    for element in elements {
        match element.phase {
            AllocationPhase::Running | AllocationPhase::Ending => counted.running += 1,
            AllocationPhase::Ended => counted.ended += 1,
            _ => counted.waiting += 1,
        }
    }
    counted
}

fn in_phase<'a>(
    elements: &'a [AllocationState],
    phase: &'a AllocationPhase,
) -> impl Iterator<Item = &'a AllocationState> {
    elements.iter().filter(move |element| element.phase == *phase)
}
