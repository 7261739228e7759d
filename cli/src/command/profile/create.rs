//! `rpar profile create`.

use rpar_backends::Exec;
use serde_json::json;

use super::place;
use crate::command::arguments::CreateArguments;
use crate::command::context::Context;
use crate::command::exit::Exit;
use crate::command::output::Waiting;
use crate::command::report::{Outcome, Report};
use crate::profile::{Draft, Level, Profile};
use crate::survey::{Survey, System};

/// What `--from` also takes, and the shipped profile that is meant.
const ALIASES: [(&str, &str); 2] = [("pbs", "openpbs"), ("ssh", "hosts")];

pub(crate) fn run(context: &Context, arguments: &CreateArguments) -> Outcome {
    let (name, level) = (arguments.name.as_str(), arguments.level.level());
    let path = place::new(context, name, level, arguments.force)?;
    let waiting = Waiting::new(&context.output, "asking this host what it has");
    let (base, survey) = begin(context, name, level, arguments.from.as_deref())?;
    drop(waiting);
    let extends = Some(base.name()).filter(|base| *base != name);
    let draft = Draft { name, base: extends, kind: kind(&base), level, survey: &survey };
    let text = draft.text();
    place::check(context, name, &path, &text)?;
    place::put(&path, &text)?;
    if context.output.json {
        let queues: Vec<&str> = survey.queues.iter().map(|queue| queue.name.as_str()).collect();
        let found = json!({
            "command": survey.system.map(System::command),
            "queues": queues,
            "cores": survey.cores,
            "interfaces": survey.interfaces,
        });
        context.output.document(json!({ "file": path, "from": base.name(), "found": found }))?;
        return Ok(Exit::Ok);
    }
    for line in told(&survey) {
        context.output.note(&line);
    }
    context.output.note(&format!("{} extends {}", path.display(), base.name()));
    context.output.note(&format!(
        "next: `rpar profile edit {name}` changes it, `rpar profile check {name}` tells what is wrong"
    ));
    Ok(Exit::Ok)
}

/// The profile to stand on, and what its site tells.
pub(super) fn begin(
    context: &Context,
    name: &str,
    level: Level,
    from: Option<&str>,
) -> Outcome<(Profile, Survey)> {
    let surroundings = context.profiles.surroundings();
    super::super::block_on(async {
        let found = System::detect(surroundings, &Exec).await;
        let base = match from {
            Some(from) => context.profiles.load(&meant(context, from))?,
            None if is_below(context, name, level) => context.profiles.load(name)?,
            None => context.profiles.load(found.map_or("local", System::profile))?,
        };
        let survey = Survey::of(System::of_kind(kind(&base)), &Exec).await;
        Ok::<_, Report>((base, survey))
    })
}

/// The profile that `--from` means: an alias counts where no profile has that name.
fn meant(context: &Context, from: &str) -> String {
    let alias = ALIASES
        .iter()
        .find(|(alias, _)| *alias == from && !context.profiles.names().contains(&from.to_owned()));
    alias.map_or(from, |(_, profile)| profile).to_owned()
}

/// Whether a profile of this name is made of other files than the one at `level`.
fn is_below(context: &Context, name: &str, level: Level) -> bool {
    let layers = context.profiles.layers(name).unwrap_or_default();
    layers.iter().any(|layer| layer.profile == name && layer.level != Some(level))
}

/// The kind of a profile's scheduler, as far as it is a constant.
pub(super) fn kind(profile: &Profile) -> &str {
    profile
        .table()
        .get("scheduler")
        .and_then(|section| section.get("kind"))
        .and_then(|kind| kind.as_str())
        .unwrap_or_default()
}

/// What was found, for the user to see.
fn told(survey: &Survey) -> Vec<String> {
    let Some(system) = survey.system else { return vec!["found no batch system to ask".to_owned()] };
    let mut told = vec![format!("found {}", system.command())];
    let queues: Vec<&str> = survey.queues.iter().map(|queue| queue.name.as_str()).collect();
    told.push(match queues.as_slice() {
        [] => "found no queues: the site did not tell any".to_owned(),
        names => format!("found queues {}", names.join(", ")),
    });
    told.extend(survey.cores.map(|cores| format!("found nodes of {cores} cores and more")));
    if !survey.interfaces.is_empty() {
        told.push(format!("found network interfaces {}", survey.interfaces.join(", ")));
    }
    told
}
