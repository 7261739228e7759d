//! The job script: the same for every batch system but for its directives.

use rpar_core::error::Retry;
use rpar_core::scheduler::AllocationRequest;

use crate::dialect::Refusal;
use crate::shell;

/// The script: directives, then `log` (a line of shell, or nothing) in the cluster's directory, the setup lines, and
/// the pilot in place of the shell, so that the site's signals reach it.
///
/// It is a login shell, because that is where sites define `module`.
pub(crate) fn compose(directives: &[String], log: &str, request: &AllocationRequest) -> String {
    let mut text = "#!/bin/bash -l\n".to_owned();
    for directive in directives {
        text += &format!("{directive}\n");
    }
    text += &format!("cd {} || exit 1\n", shell::quote(&request.directory.to_string_lossy()));
    text += log;
    for line in &request.setup {
        text += &format!("{line}\n");
    }
    text + &format!("exec {}\n", shell::join(&request.pilot))
}

/// A value that a directive can hold: one word. Anything else would be read as further options.
pub(crate) fn word<'a>(name: &str, value: &'a Option<String>) -> Result<Option<&'a str>, Refusal> {
    match value.as_deref() {
        Some(text) if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) => {
            Err(Refusal::new(Retry::Never, format!("{name} `{}` is not one word", text.escape_debug())))
        }
        value => Ok(value),
    }
}

/// Values that stand on one line each.
pub(crate) fn lines(name: &str, values: &[String]) -> Result<Vec<String>, Refusal> {
    match values.iter().find(|text| text.contains(['\n', '\r', '\0'])) {
        Some(text) => {
            Err(Refusal::new(Retry::Never, format!("{name}: `{}` is not one line", text.escape_debug())))
        }
        None => Ok(values.to_vec()),
    }
}
