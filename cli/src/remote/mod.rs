//! `NAME@HOST`: a profile of another host, whose clusters are reached by ssh.
//!
//! The system's own `ssh`, with the user's configuration: jump hosts, second factors and kept connections work as they do
//! by hand. Nothing of the profile need be here.

mod error;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rpar_backends::shell;
use rpar_backends::ssh::ALIVE;
use rpar_core::connection::{ConnectionFile, Role, Secret};
use rpar_core::id::Incarnation;
use rpar_core::transport::{Endpoint, PeerKey};
use rpar_runtime::client::{Client, ConnectError as LinkError};
use rpar_runtime::link::DialError;
use rpar_transports::Stdio;

pub use self::error::RemoteError;
use crate::paths::ClusterDir;
use crate::profile::check_name;

/// The ssh command, as words with blanks between, in place of `ssh`.
const SSH: &str = "RPAR_SSH";

/// The command that is rpar on the other host, as its shell reads it, in place of `rpar`.
const PROGRAM: &str = "RPAR_REMOTE_PROGRAM";

/// How long a link may take to open: as long as sshd lets somebody type (`LoginGraceTime`, 120 s), after a connection that
/// the system tries for as long as that.
const PATIENCE: Duration = Duration::from_secs(300);

/// A profile on another host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remote {
    /// The profile's name there.
    pub(crate) profile: String,
    /// The host, as ssh's destination: `login1`, `me@login1`, or what the user's ssh configuration calls it.
    pub(crate) host: String,
}

impl Remote {
    /// Reads `NAME@HOST`; `None` for a profile of this host.
    ///
    /// # Errors
    /// When either half can be no such name.
    pub(crate) fn parse(profile: &str) -> Result<Option<Remote>, RemoteError> {
        let Some((profile, host)) = profile.split_once('@') else { return Ok(None) };
        check_name("profile", profile)?;
        if !is_host(host) {
            return Err(RemoteError::Host { host: host.to_owned() });
        }
        Ok(Some(Remote { profile: profile.to_owned(), host: host.to_owned() }))
    }

    /// What the user calls it.
    pub(crate) fn name(&self) -> String {
        format!("{}@{}", self.profile, self.host)
    }

    /// A cluster of it, for messages: it has no directory here.
    pub(crate) fn cluster(&self, cluster_id: &str) -> ClusterDir {
        ClusterDir { profile: self.name(), cluster_id: cluster_id.to_owned(), path: Default::default() }
    }

    /// Links to a running cluster there. Blocks for as long as ssh needs, and its questions on the terminal.
    ///
    /// # Errors
    /// When ssh cannot reach the host, rpar is not there, or the cluster is not.
    pub(crate) fn connect(&self, cluster_id: &str) -> Result<Client, RemoteError> {
        check_name("cluster id", cluster_id)?;
        let words = ["stdio", "--profile", &self.profile, "--cluster-id", cluster_id];
        let mut argv = ssh_to(&self.host, false);
        argv.push(self.line(&words.map(OsString::from)));
        let stdio = Arc::new(Stdio::new(argv));
        let file = ConnectionFile {
            cluster: format!("{}/{cluster_id}", self.profile),
            role: Role::Client,
            incarnation: Incarnation(0),
            endpoints: vec![Endpoint(format!("stdio://{}", self.host))],
            // keys and proofs are between the far rpar and the controller
            controller_key: PeerKey([0; 32]),
            secret: Secret::new([0; 32]),
        };
        Client::connect_within(&file, stdio.clone(), PATIENCE).map_err(|source| match source {
            LinkError::Dial(DialError::Unreachable { .. }) => match stdio.ended() {
                Some(end) => RemoteError::told(self, cluster_id, &end),
                None => RemoteError::Link { host: self.host.clone(), source },
            },
            LinkError::Dial(DialError::Refused { reason, .. }) => RemoteError::Refused { reason },
            source => RemoteError::Link { host: self.host.clone(), source },
        })
    }

    /// The command that runs rpar there with these words, and with a terminal if there is one here.
    pub(crate) fn command(&self, words: &[OsString]) -> Command {
        let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        let argv = ssh_to(&self.host, terminal);
        let mut command = Command::new(&argv[0]);
        command.args(&argv[1..]).arg(self.line(words));
        command
    }

    /// What the far shell reads.
    fn line(&self, words: &[OsString]) -> String {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        shell::in_any_shell(&program(), &words)
    }
}

/// Whether ssh would take it for a host, and nothing else.
pub(crate) fn is_host(text: &str) -> bool {
    let odd = |c: char| c.is_whitespace() || c.is_control();
    !text.is_empty() && !text.starts_with('-') && !text.contains(odd)
}

/// The ssh command.
pub(crate) fn ssh() -> Vec<String> {
    let given = std::env::var(SSH).unwrap_or_default();
    let words: Vec<String> = given.split_whitespace().map(str::to_owned).collect();
    if words.is_empty() { vec!["ssh".to_owned()] } else { words }
}

/// The ssh command, its options and a host: what comes behind it is for the shell there.
pub(crate) fn ssh_to(host: &str, terminal: bool) -> Vec<String> {
    let mut argv = ssh();
    argv.extend(std::iter::once(if terminal { "-t" } else { "-T" }).chain(ALIVE).map(str::to_owned));
    // without a terminal nobody could answer its questions
    if !std::io::stderr().is_terminal() {
        argv.extend(["-o", "BatchMode=yes"].map(str::to_owned));
    }
    argv.extend(["--".to_owned(), host.to_owned()]);
    argv
}

/// rpar, as the far shell finds it.
fn program() -> String {
    std::env::var(PROGRAM).ok().filter(|program| !program.trim().is_empty()).unwrap_or_else(|| "rpar".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_what_ssh_takes_for_one() {
        let of = |text: &str| Remote::parse(text).map(|remote| remote.map(|one| (one.profile, one.host)));
        let remote = |profile: &str, host: &str| Some((profile.to_owned(), host.to_owned()));
        assert_eq!(of("carver").unwrap(), None);
        assert_eq!(of("carver@login1").unwrap(), remote("carver", "login1"));
        assert_eq!(of("carver@me@login1").unwrap(), remote("carver", "me@login1"));
        for wrong in ["carver@", "carver@-oProxyCommand=x", "@login1", "a b@login1", "carver@log in"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
    #[test]
    fn every_connection_is_given_up_when_it_is_silent() {
        for terminal in [true, false] {
            let argv = ssh_to("me@login1", terminal).join(" ");
            assert!(argv.contains("-o ServerAliveInterval=15 -o ServerAliveCountMax=4"), "{argv}");
            assert!(argv.starts_with("ssh -") && argv.ends_with(" -- me@login1"), "{argv}");
        }
    }
}
