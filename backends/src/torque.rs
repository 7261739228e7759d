//! Torque's `qsub`, `qstat` and `qdel`, and Slurm's commands of the same names for Torque users.
//!
//! What the two have in common is used, and where they differ both are read. Facts are from Torque's manual pages
//! (qsub(1B), qstat(1B), qdel(1B), version 6) and, for the wrappers, from Slurm 22.05's own scripts and answers:
//! errors come on stdout with any exit status, ids are bare numbers, arguments pass through a shell unquoted.

mod listing;
mod nodefile;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use rpar_core::error::Retry::{Later, Never, Unsure};
use rpar_core::id::{AllocationId, ClusterTag};
use rpar_core::launcher::Node;
use rpar_core::profile::duration;
use rpar_core::runner::Answer;
use rpar_core::scheduler::{AllocationRequest, AllocationState, SchedulerInfo};
use serde::{Deserialize, Serialize};

use crate::batch::DEFAULT_LIMIT;
use crate::dialect::{Dialect, Refusal, Rule, States, clock, only};
use crate::pace::DEFAULT_PER_SECOND;
use crate::script;
use crate::slurm::{self, indices};

pub(crate) use listing::{Attributes, Jobs, hosts, parse, states};
pub(crate) use nodefile::{counted, nodefile};

/// The keys of `[scheduler]` under `kind = "torque"`, besides those of any scheduler.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Further options, one line each, as they stand after `#PBS`: `-l mem=4gb`.
    #[serde(default)]
    pub directives: Vec<String>,
    /// How long `qsub`, `qstat` and `qdel` may take; 60 s if not given.
    #[serde(default, with = "duration::optional", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// How many of these commands may begin in a second; 10 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commands_per_second: Option<NonZeroU32>,
}

/// The dialect.
#[derive(Debug, Default)]
pub struct Torque {
    config: Config,
    /// Whether arrays were asked for.
    arrays: AtomicBool,
    /// Whether ids were bare numbers: then Slurm is behind the commands.
    slurm: AtomicBool,
}

impl Torque {
    /// A site that is set up like this.
    pub fn new(config: Config) -> Self {
        Torque { config, ..Torque::default() }
    }

    /// Whether there are arrays that only Slurm's own commands tell of.
    fn arrays_of_slurm(&self) -> bool {
        self.arrays.load(Relaxed) && self.slurm.load(Relaxed)
    }
}

fn is_number(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit())
}

/// Slurm's own name of an array or a job.
fn plain(id: &AllocationId) -> &str {
    id.0.strip_suffix("[]").unwrap_or(&id.0)
}

/// Whether it is an array of Slurm's, which this dialect marks.
fn of_slurm(id: &AllocationId) -> bool {
    id.0.strip_suffix("[]").is_some_and(is_number)
}

/// Slurm's states by the names that this dialect gives.
fn named(states: States) -> States {
    let name = |id: AllocationId, state: &AllocationState| match state.elements {
        Some(_) => AllocationId(format!("{id}[]")),
        None => id,
    };
    states.into_iter().map(|(id, state)| (name(id, &state), state)).collect()
}

impl Dialect for Torque {
    fn info(&self) -> SchedulerInfo {
        SchedulerInfo {
            name: "torque".into(),
            queued: true,
            remote_pilot: true,
            walltime: true,
            arrays: true,
        }
    }

    fn limit(&self) -> Duration {
        self.config.timeout.unwrap_or(DEFAULT_LIMIT)
    }

    fn per_second(&self) -> NonZeroU32 {
        self.config.commands_per_second.unwrap_or(DEFAULT_PER_SECOND)
    }

    fn script(&self, request: &AllocationRequest) -> Result<String, Refusal> {
        // Torque would take the user's login shell, whatever the first line says
        let mut directives = vec![
            "-S /bin/bash".into(),
            format!("-l nodes={}:ppn={}", if request.array { 1 } else { request.nodes }, request.ppn),
        ];
        if let Some(walltime) = request.walltime {
            directives.push(format!("-l walltime={}", clock(walltime)));
        }
        if let Some(queue) = script::word("queue", &request.queue)? {
            directives.push(format!("-q {queue}"));
        }
        if let Some(account) = script::word("account", &request.account)? {
            directives.push(format!("-A {account}"));
        }
        directives.extend(script::lines("directives", &self.config.directives)?);
        // Torque hands the output over only at the end, Slurm's wrapper writes it as it comes
        let log = "[ -n \"$SLURM_JOB_ID\" ] || exec >>\"logs/allocation-${PBS_JOBID%%.*}.log\" 2>&1\n";
        let mut lines: Vec<_> = directives.iter().map(|directive| format!("#PBS {directive}")).collect();
        // Slurm would pack nodes=2:ppn=2 as 3 and 1; to Torque this is a comment
        lines.push(format!("#SBATCH --ntasks-per-node={}", request.ppn));
        Ok(script::compose(&lines, log, request))
    }

    fn submit(&self, request: &AllocationRequest, script: &str) -> Vec<String> {
        // the wrapper's own -o and -e would win over directives; sbatch puts the id for %A, Torque leaves it as it is
        let tag = &request.tag.0;
        self.arrays.fetch_or(indices(request).is_some(), Relaxed);
        let log = format!("logs/allocation-{}.log", if indices(request).is_some() { "%A_%a" } else { "%A" });
        let mut argv = ["qsub", "-N", tag, "-j", "oe", "-o", &log].map(str::to_owned).to_vec();
        argv.extend(indices(request).into_iter().flat_map(|indices| ["-t".to_owned(), indices]));
        argv.push(script.to_owned());
        argv
    }

