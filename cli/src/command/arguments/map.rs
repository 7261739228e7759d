//! The options of `map`.

use std::ffi::OsString;

use clap::Args;

use super::task::TaskArguments;

pub(super) const HELP: &str = "\
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
