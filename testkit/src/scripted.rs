//! A runner that answers from a script, for tests of dialects and of everything above them.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rpar_core::runner::{Answer, Invocation, RunError, Runner};

/// What a scripted command does.
#[derive(Clone, Debug)]
pub enum Reply {
    /// It ends like this.
    Answer(Answer),
    /// It ends like this, some time later.
    Late(Duration, Answer),
    /// It is not there, or cannot be started, or is lost.
    Error(RunError),
    /// It does not end: the runner gives up when the invocation's limit is over.
    Hang,
}

impl Reply {
    /// Ends well, with this on stdout.
    pub fn ok(stdout: &str) -> Self {
        Reply::Answer(Answer { exit: Some(0), stdout: stdout.to_owned(), stderr: String::new() })
    }

    /// Fails with this exit status and these texts on stdout and stderr.
    pub fn failed(exit: i32, stdout: &str, stderr: &str) -> Self {
        Reply::Answer(Answer { exit: Some(exit), stdout: stdout.to_owned(), stderr: stderr.to_owned() })
    }
}

/// Expects commands in order and answers each as told. Keeps the files that are written through it.
#[derive(Debug, Default)]
pub struct ScriptedRunner {
    steps: Mutex<VecDeque<(Vec<String>, Reply)>>,
    files: Mutex<BTreeMap<PathBuf, String>>,
}

impl ScriptedRunner {
    /// Expects nothing yet.
    pub fn new() -> Self {
        ScriptedRunner::default()
    }

    /// Expects this command next.
    pub fn expect(&self, argv: &[&str], reply: Reply) -> &Self {
        lock(&self.steps).push_back((argv.iter().map(|word| (*word).to_owned()).collect(), reply));
        self
    }

    /// The text of a file that was written.
    pub fn file(&self, path: &Path) -> Option<String> {
        lock(&self.files).get(path).cloned()
    }

    /// Checks that every expected command was run.
    ///
    /// # Panics
    /// When one was not.
    pub fn finish(&self) {
        let steps = lock(&self.steps);
        assert!(steps.is_empty(), "never run: {:?}", steps.iter().map(|(argv, _)| argv).collect::<Vec<_>>());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Runner for ScriptedRunner {
    async fn run(&self, invocation: &Invocation) -> Result<Answer, RunError> {
        let next = lock(&self.steps).pop_front();
        let Some((argv, reply)) = next else { panic!("not expected: {:?}", invocation.argv) };
        assert_eq!(invocation.argv, argv, "another command was expected");
        match reply {
            Reply::Answer(answer) => Ok(answer),
            Reply::Late(delay, answer) => {
                tokio::time::sleep(delay).await;
                Ok(answer)
            }
            Reply::Error(error) => Err(error),
            Reply::Hang => {
                tokio::time::sleep(invocation.limit).await;
                let program = argv.first().cloned().unwrap_or_default();
                Err(RunError::TimedOut { program, seconds: invocation.limit.as_secs() })
            }
        }
    }

    async fn make_directory(&self, _path: &Path) -> Result<(), RunError> {
        Ok(())
    }

    async fn write_file(&self, path: &Path, text: &str) -> Result<(), RunError> {
        lock(&self.files).insert(path.to_owned(), text.to_owned());
        Ok(())
    }
}
