//! From the library's errors to what the user reads, and how the process ends.

use rpar_core::error::BackendError;
use rpar_runtime::client::ClientError;
use rpar_runtime::files::FileError;

use crate::SiteError;
use crate::cluster::{FurtherError, LaunchError, LockError, SetupError, StopError, WaitError};
use crate::command::exit::Exit;
use crate::command::report::Report;
use crate::profile::{ProfileError, ReadError};
use crate::told;

/// What can be done where files cannot be written.
pub(super) const PLACE: &str =
    "clusters live below $XDG_STATE_HOME (else ~/.local/state), or where the profile's `[storage] dir` says";

impl From<ProfileError> for Report {
    fn from(error: ProfileError) -> Self {
        let report = Report::of(Exit::Profile, &error);
        match error {
            ProfileError::Unknown { .. } => report.hint("`rpar profile list` shows all profiles"),
            ProfileError::UnknownParam { .. } => {
                report.hint("`rpar start --help` shows the profile's parameters")
            }
            _ => report,
        }
    }
}

impl From<ReadError> for Report {
    fn from(error: ReadError) -> Self {
        Report::of(Exit::Files, &error)
            .hint("the cluster may be of another build of rpar: stop it with that one")
    }
}

impl From<SiteError> for Report {
    fn from(error: SiteError) -> Self {
        Report::of(Exit::Profile, &error)
    }
}

impl From<SetupError> for Report {
    fn from(error: SetupError) -> Self {
        Report::of(Exit::Profile, &error)
    }
}

impl From<FurtherError> for Report {
    fn from(error: FurtherError) -> Self {
        match error {
            FurtherError::Setup(error) => error.into(),
            FurtherError::File(error) => error.into(),
            FurtherError::Differs { .. } => Report::of(Exit::Profile, &error)
                .hint("start another cluster beside it, with --cluster-id NAME"),
        }
    }
}

impl From<FileError> for Report {
    fn from(error: FileError) -> Self {
        Report::of(Exit::Files, &error)
    }
}

impl From<LockError> for Report {
    fn from(error: LockError) -> Self {
        let report = Report::of(Exit::Files, &error);
        report.hint(match error {
            LockError::Taken => "try again when it is done",
            LockError::Io { .. } => PLACE,
        })
    }
}

impl From<LaunchError> for Report {
    fn from(error: LaunchError) -> Self {
        let exit = match &error {
            LaunchError::Site(_) | LaunchError::Doubt(_) | LaunchError::Ended { .. } => Exit::Allocation,
            LaunchError::Directory { .. } => Exit::Files,
            _ => Exit::Controller,
        };
        let mut report = Report::new(exit, error.to_string());
        let ended = matches!(error, LaunchError::Died { .. } | LaunchError::Ended { .. });
        // a controller tells its own error, as any rpar does
        if let Some((told, hint)) = error.log().filter(|_| ended).and_then(told::report) {
            report = report.because(told);
            report.hint = hint;
        } else if let Some(log) = error.log() {
            report = report.because(match &error {
                LaunchError::Unreached { .. } => log.to_owned(),
                _ => format!("its log ends with:\n{log}"),
            });
        }
        match error {
            LaunchError::Directory { .. } => report.hint(PLACE),
            LaunchError::Doubt(_) => report.hint("`rpar stop` looks for it, and gives it back"),
            LaunchError::Unreached { host, .. } => {
                report.hint(format!("try `ssh {host} true`: rpar reaches what ssh does"))
            }
            LaunchError::Died { .. } if report.hint.is_none() => report
                .hint("`rpar profile check NAME` tells what is wrong with a profile, and with this host"),
            _ => report,
        }
    }
}

impl From<ClientError> for Report {
    fn from(error: ClientError) -> Self {
        if let ClientError::Declined { reason } = error {
            return Report::new(Exit::Usage, reason);
        }
        Report::of(Exit::Link, &error).hint("`rpar logs controller` shows what the controller says")
    }
}

impl From<WaitError> for Report {
    fn from(error: WaitError) -> Self {
        let exit = match error {
            WaitError::NoMore { .. } => Exit::Allocation,
            WaitError::TooLate { .. } => Exit::Engines,
            WaitError::Controller { .. } => Exit::Link,
        };
        let hint = error.hint();
        Report::of(exit, &error).hint(hint)
    }
}

impl From<BackendError> for Report {
    fn from(error: BackendError) -> Self {
        let mut report = Report::of(Exit::Site, &error);
        if let Some(command) = &error.command {
            let end = command
                .exit
                .map_or_else(|| "did not run to its end".into(), |code| format!("exit status {code}"));
            let output = command.output.trim_end();
            let said = if output.is_empty() { String::new() } else { format!("\n{output}") };
            report = report.because(format!("`{}`: {end}{said}", command.argv.join(" ")));
        }
        match error.hint {
            Some(hint) => report.hint(hint),
            None => report,
        }
    }
}

impl From<StopError> for Report {
    fn from(error: StopError) -> Self {
        match error {
            StopError::Site(error) => error.into(),
            StopError::Files(error) => error.into(),
            StopError::Unreachable { .. } | StopError::Refused { .. } => Report::of(Exit::Link, &error),
            StopError::Unconfirmed { .. } => {
                Report::of(Exit::Site, &error).hint("`rpar stop` looks again once the site answers")
            }
            StopError::Remains { .. } => {
                Report::of(Exit::Site, &error).hint("try `rpar stop` again in a while")
            }
            StopError::Remove { .. } => Report::of(Exit::Files, &error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controller_that_dies_tells_its_own_error_and_hint() {
        let died =
            |log: &str| Report::from(LaunchError::Died { how: "exit status: 113".into(), log: log.into() });
        let report = died("error: the controller cannot listen: no `ib7`\n  hint: see `[transport]`");
        assert_eq!(report.causes, ["the controller cannot listen: no `ib7`"]);
        assert_eq!(report.hint.as_deref(), Some("see `[transport]`"));
        let report = died("Segmentation fault");
        assert_eq!(report.causes, ["its log ends with:\nSegmentation fault"]);
        assert!(report.hint.is_some_and(|hint| hint.contains("`rpar profile check NAME`")));
    }
}
