//! The real `rpar`, in a home of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use rpar_runtime::files::{Liveness, read_controller};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// Far more than anything in a test takes.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for a condition.
///
/// # Panics
/// When it does not come to be.
pub fn until(what: &str, condition: impl FnMut() -> bool) {
    until_within(PATIENCE, what, condition);
}

/// The same with a patience of one's own, for what takes long by its nature.
///
/// # Panics
/// When it does not come to be.
pub fn until_within(patience: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within {patience:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The built command `rpar`.
///
/// # Panics
/// When it is not built: `tests/run` does that first.
pub fn rpar() -> PathBuf {
    built("rpar", "rpar-cli")
}

/// The built command `rpar-testkit`.
///
/// # Panics
/// When it is not built: `tests/run` does that first.
pub fn testkit() -> PathBuf {
    built("rpar-testkit", "rpar-testkit")
}

/// A built binary, beside the tests that run it: `target/PROFILE/NAME`.
fn built(name: &str, package: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap_or_default();
    // target/PROFILE/deps/TEST-HASH
    let built = test.ancestors().nth(2).unwrap_or(Path::new("")).join(name);
    if !built.is_file() {
        panic!("{} is not built: cargo build -p {package}", built.display());
    }
    built
}

/// A home directory that no other test, and no user, knows of. Stops its clusters when dropped.
#[derive(Debug)]
pub struct Home {
    directory: TempDir,
}

impl Default for Home {
    fn default() -> Self {
        Home::new()
    }
}

impl Home {
    /// An empty one.
    ///
    /// # Panics
    /// When the system has no temporary directory.
    pub fn new() -> Self {
        let directory =
            tempfile::Builder::new().prefix("rpar-home-").tempdir().expect("a temporary directory");
        std::fs::create_dir(directory.path().join("tmp")).expect("a directory for throw-away clusters");
        std::fs::create_dir(directory.path().join("work")).expect("a directory to work in");
        Home { directory }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The directory that commands start in.
    pub fn work(&self) -> PathBuf {
        self.path().join("work")
    }

    /// Where throw-away clusters live.
    pub fn temporary(&self) -> PathBuf {
        self.path().join("tmp")
    }

    /// Where clusters live.
    pub fn state(&self) -> PathBuf {
        self.path().join(".local/state/rpar")
    }

    /// `rpar` with this home and nothing else of the caller's that could change what it does.
    pub fn command(&self) -> Command {
        self.command_of(&rpar())
    }

    /// The same for another program that rpar is in.
    pub fn command_of(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().current_dir(self.work());
        command.env("HOME", self.path()).env("TMPDIR", self.temporary());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("RPAR_SITE_PROFILES", self.path().join("site"));
        command
    }

    /// Runs `rpar` with these words.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn run(&self, words: &[&str]) -> Output {
        self.command().args(words).output().expect("rpar starts")
    }

    /// Runs `rpar` with these words; tells its exit status, stdout and stderr.
    ///
    /// # Panics
    /// When it cannot be started, or writes something else than UTF-8.
    pub fn said(&self, words: &[&str]) -> (Option<i32>, String, String) {
        let output = self.run(words);
        let text = |bytes| String::from_utf8(bytes).expect("rpar writes UTF-8");
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// What `rpar` answers to these words as JSON.
    ///
    /// # Panics
    /// When it fails.
    pub fn json(&self, words: &[&str]) -> Value {
        let (exit, out, err) = self.said(&[words, &["--json"]].concat());
        assert_eq!(exit, Some(0), "{words:?}: {err}");
        serde_json::from_str(&out).expect("JSON")
    }

    /// Kills the controller of a cluster on this host outright, and waits until it is gone; tells its pid.
    ///
    /// # Panics
    /// When there is none.
    pub fn kill_controller(&self, directory: &Path) -> u32 {
        let record = read_controller(directory).expect("readable").expect("a record");
        let pid = Pid::from_raw(i32::try_from(record.pid).expect("a pid")).expect("a pid");
        kill_process(pid, Signal::KILL).expect("the controller is killed");
        until("the controller is gone", || record.process().liveness() == Liveness::Gone);
        record.pid
    }

    /// Writes a profile of the user.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn profile(&self, name: &str, text: &str) {
        let profiles = self.path().join(".config/rpar/profiles");
        std::fs::create_dir_all(&profiles).expect("a directory of profiles");
        std::fs::write(profiles.join(format!("{name}.toml")), text).expect("a profile");
    }

    /// Process id and command line of each process that has this home in its arguments or environment.
    pub fn processes(&self) -> Vec<String> {
        self.seen().into_iter().map(|(pid, words, _)| format!("{pid} {words}")).collect()
    }

    /// The same, with all of their environment.
    pub fn processes_with_environment(&self) -> Vec<String> {
        self.seen()
            .into_iter()
            .map(|(pid, words, environment)| format!("{pid} {words} {environment}"))
            .collect()
    }

    fn seen(&self) -> Vec<(String, String, String)> {
        let home = self.path().to_string_lossy().into_owned();
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let read = |name: &str| {
                let bytes = std::fs::read(entry.path().join(name)).unwrap_or_default();
                String::from_utf8_lossy(&bytes).replace('\0', " ")
            };
            let (words, environment) = (read("cmdline"), read("environ"));
            if words.contains(&home) || environment.contains(&home) {
                found.push((entry.file_name().to_string_lossy().into_owned(), words, environment));
            }
        }
        found
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // a failed test must not leave a cluster behind
        if self.state().exists() {
            let _ = self.command().args(["stop", "--all"]).output();
        }
    }
}
