//! The command line: the fixed part, and the flags that a profile's parameters become.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgMatches, Args, Command, CommandFactory, Parser, Subcommand};
use rpar_core::profile::{Param, duration};

use crate::command::exit::TABLE;
use crate::command::output::ColorChoice;

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
    /// The site's profile, see `rpar profile list` [default: $RPAR_PROFILE, or local]
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
    /// Lists the clusters of this home directory
    List,
    /// Runs a command for each argument, on all engines
    #[command(
        after_help = MAP_HELP,
        override_usage = "rpar map [OPTIONS] COMMAND ::: ARGUMENTS...\n       \
                          rpar map [OPTIONS] COMMAND :::: FILES...\n       \
                          COMMAND | rpar map [OPTIONS] COMMAND"
    )]
    Map(MapArguments),
    /// Runs one command on one engine
    Run(RunArguments),
    /// Shows what a cluster's processes have logged
    Logs(LogsArguments),
    /// Shows profiles
    #[command(subcommand)]
    Profile(ProfileCommands),
    /// The controller's own process
    #[command(hide = true)]
    Controller(ControllerArguments),
    /// The pilot's own process
    #[command(hide = true)]
    Pilot(DirectoryArguments),
    /// An engine host's own process
    #[command(hide = true)]
    Engine(EngineArguments),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct StartArguments {
    /// Engines in all; nodes follow from it and ppn
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) engines: Option<u32>,
    /// Shows the script and the command line, and submits nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Returns when the controller runs, without waiting for engines
    #[arg(long, conflicts_with = "timeout")]
    pub(crate) no_wait: bool,
    /// Gives up, and takes everything back, when the engines are not there by then
    #[arg(long, value_name = "DURATION", value_parser = read_duration)]
    pub(crate) timeout: Option<Duration>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct StopArguments {
    /// All clusters of this home directory
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct StatusArguments {
    /// Every engine on a line of its own
    #[arg(long)]
    pub(crate) engines: bool,
}

/// How tasks are run.
#[derive(Args, Clone, Debug)]
pub(crate) struct TaskArguments {
    /// Ends a task that runs longer, such as 90s or 1h30m
    #[arg(long, value_name = "DURATION", value_parser = read_duration)]
    pub(crate) timeout: Option<Duration>,
    /// Does not run a task again whose engine was lost (for work with side effects)
    #[arg(long)]
    pub(crate) no_rerun: bool,
    /// The directory that the command runs in [default: the current one]
    #[arg(long, value_name = "DIR")]
    pub(crate) workdir: Option<PathBuf>,
    /// Passes an environment variable on, or sets it: NAME or NAME=VALUE; may be given often
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Vec<String>,
    /// Engines of a throw-away cluster, when none runs
    #[arg(short = 'n', long, short_alias = 'j', visible_alias = "jobs", value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) engines: Option<u32>,
    /// Starts a throw-away cluster even where that spends allocation time; takes the profile's parameters
    #[arg(long)]
    pub(crate) start: bool,
}

const MAP_HELP: &str = "\
Arguments follow `:::`, or are the lines of the files after `::::` (`-` is stdin), or the lines of stdin.
In the command, {} is the argument, {.} the argument without its extension, {/} without its directory,
{//} its directory only, {/.} without both, {#} the task's number. Without any of them the argument is
appended. The command is read by sh; arguments are passed as its parameters, so none is ever executed.

Results appear in the order of the arguments. Exit status: how many tasks failed, 101 if more than 100.

Examples:
  rpar map 'gzip -k {}' ::: *.log
  find . -name '*.cfg' -print0 | rpar map --null 'simulate {} > {.}.out'
  rpar map --retries 2 --timeout 10m 'fetch {}' :::: urls.txt";

#[derive(Args, Clone, Debug)]
pub(crate) struct MapArguments {
    /// How often a task that failed runs again
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) retries: u16,
    /// Arguments in files and on stdin end with NUL, not with a line's end
    #[arg(short = '0', long)]
    pub(crate) null: bool,
    #[command(flatten)]
    pub(crate) task: TaskArguments,
    /// The command, then `::: ARGUMENTS` or `:::: FILES`
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    pub(crate) words: Vec<OsString>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) task: TaskArguments,
    /// A program and its arguments; a single word is read by sh
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    pub(crate) words: Vec<OsString>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct LogsArguments {
    /// Waits for more, until Ctrl-C
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// How many lines of each log
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub(crate) lines: usize,
    /// Only logs whose names contain this: controller, allocation, a node's name
    pub(crate) name: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProfileCommands {
    /// Lists the profiles and where each comes from
    List,
    /// Shows a profile as it is in force
    Show(ShowArguments),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ShowArguments {
    /// Which profile [default: the one of --profile]
    pub(crate) name: Option<String>,
    /// Says for each value where it comes from
    #[arg(long)]
    pub(crate) origins: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct DirectoryArguments {
    /// The cluster's directory
    #[arg(long)]
    pub(crate) directory: PathBuf,
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
    #[command(flatten)]
    pub(crate) at: DirectoryArguments,
    /// The allocation that this node belongs to
    #[arg(long)]
    pub(crate) allocation: Option<String>,
    /// How many engines this host holds
    #[arg(long)]
    pub(crate) engines: u32,
}

fn read_duration(text: &str) -> Result<Duration, String> {
    duration::parse(text).filter(|d| !d.is_zero()).ok_or_else(|| format!("expected {}", duration::FORMS))
}

/// Commands that take the profile's parameters.
const WITH_PARAMS: [&str; 3] = ["start", "map", "run"];

/// Finds the profile's name before the flags are known that it brings: the words of the command line are read as far
/// as the fixed part of it knows them. `None` when the command takes no parameters.
pub(crate) fn profile_before_flags(words: &[OsString]) -> Option<Option<String>> {
    let mut command = Cli::command();
    let mut profile = None;
    let mut takes = false;
    let mut words = words.iter().skip(1).map(|word| word.to_string_lossy());
    while let Some(word) = words.next() {
        if word == "--" {
            break;
        }
        if let Some((name, value)) = flag(&command, &word) {
            let value = match value {
                Inline::Value(value) => Some(value),
                Inline::Next => words.next().map(|value| value.into_owned()),
                Inline::Switch => None,
            };
            if name == "profile" {
                profile = value;
            }
            continue;
        }
        if takes {
            // `map`'s own command begins: what follows is not ours
            break;
        }
        takes = WITH_PARAMS.contains(&&*word);
        command = command.find_subcommand(&*word).cloned().map_or(command.clone(), |sub| {
            // the global options are valid after the subcommand too
            sub.args(Cli::command().get_arguments().cloned().collect::<Vec<_>>())
        });
    }
    takes.then_some(profile)
}

enum Inline {
    Value(String),
    Next,
    Switch,
}

/// Reads one word as a flag; unknown flags are taken for parameters, which have a value each.
fn flag(command: &Command, word: &str) -> Option<(String, Inline)> {
    let takes_value = |arg: Option<&Arg>| arg.is_none_or(|arg| arg.get_action().takes_values());
    if let Some(long) = word.strip_prefix("--") {
        let (name, value) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (long, None),
        };
        let known = command.get_arguments().find(|arg| {
            arg.get_long() == Some(name) || arg.get_all_aliases().is_some_and(|all| all.contains(&name))
        });
        let switch = name == "help" || name == "version" || !takes_value(known);
        return Some((
            name.to_owned(),
            value.map_or(if switch { Inline::Switch } else { Inline::Next }, Inline::Value),
        ));
    }
    let mut letters = word.strip_prefix('-')?.chars();
    let letter = letters.next()?;
    let known = command.get_arguments().find(|arg| {
        arg.get_short() == Some(letter)
            || arg.get_all_short_aliases().is_some_and(|all| all.contains(&letter))
    });
    let switch = known.is_none() || !takes_value(known) || !letters.as_str().is_empty();
    Some((letter.to_string(), if switch { Inline::Switch } else { Inline::Next }))
}

/// The whole command line, with a flag for each of the profile's parameters.
pub(crate) fn command(params: &[Param]) -> Command {
    WITH_PARAMS.iter().fold(Cli::command(), |command, name| {
        command.mut_subcommand(name, |sub| {
            let taken: Vec<String> = sub
                .get_arguments()
                .chain(Cli::command().get_arguments())
                .filter_map(|arg| arg.get_long().map(str::to_owned))
                .collect();
            let free = params.iter().filter(|param| !taken.contains(&long(param)));
            sub.args(free.map(|param| param_flag(param, *name == "start")))
        })
    })
}

fn long(param: &Param) -> String {
    param.name.replace('_', "-")
}

fn param_id(param: &Param) -> String {
    format!("param {}", param.name)
}

/// One parameter as a flag: its help shows what is allowed and the default; clap itself checks the value.
fn param_flag(param: &Param, shown: bool) -> Arg {
    let checked = param.clone();
    let parser = move |text: &str| match checked.parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("expected {}", error.expected)),
    };
    let default = param.default.as_ref().map(|value| format!(" [default: {value}]")).unwrap_or_default();
    let help = match param.help.trim() {
        "" => format!("({}){default}", param.allowed()),
        help => format!("{help} ({}){default}", param.allowed()),
    };
    Arg::new(param_id(param))
        .long(long(param))
        .alias(param.name.clone())
        .value_name(param.kind.name().to_uppercase())
        .help(help)
        .help_heading("The profile's parameters")
        .value_parser(parser)
        .hide(!shown)
}

/// The values that the user gave for the profile's parameters.
pub(crate) fn given(matches: &ArgMatches, params: &[Param]) -> BTreeMap<String, String> {
    let Some((_, matches)) = matches.subcommand() else { return BTreeMap::new() };
    let value = |param: &Param| matches.try_get_one::<String>(&param_id(param)).ok().flatten().cloned();
    params.iter().filter_map(|param| Some((param.name.clone(), value(param)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_is_found_before_its_flags_are_known() {
        let cases = [
            ("rpar --profile carver start --ppn 8", Some(Some("carver"))),
            ("rpar start --ppn 8 --profile=carver", Some(Some("carver"))),
            ("rpar start --profile carver --help", Some(Some("carver"))),
            ("rpar start", Some(None)),
            ("rpar -v --color never start --profile x", Some(Some("x"))),
            ("rpar map -j 2 --retries 1 --profile x cmd", Some(Some("x"))),
            ("rpar map -j2 --null --profile x cmd", Some(Some("x"))),
            ("rpar map cmd --profile theirs", Some(None)),
            ("rpar map -- cmd --profile theirs", Some(None)),
            ("rpar --profile x status", None),
            ("rpar --help", None),
            ("rpar", None),
        ];
        for (line, expected) in cases {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let expected = expected.map(|name| name.map(str::to_owned));
            assert_eq!(profile_before_flags(&words), expected, "{line}");
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        command(&[]).debug_assert();
    }
}
