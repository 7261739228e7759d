//! A small Torque of our own: `qsub`, `qstat` and `qdel` that run jobs on this host, for tests without a site.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The three programs, installed in a directory.
#[derive(Debug)]
pub struct FakeTorque {
    state: PathBuf,
}

/// What the fake does besides granting everything at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// `qsub` refuses: no such queue.
    Refuse,
    /// The server does not answer.
    Down,
    /// Every command takes 30 s.
    Slow,
    /// `qsub` loses its connection after the server has accepted.
    Unsure,
    /// Jobs stay queued.
    Hold,
    /// Jobs that have ended are unknown at once.
    Forget,
}

impl FakeTorque {
    /// Installs the programs below a directory of the fake's own.
    ///
    /// # Errors
    /// The system's.
    pub fn install(state: &Path) -> io::Result<Self> {
        fs::create_dir_all(state.join("bin"))?;
        let state = fs::canonicalize(state)?;
        let bin = state.join("bin");
        let program = state.join("torque");
        fs::write(&program, include_str!("torque.sh"))?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        for name in ["qsub", "qstat", "qdel", "qrls"] {
            match std::os::unix::fs::symlink(&program, bin.join(name)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => made?,
            }
        }
        Ok(FakeTorque { state })
    }

    /// The directory to put first on `PATH`.
    pub fn bin(&self) -> PathBuf {
        self.state.join("bin")
    }

    /// From now on, plays these.
    ///
    /// # Errors
    /// The system's.
    pub fn play(&self, scenarios: &[Scenario]) -> io::Result<()> {
        let word = |scenario: &Scenario| match scenario {
            Scenario::Refuse => "refuse",
            Scenario::Down => "down",
            Scenario::Slow => "slow",
            Scenario::Unsure => "unsure",
            Scenario::Hold => "hold",
            Scenario::Forget => "forget",
        };
        fs::write(self.state.join("scenario"), scenarios.iter().map(word).collect::<Vec<_>>().join(" "))
    }
}
