//! The options of commands that run tasks.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use rpar_core::id::EngineId;
use rpar_core::profile::size;

use super::read_limit;

/// How tasks are run.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Tasks")]
pub(crate) struct TaskArguments {
    /// Ends a task that runs longer, such as 90s or 1h30m; a bare number is seconds
    #[arg(long, value_name = "DURATION", value_parser = read_limit)]
    pub(crate) timeout: Option<Duration>,
    /// How long a task takes at most, such as 10m: it is not started where a walltime ends sooner; nothing ends it
    #[arg(long, value_name = "DURATION", value_parser = read_limit)]
    pub(crate) time: Option<Duration>,
    /// Does not run a task again whose engine was lost (for work with side effects)
    #[arg(long)]
    pub(crate) no_rerun: bool,
    /// The directory that the command runs in [default: the current one; with --profile NAME@HOST your home there, and others
    /// are below it]
    #[arg(long, alias = "wd", value_name = "DIR")]
    pub(crate) workdir: Option<PathBuf>,
    /// Passes an environment variable on, or sets it: NAME or NAME=VALUE; may be given often
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Vec<String>,
    #[command(flatten)]
    pub(crate) place: PlaceArguments,
}

/// Where and when tasks run.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Where tasks run")]
pub(crate) struct PlaceArguments {
    /// Only on engines with this label of their profile; may be given often
    #[arg(long, value_name = "NAME")]
    pub(crate) label: Vec<String>,
    /// Only on these engines, by the ids that `rpar engines list` shows, such as 0,3-5
    #[arg(long, value_name = "IDS", value_parser = read_targets)]
    pub(crate) targets: Option<Targets>,
    /// Goes before what has a lower one, which is 0 unless it is given
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    pub(crate) priority: i32,
    /// Cores of its node that each task takes [default: the node's cores by its engines]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub(crate) cpus: u64,
    /// GPUs that each task has to itself: CUDA_VISIBLE_DEVICES and ROCR_VISIBLE_DEVICES list them
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub(crate) gpus: u64,
    /// Memory that each task takes, such as 4GiB; one that takes more is killed, where the system allows that
    #[arg(long, value_name = "SIZE", value_parser = read_size)]
    pub(crate) memory: Option<u64>,
    /// What else each task takes of what the profile counts; may be given often
    #[arg(long, value_name = "NAME=N", value_parser = read_count)]
    pub(crate) resource: Vec<(String, u64)>,
}

/// Engines by their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Targets(pub(crate) Vec<EngineId>);

/// More than any cluster has, so that a slip of the finger fills no memory.
const TARGETS_LIMIT: usize = 1 << 14;

fn read_targets(text: &str) -> Result<Targets, String> {
    let wrong = || "expected ids of engines, such as 0,3-5".to_owned();
    let mut ids = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = match (first.trim().parse(), last.trim().parse()) {
            (Ok(first), Ok(last)) if first <= last => (first, last),
            _ => return Err(wrong()),
        };
        if ids.len() + (last - first) as usize >= TARGETS_LIMIT {
            return Err(format!("expected at most {TARGETS_LIMIT} engines"));
        }
        ids.extend((first..=last).map(EngineId));
    }
    Ok(Targets(ids))
}

fn read_size(text: &str) -> Result<u64, String> {
    size::parse(text).ok_or_else(|| format!("expected {}", size::FORMS))
}

fn read_count(text: &str) -> Result<(String, u64), String> {
    let parts =
        text.split_once('=').and_then(|(name, count)| Some((name.trim(), count.trim().parse().ok()?)));
    match parts {
        Some((name, count)) if !name.is_empty() => Ok((name.to_owned(), count)),
        _ => Err("expected NAME=N, such as licence=1".to_owned()),
    }
}

/// The cluster that tasks go to when the named one does not run.
#[derive(Args, Clone, Debug)]
pub(crate) struct ThrowAwayArguments {
    /// Engines of a throw-away cluster, when none runs
    #[arg(short = 'n', long, short_alias = 'j', visible_alias = "jobs", value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) engines: Option<u32>,
    /// Starts a throw-away cluster even where that spends allocation time; takes the profile's parameters
    #[arg(long)]
    pub(crate) start: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) task: TaskArguments,
    #[command(flatten)]
    pub(crate) throw_away: ThrowAwayArguments,
    /// A program and its arguments; a single word is read by sh
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    pub(crate) words: Vec<OsString>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_counts() {
        let ids = |list: &[u32]| Targets(list.iter().copied().map(EngineId).collect());
        assert_eq!(read_targets("0, 3-5").unwrap(), ids(&[0, 3, 4, 5]));
        for wrong in ["", "5-3", "a", "0-99999", "1,,2"] {
            assert!(read_targets(wrong).is_err(), "{wrong}");
        }
        assert_eq!(read_count("licence=3").unwrap(), ("licence".to_owned(), 3));
        assert!(read_count("licence").is_err() && read_count("=3").is_err());
    }
}
