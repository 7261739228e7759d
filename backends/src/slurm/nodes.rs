//! The nodes that Slurm grants, from the environment of a job.

use std::collections::BTreeMap;

use rpar_core::error::Retry;
use rpar_core::launcher::Node;

use crate::dialect::Refusal;
use crate::hostlist;

/// The nodes of a Slurm job, from its environment (sbatch(1), OUTPUT ENVIRONMENT VARIABLES).
pub(crate) fn granted(environment: &BTreeMap<String, String>) -> Result<Vec<Node>, Refusal> {
    let get = |key: &str| environment.get(key).filter(|text| !text.is_empty());
    let Some(list) = get("SLURM_JOB_NODELIST").or_else(|| get("SLURM_NODELIST")) else {
        let reason = "neither PBS_NODEFILE nor SLURM_JOB_NODELIST is set: this is not inside an allocation";
        return Err(Refusal::new(Retry::Never, reason));
    };
    let Some(names) = hostlist::expand(list) else {
        return Err(Refusal::new(
            Retry::Never,
            format!("`{list}` in SLURM_JOB_NODELIST is no list of nodes"),
        ));
    };
    let mut slots = get("SLURM_JOB_CPUS_PER_NODE").map(|text| repeated(text)).unwrap_or_default();
    slots.resize(names.len(), 0);
    Ok(names.into_iter().zip(slots).map(|(name, slots)| Node { name, slots }).collect())
}

/// Reads numbers with repetitions, `8(x2),4`; what is malformed counts as not told.
fn repeated(text: &str) -> Vec<u32> {
    let mut numbers = Vec::new();
    for part in text.split(',') {
        let (number, times) = match part.split_once("(x") {
            Some((number, times)) => (number, times.trim_end_matches(')').parse().unwrap_or(1)),
            None => (part, 1),
        };
        // no more entries than a host list may have
        let room = (1_usize << 20).saturating_sub(numbers.len());
        numbers.extend(std::iter::repeat_n(number.parse().unwrap_or(0), room.min(times)));
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(list: &str, cpus: &str) -> Vec<(String, u32)> {
        let environment = [("SLURM_JOB_NODELIST", list), ("SLURM_JOB_CPUS_PER_NODE", cpus)];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        granted(&environment).unwrap().into_iter().map(|node| (node.name, node.slots)).collect()
    }

    #[test]
    fn slots_are_told_in_runs() {
        assert_eq!(nodes("n[1-3]", "8(x2),4"), [("n1".into(), 8), ("n2".into(), 8), ("n3".into(), 4)]);
        assert_eq!(nodes("n1", ""), [("n1".into(), 0)]);
        assert_eq!(nodes("n[1-2]", "8(x99999999999999999999)"), [("n1".into(), 8), ("n2".into(), 0)]);
        assert_eq!(nodes("n[1-2]", "8(x99999999)"), [("n1".into(), 8), ("n2".into(), 8)]);
    }
}
