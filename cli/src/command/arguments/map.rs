//! The options of `map`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::input::InputArguments;
use super::read_pause;
use super::task::{TaskArguments, ThrowAwayArguments};
use crate::command::map::Halt;

pub(super) const HELP: &str = "\
Arguments follow `:::`, or are the lines of the files after `::::` (`-` is
stdin), or the lines of stdin. Several sources make a product, the last one
moving fastest; `:::+` and `::::+` go side by side with the source before.

In the command, {} is the argument, {.} the argument without its extension,
{/} without its directory, {//} its directory only, {/.} without both, {#} the
task's number, {%} its slot: what no other task has that runs at the same time.
{2} {2.} {2/} and so on are those of the second source or column, {-1} of the
last. Without any of them the arguments are appended. The command is read by
sh; arguments are passed as its parameters, so none is ever executed.

Results appear in the order of the arguments. Exit status: how many tasks
failed, 101 if more than 100; docs/map.md tells what --halt makes of it.
Ctrl-C waits for the tasks that run and drops the others, a second one kills.

Examples:
  rpar map 'gzip -k {}' ::: *.log
  rpar map 'simulate {1} --seed {2} > {1/.}-{2}.out' ::: *.cfg ::: 1 2 3
  rpar map 'cmp {1} {2}' ::: a/* :::+ b/*
  find . -name '*.cfg' -print0 | rpar map --null 'simulate {} > {.}.out'
  rpar map --colsep , --header : 'fetch --user {user} {url}' :::: table.csv
  rpar map --joblog log --resume --retries 2 --timeout 10m fetch :::: urls.txt
  rpar map --halt now,fail=1 'make -C {}' ::: */
  rpar map --dry-run 'mv {} {.}.old' ::: *.txt";

#[derive(Args, Clone, Debug)]
pub(crate) struct MapArguments {
    /// The command, then `::: ARGUMENTS` or `:::: FILES`
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    pub(crate) words: Vec<OsString>,
    #[command(flatten)]
    pub(crate) input: InputArguments,
    #[command(flatten)]
    pub(crate) results: ResultArguments,
    #[command(flatten)]
    pub(crate) pace: PaceArguments,
    #[command(flatten)]
    pub(crate) task: TaskArguments,
    #[command(flatten)]
    pub(crate) throw_away: ThrowAwayArguments,
}

/// What becomes of results.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Results")]
pub(crate) struct ResultArguments {
    /// Prints results in the order of the arguments; the default
    #[arg(short, long)]
    pub(crate) keep_order: bool,
    /// Prints each line as soon as a task has written it; lines of two tasks never mix
    #[arg(short, long, aliases = ["ungroup", "line-buffer", "lb"], conflicts_with = "keep_order")]
    pub(crate) unordered: bool,
    /// Begins each line with the task's arguments and a tab
    #[arg(long)]
    pub(crate) tag: bool,
    /// Begins each line with this and a tab; placeholders stand for what they do in the command
    #[arg(long, value_name = "TEXT")]
    pub(crate) tagstring: Option<String>,
    /// Writes a line to this file when a task ends: number, host, start, seconds, exit status, command
    #[arg(long, value_name = "FILE")]
    pub(crate) joblog: Option<PathBuf>,
    /// Writes what tasks print to DIR/1/ARGUMENT/{stdout,stderr,seq}, and not to the terminal
    #[arg(long, alias = "res", value_name = "DIR")]
    pub(crate) results: Option<PathBuf>,
    /// Leaves out the tasks that --joblog, else --results, has from an earlier run of the same map
    #[arg(long)]
    pub(crate) resume: bool,
    /// Leaves out those that ended well, as --joblog says, and runs those again that failed
    #[arg(long, requires = "joblog")]
    pub(crate) resume_failed: bool,
    /// Prints the commands, ready to be pasted, and runs none
    #[arg(long, alias = "dryrun")]
    pub(crate) dry_run: bool,
    /// Shows a bar on stderr at once, even where that is no terminal
    #[arg(long)]
    pub(crate) bar: bool,
    /// The same, with the mean time of a task and an estimate of what is left
    #[arg(long)]
    pub(crate) eta: bool,
}

/// When tasks start, and when no more do.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Tasks")]
pub(crate) struct PaceArguments {
    /// How often a task that failed runs again
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) retries: u16,
    /// Waits between two submissions, such as 200ms; a bare number is seconds
    #[arg(long, value_name = "DURATION", value_parser = read_pause)]
    pub(crate) delay: Option<Duration>,
    /// When to stop: never, or WHEN,WHY=N with WHEN now (kills) or soon (waits), WHY fail, success or done, N a number or 10%
    #[arg(
        long,
        alias = "halt-on-error",
        value_name = "RULE",
        default_value = "never",
        allow_hyphen_values = true
    )]
    pub(crate) halt: Halt,
}
