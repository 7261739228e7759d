//! What a probe's reports mean for the profile, in its author's words.

use std::time::Duration;

use rpar_core::scheduler::AllocationPhase;

use super::{FirstReport, Heard, NodeReport, PythonReport, Reach, ReachEnd, Told, Way};
use crate::check::{Finding, is_loopback};
use crate::profile::Resolved;

/// A file that takes longer to be seen makes starts slow.
const SLOW_FILE: Duration = Duration::from_secs(2);

/// Clocks further apart make times in logs misleading.
const CLOCKS_APART: Duration = Duration::from_secs(2);

/// All findings of a probe.
pub(crate) fn judge(resolved: &Resolved, heard: &Heard) -> Vec<Finding> {
    let nodes: Vec<(&NodeReport, Way)> = heard
        .told
        .iter()
        .filter_map(|(told, way)| match told {
            Told::Node(report) => Some((report, *way)),
            Told::First(_) => None,
        })
        .collect();
    let mut findings = Vec::new();
    for (told, _) in &heard.told {
        if let Told::First(report) = told {
            findings.extend(first(report, resolved));
        }
    }
    if nodes.is_empty() && findings.is_empty() {
        findings.push(silent(resolved, heard));
    }
    for (report, way) in nodes {
        let waited = heard.queued.as_secs();
        findings.push(Finding::ok(format!("{} was granted after {waited} s, and ran a probe", report.node)));
        findings.extend(node(resolved, report, way));
    }
    findings
}

fn first(report: &FirstReport, resolved: &Resolved) -> Vec<Finding> {
    let next =
        "what runs first on a node is `setup` in `[engines]`, then rpar itself: try both there by hand";
    let one = |error: &String| {
        Finding::error(format!("no engine host would start from {}", report.host))
            .at_key(resolved.origins(), "launcher.kind")
            .because(error.clone())
            .next(next)
    };
    report.errors.iter().map(one).collect()
}

/// Nothing was heard at all.
fn silent(resolved: &Resolved, heard: &Heard) -> Finding {
    let origins = resolved.origins();
    let reason = heard.state.reason.clone().unwrap_or_default();
    if heard.gave_up {
        return Finding::warning(format!("no node was granted within {} s", heard.queued.as_secs()))
            .because(if reason.is_empty() { "the site gave no reason".to_owned() } else { reason })
            .next("try another queue, or wait longer with --timeout");
    }
    let ended = heard.state.phase == AllocationPhase::Ended;
    let how = heard.state.end.map(|end| end.to_string()).or(heard.state.reason.clone());
    let how = how.map(|how| format!(" ({how})")).unwrap_or_default();
    let what = match ended {
        true => format!("the allocation ended without a word from its node{how}"),
        false => "the allocation runs, and its node says nothing".to_owned(),
    };
    let finding = Finding::error(what);
    let output = heard.output.trim();
    if output.contains("No such file or directory") || output.contains("not found") {
        return finding
            .at_key(origins, "engines.program")
            .because(output)
            .next("the nodes do not find what the script names: put rpar and `[storage] dir` where they see them, or set `[engines] program`");
    }
    if output.is_empty() {
        return finding
            .at_key(origins, "storage.dir")
            .because("there is no output either: most likely the nodes do not see the cluster's directory")
            .next("name a directory that they see too as `[storage] dir`");
    }
    finding
        .because(output)
        .next("these are the last lines of its output: mend what they say in `setup` or the job script")
}

