//! What a pilot's environment tells of the end of its allocation.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long the site lets this allocation live, as far as its environment tells. To be asked at the pilot's start.
///
/// - `SLURM_JOB_END_TIME`, in seconds since 1970, of newer versions of Slurm (sbatch(1); 22.05 has none); with
///   `SLURM_JOB_START_TIME`, no longer than the one is after the other, should this node's clock be late.
/// - `PBS_WALLTIME`, in seconds, of Torque: what was asked for, counted from now on, since the pilot is the first that the
///   job does. OpenPBS and Slurm's Torque commands tell nothing: there the controller has only what the site answers.
pub(crate) fn left(environment: &BTreeMap<String, String>, now: SystemTime) -> Option<Duration> {
    let seconds = |name: &str| environment.get(name)?.trim().parse().ok().map(Duration::from_secs);
    let now = now.duration_since(UNIX_EPOCH).ok()?;
    let slurm = seconds("SLURM_JOB_END_TIME").map(|end| {
        let most = seconds("SLURM_JOB_START_TIME").map(|start| end.saturating_sub(start));
        end.saturating_sub(now).min(most.unwrap_or(Duration::MAX))
    });
    slurm.into_iter().chain(seconds("PBS_WALLTIME")).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_site_tells_it_differently() {
        type Variables<'a> = &'a [(&'a str, &'a str)];
        let cases: [(Variables<'_>, Option<u64>); 8] = [
            (&[], None),
            (&[("SLURM_JOB_END_TIME", "1600")], Some(600)),
            (&[("SLURM_JOB_END_TIME", "900")], Some(0)),
            (&[("SLURM_JOB_END_TIME", "1600"), ("SLURM_JOB_START_TIME", "1500")], Some(100)),
            (&[("SLURM_JOB_START_TIME", "1500")], None),
            (&[("PBS_WALLTIME", "1800")], Some(1800)),
            (&[("PBS_WALLTIME", "300"), ("SLURM_JOB_END_TIME", "1600")], Some(300)),
            (&[("PBS_WALLTIME", "00:30:00"), ("SLURM_JOB_END_TIME", "soon")], None),
        ];
        for (variables, expected) in cases {
            let environment = variables.iter().map(|(name, value)| (name.to_string(), value.to_string()));
            let now = UNIX_EPOCH + Duration::from_secs(1000);
            let left = left(&environment.collect(), now);
            assert_eq!(left, expected.map(Duration::from_secs), "{variables:?}");
        }
    }
}
