//! Slurm's `sbatch`, `squeue` and `scancel` (their manual pages, version 22.05).

mod listing;
mod nodes;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use rpar_core::error::Retry::{Later, Never, Unsure};
use rpar_core::id::{AllocationId, ClusterTag};
use rpar_core::launcher::Node;
use rpar_core::profile::duration;
use rpar_core::runner::Answer;
use rpar_core::scheduler::{AllocationRequest, SchedulerInfo};
use serde::{Deserialize, Serialize};

use crate::batch::DEFAULT_LIMIT;
use crate::dialect::{Dialect, Refusal, Rule, States, clock, only};
use crate::pace::DEFAULT_PER_SECOND;
use crate::script;

pub(crate) use nodes::granted;

/// The keys of `[scheduler]` under `kind = "slurm"`, besides those of any scheduler.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Further options, one line each, as they stand after `#SBATCH`: `--constraint=haswell`.
    #[serde(default)]
    pub directives: Vec<String>,
    /// How long `sbatch`, `squeue` and `scancel` may take; 60 s if not given.
    #[serde(default, with = "duration::optional", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// How many of these commands may begin in a second; 10 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commands_per_second: Option<NonZeroU32>,
}

/// The dialect.
#[derive(Clone, Debug, Default)]
pub struct Slurm {
    config: Config,
}

impl Slurm {
    /// A site that is set up like this.
    pub fn new(config: Config) -> Self {
        Slurm { config }
    }
}

impl Dialect for Slurm {
    fn info(&self) -> SchedulerInfo {
        SchedulerInfo { name: "slurm".into(), queued: true, remote_pilot: true, walltime: true, arrays: true }
    }

    fn limit(&self) -> Duration {
        self.config.timeout.unwrap_or(DEFAULT_LIMIT)
    }

    fn per_second(&self) -> NonZeroU32 {
        self.config.commands_per_second.unwrap_or(DEFAULT_PER_SECOND)
    }

    fn script(&self, request: &AllocationRequest) -> Result<String, Refusal> {
        let mut directives = vec![
            format!("--job-name={}", request.tag),
            format!("--nodes={}", if request.array { 1 } else { request.nodes }),
            format!("--ntasks-per-node={}", request.ppn),
            format!(
                "--output=logs/allocation-{}.log",
                if indices(request).is_some() { "%A_%a" } else { "%j" }
            ),
            "--open-mode=append".into(),
        ];
        if let Some(walltime) = request.walltime {
            directives.push(format!("--time={}", clock(walltime)));
        }
        if let Some(queue) = script::word("queue", &request.queue)? {
            directives.push(format!("--partition={queue}"));
        }
        if let Some(account) = script::word("account", &request.account)? {
            directives.push(format!("--account={account}"));
        }
        directives.extend(script::lines("directives", &self.config.directives)?);
        let lines: Vec<_> = directives.iter().map(|directive| format!("#SBATCH {directive}")).collect();
        Ok(script::compose(&lines, "", request))
    }

    fn submit(&self, request: &AllocationRequest, script: &str) -> Vec<String> {
        // the name also here: a site's own template may leave it out, and the cluster is found by it
        let mut argv = ["sbatch", "--parsable", "-J", &request.tag.0].map(str::to_owned).to_vec();
        argv.extend(indices(request).map(|indices| format!("--array={indices}")));
        argv.push(script.to_owned());
        argv
    }

    fn submitted(&self, _request: &AllocationRequest, answer: &Answer) -> Result<AllocationId, Refusal> {
        if answer.exit != Some(0) {
            return Err(Refusal::read(answer, &[RULES]));
        }
        // `4711`, or `4711;cluster` where several clusters are served
        let last = answer.stdout.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
        let id = last.split(';').next().unwrap_or_default();
        if id.is_empty() || !id.chars().all(|c| c.is_ascii_digit()) {
            return Err(Refusal::new(Unsure, format!("sbatch succeeded, but `{last}` is no job id")));
        }
        Ok(id.into())
    }

    fn poll(&self, ids: &[AllocationId]) -> Vec<String> {
        poll(ids.iter().map(|id| id.0.as_str()))
    }

    fn polled(&self, answer: &Answer) -> Result<States, Refusal> {
        polled(answer)
    }

    fn cancel(&self, ids: &[AllocationId]) -> Vec<String> {
        std::iter::once("scancel".to_owned()).chain(ids.iter().map(|id| id.0.clone())).collect()
    }

