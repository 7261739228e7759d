//! What a command line tells before the flags are known that the profile brings.

use std::ffi::OsString;

use clap::{Arg, Command, CommandFactory};

use super::{Cli, params};

/// The words of a command line, read as far as the fixed part of it knows them.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    /// What `--profile` says.
    pub(crate) profile: Option<String>,
    /// What `--cluster-id` says.
    pub(crate) cluster_id: Option<String>,
    /// The subcommands, outermost first.
    pub(crate) path: Vec<String>,
    /// The flag, as it is typed, whose value would be the next word.
    pub(crate) awaits: Option<String>,
    /// The first word that is no flag, no value of one and no subcommand.
    pub(crate) word: Option<String>,
    /// Whether the rest is a command of the user's own: `map`'s, or what follows `--`.
    pub(crate) theirs: bool,
}

impl Ahead {
    /// Reads the words; the first is the program's name.
    pub(crate) fn of(words: &[OsString]) -> Ahead {
        let mut command = Cli::command();
        let mut ahead = Ahead::default();
        let mut words = words.iter().skip(1).map(|word| word.to_string_lossy());
        while let Some(word) = words.next() {
            if word == "--" {
                ahead.theirs = true;
            } else if let Some((name, value)) = flag(&command, &word) {
                let value = match value {
                    Inline::Value(value) => Some(value),
                    Inline::Next => words.next().map(|value| value.into_owned()),
                    Inline::Switch => continue,
                };
                if value.is_none() {
                    ahead.awaits = Some(word.into_owned());
                }
                match name.as_str() {
                    "profile" => ahead.profile = value,
                    "cluster-id" => ahead.cluster_id = value,
                    _ => {}
                }
            } else if let Some(sub) = command.find_subcommand(&*word).cloned() {
                ahead.path.push(sub.get_name().to_owned());
                // the global options are valid after the subcommand too
                command = sub.args(Cli::command().get_arguments().cloned().collect::<Vec<_>>());
            } else {
                ahead.word.get_or_insert_with(|| word.into_owned());
                ahead.theirs = command.get_positionals().any(Arg::is_trailing_var_arg_set);
            }
            if ahead.theirs {
                break;
            }
        }
        ahead
    }

    /// The profile whose parameters become flags.
    pub(crate) fn profile_name(&self) -> String {
        let checked = self.word.clone().filter(|_| self.checks());
        checked.unwrap_or_else(|| super::profile_name(self.profile.clone()))
    }

    /// Whether the command looks for what is wrong with a profile, which may be all of it.
    pub(crate) fn checks(&self) -> bool {
        self.path == ["profile", "check"]
    }

    /// Whether the command takes the profile's parameters as flags.
    pub(crate) fn takes_params(&self) -> bool {
        params::TAKEN_BY.iter().any(|path| *path == self.path)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Ahead {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        Ahead::of(&words)
    }

    #[test]
    fn the_profile_is_found_before_its_flags_are_known() {
        let cases = [
            ("rpar --profile carver start --ppn 8", Some("carver"), true),
            ("rpar start --ppn 8 --profile=carver", Some("carver"), true),
            ("rpar start --profile carver --help", Some("carver"), true),
            ("rpar start", None, true),
            ("rpar -v --color never start --profile x", Some("x"), true),
            ("rpar map -j 2 --retries 1 --profile x cmd", Some("x"), true),
            ("rpar map -j2 --null --profile x cmd", Some("x"), true),
            ("rpar map cmd --profile theirs", None, true),
            ("rpar map -- cmd --profile theirs", None, true),
            ("rpar --profile x status", Some("x"), false),
            ("rpar logs controller --profile x", Some("x"), false),
            ("rpar --profile start profile list", Some("start"), false),
            ("rpar --help", None, false),
            ("rpar", None, false),
        ];
        for (line, profile, takes) in cases {
            let ahead = of(line);
            assert_eq!((ahead.profile.as_deref(), ahead.takes_params()), (profile, takes), "{line}");
        }
    }

    #[test]
    fn what_is_checked_brings_its_flags() {
        let cases = [
            ("rpar profile check ours --ppn 8", "ours"),
            ("rpar profile check --ppn 8 ours --profile x", "ours"),
            ("rpar profile check --profile x", "x"),
            ("rpar --profile x start ours", "x"),
        ];
        for (line, profile) in cases {
            let ahead = of(line);
            assert_eq!((&*ahead.profile_name(), ahead.takes_params()), (profile, true), "{line}");
        }
    }

    #[test]
    fn what_may_come_next_is_known() {
        let cases = [
            ("rpar profile show", &["profile", "show"][..], None, false),
            ("rpar --profile", &[], Some("--profile"), false),
            ("rpar start --ppn", &["start"], Some("--ppn"), false),
            ("rpar start --ppn 8", &["start"], None, false),
            ("rpar start -n", &["start"], Some("-n"), false),
            ("rpar map cmd", &["map"], None, true),
            ("rpar run -- ls --profile", &["run"], None, true),
        ];
        for (line, path, awaits, theirs) in cases {
            let ahead = of(line);
            let awaits = (path, awaits, theirs);
            let path: Vec<&str> = ahead.path.iter().map(String::as_str).collect();
            assert_eq!((&path[..], ahead.awaits.as_deref(), ahead.theirs), awaits, "{line}");
        }
    }
}
