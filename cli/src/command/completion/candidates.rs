//! What may stand at a place of the command line.

use std::ffi::OsString;

use clap::{Arg, Command, ValueHint};
use clap_complete::engine::{self, CompletionCandidate};

use crate::command::arguments::ahead::Ahead;
use crate::command::arguments::params;
use crate::command::context::Context;
use crate::command::logs::log_names;
use crate::command::why::KINDS;
use crate::paths::{ClusterDir, DEFAULT_CLUSTER, cluster_dirs};

/// What a script is to offer.
pub(super) enum Candidates {
    /// The names of files.
    Files,
    /// These values, each with its help behind a tab, if it has one.
    Words(Vec<String>),
}

/// What may stand after the words `before`, where `typed` stands now; `all` are the words of the whole line.
pub(super) fn candidates(
    context: &Context,
    before: &[OsString],
    typed: OsString,
    all: &[OsString],
) -> Candidates {
    let place = Ahead::of(before);
    if place.theirs {
        return Candidates::Files;
    }
    // the profile may be named behind the cursor
    let line = Ahead::of(all);
    let profile = line.profile_name();
    let cluster_id = line.cluster_id.unwrap_or_else(|| DEFAULT_CLUSTER.to_owned());
    let command = command(context, &profile, &cluster_id, place.takes_params());
    let mut at = Some(&command);
    for name in &place.path {
        at = at.and_then(|command| command.find_subcommand(name));
    }
    let Some(at) = at else { return Candidates::Words(Vec::new()) };
    let flag = typed.as_encoded_bytes().starts_with(b"-");
    match &place.awaits {
        Some(awaits) => match flag_arg(at, awaits) {
            Some(arg) if wants_path(arg) => return Candidates::Files,
            Some(_) => {}
            None => return Candidates::Words(Vec::new()),
        },
        None if !flag && at.get_positionals().any(|arg| wants_path(arg) || arg.is_trailing_var_arg_set()) => {
            return Candidates::Files;
        }
        None => {}
    }
    // only what matters of the line: clap_complete takes a value that is named like a subcommand for one, and panics
    // at a flag in the place of a value
    let mut words = vec![OsString::from("rpar")];
    words.extend(place.path.iter().chain(&place.awaits).map(OsString::from));
    words.push(typed);
    let index = words.len() - 1;
    let found = engine::complete(&mut command.clone(), words, index, None).unwrap_or_default();
    let mut lines: Vec<_> = found.iter().map(shown).collect();
    // flags only for who has typed a dash, or when there is nothing else
    if !flag && lines.iter().any(|line| !line.starts_with('-')) {
        lines.retain(|line| !line.starts_with('-'));
    }
    Candidates::Words(lines)
}

/// The whole command line, with all that is known of values.
fn command(context: &Context, profile: &str, cluster_id: &str, takes_params: bool) -> Command {
    // a broken profile has no parameters to offer; whoever uses it is told why
    let loaded = takes_params.then(|| context.profiles.load(profile).ok()).flatten();
    let params = loaded.map(|profile| profile.params().to_vec()).unwrap_or_default();
    let names = context.profiles.names();
    let mut clusters = cluster_dirs(&context.profiles);
    clusters.retain(|cluster| cluster.profile == profile);
    let ids = clusters.iter().find(|cluster| cluster.cluster_id == cluster_id).map(submission_ids);
    let ids = KINDS.iter().map(|kind| (*kind).to_owned()).chain(ids.unwrap_or_default()).collect();
    let logs = clusters.iter().find(|cluster| cluster.cluster_id == cluster_id).map(log_names);
    let clusters = clusters.into_iter().map(|cluster| cluster.cluster_id).collect();
    let mut command = params::command(&params)
        .mut_arg("profile", |arg| arg.add(params::candidates(names.clone())))
        .mut_arg("cluster_id", |arg| arg.add(params::candidates(clusters)))
        .mut_subcommand("why", |sub| sub.mut_arg("what", |arg| arg.add(params::candidates(ids))))
        .mut_subcommand("logs", |sub| {
            sub.mut_arg("name", |arg| arg.add(params::candidates(logs.unwrap_or_default())))
        })
        .mut_subcommand("profile", |profile| {
            let named = ["show", "path", "edit", "check"].into_iter().fold(profile, |profile, sub| {
                let names = names.clone();
                profile
                    .mut_subcommand(sub, |sub| sub.mut_arg("name", |arg| arg.add(params::candidates(names))))
            });
            named.mut_subcommand("create", |create| {
                create.mut_arg("from", |arg| arg.add(params::candidates(names)))
            })
        });
    command.build();
    command
}

/// The submissions whose arguments are kept.
fn submission_ids(cluster: &ClusterDir) -> Vec<String> {
    let entries = std::fs::read_dir(cluster.path.join("submissions")).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())).collect()
}

fn flag_arg<'a>(command: &'a Command, flag: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|arg| match flag.strip_prefix("--") {
        Some(long) => arg.get_long_and_visible_aliases().is_some_and(|all| all.contains(&long)),
        None => {
            let short = flag.strip_prefix('-').and_then(|letters| letters.chars().next());
            short.is_some_and(|short| {
                arg.get_short_and_visible_aliases().is_some_and(|all| all.contains(&short))
            })
        }
    })
}

fn wants_path(arg: &Arg) -> bool {
    matches!(arg.get_value_hint(), ValueHint::AnyPath | ValueHint::FilePath | ValueHint::DirPath)
}

fn shown(candidate: &CompletionCandidate) -> String {
    let value = candidate.get_value().to_string_lossy();
    let help = candidate.get_help().map(ToString::to_string).unwrap_or_default();
    match help.lines().next() {
        Some(help) => format!("{value}\t{}", help.replace('\t', " ")),
        None => value.into_owned(),
    }
}
