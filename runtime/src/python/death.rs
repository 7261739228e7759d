//! What is told about a child that has ended.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rpar_core::signal::told;
use rpar_core::task::Failure;

/// Why a task of a dead child did not end well.
pub(super) fn crash(status: ExitStatus, tail: String, verdict: Option<&str>) -> Failure {
    let message = format!("the task ended its Python interpreter: {}", how(status, verdict));
    Failure { message, detail: tail, exit: status.code(), signal: status.signal(), exception: Vec::new() }
}

/// Why no child could be started.
pub(super) fn stillborn(executable: &str, node: &str, status: ExitStatus, tail: String) -> Failure {
    let message =
        format!("the Python interpreter `{executable}` on {node} does not start: {}", how(status, None));
    Failure { message, detail: tail, exit: status.code(), signal: status.signal(), exception: Vec::new() }
}

/// `verdict` is why it was killed for want of memory, where that is known.
fn how(status: ExitStatus, verdict: Option<&str>) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => {
            let why = match verdict {
                Some(verdict) => format!(": {verdict}"),
                None if signal == 9 => "; perhaps the node or the job ran out of memory".to_owned(),
                None => String::new(),
            };
            format!("killed by {}{why}", told(signal))
        }
        (None, Some(code)) => format!("it exited with status {code}"),
        (None, None) => status.to_string(),
    }
}
