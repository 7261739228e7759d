//! Running a site's commands on this host.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use rpar_core::runner::{Answer, Invocation, RunError, Runner};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How much of each output stream is kept: a listing of 20,000 jobs at 200 bytes each. What follows is read and
/// dropped, so that the program never blocks on a full pipe.
pub const OUTPUT_LIMIT: usize = 4 << 20;

/// How long output is waited for after the program itself has ended: some leave a process behind that holds the pipe
/// open (OpenPBS's `qsub` for about a minute).
const LINGER: Duration = Duration::from_millis(500);

/// Runs programs on this host.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exec;

#[async_trait]
impl Runner for Exec {
    async fn run(&self, invocation: &Invocation) -> Result<Answer, RunError> {
        let program = invocation.argv.first().cloned().unwrap_or_default();
        let mut child = spawn(invocation, &program)?;
        let mut group = Group(child.id());
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let limit = invocation.limit;
        let answer =
            timeout(limit, complete(&mut child, invocation.stdin.as_deref(), &mut out, &mut err)).await;
        match answer {
            Ok(Ok(exit)) => {
                group.0 = None;
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                Ok(Answer { exit, stdout: text(&out), stderr: text(&err) })
            }
            Ok(Err(error)) => Err(RunError::Lost { program, reason: error.to_string() }),
            Err(_) => Err(RunError::TimedOut { program, seconds: limit.as_secs() }),
        }
    }

    async fn make_directory(&self, path: &Path) -> Result<(), RunError> {
        let made = tokio::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).await;
        made.map_err(|error| RunError::Write { path: path.to_owned(), reason: error.to_string() })
    }

    async fn write_file(&self, path: &Path, text: &str) -> Result<(), RunError> {
        let wrong =
            |error: std::io::Error| RunError::Write { path: path.to_owned(), reason: error.to_string() };
        // a shell may be reading the file of that name, from an earlier allocation: it keeps what it has opened
        let new = path.with_extension(format!("new-{}", std::process::id()));
        let mut options = tokio::fs::OpenOptions::new();
        let mut file =
            options.write(true).create(true).truncate(true).mode(0o700).open(&new).await.map_err(wrong)?;
        file.write_all(text.as_bytes()).await.map_err(wrong)?;
        file.flush().await.map_err(wrong)?;
        tokio::fs::rename(&new, path).await.map_err(wrong)
    }
}

fn spawn(invocation: &Invocation, program: &str) -> Result<Child, RunError> {
    let mut command = Command::new(program);
    command.args(invocation.argv.iter().skip(1)).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.stdin(if invocation.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
    command.process_group(0).kill_on_drop(true);
    if let Some(directory) = &invocation.directory {
        command.current_dir(directory);
    }
    command.spawn().map_err(|error| match error.kind() {
        // a missing working directory gives the same error; that one is not the program's fault
        std::io::ErrorKind::NotFound if invocation.directory.as_ref().is_none_or(|d| d.is_dir()) => {
            RunError::NotFound { program: program.to_owned() }
        }
        _ => RunError::NotStarted { program: program.to_owned(), reason: error.to_string() },
    })
}

/// Feeds the program, reads both its streams, and waits for its end; tells its exit status.
async fn complete(
    child: &mut Child,
    stdin: Option<&str>,
    out: &mut Vec<u8>,
    err: &mut Vec<u8>,
) -> std::io::Result<Option<i32>> {
    let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let talk = async {
        let feed = async {
            if let (Some(mut pipe), Some(text)) = (input, stdin) {
                // a program that does not want its input is no error
                let _ = pipe.write_all(text.as_bytes()).await;
            }
        };
        tokio::join!(feed, capture(output, out), capture(errors, err));
    };
    tokio::pin!(talk);
    let status = tokio::select! {
        status = child.wait() => {
            let _ = timeout(LINGER, &mut talk).await;
            status?
        }
        () = &mut talk => child.wait().await?,
    };
    Ok(status.code())
}

async fn capture(pipe: Option<impl AsyncRead + Unpin>, into: &mut Vec<u8>) {
    let Some(mut pipe) = pipe else { return };
    let mut buffer = [0; 8192];
    while let Ok(n @ 1..) = pipe.read(&mut buffer).await {
        let room = OUTPUT_LIMIT - into.len();
        into.extend_from_slice(&buffer[..n.min(room)]);
    }
}

/// Kills the process group when dropped before the program's end.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let pid = self.0.and_then(|pid| rustix::process::Pid::from_raw(pid as i32));
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Invocation {
        let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
        Invocation { argv, directory: None, stdin: None, limit }
    }

    #[tokio::test]
    async fn tells_exit_and_both_streams() {
        let answer =
            Exec.run(&shell("echo out; echo err >&2; exit 7", Duration::from_secs(20))).await.unwrap();
        assert_eq!(answer, Answer { exit: Some(7), stdout: "out\n".into(), stderr: "err\n".into() });
    }

    #[tokio::test]
    async fn feeds_stdin() {
        let invocation = Invocation { stdin: Some("hello".into()), ..shell("cat", Duration::from_secs(20)) };
        assert_eq!(Exec.run(&invocation).await.unwrap().stdout, "hello");
    }

    #[tokio::test]
    async fn names_a_missing_program() {
        let mut invocation = shell("", Duration::from_secs(20));
        invocation.argv = vec!["no-such-program-here".into()];
        let error = Exec.run(&invocation).await.unwrap_err();
        assert_eq!(error.to_string(), "`no-such-program-here` was not found on PATH");
    }

    #[tokio::test]
    async fn a_hanging_program_is_killed_with_its_children() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("pid");
        let script = format!("sleep 1000 & echo $! > {}; wait", file.display());
        let error = Exec.run(&shell(&script, Duration::from_secs(1))).await.unwrap_err();
        assert_eq!(error, RunError::TimedOut { program: "sh".into(), seconds: 1 });
        let pid: u32 = std::fs::read_to_string(file).unwrap().trim().parse().unwrap();
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while crate::process::start_time(pid).is_some() {
            assert!(std::time::Instant::now() < deadline, "the child of a killed program still runs");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test]
    async fn a_background_process_does_not_hold_the_answer() {
        let started = std::time::Instant::now();
        let answer = Exec.run(&shell("echo 12; sleep 30 &", Duration::from_secs(25))).await.unwrap();
        assert_eq!(answer.stdout, "12\n");
        assert!(started.elapsed() < Duration::from_secs(20));
    }

    #[tokio::test]
    async fn output_is_bounded() {
        let answer = Exec.run(&shell("head -c 6000000 /dev/zero", Duration::from_secs(20))).await.unwrap();
        assert_eq!((answer.exit, answer.stdout.len()), (Some(0), OUTPUT_LIMIT));
    }
}
