//! `qsub`, `qstat`, `qselect` and `qdel` of OpenPBS and PBS Pro.
//!
//! Facts are from their manual pages (qsub(1B), qstat(1B), pbs_resources(7B), pbs_job_attributes(7B)) and from what
//! OpenPBS 23.06 answered: see the captures in `tests/fixtures/openpbs`. Two are not in the pages: with history off
//! `qstat -x` tells of no job at all and exits 0; exit statuses are the low byte of the server's error numbers.

mod attributes;
mod config;
mod json;
mod rules;
mod way;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use rpar_core::error::Retry::{Later, Never, Unsure};
use rpar_core::id::{AllocationId, ClusterTag};
use rpar_core::launcher::Node;
use rpar_core::runner::Answer;
use rpar_core::scheduler::{AllocationRequest, SchedulerInfo};

use crate::batch::DEFAULT_LIMIT;
use crate::dialect::{Dialect, Refusal, States};
use crate::pace::DEFAULT_PER_SECOND;
use crate::slurm::indices;
use crate::{script, torque};
pub use config::Config;
use way::Way;

/// The dialect, with what it has learnt of the site.
#[derive(Debug, Default)]
pub struct Pbs {
    config: Config,
    way: Way,
}

impl Pbs {
    /// A site that is set up like this.
    pub fn new(config: Config) -> Self {
        Pbs { config, way: Way::default() }
    }
}

impl Dialect for Pbs {
    fn info(&self) -> SchedulerInfo {
        SchedulerInfo { name: "pbs".into(), queued: true, remote_pilot: true, walltime: true, arrays: true }
    }

    fn limit(&self) -> Duration {
        self.config.timeout.unwrap_or(DEFAULT_LIMIT)
    }

    fn per_second(&self) -> NonZeroU32 {
        self.config.commands_per_second.unwrap_or(DEFAULT_PER_SECOND)
    }

    fn script(&self, request: &AllocationRequest) -> Result<String, Refusal> {
        let lines = self.config.lines(request, self.way.is_old())?;
        let lines: Vec<_> = lines.iter().map(|line| format!("#PBS {line}")).collect();
        Ok(script::compose(&lines, "exec >>\"logs/allocation-${PBS_JOBID%%.*}.log\" 2>&1\n", request))
    }

    fn submit(&self, request: &AllocationRequest, script: &str) -> Vec<String> {
        // without -f a process stays behind for a minute; the name also here: a site's own template may leave it out,
        // and the cluster is found by it
        let mut argv: Vec<_> = self.way.qsub().iter().map(|word| (*word).to_owned()).collect();
        argv.extend(["-N".to_owned(), request.tag.0.clone()]);
        argv.extend(indices(request).into_iter().flat_map(|indices| ["-J".to_owned(), indices]));
        argv.push(script.to_owned());
        argv
    }

    fn submitted(&self, _request: &AllocationRequest, answer: &Answer) -> Result<AllocationId, Refusal> {
        if answer.exit != Some(0) {
            let refusal = rules::refusal(answer);
            let learnt = self.way.learns_from_qsub(answer);
            return Err(if learnt { Refusal { retry: Later, ..refusal } } else { refusal });
        }
        let last = answer.stdout.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
        // a number, brackets if it is an array, and the server's name
        if !last.starts_with(|c: char| c.is_ascii_digit()) || last.contains(char::is_whitespace) {
            return Err(Refusal::new(Unsure, format!("qsub succeeded, but `{last}` is no job id")));
        }
        Ok(last.into())
    }

    fn poll(&self, ids: &[AllocationId]) -> Vec<String> {
        let mut argv = vec!["qstat".to_owned()];
        argv.extend(self.way.options(ids.len()).into_iter().map(str::to_owned));
        if ids.iter().any(|id| id.0.contains("[]")) {
            // the elements, too
            argv.push("-t".into());
        }
        argv.extend(ids.iter().map(|id| id.0.clone()));
        argv
    }

    fn learns(&self, answer: &Answer) -> bool {
        self.way.learns(answer)
    }

    fn polled(&self, answer: &Answer) -> Result<States, Refusal> {
        let jobs = attributes::read(&answer.stdout);
        // one unknown id among many, or none that is known: what is printed is true
        let told = matches!(answer.exit, Some(0 | rules::UNKNOWN | rules::FINISHED));
        if told || jobs.as_ref().is_some_and(|jobs| !jobs.is_empty()) {
            let mut states = torque::states(jobs.unwrap_or_default(), attributes::state);
            states.extend(attributes::finished(&answer.stderr));
            return Ok(states);
        }
        Err(Refusal { retry: Later, ..rules::refusal(answer) })
    }

    fn cancel(&self, ids: &[AllocationId]) -> Vec<String> {
        let mut argv = vec!["qdel".to_owned()];
        // the others were asked to end when that was found out
        if ids.iter().any(|id| self.way.is_unreachable(id)) {
            argv.extend(["-W", "force"].map(str::to_owned));
        }
        argv.extend(ids.iter().map(|id| id.0.clone()));
        argv
    }

    fn cancelled(&self, answer: &Answer) -> Result<(), Refusal> {
        if answer.exit == Some(0) || rules::all_gone(answer) {
            return Ok(());
        }
        self.way.note_unreachable(&answer.stderr);
        Err(rules::refusal(answer))
    }

    fn find(&self, tag: &ClusterTag, user: &str) -> Vec<String> {
        // qstat's short forms cut names and ids off
        ["qselect", "-u", user, "-N", &tag.0].map(str::to_owned).to_vec()
    }

    fn found(&self, _tag: &ClusterTag, _user: &str, answer: &Answer) -> Result<Vec<AllocationId>, Refusal> {
        if answer.exit != Some(0) {
            return Err(Refusal { retry: Later, ..rules::refusal(answer) });
        }
        Ok(answer.stdout.lines().map(str::trim).filter(|line| !line.is_empty()).map(Into::into).collect())
    }

    fn nodefile(&self, environment: &BTreeMap<String, String>) -> Option<PathBuf> {
        torque::nodefile(environment)
    }

    fn nodes(&self, _: &BTreeMap<String, String>, nodefile: Option<&str>) -> Result<Vec<Node>, Refusal> {
        let outside = "PBS_NODEFILE is not set: this is not inside an allocation";
        torque::counted(nodefile.ok_or_else(|| Refusal::new(Never, outside))?)
    }
}
