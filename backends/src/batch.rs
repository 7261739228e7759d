//! The one scheduler for every batch system: it runs what a [`Dialect`] writes and hands back what a dialect reads.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use rpar_core::error::{Action, BackendError, CommandTrace, Retry};
use rpar_core::id::{AllocationId, ClusterTag};
use rpar_core::launcher::Node;
use rpar_core::scheduler::{AllocationRequest, AllocationState, JobScript, Scheduler, SchedulerInfo};

use crate::dialect::{Dialect, Refusal, States};
use crate::pace::Paced;
use rpar_core::runner::{Answer, Invocation, RunError, Runner};

/// A batch system: its dialect, and where its commands run.
#[derive(Debug)]
pub struct Batch<D> {
    dialect: D,
    runner: Arc<dyn Runner>,
    user: OnceLock<String>,
}

impl<D: Dialect> Batch<D> {
    /// A batch system whose commands run on `runner`.
    pub fn new(dialect: D, runner: Arc<dyn Runner>) -> Self {
        let runner = Arc::new(Paced::new(runner, dialect.per_second()));
        Batch { dialect, runner, user: OnceLock::new() }
    }

    /// Runs a command of the site; only that it answered is certain when this returns `Ok`.
    async fn ask(&self, action: Action, argv: &[String], at: Option<&Path>) -> Result<Answer, BackendError> {
        let invocation = Invocation {
            argv: argv.to_vec(),
            directory: at.map(Path::to_owned),
            stdin: None,
            limit: self.dialect.limit(),
        };
        self.runner.run(&invocation).await.map_err(|error| self.failed(action, argv, &error))
    }

    fn failed(&self, action: Action, argv: &[String], error: &RunError) -> BackendError {
        let (retry, hint) = match error {
            RunError::NotFound { .. } => (
                Retry::Never,
                Some(format!(
                    "add the directory of the site's commands to PATH on this host, or name another system than \
                     `{}` as `kind` in `[scheduler]` of the profile",
                    self.dialect.info().name
                )),
            ),
            RunError::NotStarted { .. } | RunError::Write { .. } => (Retry::Never, None),
            RunError::TimedOut { .. } | RunError::Lost { .. } if action == Action::Submit => {
                (Retry::Unsure, None)
            }
            RunError::TimedOut { .. } | RunError::Lost { .. } => (Retry::Later, None),
        };
        let hint = hint.or_else(|| match error {
            RunError::TimedOut { .. } => Some(
                "a slow site may need a larger `timeout` (seconds) in `[scheduler]` of the profile"
                    .to_owned(),
            ),
            _ => None,
        });
        let command = (!argv.is_empty()).then(|| CommandTrace {
            argv: argv.to_vec(),
            exit: None,
            output: String::new(),
        });
        self.error(action, Refusal { retry, reason: error.to_string(), hint }, command)
    }

    fn error(&self, action: Action, refusal: Refusal, command: Option<CommandTrace>) -> BackendError {
        let Refusal { retry, reason, hint } = refusal;
        BackendError { backend: self.dialect.info().name, action, retry, reason, command, hint }
    }

    /// Asks for as many states as one command can name.
    async fn poll_some(&self, ids: &[AllocationId]) -> Result<States, BackendError> {
        let mut argv = self.dialect.poll(ids);
        let mut answer = self.ask(Action::Poll, &argv, None).await?;
        for _ in 0..LESSONS {
            if !self.dialect.learns(&answer) {
                break;
            }
            argv = self.dialect.poll(ids);
            answer = self.ask(Action::Poll, &argv, None).await?;
        }
        self.dialect
            .polled(&answer)
            .map_err(|refusal| self.error(Action::Poll, refusal, Some(answer.trace(&argv))))
    }

    /// Gives back as many as one command can name.
    async fn cancel_some(&self, ids: &[AllocationId]) -> Result<(), BackendError> {
        let argv = self.dialect.cancel(ids);
        let answer = self.ask(Action::Cancel, &argv, None).await?;
        self.dialect
            .cancelled(&answer)
            .map_err(|refusal| self.error(Action::Cancel, refusal, Some(answer.trace(&argv))))
    }

    /// Whose allocations are ours, where the commands run.
    async fn user(&self, action: Action) -> Result<String, BackendError> {
        if let Some(user) = self.user.get() {
            return Ok(user.clone());
        }
        let argv = ["id", "-un"].map(str::to_owned);
        let answer = self.ask(action, &argv, None).await?;
        let user = answer.stdout.trim();
        if user.is_empty() {
            let refusal = Refusal::new(Retry::Later, "the user's name is not known there");
            return Err(self.error(action, refusal, Some(answer.trace(&argv))));
        }
        Ok(self.user.get_or_init(|| user.to_owned()).clone())
    }
}

#[async_trait]
impl<D: Dialect> Scheduler for Batch<D> {
    fn info(&self) -> SchedulerInfo {
        self.dialect.info()
    }

    fn preview(&self, request: &AllocationRequest) -> Result<JobScript, BackendError> {
        let text = match &request.script {
            Some(text) => text.clone(),
            None => {
                self.dialect.script(request).map_err(|refusal| self.error(Action::Preview, refusal, None))?
            }
        };
        Ok(JobScript { argv: self.dialect.submit(request, &script_name(&request.tag)), text })
    }

