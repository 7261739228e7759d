//! Looks for what is wrong with a profile before a user does: in its text, on this host, and at the site.

mod finding;
mod host;
mod matrix;
mod render;
mod script;
mod secrets;
mod site;

use std::path::Path;

use rpar_core::profile::{Param, ParamValue, Place};
use rpar_core::runner::Runner;
use rpar_core::scheduler::SchedulerInfo;

pub use self::finding::{Finding, Severity};
pub(crate) use self::host::is_loopback;
pub use self::matrix::Values;
use crate::profile::{Origin, Profile, Profiles, Resolved};
use crate::registry::Registry;
use crate::site::Site;

/// What is needed to check a profile.
#[derive(Debug)]
pub struct Check<'a> {
    /// Where it is found.
    pub profiles: &'a Profiles,
    /// The backends that it may name.
    pub registry: &'a Registry,
    /// The profile's name.
    pub name: &'a str,
    /// What was given for its parameters; without any, their edges are tried.
    pub values: &'a Values,
    /// This program, absolute.
    pub program: &'a Path,
    /// Runs commands of this host.
    pub runner: &'a dyn Runner,
}

/// A profile that was looked at.
#[derive(Debug)]
pub struct Checked {
    /// What there is to say, in the order it was looked at.
    pub findings: Vec<Finding>,
    /// What it comes to with the given values, and its site, if it comes to anything.
    pub usable: Option<(Resolved, Site)>,
}

impl Checked {
    fn of(findings: Vec<Finding>) -> Self {
        Checked { findings, usable: None }
    }
}

/// Looks at everything that can be seen without asking for nodes. `observe` is told what is looked at, before.
pub async fn check(check: &Check<'_>, observe: &dyn Fn(&str)) -> Checked {
    let Check { registry, values, program, runner, .. } = *check;
    let profile = match check.profiles.load(check.name) {
        Ok(profile) => profile,
        Err(error) => return Checked::of(vec![Finding::error(error.to_string())]),
    };
    let mut findings = vec![loaded(check)];
    observe("rendering job scripts");
    let rendered = match render::render(&profile, registry, values, program) {
        Ok(rendered) => rendered,
        Err(finding) => {
            findings.push(finding);
            return Checked::of(findings);
        }
    };
    let (resolved, site) = (rendered.resolved, rendered.site);
    findings.extend(texts(check, &profile, &resolved, &site.scheduler.info()).await);
    let surroundings = check.profiles.surroundings();
    let tools = host::tools(&resolved, surroundings);
    let complete = tools.iter().all(|finding| finding.severity < Severity::Error);
    findings.extend(tools);
    findings.extend(host::programs(&resolved, &site, program));
    findings.extend(match elsewhere(&resolved) {
        Some(finding) => vec![finding],
        None => host::network(&resolved, &site).await,
    });
    findings.push(host::storage(&resolved, &site, surroundings));
    if complete && site.scheduler.info().queued {
        observe("asking the batch system");
        findings.push(site::answers(&resolved, &site).await);
        findings.extend(site::has(&profile, &resolved, runner).await);
    }
    Checked { findings, usable: Some((resolved, site)) }
}

/// What cannot be looked at from here, where the controller is to run on another host.
fn elsewhere(resolved: &Resolved) -> Option<Finding> {
    let told = match resolved.controller.r#where {
        Place::Local => return None,
        _ => "the controller runs on another host: addresses are not looked at from here",
    };
    Some(Finding::warning(told).at_key(resolved.origins(), "controller.where").next(
        "on that host, `RPAR_CONTROLLER__WHERE=local rpar profile check` looks at them, also with --live",
    ))
}

fn loaded(check: &Check<'_>) -> Finding {
    let layers = check.profiles.layers(check.name).unwrap_or_default();
    let layers: Vec<String> = layers
        .into_iter()
        .map(|layer| match layer.path {
            Some(path) => path.display().to_string(),
            None => format!("{} (comes with rpar)", layer.profile),
        })
        .collect();
    Finding::ok(format!("loads: {}", layers.join(", ")))
}

/// The parameters that the scheduler takes, with no more nodes than the list of hosts has, where there is one and nobody
/// else says how many.
fn reasonable(profile: &Profile, resolved: &Resolved, scheduler: &SchedulerInfo) -> Vec<Param> {
    let mut params = profile.params().to_vec();
    // it is refused wherever it is given
    params.retain(|param| param.name != "walltime" || scheduler.walltime);
    let listed = resolved.scheduler.get("kind").and_then(|kind| kind.as_str()) == Some("hosts");
    if listed && profile.origins().of("params.nodes.range") == Some(&Origin::BuiltIn) {
        let nodes = params.iter_mut().filter(|param| param.name == "nodes");
        for (_, most) in nodes.filter_map(|nodes| nodes.range.as_mut()) {
            *most = ParamValue::Int(resolved.engines.nodes.into());
        }
    }
    params
}

/// What is in the profile's texts: scripts for all values tried, shell lines, secrets.
async fn texts(
    check: &Check<'_>,
    profile: &Profile,
    resolved: &Resolved,
    scheduler: &SchedulerInfo,
) -> Vec<Finding> {
    let Check { registry, values, program, runner, .. } = *check;
    let tried = match values.is_empty() {
        true => matrix::edges(&reasonable(profile, resolved, scheduler)),
        false => vec![values.clone()],
    };
    let mut findings = render::scripts(profile, registry, &tried, program, runner).await;
    if findings.iter().all(|finding| finding.severity < Severity::Error) {
        let many = tried.len();
        findings.push(Finding::ok(match many {
            1 => format!("renders with {}", matrix::flags(&tried[0])),
            _ => format!("renders with {many} combinations of its parameters' edges"),
        }));
    }
    findings.extend(render::ignored(profile, registry, values, program));
    let setup = resolved.engines.setup.join("\n");
    let syntax = render::syntax(&setup, "`setup` in `[engines]`", runner).await;
    findings.extend(syntax.map(|finding| finding.at(resolved.origins().place("engines.setup"))));
    findings.extend(secrets::lint(profile));
    findings
}
