//! The command line: the fixed part of it, and in [`ahead`] and [`params`] what a profile adds.

pub(crate) mod ahead;
mod engines;
mod input;
mod map;
pub(crate) mod params;
mod profile;
mod scripts;
mod submission;
mod task;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use rpar_core::profile::duration;

pub(crate) use self::engines::{AddArguments, EnginesCommands, RemoveArguments, Which};
#[cfg(test)]
pub(crate) use self::input::Header;
pub(crate) use self::input::{InputArguments, Trim};
pub(crate) use self::map::{MapArguments, ResultArguments};
pub(crate) use self::profile::{
    CheckArguments, CreateArguments, EditArguments, ImportArguments, PathArguments, ProbeArguments,
    ProfileCommands, ShowArguments,
};
pub(crate) use self::scripts::{CompleteArguments, CompletionsArguments, ManArguments, Shell};
pub(crate) use self::submission::{
    CancelArguments, OneOrAll, ResultsArguments, State, SubmitArguments, Tasks, TasksArguments, WaitArguments,
};
pub(crate) use self::task::{RunArguments, TaskArguments, ThrowAwayArguments};
use crate::command::exit::TABLE;
use crate::command::output::ColorChoice;
use crate::profile::Resolved;

/// Maps functions and commands over lists of arguments, on the nodes that your site's batch system grants.
#[derive(Debug, Parser)]
#[command(name = "rpar", version, after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{TABLE}"))]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Commands,
}

const EXAMPLES: &str = "\
Examples:
  rpar map 'gzip -k {}' ::: *.log              on this machine's own cores
  rpar --profile slurm start --nodes 2         a cluster of engines on two nodes
  rpar --profile slurm map 'simulate {}' :::: list
  rpar --profile slurm stop";

/// Options of every command.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// The site's profile, see `rpar profile list`; NAME@HOST is one of another host, by ssh [default: $RPAR_PROFILE, or local]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Tells clusters of one profile apart
    #[arg(long, global = true, value_name = "ID", default_value = "default")]
    pub(crate) cluster_id: String,
    /// Answers as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Logs more, on stderr; twice: even more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Says nothing but answers and errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorChoice,
}

impl Global {
    /// The profile's name.
    pub(crate) fn profile(&self) -> String {
        profile_name(self.profile.clone())
    }
}

/// The profile's name, from what was given on the command line.
pub(crate) fn profile_name(given: Option<String>) -> String {
    let from_environment = || std::env::var("RPAR_PROFILE").ok().filter(|name| !name.is_empty());
    given.or_else(from_environment).unwrap_or_else(|| "local".into())
}

#[derive(Debug, Subcommand)]
pub(crate) enum Commands {
    /// Starts a cluster: a controller here, and engines on the nodes that the site grants
    Start(StartArguments),
    /// Stops a cluster and gives its nodes back
    Stop(StopArguments),
    /// Shows a cluster's controller, allocations, engines and tasks
    Status(StatusArguments),
    /// Tells why tasks wait, and what became of a task, an engine or an allocation
    #[command(after_help = WHY_HELP)]
    Why(WhyArguments),
    /// Lists the clusters of this home directory
    List,
    /// Lists a running cluster's engines, asks for more, or gives some back
    #[command(subcommand)]
    Engines(EnginesCommands),
    /// Runs a command for each argument, on all engines
    #[command(
        after_help = map::HELP,
        override_usage = "rpar map [OPTIONS] COMMAND ::: ARGUMENTS...\n       \
                          rpar map [OPTIONS] COMMAND :::: FILES...\n       \
                          COMMAND | rpar map [OPTIONS] COMMAND"
    )]
    Map(MapArguments),
    /// Runs one command on one engine
    Run(RunArguments),
    /// Submits work that outlives this terminal, and prints its number
    #[command(
        after_help = submission::SUBMIT_HELP,
        override_usage = "rpar submit [OPTIONS] COMMAND ::: ARGUMENTS...\n       \
                          rpar submit [OPTIONS] COMMAND :::: FILES...\n       \
                          COMMAND | rpar submit [OPTIONS] COMMAND"
    )]
    Submit(SubmitArguments),
    /// Lists what was submitted, or the tasks of one submission
    Tasks(TasksArguments),
    /// Waits until submissions have ended
    Wait(WaitArguments),
    /// Prints the results of a submission
    #[command(after_help = submission::RESULTS_HELP)]
    Results(ResultsArguments),
    /// Cancels a submission, or some of its tasks
    Cancel(CancelArguments),
    /// Shows what a cluster's processes have logged
    Logs(LogsArguments),
    /// Removes what dead clusters have left: allocations, directories, locks
    #[command(after_help = CLEAN_HELP)]
    Clean(CleanArguments),
    /// Shows, makes and checks profiles
    #[command(subcommand)]
    Profile(ProfileCommands),
    /// Prints the script that lets a shell complete what you type
    #[command(after_help = scripts::COMPLETIONS_HELP)]
    Completions(CompletionsArguments),
    /// Prints the manual page, or writes those of all commands
    #[command(after_help = scripts::MAN_HELP)]
    Man(ManArguments),
    /// What a completion script asks
    #[command(hide = true)]
    Complete(CompleteArguments),
    /// The controller's own process
    #[command(hide = true)]
    Controller(ControllerArguments),
    /// The pilot's own process
    #[command(hide = true)]
    Pilot(PilotArguments),
    /// An engine host's own process
    #[command(hide = true)]
    Engine(EngineArguments),
    /// What `profile check --live` runs on a node
    #[command(hide = true)]
    Probe(ProbeArguments),
    /// What `--profile NAME@HOST` runs on the other host
    #[command(hide = true)]
    Stdio,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct StartArguments {
    /// Engines in all; nodes follow from it and ppn
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) engines: Option<u32>,
    /// Makes engines on the nodes of the allocation that this is typed in, and leaves that to you in the end
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) here: bool,
    /// Shows the script and the command line, and submits nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Returns when the controller runs, without waiting for engines
    #[arg(long, conflicts_with = "timeout")]
    pub(crate) no_wait: bool,
    /// Gives up, and takes everything back, when the engines are not there by then, such as 90s or 1h30m; a bare number is seconds
    #[arg(long, value_name = "DURATION", value_parser = read_limit)]
    pub(crate) timeout: Option<Duration>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct StopArguments {
    /// All clusters of this home directory
    #[arg(long)]
    pub(crate) all: bool,
}

