//! `rpar why`.

mod document;
mod text;

use std::time::Duration;

use rpar_core::id::{EngineId, RequestId, SubmissionId, TaskId};
use rpar_core::wire::{AllocationStatus, Subject};
use serde_json::json;

use super::context::Context;
use super::documents;
use crate::command::arguments::WhyArguments;
use crate::command::exit::Exit;
use crate::command::report::{Outcome, Report};
use crate::paths::ClusterDir;

/// A controller answers in a millisecond; one that is this late is not well.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// What may stand before an id.
pub(super) const KINDS: [&str; 5] = ["task", "submission", "engine", "allocation", "request"];

pub(crate) fn run(context: &Context, arguments: &WhyArguments) -> Outcome {
    let mut what = arguments.what.clone();
    let which = what == ["allocation"];
    let wanted = if which { Vec::new() } else { subjects(&what)? };
    let (directory, client) = context.client()?;
    let wanted = match which {
        false => wanted,
        true => {
            let status = client.status(None, ANSWER_WITHIN)?;
            what.push(only_one(&status.allocations, &directory)?);
            subjects(&what)?
        }
    };
    let because = client.why(wanted, ANSWER_WITHIN)?;
    if because.about.is_empty() {
        let what = what.join(" ");
        let text = format!("cluster {} knows of no {what} (any more)", directory.cluster());
        let lists = ["tasks", "engines list", "status"].map(|verb| directory.command(verb)).join(", ");
        return Err(Report::new(Exit::NoSubmission, text).hint(format!("{lists} list what there is")));
    }
    if context.output.json {
        let coming: Vec<_> = because.coming.iter().map(documents::allocation).collect();
        let about: Vec<_> = because.about.iter().map(document::about).collect();
        context.output.document(json!({ "about": about, "coming": coming }))?;
    } else {
        context.output.answer(&text::answer(&because, &|verb| directory.command(verb)))?;
    }
    Ok(Exit::Ok)
}

/// The id of the only allocation.
fn only_one(list: &[AllocationStatus], directory: &ClusterDir) -> Outcome<String> {
    let ids: Vec<String> = list.iter().filter_map(|one| one.id.as_ref()).map(ToString::to_string).collect();
    match &ids[..] {
        [id] => Ok(id.clone()),
        [] => {
            Err(Report::new(Exit::NoSubmission, format!("cluster {} has no allocation", directory.cluster())))
        }
        _ => Err(Report::new(Exit::Usage, "which allocation?").hint(format!(
            "cluster {} has {}",
            directory.cluster(),
            ids.join(", ")
        ))),
    }
}

/// What the words may mean: a bare number is a submission, an engine and an allocation.
fn subjects(words: &[String]) -> Outcome<Vec<Subject>> {
    let wrong = |what: String| {
        let hint = "such as `rpar why 7.3`, `rpar why engine 3` or `rpar why 123.login1`".to_owned();
        Report::new(Exit::Usage, what).hint(hint)
    };
    let subject = |kind: &str, id: &str| {
        let number = id.parse::<u64>().ok();
        match kind {
            "task" => {
                let (submission, task) = id.split_once('.')?;
                let task = task.parse::<u64>().ok()?.checked_sub(1)?;
                Some(Subject::Task(SubmissionId(submission.parse().ok()?), TaskId(task)))
            }
            "submission" => number.map(|number| Subject::Submission(SubmissionId(number))),
            "engine" => {
                number.and_then(|number| u32::try_from(number).ok()).map(|id| Subject::Engine(EngineId(id)))
            }
            "request" => number.map(|number| Subject::Request(RequestId(number))),
            _ => Some(Subject::Allocation(id.into())),
        }
    };
    match words {
        [] => Ok(vec![Subject::Waiting]),
        [id] if KINDS.contains(&id.as_str()) => Err(wrong(format!("which {id}?"))),
        [id] => Ok(["task", "submission", "engine", "allocation"]
            .iter()
            .filter_map(|kind| subject(kind, id))
            .collect()),
        [kind, id] if KINDS.contains(&kind.as_str()) => match subject(kind, id) {
            Some(subject) => Ok(vec![subject]),
            None => Err(wrong(format!("`{id}` is no {kind}"))),
        },
        [kind, ..] => Err(wrong(format!("expected one of {} before an id, not `{kind}`", KINDS.join(", ")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_all_that_it_may_mean() {
        let read = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            subjects(&words).map_err(|report| report.exit)
        };
        let task = Subject::Task(SubmissionId(7), TaskId(2));
        let (submission, engine) = (Subject::Submission(SubmissionId(3)), Subject::Engine(EngineId(3)));
        let allocation = |id: &str| Subject::Allocation(id.into());
        assert_eq!(read("").unwrap(), [Subject::Waiting]);
        assert_eq!(read("7.3").unwrap(), [task.clone(), allocation("7.3")]);
        assert_eq!(read("task 7.3").unwrap(), [task]);
        assert_eq!(read("3").unwrap(), [submission, engine.clone(), allocation("3")]);
        assert_eq!(read("engine 3").unwrap(), [engine]);
        assert_eq!(read("123.login1").unwrap(), [allocation("123.login1")]);
        assert_eq!(read("request 0").unwrap(), [Subject::Request(RequestId(0))]);
        for wrong in ["engine", "allocation", "engine x", "task 7", "task 7.0", "node n7", "engine 3 4"] {
            assert_eq!(read(wrong).unwrap_err(), Exit::Usage, "{wrong}");
        }
    }
}
