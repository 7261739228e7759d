//! Running a site's commands on another host: one `ssh` for each, over one connection that is kept for a while.
//!
//! What runs there says itself that it has ended, and how: whatever comes without that is no answer of the command's. Nor
//! is the end of ssh waited for, which holds on as long as anything there has a pipe open (OpenPBS's `qsub` for a minute).

mod ending;
mod sharing;

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use rpar_core::runner::{Answer, Invocation, RunError, Runner};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use self::ending::{Ending, Heard, hear};
use crate::shell;
use crate::ssh::ALIVE;

/// A file there is small, and the connection may have to be made first.
const FILE_LIMIT: Duration = Duration::from_secs(60);

/// What runs there: `sh -c RUN rpar DIRECTORY SECONDS PROGRAM ARGUMENTS`. A command whose connection is gone ends by
/// itself, a little after it was given up here.
const RUN: &str = r#"
if [ -n "$1" ] && ! cd "$1"; then
    ended=directory
elif ! command -v "$3" >/dev/null 2>&1; then
    ended=program
else
    limit=$2
    shift 2
    if command -v timeout >/dev/null 2>&1; then timeout -k 5 "$limit" "$@"; else "$@"; fi
    ended=$?
fi
printf '\nrpar: ended %s\n' "$ended"
printf '\nrpar: ended %s\n' "$ended" >&2
"#;

/// Runs programs on a host that ssh reaches without asking anything.
#[derive(Debug)]
pub struct SshRunner {
    ssh: Vec<String>,
    host: String,
    options: OnceCell<Vec<String>>,
}

impl SshRunner {
    /// Runs programs on `host` by the command `ssh`, which may have options of its own.
    pub fn new(ssh: Vec<String>, host: String) -> Self {
        SshRunner { ssh, host, options: OnceCell::new() }
    }

    /// The command that has the far shell run these words.
    async fn argv(&self, words: &[&str]) -> Vec<String> {
        let options = self.options.get_or_init(|| sharing::options(&self.ssh, &self.host)).await;
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let mut argv = self.ssh.clone();
        argv.extend(["-T", "-o", "BatchMode=yes"].into_iter().chain(ALIVE).map(str::to_owned));
        argv.extend(options.iter().cloned());
        argv.extend(["--".to_owned(), self.host.clone(), shell::in_any_shell("exec sh", &words)]);
        argv
    }

    fn spawn(argv: &[String], reads: bool) -> Result<Child, RunError> {
        let mut command = Command::new(&argv[0]);
        command.args(&argv[1..]).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(if reads { Stdio::piped() } else { Stdio::null() }).process_group(0).kill_on_drop(true);
        command.spawn().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => RunError::NotFound { program: argv[0].clone() },
            _ => RunError::NotStarted { program: argv[0].clone(), reason: error.to_string() },
        })
    }

    /// Runs a script of ours there that makes a file or directory.
    async fn write(&self, path: &Path, script: &str, stdin: Option<&str>) -> Result<(), RunError> {
        let wrong = |reason: String| RunError::Write { path: path.to_owned(), reason };
        let name = path.to_str().ok_or_else(|| wrong("its name is not UTF-8".to_owned()))?;
        let argv = ["sh", "-c", script, "rpar", name].map(str::to_owned).to_vec();
        let stdin = stdin.map(str::to_owned);
        let answer = self.run(&Invocation { argv, directory: None, stdin, limit: FILE_LIMIT }).await;
        match answer {
            Ok(answer) if answer.exit == Some(0) => Ok(()),
            Ok(answer) => Err(wrong(format!("{} says: {}", self.host, answer.output()))),
            // the next try may find the host: that is not the file's fault
            Err(RunError::Lost { reason, .. }) => Err(lost(path, &reason)),
            Err(RunError::TimedOut { seconds, .. }) => {
                Err(lost(path, &format!("{} gave no answer within {seconds} s", self.host)))
            }
            Err(error) => Err(wrong(error.to_string())),
        }
    }
}

/// ssh was lost while a file was being written.
fn lost(path: &Path, reason: &str) -> RunError {
    let reason = format!("while {} was being written, {reason}", path.display());
    RunError::Lost { program: "ssh".into(), reason }
}

#[async_trait]
impl Runner for SshRunner {
    /// An end by a signal is told as shells tell it: 128 and its number.
    async fn run(&self, invocation: &Invocation) -> Result<Answer, RunError> {
        let program = invocation.argv.first().cloned().unwrap_or_default();
        let directory = invocation.directory.as_deref().unwrap_or(Path::new(""));
        let Some(directory) = directory.to_str() else {
            let reason = format!("{} is not UTF-8", directory.display());
            return Err(RunError::NotStarted { program, reason });
        };
        let limit = invocation.limit.as_secs().saturating_add(2).to_string();
        let mut words = vec!["-c", RUN, "rpar", directory, &limit];
        words.extend(invocation.argv.iter().map(String::as_str));
        let argv = self.argv(&words).await;
        let mut child = SshRunner::spawn(&argv, invocation.stdin.is_some())?;
        let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let feed = async {
            if let (Some(mut pipe), Some(text)) = (input, &invocation.stdin) {
                // a program that does not want its input is no error
                let _ = pipe.write_all(text.as_bytes()).await;
            }
        };
        let talk = async { tokio::join!(feed, hear(output), hear(errors)) };
        let heard = timeout(invocation.limit, talk).await;
        let Ok(((), out, err)) = heard else {
            return Err(RunError::TimedOut { program, seconds: invocation.limit.as_secs() });
        };
        answer(&self.host, program, out, err)
    }

