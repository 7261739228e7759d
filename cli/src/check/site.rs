//! What the batch system says: whether it answers, and whether it has what the profile names.

use rpar_core::id::ClusterTag;
use rpar_core::profile::ParamValue;
use rpar_core::runner::Runner;

use super::finding::Finding;
use crate::profile::{Profile, Resolved};
use crate::site::Site;
use crate::survey::{Survey, System};

/// Asks for allocations of a cluster that is none: harmless, and all of the way there and back.
pub(super) async fn answers(resolved: &Resolved, site: &Site) -> Finding {
    let info = site.scheduler.info();
    let tag = ClusterTag(format!("{}-00000000", resolved.request.name));
    match site.scheduler.find(&tag).await {
        Ok(_) => Finding::ok(format!("scheduler `{}` answers", info.name)),
        Err(error) => {
            let said = error.command.map(|command| command.output).filter(|output| !output.is_empty());
            let mut finding = Finding::error(error.reason).at_key(resolved.origins(), "scheduler.kind");
            (finding.why, finding.next) = (said, error.hint);
            finding
        }
    }
}

/// Compares queues and cores with what the site tells, if it does.
pub(super) async fn has(profile: &Profile, resolved: &Resolved, runner: &dyn Runner) -> Vec<Finding> {
    let kind = resolved.scheduler.get("kind").and_then(|kind| kind.as_str()).unwrap_or_default();
    let system = System::of_kind(kind);
    // on another host the commands of this one say nothing
    if system.is_none() || resolved.scheduler.contains_key("ssh_host") {
        return Vec::new();
    }
    compare(profile, resolved, &Survey::of(system, runner).await)
}

fn compare(profile: &Profile, resolved: &Resolved, survey: &Survey) -> Vec<Finding> {
    let known: Vec<&str> = survey.queues.iter().map(|queue| queue.name.as_str()).collect();
    let mut findings = Vec::new();
    let origins = resolved.origins();
    let param = |name: &str| profile.params().iter().find(|param| param.name == name);
    if !known.is_empty() {
        let choices = param("queue").map(|param| param.choices.as_slice()).unwrap_or_default();
        let mut named: Vec<String> = choices.iter().map(ParamValue::to_string).collect();
        named.extend(resolved.request.queue.clone().filter(|queue| !named.contains(queue)));
        // a PBS destination is queue@server
        let is_known = |name: &String| known.contains(&name.split('@').next().unwrap_or_default());
        for name in named.iter().filter(|name| !is_known(name)) {
            let default = resolved.request.queue.as_ref() == Some(name);
            let what = format!("the site has no queue `{name}`");
            let finding = if default { Finding::error(what) } else { Finding::warning(what) };
            let chosen = choices.iter().any(|choice| choice.to_string() == *name);
            let key = if chosen { "params.queue.choices" } else { "scheduler.queue" };
            findings.push(
                finding
                    .at_key(origins, key)
                    .because(format!("it has {}", known.join(", ")))
                    .next("name one of these"),
            );
        }
        if let (Some(queue), true) = (&resolved.request.queue, findings.is_empty()) {
            findings.push(Finding::ok(format!("the site has queue `{queue}`")));
        }
    }
    if let Some(cores) = survey.cores
        && resolved.engines.ppn > cores
    {
        let ppn = resolved.engines.ppn;
        findings.push(
            Finding::warning(format!("{ppn} engines on a node, and the smallest node has {cores} cores"))
                .at_key(origins, "params.ppn.default")
                .next("give `[params.ppn]` a smaller `default` and `range`"),
        );
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Severity;
    use crate::profile::{Level, Profiles};
    use crate::survey::Queue;

    #[test]
    fn what_the_site_has_not_is_told() {
        let home = tempfile::tempdir().unwrap();
        let mut surroundings = crate::profile::Surroundings::current();
        surroundings.variables.clear();
        surroundings.home = home.path().to_owned();
        let profiles = Profiles::new(surroundings);
        let text = "extends = 'torque'\n[params.queue]\nchoices = ['batch', 'gone']\ndefault = 'batch'\n[params]\nppn = 8";
        let file = profiles.file(Level::User, "ours");
        let profile = profiles.with(file.clone(), text.to_owned()).load("ours").unwrap();
        let resolved = profile.resolve(&Default::default(), None).unwrap();
        let queues = vec![Queue { name: "batch".into(), default: false }];
        let survey = Survey { queues, cores: Some(4), ..Survey::default() };
        let told = compare(&profile, &resolved, &survey);
        let short: Vec<_> = told.iter().map(|finding| (finding.severity, &*finding.what)).collect();
        let expected = [
            (Severity::Warning, "the site has no queue `gone`"),
            (Severity::Warning, "8 engines on a node, and the smallest node has 4 cores"),
        ];
        assert_eq!(short, expected);
        assert_eq!(told[0].place, Some(format!("{}:3", file.display())));
        let silent = compare(&profile, &resolved, &Survey::default());
        assert_eq!(silent, []);
    }
}
