//! `rpar profile import`.

use std::path::Path;

use serde_json::json;

use super::place;
use crate::command::arguments::ImportArguments;
use crate::command::context::Context;
use crate::command::exit::Exit;
use crate::command::report::{Outcome, Report};
use crate::ipcluster::{ReadError, Translation, TranslationError, read, translate};

/// What runs the file.
const PYTHON: &str = "python3";

/// The name of a profile that is given none.
const NAME: &str = "ipcluster";

pub(crate) fn run(context: &Context, arguments: &ImportArguments) -> Outcome {
    let file = &arguments.file;
    let name = arguments.name.as_deref().or_else(|| profile_of(file)).unwrap_or(NAME);
    let path = place::new(context, name, arguments.level.level(), arguments.force)?;
    let values = super::super::block_on(async { read(file, PYTHON).await.map_err(|error| unread(&error)) })?;
    let directory = file.parent().unwrap_or(Path::new(""));
    let translated = translate(values, name, directory).map_err(|error| untranslated(&error))?;
    let Translation { text, base, settings, left } = translated;
    place::check(context, name, &path, &text)?;
    place::put(&path, &text)?;
    if context.output.json {
        context.output.document(json!({ "file": path, "from": base, "settings": settings, "left": left }))?;
        return Ok(Exit::Ok);
    }
    context.output.note(&format!("{} extends {base}, with what {} says", path.display(), file.display()));
    for left in &left {
        context.output.note(&format!("not carried over: {left}"));
    }
    context.output.note(&format!(
        "next: `rpar profile edit {name}` changes it, `rpar profile check {name}` tells what is wrong"
    ));
    Ok(Exit::Ok)
}

/// The IPython profile that a configuration belongs to, if it lies in its directory.
fn profile_of(file: &Path) -> Option<&str> {
    file.parent()?.file_name()?.to_str()?.strip_prefix("profile_").filter(|name| *name != "default")
}

fn unread(error: &ReadError) -> Report {
    let report = Report::of(Exit::Files, error);
    match error {
        ReadError::Python { .. } => report.hint("python3 runs the file, and must be on PATH"),
        ReadError::Raises { .. } => {
            report.hint("python3 runs the file, without ipyparallel: take out what needs more")
        }
        ReadError::File { .. } | ReadError::Answer { .. } => report,
    }
}

fn untranslated(error: &TranslationError) -> Report {
    let report = Report::of(Exit::Files, error);
    match error {
        TranslationError::Scheduler { .. } => report.hint(
            "docs/adding-a-backend.md tells how one is made; `rpar profile create` begins without the file",
        ),
        TranslationError::Template { .. } => report.hint("it is looked for beside the configuration"),
    }
}
