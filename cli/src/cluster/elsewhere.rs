//! A controller that was started on another host, by ssh: only there is it known whether it runs, and can it be ended.

use std::process::{Command, Stdio};

use rpar_backends::shell;
use rpar_runtime::files::ControllerRecord;

use crate::remote;

/// What the host is asked: `sh -c ASK rpar HOST PID START_TIME SIGNALS`. A process is known by host, pid and start time (field 22
/// of `/proc/PID/stat`, proc(5)); one that is signalled has 10 s for its end.
const ASK: &str = r#"
runs() {
    stat=$(cat "/proc/$pid/stat" 2>/dev/null) || return 1
    set -- ${stat##*)}
    case $1 in Z | X) return 1 ;; esac
    [ "${20}" = "$start" ]
}
pid=$2 start=$3
[ "$(uname -n)" = "$1" ] || { echo elsewhere; exit; }
for signal in $4; do
    runs && kill -s "$signal" "$pid"
    tries=0
    while runs && [ $tries -lt 100 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
done
if runs; then echo runs; else echo gone; fi
"#;

/// What a host says of a process that was started there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum There {
    /// It runs.
    Runs,
    /// It has ended.
    Gone,
    /// The host cannot be asked, or is another one.
    Unknown,
}

/// Asks whether a controller still runs. `host` is what its profile calls the host. Blocks for as long as ssh needs.
pub(crate) fn look(host: &str, record: &ControllerRecord) -> There {
    ask(host, record, "")
}

/// Ends a controller that does not listen: SIGTERM, which it obeys in good order, then SIGKILL.
pub(crate) fn end(host: &str, record: &ControllerRecord) -> There {
    ask(host, record, "TERM KILL")
}

/// A name such as `login` may lead to another host today than it did: then the host is asked by its own.
fn ask(host: &str, record: &ControllerRecord, signals: &str) -> There {
    let (pid, start) = (record.pid.to_string(), record.start_time.to_string());
    let words = ["-c", ASK, "rpar", &record.host, &pid, &start, signals].map(str::as_bytes);
    let line = shell::in_any_shell("exec sh", &words);
    let answers = [host, &record.host].into_iter().map(|host| {
        let argv = remote::ssh_to(host, false);
        let output = Command::new(&argv[0]).args(&argv[1..]).arg(&line).stdin(Stdio::null()).output();
        let said = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        match said.unwrap_or_default().lines().last() {
            Some("runs") => There::Runs,
            Some("gone") => There::Gone,
            _ => There::Unknown,
        }
    });
    answers.into_iter().find(|answer| *answer != There::Unknown).unwrap_or(There::Unknown)
}
