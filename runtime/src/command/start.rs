//! Starting a command: directly where that is the same, else through the shell.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use rpar_core::task::{CommandSpec, Function};

use super::program;
use super::script::Script;
use crate::engine::Limit;

/// What the shell is told as its name, and so what `$0` says.
const NAME: &str = "rpar";

/// A command as it was understood, once for all tasks that share it.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) function: Arc<Function>,
    pub(super) spec: Result<CommandSpec, String>,
    script: Option<Script>,
}

impl Prepared {
    pub(super) fn new(function: Arc<Function>) -> Self {
        let spec: Result<CommandSpec, _> = ciborium::from_reader(function.body.as_ref())
            .map(at_home)
            .map_err(|error| format!("malformed command: {error}"));
        // an exported function of bash may have the name of a program
        let functions = std::env::vars_os().any(|(name, _)| name.as_bytes().starts_with(b"BASH_FUNC_"));
        let script = spec.as_ref().ok().filter(|_| !functions).and_then(|spec| Script::parse(&spec.script));
        Prepared { function, spec, script }
    }

    /// Starts a task's process in a group of its own, its stdout and stderr on pipes, and within its limit if it has one.
    ///
    /// All that is asked for here keeps std on its fast path, posix_spawn(3): a program with a slash in it, no `pre_exec`,
    /// no change of user.
    pub(super) fn start(
        &self,
        spec: &CommandSpec,
        arguments: &[Bytes],
        variables: &[(&str, String)],
        limit: Option<&Limit>,
    ) -> io::Result<Child> {
        let mut shell = Command::new("/bin/sh");
        if let Some(limit) = limit {
            shell.args(["-c", Limit::ENTERS]).arg(limit.entrance()).arg("/bin/sh");
        }
        shell.args(["-c", &spec.script, NAME]);
        shell.args(arguments.iter().map(|argument| OsStr::from_bytes(argument)));
        let script = self.script.as_ref().filter(|_| limit.is_none());
        let words = script.and_then(|script| script.expand(NAME, arguments));
        if let Some(words) = words
            && let Some(file) = program::find(&words[0], &spec.workdir, &spec.environment)
        {
            let mut command = Command::new(file);
            command.arg0(&words[0]).args(&words[1..]);
            // whatever is wrong with it: the shell knows how to say so
            if let Ok(child) = equip(&mut command, spec, variables).spawn() {
                return Ok(child);
            }
        }
        equip(shell.arg0("sh"), spec, variables).spawn()
    }
}

/// The same with an absolute working directory: a relative one is below the user's home here, which who submitted it need
/// not know.
fn at_home(spec: CommandSpec) -> CommandSpec {
    if Path::new(&spec.workdir).is_absolute() {
        return spec;
    }
    let home = std::env::var("HOME").unwrap_or_else(|_| "/".to_owned());
    let workdir = match spec.workdir.as_str() {
        "" => home,
        below => format!("{home}/{below}"),
    };
    CommandSpec { workdir, ..spec }
}

fn equip<'a>(command: &'a mut Command, spec: &CommandSpec, variables: &[(&str, String)]) -> &'a mut Command {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .current_dir(&spec.workdir)
        // the host's own would name another directory
        .env("PWD", &spec.workdir)
        .env_remove("OLDPWD")
        .envs(&spec.environment)
        .envs(variables.iter().map(|(name, value)| (name, OsString::from(value))))
}
