//! The options of `engines`.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::read_limit;

#[derive(Debug, Subcommand)]
pub(crate) enum EnginesCommands {
    /// Lists the engines that are there
    List,
    /// Asks the site for further engines
    #[command(after_help = ADD_HELP)]
    Add(AddArguments),
    /// Gives engines back once they have finished what they have
    #[command(after_help = REMOVE_HELP)]
    Remove(RemoveArguments),
}

const ADD_HELP: &str = "\
The profile's parameters are as the cluster was started, but for the number of nodes and what is given here.

Examples:
  rpar --profile carver engines add --nodes 2             two nodes more, like the others
  rpar --profile carver engines add -n 3 --queue debug";

#[derive(Args, Clone, Debug)]
pub(crate) struct AddArguments {
    /// So many engines more; nodes follow from it and ppn
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) engines: Option<u32>,
    /// Shows the script and the command line, and submits nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Returns when the request is made, without waiting for the engines
    #[arg(long, conflicts_with = "timeout")]
    pub(crate) no_wait: bool,
    /// Gives up, and takes the request back, when the engines are not there by then, such as 90s or 1h30m; a bare number is seconds
    #[arg(long, value_name = "DURATION", value_parser = read_limit)]
    pub(crate) timeout: Option<Duration>,
}

const REMOVE_HELP: &str = "\
An allocation none of whose engines stays is given back to the site.

Examples:
  rpar engines remove 3 5-7
  rpar engines remove --node nid00012 --now
  rpar --profile carver engines remove --allocation 123";

/// What is to leave.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false, id = "which")]
pub(crate) struct Which {
    /// Engines, by their ids: 3, or 5-7, or 0,3-5
    #[arg(value_name = "ENGINE", value_delimiter = ',', value_parser = read_engines)]
    pub(crate) engines: Vec<EngineRange>,
    /// All engines on a node
    #[arg(long, value_name = "NAME")]
    pub(crate) node: Option<String>,
    /// All engines of an allocation, and those that are still to come
    #[arg(long, value_name = "ID")]
    pub(crate) allocation: Option<String>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct RemoveArguments {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Does not let them finish: their tasks run elsewhere, or are lost with --no-rerun
    #[arg(long)]
    pub(crate) now: bool,
    /// Returns at once, without waiting until they have left
    #[arg(long)]
    pub(crate) no_wait: bool,
}

/// Neighbouring engines, both ends among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EngineRange {
    pub(crate) first: u32,
    pub(crate) last: u32,
}

/// No cluster has more; a slip such as `1-1000000000` is not to fill the memory.
const RANGE_LIMIT: u32 = 1 << 16;

fn read_engines(text: &str) -> Result<EngineRange, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range = first.parse().ok().zip(last.parse().ok());
    let range = range.map(|(first, last)| EngineRange { first, last });
    range
        .filter(|range| range.first <= range.last && range.last - range.first < RANGE_LIMIT)
        .ok_or_else(|| "expected an engine's id, as 3, or a range of them, as 5-7".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_named_alone_or_as_a_range() {
        assert_eq!(read_engines("3"), Ok(EngineRange { first: 3, last: 3 }));
        assert_eq!(read_engines("5-7"), Ok(EngineRange { first: 5, last: 7 }));
        for wrong in ["", "-", "7-5", "x", "1-", "-2", "0-4294967295"] {
            assert!(read_engines(wrong).is_err(), "{wrong}");
        }
    }
}
