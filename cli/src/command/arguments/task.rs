//! The options of commands that run tasks.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::read_limit;

/// How tasks are run.
#[derive(Args, Clone, Debug)]
pub(crate) struct TaskArguments {
    /// Ends a task that runs longer, such as 90s or 1h30m; a bare number is seconds
    #[arg(long, value_name = "DURATION", value_parser = read_limit)]
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
