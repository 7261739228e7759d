//! What this host tells of its site, for a new profile: batch system, queues, cores of a node.

use std::fs;
use std::time::Duration;

use rpar_core::runner::{Invocation, Runner};

use crate::profile::Surroundings;

/// How long one command of the site may take: a person waits.
const LIMIT: Duration = Duration::from_secs(10);

/// A batch system, by the commands it is used with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    /// `sbatch`.
    Slurm,
    /// `qsub` of OpenPBS or PBS Pro.
    Pbs,
    /// Any other `qsub`.
    Torque,
}

/// A queue or partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Queue {
    pub(crate) name: String,
    /// Whether the site takes it when none is named.
    pub(crate) default: bool,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Survey {
    /// The batch system that was asked.
    pub(crate) system: Option<System>,
    /// Its queues.
    pub(crate) queues: Vec<Queue>,
    /// Cores of the smallest node.
    pub(crate) cores: Option<u32>,
    /// Network interfaces of this host, without loopback.
    pub(crate) interfaces: Vec<String>,
}

impl System {
    /// The shipped profile to extend.
    pub(crate) fn profile(self) -> &'static str {
        match self {
            System::Slurm => "slurm",
            System::Pbs => "openpbs",
            System::Torque => "torque",
        }
    }

    /// The command that submits.
    pub(crate) fn command(self) -> &'static str {
        match self {
            System::Slurm => "sbatch",
            System::Pbs | System::Torque => "qsub",
        }
    }

    /// The one that a profile's `[scheduler] kind` stands for.
    pub(crate) fn of_kind(kind: &str) -> Option<System> {
        [System::Slurm, System::Torque]
            .into_iter()
            .find(|system| system.profile() == kind)
            .or((kind == "pbs").then_some(System::Pbs))
    }

    /// The one whose commands this host has: Slurm before its own `qsub` for Torque users.
    pub(crate) async fn detect(surroundings: &Surroundings, runner: &dyn Runner) -> Option<System> {
        if surroundings.program("sbatch").is_some() {
            return Some(System::Slurm);
        }
        surroundings.program("qsub")?;
        let version = said(runner, &["qsub", "--version"]).await.unwrap_or_default();
        Some(if version.contains("pbs_version") { System::Pbs } else { System::Torque })
    }
}

impl Survey {
    /// Asks a batch system, or only this host.
    pub(crate) async fn of(system: Option<System>, runner: &dyn Runner) -> Survey {
        let mut survey = Survey { system, interfaces: interfaces(), ..Survey::default() };
        match system {
            Some(System::Slurm) => {
                let sinfo = said(runner, &["sinfo", "-h", "-o", "%P|%c"]).await.unwrap_or_default();
                (survey.queues, survey.cores) = partitions(&sinfo);
            }
            Some(System::Pbs | System::Torque) => {
                survey.queues = queues(&said(runner, &["qstat", "-Q"]).await.unwrap_or_default());
                survey.cores = cores(&said(runner, &["pbsnodes", "-a"]).await.unwrap_or_default());
            }
            None => {}
        }
        survey
    }
}

/// What a command prints, if it runs and succeeds.
async fn said(runner: &dyn Runner, argv: &[&str]) -> Option<String> {
    let argv = argv.iter().map(|word| (*word).to_owned()).collect();
    let answer = runner.run(&Invocation { argv, directory: None, stdin: None, limit: LIMIT }).await.ok()?;
    (answer.exit == Some(0)).then(|| answer.output())
}

fn interfaces() -> Vec<String> {
    let entries = fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    let up = entries.filter(|entry| {
        let state = fs::read_to_string(entry.path().join("operstate")).unwrap_or_default();
        state.trim() == "up"
    });
    let mut names: Vec<String> = up.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    // InfiniBand before Ethernet
    names.sort_by_key(|name| (!name.starts_with("ib"), name.clone()));
    names
}

/// Lines `NAME|CPUS` of sinfo(1), with a star at the default one and a plus where nodes differ.
fn partitions(sinfo: &str) -> (Vec<Queue>, Option<u32>) {
    let mut queues: Vec<Queue> = Vec::new();
    let mut cores: Option<u32> = None;
    for (name, count) in sinfo.lines().filter_map(|line| line.trim().split_once('|')) {
        let queue = Queue { name: name.trim_end_matches('*').to_owned(), default: name.ends_with('*') };
        if !queues.contains(&queue) {
            queues.push(queue);
        }
        let count = count.trim_end_matches('+').parse().ok();
        cores = [cores, count].into_iter().flatten().min();
    }
    (queues, cores)
}

/// The table of `qstat -Q`: a name, two numbers, and whether the queue is enabled and started.
fn queues(table: &str) -> Vec<Queue> {
    let rows = table.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [name, _, _, "yes", "yes", ..] = fields[..] else { return None };
        Some(Queue { name: name.to_owned(), default: false })
    });
    rows.collect()
}

/// The least `np` (Torque) or `resources_available.ncpus` (PBS) of `pbsnodes -a`.
fn cores(listing: &str) -> Option<u32> {
    let values = listing.lines().filter_map(|line| {
        let (key, value) = line.split_once('=')?;
        matches!(key.trim(), "np" | "resources_available.ncpus").then(|| value.trim().parse().ok())?
    });
    values.filter(|cores| *cores > 0).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(name: &str, default: bool) -> Queue {
        Queue { name: name.to_owned(), default }
    }

    #[test]
    fn what_slurm_tells() {
        let (queues, cores) = partitions("batch*|8\nlarge|64+\nlarge|64+\ndebug|4\n");
        assert_eq!(queues, [queue("batch", true), queue("large", false), queue("debug", false)]);
        assert_eq!(cores, Some(4));
        assert_eq!(partitions("sinfo: error\n"), (Vec::new(), None));
    }

    #[test]
    fn what_pbs_tells() {
        let table = "Queue  Max Tot Ena Str Que Run Hld Wat Trn Ext Type\n\
                     ------ --- --- --- --- --- --- --- --- --- --- ----\n\
                     workq    0  10 yes yes   1   7   0   0   0   0 Exe*\n\
                     closed   0   0  no yes   0   0   0   0   0   0 Exe*\n\
                     debug    ?   ? yes yes   ?   ?   ?   ?   ?   ? E\n";
        assert_eq!(queues(table), [queue("workq", false), queue("debug", false)]);
        assert_eq!(cores("node1\n    state = free\n    np = 8\nnode2\n    np = 16\n"), Some(8));
        assert_eq!(cores("n1\n     pcpus = 2\n     resources_available.ncpus = 4\n"), Some(4));
        assert_eq!(cores("qstat: down"), None);
    }

    #[test]
    fn kinds_have_their_systems() {
        assert_eq!(System::of_kind("slurm"), Some(System::Slurm));
        assert_eq!(System::of_kind("torque"), Some(System::Torque));
        assert_eq!(System::of_kind("pbs"), Some(System::Pbs));
        assert_eq!(System::of_kind("local"), None);
    }
}