fn node(resolved: &Resolved, report: &NodeReport, way: Way) -> Vec<Finding> {
    let mut findings = Vec::new();
    if report.build != env!("CARGO_PKG_VERSION") {
        let (own, theirs) = (env!("CARGO_PKG_VERSION"), &report.build);
        findings.push(
            Finding::error(format!("{} runs rpar {theirs}, this is {own}", report.node))
                .at_key(resolved.origins(), "engines.program")
                .next("name the same build as `[engines] program`"),
        );
    }
    match &report.unreadable {
        Some(reason) => findings.push(
            Finding::error(format!("{} does not see the cluster's directory", report.node))
                .at_key(resolved.origins(), "storage.dir")
                .because(reason.clone())
                .next("name a directory that the nodes see too as `[storage] dir`"),
        ),
        None => findings.extend(addresses(resolved, report)),
    }
    if way != Way::Link {
        let by = if way == Way::File { "by a file" } else { "in the job's output" };
        findings.push(Finding::ok(format!("{} answered {by} instead", report.node)));
    }
    findings.extend(directory(resolved, report));
    findings.extend(clock(report));
    if let Some(line) = &report.setup_failed {
        findings.push(
            Finding::warning(format!("a line of `setup` fails on {}", report.node))
                .at_key(resolved.origins(), "engines.setup")
                .because(line.clone())
                .next("try it there by hand; if it may fail, write `|| true` behind it"),
        );
    }
    findings.push(python(resolved, report));
    let (cores, ppn) = (report.cores, resolved.engines.ppn);
    let told = format!("{} has {cores} cores for {ppn} engines", report.node);
    findings.push(if cores < ppn {
        Finding::warning(told)
            .at_key(resolved.origins(), "params.ppn.default")
            .next("ask for more cores of a node, or give `[params.ppn]` a smaller default")
    } else {
        Finding::ok(told)
    });
    findings
}

fn addresses(resolved: &Resolved, report: &NodeReport) -> Vec<Finding> {
    let reached = |reach: &Reach| matches!(reach.end, ReachEnd::Reached { .. });
    let any = report.addresses.iter().any(reached);
    let chosen = resolved.transport.contains_key("advertise");
    let mut findings = Vec::new();
    for reach in &report.addresses {
        let (node, endpoint) = (&report.node, &reach.endpoint);
        if let ReachEnd::Reached { round_trip_micros, bytes_per_second } = reach.end {
            let (trip, rate) = (round_trip_micros as f64 / 1000.0, bytes_per_second as f64 / 1e6);
            findings.push(Finding::ok(format!(
                "{node} reaches this host at {endpoint}: round trip {trip:.2} ms, {rate:.0} MB/s"
            )));
            continue;
        }
        // nobody has asked for it, and it is one of all
        if any && !chosen && is_loopback(endpoint) {
            continue;
        }
        let (what, why, next) = explained(&reach.end, is_loopback(endpoint));
        let what = format!("{node} does not reach this host at {endpoint}: {what}");
        let finding = if any { Finding::warning(what) } else { Finding::error(what) };
        let next =
            if any { "leave it out of `[transport] advertise`, where engines try it in vain" } else { next };
        findings.push(finding.at_key(resolved.origins(), "transport.advertise").because(why).next(next));
    }
    findings
}

/// What it is, why that may be, and what to do.
fn explained(end: &ReachEnd, loopback: bool) -> (String, String, &'static str) {
    const OTHER: &str = "name the interface of the network that this host shares with the nodes in `[transport] advertise`; `ip -brief address` lists them";
    let what = match end {
        ReachEnd::Reached { .. } => "it does".to_owned(),
        ReachEnd::Refused => "connection refused".to_owned(),
        ReachEnd::TimedOut => "no answer".to_owned(),
        ReachEnd::Stranger(_) => "somebody else answers there".to_owned(),
        ReachEnd::Failed(reason) => reason.clone(),
    };
    if loopback {
        return (what, "a loopback address leads the node to itself".to_owned(), OTHER);
    }
    let (why, next) = match end {
        ReachEnd::Refused => {
            ("the address is another host's, or something on the way refuses the port".to_owned(), OTHER)
        }
        ReachEnd::TimedOut => (
            "a firewall drops the packets, or no network leads there from the node".to_owned(),
            "name an interface of the nodes' network in `[transport] advertise`, or have the site open the port, which `listen` fixes: `listen = [\"tcp://0.0.0.0:7000\"]`",
        ),
        ReachEnd::Stranger(reason) => (format!("the key there is not this host's: {reason}"), OTHER),
        ReachEnd::Reached { .. } | ReachEnd::Failed(_) => {
            ("no network leads there from the node".to_owned(), OTHER)
        }
    };
    (what, why, next)
}

