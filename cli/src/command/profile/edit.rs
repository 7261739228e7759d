//! `rpar profile edit`.

use std::fs;
use std::io::{self, BufRead, IsTerminal};
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::{create, place};
use crate::command::arguments::EditArguments;
use crate::command::context::Context;
use crate::command::exit::Exit;
use crate::command::report::{Outcome, Report};
use crate::profile::{Draft, check_name};

/// What the user wants of a text that is wrong.
enum Wish {
    Again,
    Keep,
    Drop,
}

pub(crate) fn run(context: &Context, arguments: &EditArguments) -> Outcome {
    let name = arguments.name.as_deref().unwrap_or(&context.profile);
    check_name("profile", name)?;
    let level = arguments.level.level();
    let path = context.profiles.file(level, name);
    let before = match fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(unreadable(&path, &error)),
    };
    let begun = match &before {
        Some(text) => text.clone(),
        None => {
            // nobody makes a new profile by a slip of the finger
            context.profiles.layers(name).map_err(|error| {
                Report::from(error).hint(format!("`rpar profile create {name}` makes a new one"))
            })?;
            let (base, survey) = create::begin(context, name, level, None)?;
            Draft { name, base: None, kind: create::kind(&base), level, survey: &survey }.text()
        }
    };
    let edited = edit(context, name, &path, &begun)?;
    let changed = edited.as_ref().is_some_and(|text| Some(text) != before.as_ref() && *text != begun);
    if let (true, Some(text)) = (changed, &edited) {
        place::put(&path, text)?;
    }
    if context.output.json {
        context.output.document(json!({ "file": path, "changed": changed }))?;
    } else if changed {
        context
            .output
            .note(&format!("{} is written: `rpar profile check {name}` tells what is wrong", path.display()));
    } else {
        context.output.note("nothing is changed");
    }
    Ok(Exit::Ok)
}

/// Lets the user edit a copy until it is right, or wanted as it is; `None` when it is to be dropped.
fn edit(context: &Context, name: &str, path: &Path, begun: &str) -> Outcome<Option<String>> {
    let failed = |error: io::Error| Report::of(Exit::Files, &error).because("no copy could be made to edit");
    let directory = tempfile::Builder::new().prefix("rpar-edit-").tempdir().map_err(failed)?;
    let copy = directory.path().join(format!("{name}.toml"));
    fs::write(&copy, begun).map_err(failed)?;
    loop {
        open(&copy)?;
        let text = fs::read_to_string(&copy).map_err(|error| unreadable(&copy, &error))?;
        if text == begun {
            return Ok(None);
        }
        let Err(report) = place::check(context, name, path, &text) else { return Ok(Some(text)) };
        context.output.report(&report);
        if !io::stdin().is_terminal() {
            let what = format!("{} is left as it was", path.display());
            return Err(
                Report::new(Exit::Profile, what).hint("on a terminal you are asked whether to edit again")
            );
        }
        match ask(context) {
            Wish::Again => {}
            Wish::Keep => return Ok(Some(text)),
            Wish::Drop => return Ok(None),
        }
    }
}

/// Runs the editor, as a shell would: `$EDITOR` may hold arguments.
fn open(file: &Path) -> Outcome<()> {
    let set = ["VISUAL", "EDITOR"].into_iter().filter_map(|name| std::env::var(name).ok());
    let editor = set.into_iter().find(|editor| !editor.trim().is_empty()).unwrap_or_else(|| "vi".to_owned());
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{editor} \"$@\"")).arg("rpar").arg(file);
    let hint = "name one as $VISUAL or $EDITOR";
    let status = command.status().map_err(|error| Report::of(Exit::Files, &error).hint(hint))?;
    if status.success() {
        return Ok(());
    }
    Err(Report::new(Exit::Files, format!("the editor `{editor}` ended with {status}: nothing is changed"))
        .hint(hint))
}

fn ask(context: &Context) -> Wish {
    loop {
        context.output.diagnostics(b"(e)dit again, (k)eep it as it is, or (d)rop the changes? [e] ");
        let mut line = String::new();
        match io::stdin().lock().read_line(&mut line) {
            // the terminal is gone, or Ctrl-D
            Ok(0) | Err(_) => return Wish::Drop,
            Ok(_) => {}
        }
        match line.trim() {
            "" | "e" => return Wish::Again,
            "k" => return Wish::Keep,
            "d" => return Wish::Drop,
            _ => {}
        }
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Report {
    Report::of(Exit::Files, error).because(format!("{} could not be read", path.display()))
}
