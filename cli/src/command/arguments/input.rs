//! The options that say where arguments come from.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use regex::bytes::Regex;

use crate::command::input::COLUMNS_LIMIT;

/// Where arguments come from, beside `:::` and its relatives.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Input")]
pub(crate) struct InputArguments {
    /// A file whose lines are a source of arguments, before those of `:::`; may be given often
    #[arg(short = 'a', long, value_name = "FILE")]
    pub(crate) arg_file: Vec<PathBuf>,
    /// Splits each argument into columns {1} {2} ... where this regular expression matches
    #[arg(short = 'C', long, value_name = "REGEX", value_parser = read_regex)]
    pub(crate) colsep: Option<Regex>,
    /// Arguments in files and on stdin end with NUL, not with a line's end
    #[arg(short = '0', long)]
    pub(crate) null: bool,
    /// `:` - the first argument of each source, or its columns, are names: {name}, {name.} ... stand for what follows
    #[arg(long, value_name = ":", value_parser = read_header)]
    pub(crate) header: Option<Header>,
    /// Takes blanks off the left and right ends of arguments: l, r or lr; n keeps those of columns
    #[arg(long, value_name = "ENDS")]
    pub(crate) trim: Option<Trim>,
    /// Gives each task so many arguments, {1} to {N}; with 0 it runs as often as there are arguments, and is given none
    #[arg(short = 'N', long, visible_alias = "max-args", value_name = "N",
          value_parser = clap::value_parser!(u16).range(..=COLUMNS_LIMIT as i64))]
    pub(crate) max_replace_args: Option<u16>,
    /// Gives each task as many arguments as fit, so that all engines have some; -X does the same
    #[arg(short = 'm', short_alias = 'X', conflicts_with = "max_replace_args")]
    pub(crate) many: bool,
    /// Passes the words of the command as they are typed: no word of it is read by sh
    #[arg(long)]
    pub(crate) quote: bool,
    /// Runs tasks in no order
    #[arg(long)]
    pub(crate) shuf: bool,
}

/// The first line tells names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header;

/// Which ends of an argument lose their blanks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Trim {
    /// None
    N,
    /// The left end
    L,
    /// The right end
    R,
    /// Both
    #[value(alias = "rl")]
    Lr,
}

fn read_header(text: &str) -> Result<Header, String> {
    match text {
        ":" => Ok(Header),
        _ => Err("expected `:`, which takes the first line for names".to_owned()),
    }
}

fn read_regex(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| error.to_string())
}
