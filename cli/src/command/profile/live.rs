//! `rpar profile check --live`.

use std::collections::BTreeMap;
use std::time::Duration;

use rpar_core::profile::{Param, Shape, duration};

use crate::check::Finding;
use crate::command::context::Context;
use crate::command::exit::Exit;
use crate::command::interrupt::Interrupts;
use crate::command::output::Waiting;
use crate::command::report::{Outcome, Report};
use crate::probe::{Probe, ProbeError, Probed, judge, probe};
use crate::profile::{Profile, Resolved};
use crate::site::Site;

/// What a probe is asked for: one node, for a minute.
const ASKED: [(&str, &str); 2] = [("nodes", "1"), ("walltime", "00:01:00")];

/// Tries the profile on a node.
pub(super) fn run(
    context: &Context,
    name: &str,
    program: &std::path::Path,
    patience: Option<Duration>,
) -> Outcome<Vec<Finding>> {
    let resolved = for_a_probe(&context.profiles.load(name)?, &context.values)?;
    let site = Site::new(&resolved, &context.registry)?;
    let output = context.output;
    let interrupts = Interrupts::watch(move |_| output.note_signal("giving the probe's node back"))?;
    let waiting = Waiting::new(&output, "asking for a node");
    let asked = Probe {
        resolved: &resolved,
        site: &site,
        surroundings: context.profiles.surroundings(),
        program,
        patience,
        interrupted: &|| interrupts.pending().is_some(),
        say: &|text| waiting.say(text),
    };
    let probed = super::super::block_on(async { Ok::<_, Report>(probe(&asked).await) })?;
    drop(waiting);
    let Probed { heard, left } = match probed {
        Ok(probed) => probed,
        Err(error) => return Ok(vec![failed(&resolved, error)]),
    };
    let mut findings = match heard {
        Ok(heard) => judge(&resolved, &heard),
        Err(ProbeError::Interrupted) => {
            let exit = Exit::Signal(interrupts.pending().unwrap_or_default());
            return Err(match &left {
                Some(left) => Report::of(exit, left).hint(left.next(&resolved)),
                None => Report::silent(exit),
            });
        }
        Err(error) => vec![failed(&resolved, error)],
    };
    findings.extend(left.map(|left| {
        Finding::error(left.to_string()).because(left.source.to_string()).next(left.next(&resolved))
    }));
    Ok(findings)
}

/// The site's own words, if it was the site.
fn failed(resolved: &Resolved, error: ProbeError) -> Finding {
    match error {
        ProbeError::Site(error) => {
            let said = error.command.as_ref().map(|command| command.output.clone());
            let mut finding = Finding::error(error.to_string()).at_key(resolved.origins(), "scheduler.kind");
            (finding.why, finding.next) = (said.filter(|said| !said.is_empty()), error.hint);
            finding
        }
        other => Finding::error(other.to_string()),
    }
}

/// The profile as it is in force for a probe: what the user gave, and as little as the site allows of the rest.
fn for_a_probe(profile: &Profile, given: &BTreeMap<String, String>) -> Outcome<Resolved> {
    let mut values = given.clone();
    // named hosts cost nothing, and are all of interest
    let named = super::create::kind(profile) == "hosts";
    for (name, value) in ASKED.into_iter().filter(|(name, _)| *name != "nodes" || !named) {
        let param = profile.params().iter().find(|param| param.name == name);
        let least = param.and_then(|param| least(param, value));
        if let Some(least) = least {
            values.entry(name.to_owned()).or_insert(least);
        }
    }
    let mut resolved = profile.resolve(&values, None)?;
    // a single node is asked for as it is: some sites know no array of one
    resolved.request.shape = Shape::One;
    Ok(resolved)
}

/// The value if the profile allows it, else the smallest that it does.
fn least(param: &Param, value: &str) -> Option<String> {
    if param.parse(value).is_ok() {
        return Some(value.to_owned());
    }
    let choice = param.choices.iter().map(ToString::to_string).min_by_key(|choice| duration::parse(choice));
    param.range.as_ref().map(|(least, _)| least.to_string()).or(choice)
}
