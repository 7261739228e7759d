//! Which batch system the engines were started by.

use super::script::Script;
use super::settings::Settings;
use super::translate::TranslationError;

/// What starts engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum System {
    /// This machine.
    Local,
    /// ssh.
    Hosts,
    /// PBS of any make.
    Pbs,
    Slurm,
}

/// The beginnings of launchers' names, in any case. `MPIEngineSetLauncher` runs `mpiexec` on this machine.
const NAMES: [(&str, System); 5] = [
    ("local", System::Local),
    ("mpi", System::Local),
    ("ssh", System::Hosts),
    ("pbs", System::Pbs),
    ("slurm", System::Slurm),
];

impl System {
    /// That of the engines' launcher class; without one, that of which the file sets something.
    pub(super) fn of(class: Option<String>, settings: &Settings) -> Result<System, TranslationError> {
        let Some(class) = class else {
            let set = |prefix: &str| {
                settings.any(|class| class.ends_with("Launcher") && class.to_lowercase().starts_with(prefix))
            };
            let named = NAMES.iter().rev().find(|(prefix, _)| set(prefix));
            return Ok(named.map_or(System::Local, |(_, system)| *system));
        };
        // `ipyparallel.cluster.launcher.PBSEngineSetLauncher`, `PBSEngineSetLauncher`, `pbs`
        let name = class.rsplit('.').next().unwrap_or_default().to_lowercase();
        let named = NAMES.iter().find(|(prefix, _)| name.starts_with(prefix));
        named.map(|(_, system)| *system).ok_or(TranslationError::Scheduler { class })
    }

    /// The shipped profile for it.
    pub(super) fn profile(self, script: &Script) -> &'static str {
        match self {
            System::Local => "local",
            System::Hosts => "hosts",
            System::Slurm => "slurm",
            System::Pbs if script.counts_nodes => "torque",
            System::Pbs => "openpbs",
        }
    }
}
