//! How `rpar` ends: every exit status it gives on its own account, in one place.

use std::process::ExitCode;

/// The exit status of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is well.
    Ok,
    /// So many tasks of a `map` did not end well; shown as 1-100, or 101 for more.
    Failed(u64),
    /// The status of `run`'s own command: its exit status, or 128 and the signal that ended it.
    Command(u8),
    /// The command line makes no sense.
    Usage,
    /// A profile, or what was given for its parameters, makes no sense.
    Profile,
    /// There is no such cluster, or it does not run.
    NotRunning,
    /// The cluster runs already.
    Running,
    /// The controller could not be started, or ended.
    Controller,
    /// The link to the controller could not be made, or was lost.
    Link,
    /// The site refused an allocation, or one ended before its engines came.
    Allocation,
    /// The site did not answer, or could not do what it was asked.
    Site,
    /// A file or directory could not be read or written.
    Files,
    /// Engines did not come in time.
    Engines,
    /// The task was not run to its end: its engine was lost, or none was there.
    Lost,
    /// There is no such submission (any more).
    NoSubmission,
    /// What was waited for has not ended in time.
    NotOver,
    /// Ended by a signal, after cleaning up.
    Signal(u8),
}

impl Exit {
    /// The number that the caller sees.
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::Failed(count) => count.min(101) as u8,
            Exit::Command(code) => code,
            Exit::Usage => 2,
            Exit::Profile => 110,
            Exit::NotRunning => 111,
            Exit::Running => 112,
            Exit::Controller => 113,
            Exit::Link => 114,
            Exit::Allocation => 115,
            Exit::Site => 116,
            Exit::Files => 117,
            Exit::Engines => 118,
            Exit::Lost => 119,
            Exit::NoSubmission => 120,
            Exit::NotOver => 121,
            Exit::Signal(number) => number.saturating_add(128),
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// The table that `rpar --help` ends with.
pub(crate) const TABLE: &str = "\
Exit status:
  0        all is well
  1-100    map: so many tasks failed; 101: more than 100
  N        run: the command's own status, 128+S if signal S ended it
  2        the command line makes no sense
  110      a profile or a parameter makes no sense
  111      the cluster does not run
  112      the cluster runs already
  113      the controller could not be started, or ended
  114      the controller could not be reached, or the link was lost
  115      an allocation was refused, or ended before its engines came
  116      the site did not answer
  117      a file could not be read or written
  118      engines did not come in time
  119      run: the task's engine was lost, or none was there
  120      there is no such submission (any more)
  121      wait: not all has ended in time
  130 143  ended by Ctrl-C, by SIGTERM, after cleaning up
  141      whoever read the output went away";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_every_own_failure() {
        let own = [
            Exit::Usage,
            Exit::Profile,
            Exit::NotRunning,
            Exit::Running,
            Exit::Controller,
            Exit::Link,
            Exit::Allocation,
            Exit::Site,
            Exit::Files,
            Exit::Engines,
            Exit::Lost,
            Exit::NoSubmission,
            Exit::NotOver,
        ];
        for exit in own {
            assert!(TABLE.contains(&format!("\n  {} ", exit.code())), "{exit:?}");
            assert!(exit == Exit::Usage || (110..=125).contains(&exit.code()), "{exit:?}");
        }
        assert_eq!((Exit::Failed(100).code(), Exit::Failed(5000).code()), (100, 101));
    }
}