fn directory(resolved: &Resolved, report: &NodeReport) -> Option<Finding> {
    let reached = report.addresses.iter().any(|reach| matches!(reach.end, ReachEnd::Reached { .. }));
    if report.unreadable.is_some() || !report.shares {
        return None;
    }
    let node = &report.node;
    Some(match report.file_seen_micros.map(Duration::from_micros) {
        Some(after) if after < SLOW_FILE => {
            Finding::ok(format!("{node} sees a new file after {:.0} ms", after.as_secs_f64() * 1e3))
        }
        Some(after) => {
            Finding::warning(format!("{node} sees a new file after {:.1} s only", after.as_secs_f64()))
                .at_key(resolved.origins(), "storage.dir")
                .because("clusters start later by that")
                .next("a faster shared file system as `[storage] dir` helps")
        }
        // who cannot ask for a file has read the connection file all the same
        None if !reached => Finding::ok(format!("{node} sees the cluster's directory")),
        None => Finding::warning(format!("{node} does not see a new file in time"))
            .at_key(resolved.origins(), "storage.dir")
            .because("its file system remembers for long what was not there")
            .next("another shared file system as `[storage] dir` helps"),
    })
}

fn clock(report: &NodeReport) -> Option<Finding> {
    let ahead = report.clock_ahead_micros?;
    let apart = Duration::from_micros(ahead.unsigned_abs());
    if apart < CLOCKS_APART {
        return None;
    }
    let which = if ahead > 0 { "ahead of" } else { "behind" };
    let what = format!("the clock of {} is {:.0} s {which} this host's", report.node, apart.as_secs_f64());
    Some(Finding::warning(what).because("times in logs will not fit").next("have the site set the clocks"))
}

