//! Real services for tests, started by the scripts in `tests/services` by whoever needs them first.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use async_trait::async_trait;
use rpar_backends::Exec;
use rpar_core::runner::{Answer, Invocation, RunError, Runner};

/// A Slurm of eight nodes with 8 CPUs each, and its `qsub`, `qstat` and `qdel`.
#[derive(Clone, Debug)]
pub struct Slurm {
    /// What programs need in their environment to talk to it.
    pub environment: BTreeMap<String, String>,
}

/// Starts Slurm unless it runs.
///
/// # Panics
/// When it cannot be started; only root can.
pub fn slurm() -> Slurm {
    Slurm { environment: BTreeMap::from([("SLURM_CONF".into(), up("slurm-up"))]) }
}

impl Slurm {
    /// Runs commands with the environment that they need.
    pub fn runner(&self) -> Arc<dyn Runner> {
        self.runner_on(Arc::new(Exec))
    }

    /// The same where another runner runs them.
    pub fn runner_on(&self, runner: Arc<dyn Runner>) -> Arc<dyn Runner> {
        Arc::new(With { environment: self.environment.clone(), runner })
    }
}

/// Starts the ssh hosts node1 to node3 unless they run; tells the `ssh_config` that knows them.
///
/// # Panics
/// When they cannot be started; only root can.
pub fn ssh() -> PathBuf {
    PathBuf::from(up("ssh-up"))
}

fn up(script: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("services").join(script);
    let output = match Command::new(&path).output() {
        Ok(output) if output.status.success() => output,
        Ok(output) => panic!("{}: {}", path.display(), String::from_utf8_lossy(&output.stderr)),
        Err(error) => panic!("{}: {error}", path.display()),
    };
    String::from_utf8_lossy(&output.stdout).lines().last().unwrap_or_default().to_owned()
}

/// Runs commands with additions to the environment.
#[derive(Debug)]
struct With {
    environment: BTreeMap<String, String>,
    runner: Arc<dyn Runner>,
}

#[async_trait]
impl Runner for With {
    async fn run(&self, invocation: &Invocation) -> Result<Answer, RunError> {
        let settings = self.environment.iter().map(|(name, value)| format!("{name}={value}"));
        let argv = std::iter::once("env".to_owned()).chain(settings).chain(invocation.argv.iter().cloned());
        self.runner.run(&Invocation { argv: argv.collect(), ..invocation.clone() }).await
    }

    async fn make_directory(&self, path: &Path) -> Result<(), RunError> {
        self.runner.make_directory(path).await
    }

    async fn write_file(&self, path: &Path, text: &str) -> Result<(), RunError> {
        self.runner.write_file(path, text).await
    }
}
