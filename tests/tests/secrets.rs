//! No secret of a cluster is where others could read it: not in arguments, environments, scripts, logs, nor in what the site
//! shows of a job. Real clusters, with a map that runs and logs that tell much.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rpar_tests::binary::{Home, until};
use rpar_tests::secrets::Secrets;
use rpar_tests::services;

/// A user of one profile.
struct User {
    home: Home,
    environment: BTreeMap<String, String>,
}

impl User {
    fn new(profile: &str, environment: BTreeMap<String, String>) -> User {
        let home = Home::new();
        home.profile("ours", profile);
        User { home, environment }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.home.command();
        command.args(["--profile", "ours"]).args(words).envs(&self.environment);
        // whoever looks for an error logs all there is
        command.env("RPAR_LOG", "debug");
        command
    }

    fn ok(&self, words: &[&str]) -> Vec<u8> {
        let Output { status, stdout, stderr } = self.command(words).output().expect("rpar starts");
        let stderr = String::from_utf8_lossy(&stderr);
        assert!(status.success(), "rpar {words:?} ended with {status}: {stderr}");
        stdout
    }

    fn directory(&self) -> PathBuf {
        self.home.state().join("ours/default")
    }

    /// Looks everywhere.
    fn look(&self, directory: &Path, more: &[&Path]) {
        let mut secrets = Secrets::of(directory);
        secrets.look_at_processes();
        secrets.look_at_files(self.home.path());
        for place in more {
            secrets.look_at_files(place);
        }
        if !self.environment.is_empty() {
            for line in ["qstat -f", "scontrol show job --details", "squeue -o %all"] {
                let words: Vec<&str> = line.split(' ').collect();
                let shown = Command::new(words[0]).args(&words[1..]).envs(&self.environment).output();
                let Output { stdout, stderr, .. } = shown.expect("it starts");
                secrets.look(line, &[stdout, stderr].concat());
            }
        }
        let (seen, found) = secrets.seen_and_found();
        assert_eq!(found, Vec::<String>::new());
        assert!(seen > 60, "only {seen} places were looked at");
    }

    /// Starts a cluster, and a map that runs until it may end; looks meanwhile, and again when the map is done.
    fn start_map_and_look(&self, start: &[&str], more: &[&Path]) {
        self.ok(&[&["start"], start].concat());
        let may_end = self.home.path().join("may-end");
        let task = format!("until [ -e {} ]; do sleep 0.05; done; echo {{}}", may_end.display());
        let mut map = self.command(&["map", "--workdir", "/", &task, ":::", "1", "2"]);
        let map = map.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("rpar starts");
        self.until_running(2);
        self.look(&self.directory(), more);
        self.show(&self.directory());
        fs::write(&may_end, "").expect("a file");
        ends_well(map);
        self.look(&self.directory(), more);
        self.ok(&["stop"]);
    }

    fn until_running(&self, tasks: u64) {
        let running = || -> Option<u64> {
            let status: serde_json::Value = serde_json::from_slice(&self.ok(&["status", "--json"])).ok()?;
            let engines = status["engines"].as_array()?.iter();
            Some(engines.filter(|engine| !engine["running"].is_null()).count() as u64)
        };
        until("tasks run", || running().is_some_and(|running| running >= tasks));
    }

    /// Looks at what rpar itself shows.
    fn show(&self, directory: &Path) {
        let mut secrets = Secrets::of(directory);
        for words in
            [&["status", "--json"][..], &["logs"], &["list"], &["profile", "show"], &["engines", "list"]]
        {
            let shown = self.ok(words);
            secrets.look(&format!("rpar {words:?}"), &shown);
        }
        assert_eq!(secrets.seen_and_found(), (5, Vec::new()));
    }
}