fn python(resolved: &Resolved, report: &NodeReport) -> Finding {
    let PythonReport { executable, version, cloudpickle, error } = &report.python;
    let node = &report.node;
    let next = "name a Python of the nodes as `[python] executable`, or load it in `setup` of `[engines]`";
    match (version, cloudpickle) {
        (Some(version), Some(pickle)) => {
            Finding::ok(format!("{node} has Python {version} with cloudpickle {pickle}, as {executable}"))
        }
        (Some(version), None) => {
            Finding::warning(format!("{node} has Python {version} without cloudpickle, as {executable}"))
                .at_key(resolved.origins(), "python.executable")
                .because("Python tasks would fail; commands need none")
                .next(format!("`{executable} -m pip install cloudpickle`, or {next}"))
        }
        (None, _) => Finding::warning(format!("{node} has no Python that runs as {executable}"))
            .at_key(resolved.origins(), "python.executable")
            .because(error.clone().unwrap_or_else(|| "it said nothing".to_owned()))
            .next(next),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Severity::{self, Error, Ok, Warning};
    use crate::profile::{Profiles, Surroundings};

    fn resolved() -> Resolved {
        let mut surroundings = Surroundings::current();
        surroundings.variables.clear();
        let text = "extends = 'torque'\n[transport]\nadvertise = ['10.0.0.1']\n[params]\nppn = 2\n";
        let path = surroundings.home.join(".config/rpar/profiles/ours.toml");
        let profiles = Profiles::new(surroundings).with(path, text.to_owned());
        profiles.load("ours").unwrap().resolve(&Default::default(), None).unwrap()
    }

    fn report(ends: &[(&str, ReachEnd)]) -> NodeReport {
        let reach =
            |(endpoint, end): &(&str, ReachEnd)| Reach { endpoint: (*endpoint).to_owned(), end: end.clone() };
        NodeReport {
            node: "n1".into(),
            build: env!("CARGO_PKG_VERSION").into(),
            cores: 8,
            addresses: ends.iter().map(reach).collect(),
            python: PythonReport {
                executable: "python3".into(),
                version: Some("3.11".into()),
                cloudpickle: Some("3.0".into()),
                error: None,
            },
            shares: true,
            file_seen_micros: Some(100),
            ..NodeReport::default()
        }
    }

    fn wrong(report: NodeReport) -> Vec<(Severity, String)> {
        let heard = Heard { told: vec![(Told::Node(report), Way::Link)], ..Heard::default() };
        let findings = judge(&resolved(), &heard).into_iter();
        findings
            .filter(|finding| finding.severity > Ok)
            .map(|finding| (finding.severity, finding.what))
            .collect()
    }

    const FINE: ReachEnd = ReachEnd::Reached { round_trip_micros: 90, bytes_per_second: 1_000_000 };

    #[test]
    fn an_address_matters_most_when_no_other_works() {
        assert_eq!(wrong(report(&[("tcp://10.0.0.1:7", FINE)])), []);
        let dead = ("tcp://10.0.0.2:7", ReachEnd::TimedOut);
        let what = "n1 does not reach this host at tcp://10.0.0.2:7: no answer".to_owned();
        assert_eq!(wrong(report(&[("tcp://10.0.0.1:7", FINE), dead.clone()])), [(Warning, what.clone())]);
        assert_eq!(wrong(report(&[dead])), [(Error, what)]);
    }

    #[test]
    fn what_else_a_node_lacks_is_told() {
        let fine = || report(&[("tcp://10.0.0.1:7", FINE)]);
        let no_python = PythonReport { executable: "python3".into(), ..PythonReport::default() };
        let cases = [
            (NodeReport { cores: 1, ..fine() }, Warning, "1 cores for 2 engines"),
            (NodeReport { build: "0.0".into(), ..fine() }, Error, "runs rpar 0.0"),
            (
                NodeReport { setup_failed: Some("x".into()), ..fine() },
                Warning,
                "a line of `setup` fails on n1",
            ),
            (
                NodeReport { unreadable: Some("gone".into()), ..fine() },
                Error,
                "does not see the cluster's directory",
            ),
            (NodeReport { file_seen_micros: Some(9_000_000), ..fine() }, Warning, "after 9.0 s only"),
            (NodeReport { file_seen_micros: None, ..fine() }, Warning, "does not see a new file"),
            (NodeReport { clock_ahead_micros: Some(-90_000_000), ..fine() }, Warning, "90 s behind"),
            (NodeReport { python: no_python, ..fine() }, Warning, "no Python"),
        ];
        for (report, severity, what) in cases {
            let told = wrong(report);
            assert!(told.len() == 1 && told[0].0 == severity && told[0].1.contains(what), "{what}: {told:?}");
        }
    }

    #[test]
    fn silence_is_explained_by_what_was_printed() {
        let ended = |output: &str| {
            let mut heard = Heard { output: output.to_owned(), ..Heard::default() };
            heard.state.phase = AllocationPhase::Ended;
            judge(&resolved(), &heard).remove(0)
        };
        assert!(
            ended("x.sh: line 9: /opt/rpar: No such file or directory")
                .next
                .unwrap()
                .contains("[engines] program")
        );
        assert!(ended("").next.unwrap().contains("[storage] dir"));
        assert_eq!(ended("module: no such module").why.as_deref(), Some("module: no such module"));
        let waited = Heard { gave_up: true, ..Heard::default() };
        assert_eq!(judge(&resolved(), &waited)[0].severity, Warning);
        let failed =
            FirstReport { errors: vec!["node n1: exit status 127".into()], ..FirstReport::default() };
        let heard = Heard { told: vec![(Told::First(failed), Way::File)], ..Heard::default() };
        assert_eq!(judge(&resolved(), &heard)[0].severity, Error);
    }
}
