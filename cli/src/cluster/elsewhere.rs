//! A controller that was started on another host, by ssh: only there is it known whether it runs, and can it be ended.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rpar_backends::shell;
use rpar_runtime::files::ControllerRecord;

use crate::remote;

/// A login, for which sshd lets somebody type for 120 s, and what the host is asked, which takes 20 s at most.
const ANSWERS_WITHIN: Duration = Duration::from_secs(150);

/// More than any greeting before the answer.
const ANSWER_BYTES: u64 = 64 << 10;

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum There {
    /// It runs.
    Runs,
    /// It has ended.
    Gone,
    /// The host cannot be asked, or is another one: why.
    Unknown(String),
}

/// Asks whether a controller still runs. `host` is what its profile calls the host. Blocks for as long as ssh needs, which is
/// bounded.
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
    let asked = |host: &str| {
        let mut argv = remote::ssh_to(host, false);
        argv.push(line.clone());
        read(host, answer(&argv, ANSWERS_WITHIN))
    };
    match asked(host) {
        There::Unknown(why) if record.host != host => match asked(&record.host) {
            There::Unknown(_) => There::Unknown(why),
            known => known,
        },
        answer => answer,
    }
}

fn read(host: &str, answer: Result<String, String>) -> There {
    match answer.as_deref().map(|said| said.lines().last().unwrap_or_default()) {
        Ok("runs") => There::Runs,
        Ok("gone") => There::Gone,
        Ok("elsewhere") => There::Unknown(format!("ssh to {host} leads to another host")),
        // what ssh says the user has seen
        Ok(_) => There::Unknown(format!("ssh could not ask {host}")),
        Err(why) => There::Unknown(format!("ssh could not ask {host}: {why}")),
    }
}

/// What a command prints; it is ended when it has closed its stdout, and at the latest after this time.
fn answer(argv: &[String], within: Duration) -> Result<String, String> {
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("`{}`: {error}", argv[0]))?;
    let (tell, told) = mpsc::channel();
    let stdout = child.stdout.take();
    // the thread ends with the pipe
    let reading = std::thread::Builder::new().name("rpar-ssh".into()).spawn(move || {
        let mut said = Vec::new();
        let read = stdout.map(|stdout| stdout.take(ANSWER_BYTES).read_to_end(&mut said));
        let _ = tell.send(read.unwrap_or(Ok(0)).map(|_| String::from_utf8_lossy(&said).into_owned()));
    });
    let said = match (reading, told.recv_timeout(within)) {
        (Ok(_), Ok(said)) => said.map_err(|error| error.to_string()),
        (Ok(_), Err(_)) => Err(format!("no answer within {} s", within.as_secs())),
        (Err(error), _) => Err(error.to_string()),
    };
    let _ = child.kill();
    let _ = child.wait();
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer_of(script: &str, within: Duration) -> There {
        read("host", answer(&["sh", "-c", script].map(str::to_owned), within))
    }

    #[test]
    fn each_answer_is_told_and_none_is_waited_for_without_end() {
        let unknown = |why: &str| There::Unknown(why.to_owned());
        let long = Duration::from_secs(60);
        for (script, expected) in [
            ("echo welcome; echo runs", There::Runs),
            ("echo gone", There::Gone),
            // it may be slow to end
            ("echo gone; exec >&-; exec sleep 1000", There::Gone),
            ("echo elsewhere", unknown("ssh to host leads to another host")),
            ("exit 255", unknown("ssh could not ask host")),
        ] {
            assert_eq!(answer_of(script, long), expected, "{script}");
        }
        let silent = answer_of("exec sleep 1000", Duration::from_secs(1));
        assert_eq!(silent, unknown("ssh could not ask host: no answer within 1 s"));
        let none = read("host", answer(&["no-such-ssh".to_owned()], long));
        assert!(
            matches!(&none, There::Unknown(why) if why.contains("`no-such-ssh`: No such file")),
            "{none:?}"
        );
    }
}