fn ends_well(child: Child) {
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Where the test bed's Slurm keeps scripts and logs.
fn of_slurm(environment: &BTreeMap<String, String>) -> PathBuf {
    let conf = environment.get("SLURM_CONF").expect("a path");
    Path::new(conf).parent().expect("a directory").to_owned()
}

#[test]
fn on_this_machine() {
    let user = User::new("extends = \"local\"\n", BTreeMap::new());
    user.start_map_and_look(&["--nodes", "2", "--ppn", "1"], &[]);
}

#[test]
fn through_sbatch() {
    let environment = services::slurm().environment;
    let slurm = of_slurm(&environment);
    let user = User::new("extends = \"slurm\"\n", environment);
    let (spool, log, save) = (slurm.join("spool"), slurm.join("log"), slurm.join("save"));
    user.start_map_and_look(&["--nodes", "2", "--ppn", "1"], &[&spool, &log, &save]);
}

#[test]
fn through_torques_commands() {
    let environment = services::slurm().environment;
    let slurm = of_slurm(&environment);
    let user = User::new("extends = \"carver\"\n", environment);
    let (spool, log, save) = (slurm.join("spool"), slurm.join("log"), slurm.join("save"));
    user.start_map_and_look(&["--nodes", "2", "--ppn", "1"], &[&spool, &log, &save]);
}

/// One host shares all files, and the other none: that one is told by ssh whom to dial.
#[test]
fn over_ssh() {
    let config = services::ssh();
    let services = config.parent().expect("a directory").to_owned();
    let profile = |hosts: &str, shared: bool| {
        format!(
            "extends = \"hosts\"\n[scheduler]\nhosts = \"{hosts}\"\n[launcher]\noptions = [\"-F\", \"{}\"]\n[storage]\nshared = {shared}\n",
            config.display()
        )
    };
    let user = User::new(&profile("node1:1,node2:1", true), BTreeMap::new());
    user.start_map_and_look(&[], &[&services]);
    let user = User::new(&profile("node1:1,node2:1", false), BTreeMap::new());
    user.start_map_and_look(&[], &[&services]);
}

#[test]
fn of_a_probe() {
    let environment = services::slurm().environment;
    let slurm = of_slurm(&environment);
    let user = User::new("", environment);
    let may_end = user.home.path().join("may-end");
    let begun = user.home.path().join("begun");
    let setup = format!("touch {}; until [ -e {} ]; do sleep 0.05; done", begun.display(), may_end.display());
    user.home.profile(
        "ours",
        &format!("extends = \"slurm\"\n[engines]\nsetup = [\"{setup}\"]\n[params]\nppn = 1\n"),
    );
    let mut check = user.command(&["profile", "check", "--live"]);
    let check = check.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("rpar starts");
    until("the probe's node is there", || begun.exists());
    let entries = fs::read_dir(user.home.state().join("ours")).expect("a directory").flatten();
    let directory =
        entries.map(|entry| entry.path()).find(|path| path.is_dir()).expect("a probe's directory");
    user.look(&directory, &[&slurm.join("spool"), &slurm.join("log")]);
    fs::write(&may_end, "").expect("a file");
    ends_well(check);
}

/// A look that finds nothing is worth something only if it would find what is there.
#[test]
fn what_shows_is_found() {
    let user = User::new("extends = \"local\"\n", BTreeMap::new());
    user.ok(&["start", "--ppn", "1", "--nodes", "1"]);
    let file = user.directory().join("engine.toml");
    let text = fs::read_to_string(&file).expect("a connection file");
    let secret = text.lines().find_map(|line| line.strip_prefix("secret = ")).expect("a secret");
    let secret = secret.trim_matches(['"', '\'']);
    let mut shows = Command::new("sleep");
    let mut shows = shows.arg("600").env("OOPS", secret).spawn().expect("it starts");
    fs::write(user.directory().join("logs/oops.log"), format!("secret {secret}\n")).expect("a log");
    let mut secrets = Secrets::of(&user.directory());
    secrets.look_at_processes();
    secrets.look_at_files(user.home.path());
    shows.kill().expect("it runs");
    shows.wait().expect("it ends");
    let (_, found) = secrets.seen_and_found();
    for place in [format!("/proc/{}/environ", shows.id()), "logs/oops.log".to_owned()] {
        assert!(
            found.iter().any(|found| found.contains("engine.toml") && found.ends_with(&place)),
            "{place}: {found:?}"
        );
    }
    user.ok(&["stop"]);
}
