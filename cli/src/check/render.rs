//! Renders the job script for many values of the parameters, and judges what comes out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use rpar_core::profile::Param;
use rpar_core::runner::{Invocation, Runner};
use rpar_core::scheduler::JobScript;

use super::finding::Finding;
use super::matrix::{self, Values};
use super::script;
use crate::cluster::growth;
use crate::paths::ClusterDir;
use crate::profile::{Profile, Resolved};
use crate::registry::Registry;
use crate::site::Site;

/// Parameters that a job script is expected to pass on; `name` is always the cluster's.
const PASSED_ON: [&str; 5] = ["nodes", "ppn", "walltime", "queue", "account"];

/// A script is read in milliseconds.
const SHELL_LIMIT: Duration = Duration::from_secs(20);

/// What a profile comes to with some values.
pub(super) struct Rendered {
    pub(super) resolved: Resolved,
    pub(super) site: Site,
    pub(super) script: JobScript,
    /// The command that starts the engines, as it stands in the script.
    pilot: String,
}

/// Renders a profile with these values.
pub(super) fn render(
    profile: &Profile,
    registry: &Registry,
    values: &Values,
    program: &Path,
) -> Result<Rendered, Finding> {
    let wrong = |what: String, place: Option<String>, next: Option<String>| {
        let mut finding = Finding::error(format!("with {}: {what}", matrix::flags(values)));
        (finding.place, finding.next) = (place, next);
        finding
    };
    let resolved = profile.resolve(values, None).map_err(|error| wrong(error.to_string(), None, None))?;
    let site = Site::new(&resolved, registry).map_err(|error| wrong(error.to_string(), None, None))?;
    let directory = ClusterDir::new(&resolved, "check", profile.surroundings());
    let directory = directory.map_err(|error| wrong(error.to_string(), None, None))?;
    let growth = growth(&resolved, &site.scheduler.info(), &directory, program, Resolved::FILE);
    let growth = growth.map_err(|error| wrong(error.to_string(), None, None))?;
    let first = growth.portions.first().ok_or_else(|| wrong("no engine is asked for".into(), None, None))?;
    let pilot = rpar_backends::shell::join(&first.request.pilot);
    let script = site.scheduler.preview(&first.request).map_err(|error| {
        wrong(error.to_string(), Some(profile.origins().place("scheduler.kind")), error.hint)
    })?;
    Ok(Rendered { resolved, site, script, pilot })
}

/// Findings of all scripts; what one script has is told once, with the first values that lead to it.
pub(super) async fn scripts(
    profile: &Profile,
    registry: &Registry,
    tried: &[Values],
    program: &Path,
    shell: &dyn Runner,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (mut texts, mut told) = (BTreeSet::new(), BTreeSet::new());
    let place = place(profile);
    for values in tried {
        let rendered = match render(profile, registry, values, program) {
            Ok(rendered) => rendered,
            Err(finding) => {
                findings.push(finding);
                continue;
            }
        };
        let text = rendered.script.text;
        if text.is_empty() || !texts.insert(text.clone()) {
            continue;
        }
        let mut of_script = script::lint(&text, &rendered.pilot);
        of_script.extend(syntax(&text, "the job script", shell).await);
        of_script.retain(|finding| told.insert(finding.what.clone()));
        findings.extend(of_script.into_iter().map(|finding| finding.at(place.clone())));
    }
    findings
}

/// Where the job script is from.
fn place(profile: &Profile) -> String {
    let origins = profile.origins();
    let has = |key: &str| profile.table().get("scheduler").is_some_and(|section| section.get(key).is_some());
    let keys = ["template", "template_file", "directives", "setup"];
    let key = keys.into_iter().find(|key| has(key)).unwrap_or("kind");
    origins.place(&format!("scheduler.{key}"))
}

/// What the shell says that will run the text.
pub(super) async fn syntax(text: &str, whose: &str, shell: &dyn Runner) -> Option<Finding> {
    let first = text.lines().next().unwrap_or_default();
    let name = match first.strip_prefix("#!") {
        None => "bash",
        Some(interpreter) if interpreter.contains("bash") => "bash",
        Some(interpreter) if interpreter.trim_end().ends_with("sh") && !interpreter.contains("csh") => "sh",
        // whatever it is, it reads itself best
        Some(_) => return None,
    };
    let argv = [name, "-n"].map(str::to_owned).to_vec();
    let invocation = Invocation { argv, directory: None, stdin: Some(text.to_owned()), limit: SHELL_LIMIT };
    let answer = shell.run(&invocation).await.ok()?;
    if answer.exit == Some(0) && answer.stderr.is_empty() {
        return None;
    }
    let said = answer.output();
    let said = said.lines().next().unwrap_or_default().to_owned();
    Some(Finding::error(format!("{whose} is not valid for {name}")).because(said))
}

/// Parameters that change nothing: a constant stands where the parameter was meant.
pub(super) fn ignored(profile: &Profile, registry: &Registry, base: &Values, program: &Path) -> Vec<Finding> {
    let Ok(before) = render(profile, registry, base, program) else { return Vec::new() };
    if before.script.text.is_empty() {
        return Vec::new();
    }
    let params = profile.params().iter().filter(|param| param.name != "name");
    params.filter_map(|param| ignores(profile, registry, base, program, &before, param)).collect()
}

fn ignores(
    profile: &Profile,
    registry: &Registry,
    base: &Values,
    program: &Path,
    before: &Rendered,
    param: &Param,
) -> Option<Finding> {
    let mut values = base.clone();
    values.insert(param.name.clone(), matrix::other(param)?);
    let after = render(profile, registry, &values, program).ok()?;
    let standard = PASSED_ON.contains(&param.name.as_str());
    // these have effects of their own, whatever the script says
    let batch = before.site.scheduler.info().queued;
    let same = before.script == after.script;
    let changed = match standard {
        true => !same || !batch,
        false => !same || without_params(&before.resolved) != without_params(&after.resolved),
    };
    // a whole node is asked for by nodes alone at some sites
    if changed || param.name == "ppn" {
        return None;
    }
    let flag = format!("--{}", param.name.replace('_', "-"));
    let key = if standard {
        place(profile)
    } else {
        profile.origins().place(&format!("params.{}.type", param.name))
    };
    let what = format!("`{flag}` changes nothing");
    let finding = Finding::warning(what).at(key);
    Some(match standard {
        true => finding
            .because(format!("the job script does not use `{{{{ {} }}}}`", param.name))
            .next(format!("write `{{{{ {} }}}}` where the script has a constant, or nothing", param.name)),
        false => finding
            .because("no template of the profile uses it")
            .next(format!("use `{{{{ {} }}}}` in a value, or remove the parameter", param.name)),
    })
}

fn without_params(resolved: &Resolved) -> Resolved {
    Resolved { params: BTreeMap::new(), origins: Default::default(), ..resolved.clone() }
}
