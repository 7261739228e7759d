//! The flags that a profile's parameters become.

use std::collections::BTreeMap;

use clap::{Arg, ArgMatches, Command, CommandFactory};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use rpar_core::profile::{Param, ParamType, ParamValue};

use super::Cli;

/// Commands that take the profile's parameters.
pub(super) const TAKEN_BY: [&[&str]; 5] =
    [&["start"], &["engines", "add"], &["profile", "check"], &["map"], &["run"]];

/// Those whose help shows them: the others rarely need them.
const SHOWN_BY: [&[&str]; 3] = [&["start"], &["engines", "add"], &["profile", "check"]];

/// The whole command line, with a flag for each of the profile's parameters.
pub(crate) fn command(params: &[Param]) -> Command {
    TAKEN_BY.iter().fold(Cli::command(), |command, path| with_params(command, path, path, params))
}

/// The command with flags for parameters at the end of a path of subcommands; `whole` is the whole of that path.
fn with_params(command: Command, whole: &[&str], path: &[&str], params: &[Param]) -> Command {
    if let Some((first, rest)) = path.split_first() {
        return command.mut_subcommand(first, |sub| with_params(sub, whole, rest, params));
    }
    let taken: Vec<String> = command
        .get_arguments()
        .chain(Cli::command().get_arguments())
        .filter_map(|arg| arg.get_long().map(str::to_owned))
        .collect();
    let free = params.iter().filter(|param| !taken.contains(&long(param)));
    command.args(free.map(|param| param_flag(param, SHOWN_BY.contains(&whole))))
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
    let arg = Arg::new(param_id(param))
        .long(long(param))
        .alias(param.name.clone())
        .value_name(param.kind.name().to_uppercase())
        .help(help)
        .help_heading("The profile's parameters")
        .value_parser(parser)
        .hide(!shown);
    let values = match param.kind {
        ParamType::Bool => vec!["true".to_owned(), "false".to_owned()],
        _ => param.choices.iter().map(ParamValue::to_string).collect(),
    };
    if values.is_empty() { arg } else { arg.add(candidates(values)) }
}

/// What a completion script offers as an argument's value.
pub(crate) fn candidates(values: Vec<String>) -> ArgValueCandidates {
    ArgValueCandidates::new(move || values.iter().map(CompletionCandidate::new).collect())
}

/// The values that the user gave for the profile's parameters.
pub(crate) fn given(matches: &ArgMatches, params: &[Param]) -> BTreeMap<String, String> {
    let mut matches = matches;
    while let Some((_, inner)) = matches.subcommand() {
        matches = inner;
    }
    let value = |param: &Param| matches.try_get_one::<String>(&param_id(param)).ok().flatten().cloned();
    params.iter().filter_map(|param| Some((param.name.clone(), value(param)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command(&[]).debug_assert();
    }
}
