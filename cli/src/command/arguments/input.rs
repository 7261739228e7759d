//! The options that say where arguments come from.

use std::path::PathBuf;

use clap::Args;
use regex::bytes::Regex;

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
}

fn read_regex(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| error.to_string())
}
