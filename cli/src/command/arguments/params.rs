//! The flags that a profile's parameters become.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::{Arg, ArgMatches, Command, CommandFactory};
use rpar_core::profile::Param;

use super::Cli;

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