    async fn make_directory(&self, path: &Path) -> Result<(), RunError> {
        self.write(path, r#"umask 077 && mkdir -p "$1""#, None).await
    }

    async fn write_file(&self, path: &Path, text: &str) -> Result<(), RunError> {
        // a shell may be reading the file of that name, from an earlier allocation: it keeps what it has opened
        let script = r#"umask 077 && cat > "$1.new-$$" && chmod 700 "$1.new-$$" && mv -f "$1.new-$$" "$1""#;
        self.write(path, script, Some(text)).await
    }
}

/// What both streams come to.
fn answer(host: &str, program: String, out: Heard, err: Heard) -> Result<Answer, RunError> {
    match (out.ending, err.ending) {
        (Some(Ending::Exit(exit)), Some(Ending::Exit(_))) => {
            Ok(Answer { exit: Some(exit), stdout: out.text, stderr: err.text })
        }
        (Some(Ending::NoProgram), _) => Err(RunError::NotFound { program: format!("{program} ({host})") }),
        (Some(Ending::NoDirectory), _) => Err(RunError::NotStarted { program, reason: err.text }),
        _ => {
            let words = match err.text.trim() {
                "" => String::new(),
                words => format!(": {words}"),
            };
            let reason = format!("ssh could not reach {host}, or lost it{words}");
            Err(RunError::Lost { program, reason })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A runner whose "host" is this one: in place of ssh, a program that hands the last word to a shell.
    fn runner(shell: &str) -> SshRunner {
        let script = format!(r#"for word; do :; done; exec {shell} -c "$word""#);
        SshRunner::new(["sh", "-c", &script, "ssh"].map(str::to_owned).to_vec(), "there".into())
    }

    fn invocation(argv: &[&str]) -> Invocation {
        let argv = argv.iter().map(|word| (*word).to_owned()).collect();
        Invocation { argv, directory: None, stdin: None, limit: Duration::from_secs(20) }
    }

    #[tokio::test]
    async fn words_directory_and_stdin_arrive_in_any_shell() {
        for shell in ["sh", "bash", "csh"] {
            if shell == "csh" && std::process::Command::new("csh").arg("-fc").arg("exit").status().is_err() {
                continue;
            }
            let directory = tempfile::tempdir().unwrap();
            let at = directory.path().canonicalize().unwrap().join("it's $HOME!");
            let runner = runner(shell);
            runner.make_directory(&at).await.unwrap();
            let asked = Invocation {
                directory: Some(at.clone()),
                stdin: Some("in".into()),
                ..invocation(&["sh", "-c", "pwd; cat; echo \"$1\"; echo err >&2; exit 255", "x", "4[]!\n"])
            };
            let answer = runner.run(&asked).await.unwrap();
            assert_eq!(
                (answer.exit, answer.stderr.as_str()),
                (Some(255), "err\n"),
                "its own 255 is an answer"
            );
            assert_eq!(answer.stdout, format!("{}\nin4[]!\n\n", at.display()));
            let file = at.join("script");
            runner.write_file(&file, "#!/bin/sh\necho '!'\n").await.unwrap();
            assert_eq!(std::fs::read_to_string(&file).unwrap(), "#!/bin/sh\necho '!'\n");
            assert_eq!(runner.run(&invocation(&[file.to_str().unwrap()])).await.unwrap().stdout, "!\n");
            assert_eq!(std::fs::read_dir(&at).unwrap().count(), 1);
        }
    }

    #[tokio::test]
    async fn what_is_no_answer_of_the_command_is_an_error() {
        let unreached = SshRunner::new(
            ["sh", "-c", "echo no route to host >&2; exit 255", "ssh"].map(str::to_owned).to_vec(),
            "there".into(),
        );
        let error = unreached.run(&invocation(&["qsub"])).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "`qsub` was lost: ssh could not reach there, or lost it: no route to host"
        );
        let error = unreached.write_file(Path::new("/x"), "").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "`ssh` was lost: while /x was being written, ssh could not reach there, or lost it: no route to host"
        );
        let error = runner("sh").run(&invocation(&["no-such-program"])).await.unwrap_err();
        assert_eq!(error.to_string(), "`no-such-program (there)` was not found on PATH");
        let nowhere = Invocation { directory: Some("/no/such".into()), ..invocation(&["true"]) };
        let error = runner("sh").run(&nowhere).await.unwrap_err();
        assert!(matches!(error, RunError::NotStarted { .. }), "{error}");
        let error = runner("sh").make_directory(Path::new("/proc/x")).await.unwrap_err();
        assert!(error.to_string().starts_with("could not write /proc/x: there says: "), "{error}");
    }

    #[tokio::test]
    async fn neither_a_background_process_nor_a_hanging_one_holds_it_up() {
        let answer =
            runner("sh").run(&invocation(&["sh", "-c", "echo 12; sleep 1000 & echo $!"])).await.unwrap();
        let mut lines = answer.stdout.lines();
        assert_eq!(lines.next(), Some("12"));
        let pid = lines.next().unwrap().parse().unwrap();
        let _ = rustix::process::kill_process(
            rustix::process::Pid::from_raw(pid).unwrap(),
            rustix::process::Signal::KILL,
        );
        let hangs = Invocation { limit: Duration::from_secs(1), ..invocation(&["sleep", "1000"]) };
        let error = runner("sh").run(&hangs).await.unwrap_err();
        assert_eq!(error, RunError::TimedOut { program: "sleep".into(), seconds: 1 });
    }
}
