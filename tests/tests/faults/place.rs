//! A cluster of real processes on this machine that is about to have a bad day.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;

pub(super) use rpar_tests::binary::until;
use rpar_tests::binary::{Home, PATIENCE};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Short times: a lost peer shows within 2 s, an abandoned engine leaves within 2 s, and a dead engine host is started
/// again once.
const QUICK: &str = "extends = \"local\"\n\
    [controller]\nheartbeat = \"250ms\"\nlost_after = \"2s\"\npoll_every = \"250ms\"\n\
    [engines]\ngive_up_after = \"2s\"\nrestarts = 1\n";

/// How a command ended.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) exit: Option<i32>,
    pub(super) out: String,
    pub(super) err: String,
}

impl Ran {
    pub(super) fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("rpar writes UTF-8");
        Ran { exit: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// It ended like this, and its stderr says all of `words`.
    pub(super) fn says(&self, exit: i32, words: &[&str]) {
        assert_eq!(self.exit, Some(exit), "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "`{word}` is missing: {self:?}");
        }
    }
}

/// A home whose profile `quick` is impatient.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) home: Home,
    /// What commands get besides the home's own environment.
    pub(super) environment: Vec<(&'static str, OsString)>,
}

impl Place {
    pub(super) fn new() -> Self {
        let home = Home::new();
        home.profile("quick", QUICK);
        Place { home, environment: Vec::new() }
    }

    /// With a cluster of one engine on each of so many nodes.
    pub(super) fn started(nodes: u32) -> Self {
        let place = Place::new();
        place.start(nodes);
        place
    }

    pub(super) fn start(&self, nodes: u32) {
        self.rpar(&["start", "--nodes", &nodes.to_string(), "--ppn", "1"]).says(0, &["is ready"]);
    }

    /// Runs `rpar` with the profile `quick`.
    pub(super) fn rpar(&self, words: &[&str]) -> Ran {
        Ran::of(self.command(words).output().expect("rpar starts"))
    }

    /// Starts it, and does not wait for it.
    pub(super) fn begin(&self, words: &[&str]) -> Child {
        let mut command = self.command(words);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("rpar")
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.home.command();
        command.envs(self.environment.iter().cloned()).args(["--profile", "quick"]).args(words);
        command
    }

    pub(super) fn json(&self, words: &[&str]) -> Value {
        self.home.json(&[&["--profile", "quick"], words].concat())
    }

    pub(super) fn status(&self) -> Value {
        self.json(&["status"])
    }

    /// Waits until the status is as wanted.
    pub(super) fn until_status(&self, what: &str, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        until(what, || {
            last = self.status();
            wanted(&last)
        });
        last
    }

    /// Waits until that many engines are there; tells their ids, and the pids of their hosts.
    pub(super) fn engines(&self, count: usize) -> Vec<(u64, u32)> {
        let all = |status: &Value| status["engines"].as_array().cloned().unwrap_or_default();
        let status = self.until_status("the engines are there", |status| all(status).len() == count);
        let number = |value: &Value| value.as_u64().expect("a number");
        all(&status).iter().map(|one| (number(&one["engine"]), number(&one["pid"]) as u32)).collect()
    }

    pub(super) fn controller(&self) -> u32 {
        self.json(&["list"])["clusters"][0]["pid"].as_u64().expect("a pid") as u32
    }

    pub(super) fn pilot(&self) -> u32 {
        self.role("pilot").first().copied().expect("a pilot")
    }

    /// The processes that are this part of the cluster.
    pub(super) fn role(&self, role: &str) -> Vec<u32> {
        self.processes(|command| command.contains(&format!(" {role} --directory ")))
    }

    /// How many processes have a command line that begins with this.
    pub(super) fn running(&self, command: &str) -> usize {
        self.processes(|words| words.starts_with(command)).len()
    }

    fn processes(&self, wanted: impl Fn(&str) -> bool) -> Vec<u32> {
        let all = self.home.processes();
        let those = all.iter().filter_map(|process| process.split_once(' '));
        those.filter(|(_, words)| wanted(words)).filter_map(|(pid, _)| pid.parse().ok()).collect()
    }

    /// Waits until no process of this home is left.
    pub(super) fn no_process_left(&self) {
        until(&format!("all processes have ended: {:?}", self.home.processes()), || {
            self.home.processes().is_empty()
        });
    }

    /// Ends the cluster by `rpar stop`, after which nothing of it is left.
    pub(super) fn stop(self) {
        self.rpar(&["stop"]).says(0, &["is stopped"]);
        self.nothing_left();
    }

    /// No process, and no file.
    pub(super) fn nothing_left(&self) {
        self.no_process_left();
        assert_eq!(entries(&self.home.state()), [""; 0], "files are left");
        assert_eq!(entries(&self.home.temporary()), [""; 0], "temporary files are left");
    }
}

/// The names in a directory.
pub(super) fn entries(directory: &std::path::Path) -> Vec<String> {
    let all = std::fs::read_dir(directory).into_iter().flatten().flatten();
    all.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Waits until a process that was begun says this on stderr; tells the line. The rest of its stderr goes nowhere.
pub(super) fn await_line(child: &mut Child, words: &'static str) -> String {
    let stderr = child.stderr.take().expect("a pipe");
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let lines = BufReader::new(stderr).lines().map_while(Result::ok);
        lines.filter(|line| line.contains(words)).for_each(|line| _ = tell.send(line));
    });
    told.recv_timeout(PATIENCE).expect(words)
}

/// Waits for a process that was begun.
pub(super) fn ended(child: Child) -> Ran {
    Ran::of(child.wait_with_output().expect("it ends"))
}

pub(super) fn send(pid: u32, signal: Signal) {
    let raw = Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid");
    kill_process(raw, signal).expect("the process is there");
}
