//! `rpar profile check`.

use rpar_backends::Exec;
use rpar_core::profile::Place;
use serde_json::{Value, json};

use super::live;
use crate::check::{Check, Finding, Severity, check};
use crate::command::arguments::CheckArguments;
use crate::command::context::{Context, program};
use crate::command::exit::Exit;
use crate::command::output::Waiting;
use crate::command::report::{Outcome, Report};

pub(crate) fn run(context: &Context, arguments: &CheckArguments) -> Outcome {
    let name = arguments.name.as_deref().unwrap_or(&context.profile);
    let program = program()?;
    let asked = Check {
        profiles: &context.profiles,
        registry: &context.registry,
        name,
        values: &context.values,
        program: &program,
        runner: &Exec,
    };
    let waiting = Waiting::new(&context.output, "reading the profile");
    let checked =
        super::super::block_on(async { Ok::<_, Report>(check(&asked, &|text| waiting.say(text)).await) })?;
    drop(waiting);
    let mut findings = checked.findings;
    if arguments.live {
        let broken = findings.iter().any(|finding| finding.severity == Severity::Error);
        let place = checked.usable.map(|(resolved, _)| resolved.controller.r#where);
        findings.extend(match place {
            _ if broken => vec![Finding::warning("not tried on a node").next("mend the errors first")],
            Some(Place::Local) => live::run(context, name, &program, arguments.timeout)?,
            // what there is to do about that was told
            _ => vec![Finding::warning("not tried on a node: this is not the controller's host")],
        });
    }
    tell(context, name, &findings)
}

/// Shows what was found; the exit status says whether there was an error.
fn tell(context: &Context, name: &str, findings: &[Finding]) -> Outcome {
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if context.output.json {
        let list: Vec<Value> = findings.iter().map(document).collect();
        context.output.document(json!({
            "profile": name, "errors": errors, "warnings": warnings, "findings": list,
        }))?;
    } else {
        let color = context.output.colors_stdout();
        let text: String = findings.iter().map(|finding| line(finding, color)).collect();
        context.output.answer(&text)?;
        let plural = |count: usize, what: &str| crate::cluster::plural(count as u64, what);
        let told = format!("{}, {}", plural(errors, "error"), plural(warnings, "warning"));
        context.output.note(&format!("\nprofile {name}: {told}"));
    }
    if errors > 0 { Err(Report::silent(Exit::Profile)) } else { Ok(Exit::Ok) }
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Ok => "ok",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

fn document(finding: &Finding) -> Value {
    json!({
        "severity": word(finding.severity),
        "what": finding.what,
        "where": finding.place,
        "why": finding.why,
        "next": finding.next,
    })
}

fn line(finding: &Finding, color: bool) -> String {
    let code = match finding.severity {
        Severity::Ok => "32",
        Severity::Warning => "1;33",
        Severity::Error => "1;31",
    };
    let word = format!("{:<8}", word(finding.severity));
    let word = if color { format!("\x1b[{code}m{word}\x1b[0m") } else { word };
    let mut text = format!("{word} {}\n", indented(&finding.what));
    let more = [("at", &finding.place), ("why", &finding.why), ("next", &finding.next)];
    for (label, said) in more {
        if let Some(said) = said {
            text += &format!("{:9}{label}: {}\n", "", indented(said));
        }
    }
    text
}

/// Later lines stand below the first.
fn indented(text: &str) -> String {
    text.trim_end().replace('\n', &format!("\n{:11}", ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_says_what_where_why_and_what_next() {
        let finding = Finding::warning("two\nlines").at("x.toml:3").because("of this").next("do that");
        let expected = "warning  two\n           lines\n         at: x.toml:3\n         why: of this\n         next: do that\n";
        assert_eq!(line(&finding, false), expected);
        assert_eq!(line(&Finding::ok("fine"), false), "ok       fine\n");
        assert!(line(&Finding::error("no"), true).starts_with("\x1b[1;31merror   \x1b[0m no"));
    }
}
