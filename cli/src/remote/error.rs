//! Why a cluster of another host could not be reached, and what to do.

use rpar_runtime::client::ConnectError as LinkError;
use rpar_transports::FarEnd;
use thiserror::Error;

use super::{PROGRAM, Remote, SSH, program};
use crate::paths::flags;
use crate::profile::ProfileError;
use crate::told::report;

/// A cluster of another host could not be reached.
#[derive(Debug, Error)]
pub enum RemoteError {
    /// A name is none.
    #[error(transparent)]
    Name(#[from] ProfileError),
    /// What follows the `@` can be no host.
    #[error("`{host}` is no name of a host")]
    Host {
        /// What was given.
        host: String,
    },
    /// ssh did not get there.
    #[error("ssh could not reach {host}{}", told(words))]
    Ssh {
        /// The host.
        host: String,
        /// What ssh says.
        words: String,
    },
    /// The host's shell has no such command.
    #[error("there is no command `{program}` on {host}{}", told(words))]
    NoProgram {
        /// The host.
        host: String,
        /// The command.
        program: String,
        /// What the shell there says.
        words: String,
    },
    /// rpar is there, and has no link to give.
    #[error("{host} says: {error}")]
    There {
        /// The host.
        host: String,
        /// The exit status of rpar there.
        exit: i32,
        /// Its error.
        error: String,
        /// Its hint, if it has one.
        hint: Option<String>,
    },
    /// The far rpar, or the controller, will not have this client.
    #[error("{reason}")]
    Refused {
        /// Why.
        reason: String,
    },
    /// The link could not be opened, for another reason.
    #[error("no link came to be through {host}: {source}")]
    Link {
        /// The host.
        host: String,
        /// Why.
        source: LinkError,
    },
}

impl RemoteError {
    /// Reads how the far program has ended.
    pub(super) fn told(remote: &Remote, cluster_id: &str, end: &FarEnd) -> RemoteError {
        let (host, words) = (remote.host.clone(), end.words.clone());
        match end.exit {
            Some(255) | None => RemoteError::Ssh { host, words },
            // csh has no exit status of its own for that
            Some(code) if code == 127 || (code == 1 && words.ends_with("Command not found.")) => {
                RemoteError::NoProgram { host, program: program(), words }
            }
            Some(exit) => {
                let (error, hint) = match words.as_str() {
                    "" => (format!("rpar has ended with exit status {exit}"), None),
                    words => report(words).unwrap_or_else(|| (words.to_owned(), None)),
                };
                let there = flags(&remote.profile, cluster_id);
                let here = flags(&remote.name(), cluster_id);
                // its hints are for who sits there
                let hint = hint.map(|hint| hint.replace(&format!("`rpar{there} "), &format!("`rpar{here} ")));
                RemoteError::There { host, exit, error, hint }
            }
        }
    }

    /// Why a command that was run there has not been run, when ssh or the shell there has told already.
    pub(crate) fn ended(remote: &Remote, code: i32) -> RemoteError {
        RemoteError::told(remote, "", &FarEnd { exit: Some(code), words: String::new() })
    }

    /// What the user can do next.
    pub(crate) fn hint(&self) -> String {
        match self {
            RemoteError::Name(_) | RemoteError::Host { .. } => {
                "--profile NAME@HOST is a profile of another host, which ssh reaches as HOST".into()
            }
            RemoteError::Ssh { host, .. } => {
                format!("try `ssh {host} true`: rpar reaches what ssh does; ${SSH} names another ssh command")
            }
            RemoteError::NoProgram { host, .. } => format!(
                "${PROGRAM} names rpar on {host}, such as ~/bin/rpar; a shell that ssh starts may have a shorter PATH than \
                 one that you log in to"
            ),
            RemoteError::There { exit: 2, .. } => "use the same rpar on both sides".into(),
            RemoteError::There { hint: Some(hint), .. } => hint.clone(),
            RemoteError::There { host, .. } => format!("`ssh {host} rpar list` shows the clusters there"),
            RemoteError::Refused { .. } => format!("${PROGRAM} names another rpar there"),
            RemoteError::Link { host, .. } => format!("try `ssh {host} rpar list`"),
        }
    }
}

fn told(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(": {words}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(exit: Option<i32>, words: &str) -> RemoteError {
        let remote = Remote { profile: "carver".into(), host: "login1".into() };
        RemoteError::told(&remote, "default", &FarEnd { exit, words: words.into() })
    }

    #[test]
    fn each_end_has_its_reason() {
        let cases = [
            (Some(255), "ssh: no route", "ssh could not reach login1: ssh: no route", "`ssh login1 true`"),
            (Some(127), "sh: rpar: not found", "no command `rpar` on login1", "$RPAR_REMOTE_PROGRAM"),
            (Some(1), "rpar: Command not found.", "no command `rpar` on login1", "$RPAR_REMOTE_PROGRAM"),
            (Some(2), "error: unrecognized subcommand 'stdio'", "login1 says: unrecognized", "the same rpar"),
            (Some(3), "", "login1 says: rpar has ended with exit status 3", "rpar list"),
            (Some(117), "error: no disk\n  caused by: smoke", "login1 says: no disk: smoke", "rpar list"),
        ];
        for (exit, words, error, hint) in cases {
            let told = of(exit, words);
            assert!(told.to_string().contains(error), "{told}");
            assert!(told.hint().contains(hint), "{}", told.hint());
        }
    }

    #[test]
    fn hints_from_there_are_for_here() {
        let told = of(
            Some(111),
            "error: none runs\n  hint: `rpar --profile carver start` starts it, `rpar list` shows all",
        );
        assert_eq!(told.to_string(), "login1 says: none runs");
        assert_eq!(told.hint(), "`rpar --profile carver@login1 start` starts it, `rpar list` shows all");
    }
}