    async fn submit(&self, request: &AllocationRequest) -> Result<AllocationId, BackendError> {
        let action = Action::Submit;
        let JobScript { argv, text } =
            self.preview(request).map_err(|error| BackendError { action, ..error })?;
        let file = request.directory.join(script_name(&request.tag));
        // nothing was submitted yet, so nothing is in doubt
        let unwritten = |error| match self.failed(action, &[], &error) {
            error if error.retry == Retry::Unsure => BackendError { retry: Retry::Later, ..error },
            error => error,
        };
        self.runner.make_directory(&request.directory.join("logs")).await.map_err(unwritten)?;
        self.runner.write_file(&file, &text).await.map_err(unwritten)?;
        let answer = self.ask(action, &argv, Some(&request.directory)).await?;
        self.dialect
            .submitted(request, &answer)
            .map_err(|refusal| self.error(action, refusal, Some(answer.trace(&argv))))
    }

    async fn poll(
        &self,
        ids: &[AllocationId],
    ) -> Result<BTreeMap<AllocationId, AllocationState>, BackendError> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut told = States::new();
        for ids in ids.chunks(IDS_LIMIT) {
            told.extend(self.poll_some(ids).await?);
        }
        Ok(ids.iter().map(|id| (id.clone(), told.remove(id).unwrap_or_default())).collect())
    }

    async fn cancel(&self, ids: &[AllocationId]) -> Result<(), BackendError> {
        let (mut refused, mut first) = (0, None);
        for some in ids.chunks(IDS_LIMIT) {
            if let Err(error) = self.cancel_some(some).await {
                refused += some.len();
                first = first.or(Some((some, error)));
            }
        }
        let Some((some, error)) = first else { return Ok(()) };
        let reason = match some {
            // it is a part that was refused: which, the command alone tells, and that is long
            [from, .., to] if some.len() < ids.len() => {
                format!("{} (of {from} to {to}; {refused} of {} in all)", error.reason, ids.len())
            }
            _ => error.reason,
        };
        Err(BackendError { reason, ..error })
    }

    async fn find(&self, tag: &ClusterTag) -> Result<Vec<AllocationId>, BackendError> {
        let user = self.user(Action::Find).await?;
        let argv = self.dialect.find(tag, &user);
        let answer = self.ask(Action::Find, &argv, None).await?;
        self.dialect
            .found(tag, &user, &answer)
            .map_err(|refusal| self.error(Action::Find, refusal, Some(answer.trace(&argv))))
    }

    async fn nodes(&self, environment: &BTreeMap<String, String>) -> Result<Vec<Node>, BackendError> {
        let wrong = |refusal| self.error(Action::Nodes, refusal, None);
        let text = match self.dialect.nodefile(environment) {
            None => None,
            Some(path) => Some(tokio::fs::read_to_string(&path).await.map_err(|error| {
                wrong(Refusal::new(Retry::Never, format!("nodefile {}: {error}", path.display())))
            })?),
        };
        self.dialect.nodes(environment, text.as_deref()).map_err(wrong)
    }
}

/// The most ids that one command names, more than a cluster has allocations. The longest that sites give have some 60
/// characters, and a command line that goes through a shell is one argument, of at most 128 KiB (execve(2)).
const IDS_LIMIT: usize = 1000;

/// How often in a row a question is put otherwise: `pbs` has three things to learn, and no poll may go on for ever.
const LESSONS: usize = 3;

/// The job script's name in the request's directory. Submitting again overwrites it: sites copy a script when they
/// accept it.
pub(crate) fn script_name(tag: &ClusterTag) -> String {
    format!("{tag}.sh")
}

/// How long a command of the site may take unless the profile says otherwise. A loaded server answers in seconds; a
/// Slurm controller that is down takes 4 s to say so.
pub(crate) const DEFAULT_LIMIT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::slurm::Slurm;

    /// A host whose connection is lost while the script is being written.
    #[derive(Debug)]
    struct Leaving(RunError);

    #[async_trait]
    impl Runner for Leaving {
        async fn run(&self, invocation: &Invocation) -> Result<Answer, RunError> {
            unreachable!("nothing is to be submitted: {invocation:?}")
        }

        async fn make_directory(&self, _: &Path) -> Result<(), RunError> {
            Ok(())
        }

        async fn write_file(&self, _: &Path, _: &str) -> Result<(), RunError> {
            Err(self.0.clone())
        }
    }

    #[tokio::test]
    async fn a_script_that_a_lost_connection_kept_from_being_written_is_tried_again() {
        let lost = RunError::Lost { program: "ssh".into(), reason: "connection reset".into() };
        let full = RunError::Write { path: "/full".into(), reason: "no space left".into() };
        for (error, retry) in [(lost, Retry::Later), (full, Retry::Never)] {
            let request = AllocationRequest {
                tag: "rpar-1".into(),
                nodes: 1,
                array: false,
                ppn: 1,
                walltime: None,
                queue: None,
                account: None,
                pilot: Vec::new(),
                setup: Vec::new(),
                directory: PathBuf::new(),
                script: None,
            };
            let scheduler = Batch::new(Slurm::default(), Arc::new(Leaving(error)));
            let error = scheduler.submit(&request).await.unwrap_err();
            assert_eq!((error.action, error.retry), (Action::Submit, retry), "{error}");
        }
    }
}