    fn cancelled(&self, answer: &Answer) -> Result<(), Refusal> {
        // a job that has ended, or that is forgotten, is fine; some versions say so and fail
        let output = answer.output();
        let gone = ["Invalid job id", "already completing or completed"];
        if answer.exit == Some(0) || only(&output, &gone) {
            Ok(())
        } else {
            Err(Refusal::read(answer, &[RULES]))
        }
    }

    fn find(&self, tag: &ClusterTag, user: &str) -> Vec<String> {
        find(tag, user)
    }

    fn found(&self, _tag: &ClusterTag, _user: &str, answer: &Answer) -> Result<Vec<AllocationId>, Refusal> {
        Ok(found(answer)?.into_keys().collect())
    }

    fn nodefile(&self, _environment: &BTreeMap<String, String>) -> Option<PathBuf> {
        None
    }

    fn nodes(
        &self,
        environment: &BTreeMap<String, String>,
        _nodefile: Option<&str>,
    ) -> Result<Vec<Node>, Refusal> {
        granted(environment)
    }
}

/// The indices of a request's elements, where it is an array. One of one node needs none: some sites refuse it.
pub(crate) fn indices(request: &AllocationRequest) -> Option<String> {
    (request.array && request.nodes > 1).then(|| format!("1-{}", request.nodes))
}

/// The command that asks for the states of these, with a line for each element of an array.
pub(crate) fn poll<'a>(ids: impl Iterator<Item = &'a str>) -> Vec<String> {
    let ids = ids.collect::<Vec<_>>().join(",");
    ["squeue", "-h", "-r", "-t", "all", "-O", listing::FORMAT, "-j", &ids].map(str::to_owned).to_vec()
}

/// Reads its answer.
pub(crate) fn polled(answer: &Answer) -> Result<States, Refusal> {
    // what squeue says when it knows none of the ids
    if answer.exit != Some(0) && !answer.stderr.contains("Invalid job id specified") {
        return Err(Refusal { retry: Later, ..Refusal::read(answer, &[RULES]) });
    }
    Ok(listing::states(&answer.stdout))
}

/// The command that lists what has not ended: an array by its own id, a line for each part of it that waits or runs.
pub(crate) fn find(tag: &ClusterTag, user: &str) -> Vec<String> {
    ["squeue", "-h", "-o", "%F|%K", "-u", user, "-n", &tag.0].map(str::to_owned).to_vec()
}

/// Reads its answer; tells of each whether it is an array.
pub(crate) fn found(answer: &Answer) -> Result<BTreeMap<AllocationId, bool>, Refusal> {
    if answer.exit != Some(0) {
        return Err(Refusal { retry: Later, ..Refusal::read(answer, &[RULES]) });
    }
    let rows = answer.stdout.lines().filter_map(|line| line.trim().split_once('|'));
    Ok(rows.map(|(id, index)| (id.into(), index.starts_with(|c: char| c.is_ascii_digit()))).collect())
}

/// What `sbatch`, `squeue` and `scancel` say.
pub(crate) const RULES: &[Rule] = &[
    Rule {
        pattern: "unable to contact slurm controller",
        retry: Later,
        hint: Some("Slurm's controller does not answer; `scontrol ping` tells when it does again"),
    },
    Rule { pattern: "socket timed out", retry: Unsure, hint: None },
    Rule { pattern: "zero bytes were transmitted", retry: Unsure, hint: None },
    Rule { pattern: "temporarily unable", retry: Later, hint: None },
    Rule { pattern: "accounting/qos policy", retry: Later, hint: None },
    Rule {
        pattern: "invalid partition",
        retry: Never,
        hint: Some("`sinfo -s` lists the partitions; name one with --queue, or as `queue` in `[scheduler]`"),
    },
    Rule {
        pattern: "time limit",
        retry: Never,
        hint: Some(
            "`sinfo -s` tells the partitions' limits; ask for less with --walltime, or for another --queue",
        ),
    },
    Rule {
        pattern: "invalid account",
        retry: Never,
        hint: Some("name an account that may be charged with --account, or as `account` in `[scheduler]`"),
    },
    Rule { pattern: "more processors requested", retry: Never, hint: Some(SMALLER) },
    Rule { pattern: "node count", retry: Never, hint: Some(SMALLER) },
    Rule { pattern: "node configuration", retry: Never, hint: Some(SMALLER) },
];

/// What to do when a request is larger than the site.
pub(crate) const SMALLER: &str =
    "ask for fewer --nodes or a smaller --ppn; `sinfo -N -l` tells what each node has";