const CLEAN_HELP: &str = "\
A cluster whose controller runs, or was started on another host, is left alone.";

#[derive(Args, Clone, Debug)]
pub(crate) struct CleanArguments {
    /// Says what would be removed, and removes nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

const WHY_HELP: &str = "\
Examples:
  rpar why                     all that waits, by reason
  rpar why 7.3                 task 3 of submission 7
  rpar why 3                   submission 3, engine 3 and allocation 3, as far as they are known
  rpar why engine 3            engine 3, also when it is gone
  rpar why 123.login1          an allocation, by the site's id";

#[derive(Args, Clone, Debug)]
pub(crate) struct WhyArguments {
    /// A task as ID.N, or the id of a submission, an engine or an allocation; before it may stand which of these it is
    #[arg(value_name = "WHAT", num_args = 0..=2)]
    pub(crate) what: Vec<String>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct StatusArguments {
    /// Every engine on a line of its own
    #[arg(long)]
    pub(crate) engines: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct LogsArguments {
    /// Waits for more, until Ctrl-C; with --task until the tasks have ended
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// How many lines of each log [default: 40; with --task all]
    #[arg(long, value_name = "N")]
    pub(crate) lines: Option<usize>,
    /// What the tasks of this submission have written, or one of them, such as 3.7: all of it with `submit --live`,
    /// otherwise of tasks that have written more than 256 KiB
    #[arg(long, value_name = "ID[.N]", value_parser = submission::read_one_or_all, conflicts_with = "name")]
    pub(crate) task: Option<OneOrAll>,
    /// Only logs whose names contain this: controller, allocation, a node's name
    pub(crate) name: Option<String>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct DirectoryArguments {
    /// The cluster's directory
    #[arg(long)]
    pub(crate) directory: PathBuf,
    /// The file there that holds the resolved profile
    #[arg(long, value_name = "FILE", default_value = Resolved::FILE)]
    pub(crate) resolved: String,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct PilotArguments {
    #[command(flatten)]
    pub(crate) at: DirectoryArguments,
    /// How many engines this allocation has, where the profile has those of several
    #[arg(long)]
    pub(crate) engines: Option<u32>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ControllerArguments {
    #[command(flatten)]
    pub(crate) at: DirectoryArguments,
    /// Ends with the process at the other end of stdin, and removes the directory
    #[arg(long)]
    pub(crate) throw_away: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct EngineArguments {
    /// The cluster's directory
    #[arg(long, required_unless_present = "handed", conflicts_with = "handed")]
    pub(crate) directory: Option<PathBuf>,
    /// The file there that holds the resolved profile
    #[arg(long, value_name = "FILE", default_value = Resolved::FILE)]
    pub(crate) resolved: String,
    /// Reads on stdin what others find in the cluster's directory
    #[arg(long)]
    pub(crate) handed: bool,
    /// The allocation that this node belongs to
    #[arg(long)]
    pub(crate) allocation: Option<String>,
    /// Which element of it, where that is an array
    #[arg(long)]
    pub(crate) element: Option<u32>,
    /// How many engines this host holds
    #[arg(long)]
    pub(crate) engines: u32,
}

/// How long something may take. A bare number is seconds, as GNU parallel has it: in every option, while a profile must say
/// which unit it means.
fn read_limit(text: &str) -> Result<Duration, String> {
    let limit = read_pause(text)?;
    if limit.is_zero() { Err("expected more than nothing".into()) } else { Ok(limit) }
}

/// The same, or no time at all.
fn read_pause(text: &str) -> Result<Duration, String> {
    let seconds = || text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let pause = duration::parse(text).or_else(seconds).filter(|pause| *pause <= duration::LONGEST);
    pause.ok_or_else(|| format!("expected {}, or a number of seconds", duration::FORMS))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An option means the same in every command.
    #[test]
    fn every_duration_is_read_alike() {
        let options = [
            ("start --timeout", ""),
            ("engines add --timeout", ""),
            ("map --timeout", " x"),
            ("map --delay", " x"),
            ("run --timeout", " x"),
            ("run --time", " x"),
            ("submit --timeout", " x"),
            ("wait --timeout", ""),
        ];
        for (option, rest) in options {
            let is_read = |value: &str| {
                let line = format!("rpar {option} {value}{rest}");
                Cli::try_parse_from(line.split(' ')).is_ok()
            };
            for value in ["1", "0.5", "90s", "1h30m", "250ms", "02:00:00", "1-12:00:00"] {
                assert!(is_read(value), "{option} {value}");
            }
            for value in ["-1", "x", "1w", "1e30", "NaN"] {
                assert!(!is_read(value), "{option} {value}");
            }
            assert_eq!(is_read("0"), option.contains("delay"), "{option} 0");
        }
    }
}
