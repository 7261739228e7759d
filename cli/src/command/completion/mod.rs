//! `rpar completions`, and what its scripts ask back: `rpar complete`.
//!
//! The scripts know nothing of rpar. They hand over the words of the command line and show what comes back, so that flags
//! are those of this build, and a profile's parameters and choices those of its files.

mod candidates;

use std::ffi::OsString;
use std::path::Path;

use serde_json::json;

use super::arguments::{CompleteArguments, Shell};
use super::context::Context;
use crate::command::exit::Exit;
use crate::command::report::Outcome;

/// What tells a script to offer the names of files, which the shell itself does best.
const FILES: &str = ":files\n";

/// `rpar completions SHELL`.
pub(crate) fn script(context: &Context, shell: Shell) -> Outcome {
    let text = match shell {
        Shell::Bash => include_str!("rpar.bash"),
        Shell::Zsh => include_str!("rpar.zsh"),
        Shell::Fish => include_str!("rpar.fish"),
    };
    let word = std::env::args_os().next().unwrap_or_default();
    let script = filled(text, Path::new(&word), &std::env::current_dir().unwrap_or_default());
    if context.output.json {
        context.output.document(json!({ "script": script }))?;
    } else {
        context.output.answer(&script)?;
    }
    Ok(Exit::Ok)
}

/// The script for this program, which was started by typing `word` in `directory`.
fn filled(text: &str, word: &Path, directory: &Path) -> String {
    let name = word.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // without a slash the shell has found it on PATH, and will again after the next update
    let program = if word.components().count() > 1 { directory.join(word) } else { word.to_owned() };
    let program = program.to_string_lossy();
    let quoted = rpar_backends::shell::join(&[program.into_owned()]);
    text.replace("PROGRAM", &quoted).replace("NAME", &name)
}

/// `rpar complete INDEX -- WORDS`: a line for each candidate, which is its value, or value and help with a tab between.
pub(crate) fn answer(context: &Context, arguments: &CompleteArguments) -> Outcome {
    let CompleteArguments { index, words } = arguments;
    let typed = words.get(*index).cloned().unwrap_or_default();
    let before: Vec<OsString> = words.iter().take(*index).cloned().collect();
    let text = match candidates::candidates(context, &before, typed, words) {
        candidates::Candidates::Files => FILES.to_owned(),
        candidates::Candidates::Words(words) => words.iter().map(|word| format!("{word}\n")).collect(),
    };
    context.output.answer(&text)?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_runs_the_program_that_printed_it() {
        let filled =
            |word: &str| filled("PROGRAM complete; complete -F _NAME NAME", word.as_ref(), "/d e".as_ref());
        assert_eq!(filled("rpar"), "rpar complete; complete -F _rpar rpar");
        assert_eq!(filled("bin/rpar"), "'/d e/bin/rpar' complete; complete -F _rpar rpar");
        assert_eq!(filled("/opt/mine"), "/opt/mine complete; complete -F _mine mine");
    }
}
