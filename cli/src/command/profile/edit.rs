//! `rpar profile edit`.

use std::io::{self, BufRead, IsTerminal};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::json;

use super::copy::Copy;
use super::{create, place};
use crate::command::arguments::EditArguments;
use crate::command::context::Context;
use crate::command::exit::Exit;
use crate::command::interrupt::Interrupts;
use crate::command::report::{Outcome, Report};
use crate::profile::{Draft, check_name};

/// How often a question that nobody answers looks for Ctrl-C: soon, to a hand.
const LOOK: Duration = Duration::from_millis(100);

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
    let before = place::read(&path)?;
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
    // Ctrl-C is the editor's, which may take it for anything
    let interrupts = Interrupts::watch_more(u8::MAX, |_| {})?;
    let copy = Copy::new(name, begun)?;
    let edited = edit(context, name, &path, &copy, &interrupts);
    let edited = edited.and_then(|text| match text {
        Some(text) if Some(&text) != before.as_ref() => {
            place::put_over(&path, before.as_deref(), &text).map(|()| true)
        }
        _ => Ok(false),
    });
    let changed = edited.map_err(|report| match copy.keep(&path) {
        Some(draft) => {
            let kept = format!("what you wrote is kept in {}", draft.display());
            let further = report.hint.iter().map(String::as_str);
            let hint = std::iter::once(kept.as_str()).chain(further).collect::<Vec<_>>().join("\n");
            report.hint(hint)
        }
        None => report,
    })?;
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

/// Lets the user edit a copy until it is right, or wanted as it is; `None` when there is nothing new, or it is to be dropped.
fn edit(
    context: &Context,
    name: &str,
    path: &Path,
    copy: &Copy,
    interrupts: &Interrupts,
) -> Outcome<Option<String>> {
    loop {
        open(copy.file())?;
        let Some(text) = copy.text()? else { return Ok(None) };
        let Err(report) = place::check(context, name, path, &text) else { return Ok(Some(text)) };
        context.output.report(&report);
        let left = Report::new(Exit::Profile, format!("{} is left as it was", path.display()));
        if !io::stdin().is_terminal() {
            return Err(left.hint("on a terminal you are asked whether to edit again"));
        }
        match ask(context, interrupts) {
            Some(Wish::Again) => {}
            Some(Wish::Keep) => return Ok(Some(text)),
            Some(Wish::Drop) => return Ok(None),
            None => return Err(left),
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
    Err(Report::new(Exit::Files, format!("the editor `{editor}` ended with {status}")).hint(hint))
}

/// `None` when there is no answer: Ctrl-C, Ctrl-D, or the terminal is gone.
fn ask(context: &Context, interrupts: &Interrupts) -> Option<Wish> {
    let so_far = interrupts.count();
    let timeout = Timespec::try_from(LOOK).ok()?;
    loop {
        context.output.diagnostics(b"(e)dit again, (k)eep it as it is, or (d)rop the changes? [e] ");
        let stdin = io::stdin();
        while !matches!(poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&timeout)), Ok(1..)) {
            if interrupts.count() > so_far {
                context.output.diagnostics(b"\n");
                return None;
            }
        }
        let mut line = String::new();
        if !matches!(stdin.lock().read_line(&mut line), Ok(1..)) {
            return None;
        }
        match line.trim() {
            "" | "e" => return Some(Wish::Again),
            "k" => return Some(Wish::Keep),
            "d" => return Some(Wish::Drop),
            _ => {}
        }
    }
}
