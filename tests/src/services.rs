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

/// Tells where Hydra's `mpiexec` is, after it was installed if need be.
///
/// # Panics
/// When it cannot be; only root can.
pub fn mpiexec() -> String {
    up("mpi-up")
}

fn up(script: &str) -> String {
    up_with(script, &[])
}

fn up_with(script: &str, words: &[&str]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("services").join(script);
    let output = match Command::new(&path).args(words).output() {
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

/// A network of its own: login1, and node1 to node3, each with an ssh server. Ends when dropped.
#[derive(Debug)]
pub struct Network {
    directory: tempfile::TempDir,
}

impl Network {
    /// Brings the hosts up.
    ///
    /// # Panics
    /// When they cannot be; only root can.
    pub fn new() -> Network {
        let directory = tempfile::Builder::new().prefix("rpar-netns-").tempdir().expect("a directory");
        let network = Network { directory };
        network.run("up", &[]);
        network
    }

    /// The `ssh_config` that knows them.
    pub fn ssh_config(&self) -> PathBuf {
        self.directory.path().join("ssh_config")
    }

    /// Does something to the hosts; `tests/services/netns` tells what there is.
    ///
    /// # Panics
    /// When it fails.
    pub fn run(&self, verb: &str, words: &[&str]) -> String {
        let directory = self.directory.path().to_string_lossy().into_owned();
        up_with("netns", &[&[verb, &directory], words].concat())
    }

    /// The words before a command that have it run on a host, in the directory where they are typed.
    pub fn on(&self, host: &str) -> Vec<String> {
        let pid = self.run("pid", &[host]);
        let processes = format!("--pid=/proc/{pid}/ns/pid_for_children");
        ["nsenter", "--target", &pid, "--net", "--uts", "--mount", &processes, "--wdns=."]
            .map(str::to_owned)
            .into_iter()
            .chain(["--".to_owned()])
            .collect()
    }
}

impl Default for Network {
    fn default() -> Self {
        Network::new()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("services/netns");
        let _ = Command::new(script).arg("down").arg(self.directory.path()).output();
    }
}
