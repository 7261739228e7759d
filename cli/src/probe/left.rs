//! What a probe has left when the site did not take its allocation back.

use rpar_backends::shell;
use rpar_core::id::AllocationId;
use thiserror::Error;

use crate::cluster::StopError;
use crate::profile::Resolved;

/// The probe's allocation may still be there.
#[derive(Debug, Error)]
#[error("probe {id} could not be given back, and may still wait or run")]
pub(crate) struct Left {
    /// Which.
    pub(crate) id: AllocationId,
    /// What the site has said.
    pub(crate) source: StopError,
}

impl Left {
    /// What the user can do about it.
    pub(crate) fn next(&self, resolved: &Resolved) -> String {
        let clean = "`rpar clean` tries again";
        match by_hand(&resolved.scheduler, &self.id) {
            Some(command) => format!("`{command}` cancels it; {clean}"),
            None => format!("{clean}, or cancel it with the site's own command"),
        }
    }
}

/// The command that cancels an allocation of a system whose commands are known, on the host that it is run on.
fn by_hand(scheduler: &toml::Table, id: &AllocationId) -> Option<String> {
    let text = |key: &str| scheduler.get(key).and_then(|value| value.as_str());
    let program = match text("kind")? {
        "slurm" => "scancel",
        "torque" | "pbs" => "qdel",
        _ => return None,
    };
    let command = format!("{program} {}", shell::quote(&id.0));
    Some(match text("ssh_host") {
        Some(host) => format!("ssh {} {}", shell::quote(host), shell::quote(&command)),
        None => command,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_system_has_its_command() {
        for (scheduler, told) in [
            ("kind = 'pbs'", Some("qdel '4[].login1'")),
            ("kind = 'torque'\nssh_host = 'login1'", Some("ssh login1 'qdel '\\''4[].login1'\\'''")),
            ("kind = 'slurm'", Some("scancel '4[].login1'")),
            ("kind = 'ours'", None),
        ] {
            let table = scheduler.parse().unwrap();
            assert_eq!(by_hand(&table, &"4[].login1".into()).as_deref(), told);
        }
    }
}