    fn submitted(&self, request: &AllocationRequest, answer: &Answer) -> Result<AllocationId, Refusal> {
        if answer.exit != Some(0) {
            return Err(Refusal::read(answer, &[RULES, slurm::RULES]));
        }
        let last = answer.stdout.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
        // a bare number, or a number and the server's name
        if !last.starts_with(|c: char| c.is_ascii_digit()) || last.contains(char::is_whitespace) {
            return Err(Refusal::new(Unsure, format!("qsub succeeded, but `{last}` is no job id")));
        }
        // Slurm names an array as it does any job
        let bare = is_number(last);
        self.slurm.fetch_or(bare, Relaxed);
        Ok(if bare && indices(request).is_some() { AllocationId(format!("{last}[]")) } else { last.into() })
    }

    fn poll(&self, ids: &[AllocationId]) -> Vec<String> {
        if ids.iter().any(of_slurm) {
            // its qstat does not tell which array an element belongs to
            return slurm::poll(ids.iter().map(plain));
        }
        let mut argv = vec!["qstat".to_owned(), "-f".to_owned()];
        if ids.iter().any(|id| id.0.contains("[]")) {
            // the elements, too
            argv.push("-t".to_owned());
        }
        argv.extend(ids.iter().map(|id| id.0.clone()));
        argv
    }

    fn polled(&self, answer: &Answer) -> Result<States, Refusal> {
        let jobs = parse(&answer.stdout);
        if jobs.is_empty() && (answer.stdout.contains('|') || answer.stderr.contains("Invalid job id")) {
            return Ok(named(slurm::polled(answer)?));
        }
        // one unknown id among many, or all of them; the wrapper says nothing besides
        if answer.exit == Some(0) || answer.exit == Some(UNKNOWN) || !jobs.is_empty() {
            return Ok(states(jobs, listing::state));
        }
        Err(Refusal { retry: Later, ..Refusal::read(answer, &[RULES, slurm::RULES]) })
    }

    fn cancel(&self, ids: &[AllocationId]) -> Vec<String> {
        // given an element, Slurm's qdel ends the whole array; so elements are never given
        let name = |id| if of_slurm(id) { plain(id).to_owned() } else { id.0.clone() };
        std::iter::once("qdel".to_owned()).chain(ids.iter().map(name)).collect()
    }

    fn cancelled(&self, answer: &Answer) -> Result<(), Refusal> {
        let output = answer.output().to_lowercase();
        // the wrapper is silent about ids that have ended or never were; Torque names both
        let gone = answer.exit.is_some() && only(&output, &["unknown job", "invalid state for job"]);
        if answer.exit == Some(0) || gone {
            Ok(())
        } else {
            Err(Refusal::read(answer, &[RULES, slurm::RULES]))
        }
    }

    fn find(&self, tag: &ClusterTag, user: &str) -> Vec<String> {
        if self.arrays_of_slurm() {
            return slurm::find(tag, user);
        }
        // with -u the listing takes another form, whose ids are cut off
        vec!["qstat".into()]
    }

    fn found(&self, tag: &ClusterTag, user: &str, answer: &Answer) -> Result<Vec<AllocationId>, Refusal> {
        if self.arrays_of_slurm() {
            let name = |(id, array)| if array { AllocationId(format!("{id}[]")) } else { id };
            return Ok(slurm::found(answer)?.into_iter().map(name).collect());
        }
        if answer.exit != Some(0) && answer.exit != Some(UNKNOWN) {
            return Err(Refusal { retry: Later, ..Refusal::read(answer, &[RULES, slurm::RULES]) });
        }
        // Job id, Name (at most 16 characters), Username (15), Time Use, S, Queue
        let rows = answer.stdout.lines().filter_map(|line| {
            let fields = line.split_whitespace().collect::<Vec<_>>();
            let [id, name, owner, _, state, ..] = fields[..] else { return None };
            let own = !owner.is_empty() && user.starts_with(owner) && owner.len() >= user.len().min(8);
            (name == tag.0 && own && state != "C").then(|| id.into())
        });
        let rows: Vec<AllocationId> = rows.collect();
        self.slurm.fetch_or(rows.iter().any(|id| is_number(&id.0)), Relaxed);
        if self.arrays_of_slurm() {
            let reason = "Slurm's qstat does not tell elements of an array from jobs; squeue is asked next";
            return Err(Refusal::new(Later, reason));
        }
        Ok(rows)
    }

    fn nodefile(&self, environment: &BTreeMap<String, String>) -> Option<PathBuf> {
        nodefile(environment)
    }

    fn nodes(
        &self,
        environment: &BTreeMap<String, String>,
        nodefile: Option<&str>,
    ) -> Result<Vec<Node>, Refusal> {
        match nodefile {
            Some(text) => counted(text),
            // the wrappers write no nodefile
            None => slurm::granted(environment),
        }
    }
}

/// What `qstat` exits with when it knows a job that was asked for no more, or when the wrapper has nothing to list.
const UNKNOWN: i32 = 153;

/// What `qsub` and `qdel` say, in Torque's words and in those of the `sbatch` behind the wrapper.
pub(crate) const RULES: &[Rule] = &[
    Rule { pattern: "end of file", retry: Unsure, hint: None },
    Rule {
        pattern: "cannot connect to server",
        retry: Later,
        hint: Some("the batch server does not answer"),
    },
    Rule { pattern: "maximum number of jobs", retry: Later, hint: None },
    // in the usage of OpenPBS's qsub, and of no other
    Rule {
        pattern: "[-j x-y[:z]]",
        retry: Never,
        hint: Some("this `qsub` is OpenPBS's: `extends = \"openpbs\"` fits"),
    },
    Rule {
        pattern: "unknown queue",
        retry: Never,
        hint: Some(
            "`qstat -q` lists the site's queues; name one with --queue, or as `queue` in `[scheduler]`",
        ),
    },
];
