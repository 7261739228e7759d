//! From the library's errors to what the user reads, and how the process ends.

use rpar_core::error::BackendError;
use rpar_runtime::client::ClientError;
use rpar_runtime::files::FileError;

use crate::SiteError;
use crate::cluster::{FurtherError, LaunchError, LockError, SetupError, StopError, WaitError};
use crate::command::exit::Exit;
use crate::command::report::Report;
use crate::profile::{ProfileError, ReadError};

/// What can be done where files cannot be written.
const PLACE: &str =
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
        if let Some(log) = error.log() {
            report = report.because(format!("its log ends with:\n{log}"));
        }
        match error {
            LaunchError::Directory { .. } => report.hint(PLACE),
            LaunchError::Doubt(_) => report.hint("`rpar stop` looks for it, and gives it back"),
            LaunchError::Unreached { host, .. } => {
                report.hint(format!("try `ssh {host} true`: rpar reaches what ssh does"))
            }
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
