//! Real services for tests, started by the scripts in `tests/services` by whoever needs them first.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use async_trait::async_trait;
use rpar_backends::Exec;
use rpar_core::runner::{Answer, Invocation, RunError, Runner};
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};

/// A Slurm of eight nodes with 8 CPUs each, six more in its partition `frail`, and its `qsub`, `qstat` and `qdel`.
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
    /// What a command of it prints on stdout and stderr.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn said(&self, program: &str, words: &[&str]) -> String {
        let output = Command::new(program).args(words).envs(&self.environment).output().expect("it starts");
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    }

    /// Has the admin take a node of `frail` down, which ends what runs there. It is up again when this is dropped.
    ///
    /// # Panics
    /// When Slurm refuses.
    pub fn take_down(&self, node: &str) -> Down {
        let said = self.set_state(node, "down");
        assert_eq!(said, "", "{node} is down");
        // its slurmd answers, and would have it back at once: too early for a job of which something is still there
        self.set_state(node, "drain");
        Down { slurm: self.clone(), node: node.to_owned(), crashed: false }
    }

    /// Has a node of `frail` crash: its slurmd, and all that runs there, is gone at once. It is up again when this is
    /// dropped.
    ///
    /// # Panics
    /// When there is no such node.
    pub fn crash(&self, node: &str) -> Down {
        let directory = Path::new(&self.environment["SLURM_CONF"]).parent().expect("a directory");
        // who looks at what runs, to start it anew, must not see half of this
        let lock = File::open(directory.with_file_name("lock")).expect("the scripts' lock");
        flock(&lock, FlockOperation::LockExclusive).expect("it is ours");
        let file = directory.join(format!("run/slurmd-{node}.pid"));
        let slurmd = std::fs::read_to_string(&file).expect("a slurmd").trim().to_owned();
        std::fs::remove_file(&file).expect("it is missed no more");
        let down = Down { slurm: self.clone(), node: node.to_owned(), crashed: true };
        let own = format!("SLURMD_NODENAME={node}");
        let mut there: Vec<String> =
            processes().filter(|pid| entry(pid, "environ").lines().any(|line| line == own)).collect();
        let parents: BTreeSet<String> = there.iter().filter_map(|pid| parent(pid)).collect();
        there.extend(parents.into_iter().filter(|pid| entry(pid, "comm").contains("slurmstepd")));
        // the daemon first: it would still tell of the ends of the others
        for pid in [slurmd].into_iter().chain(there) {
            let pid = pid.parse().ok().and_then(Pid::from_raw).expect("a pid");
            let _ = kill_process(pid, Signal::KILL);
        }
        down
    }

    fn set_state(&self, node: &str, state: &str) -> String {
        let (node, state) = (format!("NodeName={node}"), format!("State={state}"));
        self.said("scontrol", &["update", &node, &state, "Reason=test"])
    }

    /// Runs commands with the environment that they need.
    pub fn runner(&self) -> Arc<dyn Runner> {
        self.runner_on(Arc::new(Exec))
    }

    /// The same where another runner runs them.
    pub fn runner_on(&self, runner: Arc<dyn Runner>) -> Arc<dyn Runner> {
        Arc::new(With { environment: self.environment.clone(), runner })
    }
}

/// A node that is down, until this is dropped.
#[derive(Debug)]
pub struct Down {
    slurm: Slurm,
    node: String,
    crashed: bool,
}

impl Drop for Down {
    fn drop(&mut self) {
        if self.crashed {
            self.slurm.said("slurmd", &["-N", &self.node]);
        }
        // it may have come back by itself, which is fine
        self.slurm.set_state(&self.node, "resume");
    }
}

fn processes() -> impl Iterator<Item = String> {
    let names = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
}

/// What `/proc` says of a process, in lines.
fn entry(pid: &str, name: &str) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', "\n")
}

fn parent(pid: &str) -> Option<String> {
    entry(pid, "status").lines().find_map(|line| line.strip_prefix("PPid:\t").map(str::to_owned))
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
