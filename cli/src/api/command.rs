//! Shell commands as tasks.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use rpar_core::task::{CommandOutcome, CommandSpec, Failure, TaskStatus};
use rpar_runtime::client::Outcome;
use thiserror::Error;

use super::Functions;
use super::arguments::Arguments;
use super::callable::{Call, Callable, failure};
use crate::command::input::{COLUMNS_LIMIT, Record};
use crate::command::template::{Functions as Scripts, Template, TemplateError};

/// A shell command with placeholders, as `rpar map` takes it: `{}` is the argument, `{.}` the argument without its extension,
/// `{1}` and `{2}` are parts of a tuple, `{#}` is the task's number. Without any, the arguments are appended.
///
/// Arguments reach the command as positional parameters of the shell, never as text: none is ever executed, wherever the
/// braces stand. It runs in the directory that this program is in, with the environment of the engines.
///
/// As of [`std::process::Command`], an exit status other than 0 is no error: the task's result has it. The task counts as
/// failed all the same, and runs again as often as [`retries`](super::View::retries) says. A command that could not be
/// started gives 125, and the reason on stderr. Errors are what keeps one from running to its end: a time limit, a lost
/// engine.
///
/// ```no_run
/// # fn run(view: rpar::LoadBalancedView, files: Vec<std::path::PathBuf>) -> Result<(), Box<dyn std::error::Error>> {
/// let checksum = rpar::Command::new("sha256sum {} | cut -c -64")?;
/// for outcome in view.map(&checksum, files) {
///     print!("{}", String::from_utf8_lossy(&outcome?.stdout));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Command {
    template: Template,
    spec: CommandSpec,
}

/// A command cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CommandError {
    /// It has a placeholder where the shell takes no argument, or is torn.
    #[error("{reason}")]
    Command {
        /// What is wrong, and what to do instead.
        reason: String,
    },
    /// The directory that it is to run in has no form that can be sent.
    #[error("the directory {path} is not UTF-8")]
    NotText {
        /// The directory, with what is no text replaced.
        path: String,
    },
    /// The directory of this program is unknown.
    #[error("the current directory is unknown: {reason}")]
    NoDirectory {
        /// The system's reason.
        reason: String,
    },
}

impl Command {
    /// Reads a command as the shell reads it.
    ///
    /// # Errors
    /// When a placeholder stands where the shell has no safe place for an argument, a quote or bracket never closes, or the
    /// current directory cannot be sent.
    pub fn new(command: &str) -> Result<Command, CommandError> {
        let template = Template::parse(command, None).map_err(refused)?;
        let current = std::env::current_dir()
            .map_err(|error| CommandError::NoDirectory { reason: error.to_string() })?;
        let spec =
            CommandSpec { script: String::new(), workdir: text(&current)?, environment: BTreeMap::new() };
        Ok(Command { template, spec })
    }

    /// Runs it in another directory, which the nodes see too; a relative one is below the current one.
    ///
    /// # Errors
    /// When the directory is not UTF-8.
    pub fn workdir(mut self, directory: impl AsRef<Path>) -> Result<Command, CommandError> {
        self.spec.workdir = text(&Path::new(&self.spec.workdir).join(directory))?;
        Ok(self)
    }

    /// Sets an environment variable, above the engine's own.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Command {
        self.spec.environment.insert(name.into(), value.into());
        self
    }
}

fn refused(error: TemplateError) -> CommandError {
    let hint = match &error {
        // what it has to say is about the quotes of a command line
        TemplateError::Unterminated { .. } => String::new(),
        other => format!(": {}", other.hint()),
    };
    CommandError::Command { reason: format!("{error}{hint}") }
}

fn text(path: &Path) -> Result<String, CommandError> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| CommandError::NotText { path: path.to_string_lossy().into_owned() })
}

impl<A: Arguments> Callable<A> for &Command {
    type Output = CommandOutcome;

    fn call<'a>(self, _: &Functions) -> Call<'a, A, CommandOutcome>
    where
        Self: 'a,
        A: 'a,
    {
        let (template, mut scripts) =
            (&self.template, Scripts::new(self.template.clone(), self.spec.clone()));
        let encode = move |number, arguments: A| {
            let arguments = arguments.into_words();
            if let Some(refusal) = refusal(template, &arguments) {
                return Err(Failure::new(refusal));
            }
            let (function, payload) = scripts.of(&Record { number, arguments, alike: 0 });
            Ok((function.clone(), payload))
        };
        Call { encode: Box::new(encode), decode, exit }
    }
}

/// Why a command cannot be given these arguments.
fn refusal(template: &Template, arguments: &[Bytes]) -> Option<String> {
    let count = arguments.len();
    if count > COLUMNS_LIMIT {
        return Some(format!("{count} arguments are more than the {COLUMNS_LIMIT} that one command takes"));
    }
    if let Some(placeholder) = template.lacks(count) {
        return Some(format!("the command asks for {placeholder}, and has {count} arguments"));
    }
    let with_nul = arguments.iter().position(|argument| argument.contains(&0))?;
    Some(format!("argument {} has a NUL, which no command can be given", with_nul + 1))
}

fn decode(outcome: &Outcome) -> Result<CommandOutcome, Failure> {
    command(outcome).ok_or_else(|| failure(outcome))
}

fn exit(outcome: &Outcome) -> Option<i32> {
    match command(outcome) {
        Some(command) => command.exit,
        None => failure(outcome).exit,
    }
}

/// How a command ended that ran to its end.
fn command(outcome: &Outcome) -> Option<CommandOutcome> {
    // one that could not even be started fails without an outcome of its own
    let ran = matches!(outcome.status, TaskStatus::Ok | TaskStatus::Failed);
    ran.then(|| CommandOutcome::decode(outcome.payload.clone()).ok()).flatten()
}
