//! `rpar profile check --live`: a minute on a real node, asked for through the very profile.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use rpar_tests::binary::{Home, until};
use rpar_tests::services;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A user at the Slurm test bed. `name` begins the names of this test's jobs.
struct User {
    home: Home,
    name: &'static str,
    environment: BTreeMap<String, String>,
}

impl User {
    fn new(name: &'static str, profile: &str) -> User {
        let home = Home::new();
        let params = format!("[params]\nppn = 1\nname = \"{name}\"\n");
        home.profile("ours", &format!("{profile}\n{params}"));
        User { home, name, environment: services::slurm().environment }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.home.command();
        command.args(["profile", "check", "ours", "--live", "--json"]).args(words).envs(&self.environment);
        command
    }

    /// Probes; tells the exit status and the findings as `SEVERITY WHAT | WHERE | WHY`.
    fn probe(&self, words: &[&str]) -> (Option<i32>, Vec<String>) {
        let output = self.command(words).output().expect("rpar starts");
        let answer: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or("-").to_owned();
        let findings = answer["findings"].as_array().expect("a list").iter();
        let line = |finding: &Value| {
            let [severity, what, place, why] =
                ["severity", "what", "where", "why"].map(|key| text(finding, key));
            format!("{severity} {what} | {place} | {why}")
        };
        self.nothing_is_left();
        (output.status.code(), findings.map(line).collect())
    }

    /// This test's jobs that have not ended.
    fn jobs(&self) -> Vec<String> {
        let mut command = Command::new("squeue");
        command.args(["-h", "-o", "%j %T"]).envs(&self.environment);
        let output = command.output().expect("squeue starts");
        let jobs = String::from_utf8(output.stdout).expect("UTF-8");
        jobs.lines().filter(|line| line.starts_with(self.name)).map(str::to_owned).collect()
    }

    fn nothing_is_left(&self) {
        assert_eq!(self.jobs(), Vec::<String>::new(), "a job is left");
        let ours = self.home.state().join("ours");
        assert!(!ours.exists(), "{} is left", ours.display());
        assert_eq!(self.home.processes(), Vec::<String>::new(), "a process is left");
    }
}

fn has(findings: &[String], parts: &[&str]) -> bool {
    findings.iter().any(|line| parts.iter().all(|part| line.contains(part)))
}

fn is_well(user: &User) {
    let (exit, findings) = user.probe(&[]);
    assert_eq!(exit, Some(0), "{findings:#?}");
    for part in ["was granted after", "reaches this host at tcp://", "sees a new file after", "has Python 3"]
    {
        assert!(has(&findings, &["node", part]), "{part}: {findings:#?}");
    }
}

#[test]
fn sbatch_grants_a_node_that_reaches_us() {
    is_well(&User::new("pslurm", "extends = \"slurm\""));
}

#[test]
fn torques_commands_grant_a_node_that_reaches_us() {
    is_well(&User::new("ptorq", "extends = \"torque\""));
}

#[test]
fn ssh_starts_the_probe_on_its_node() {
    let config = services::ssh();
    let launcher = format!("[launcher]\nkind = \"ssh\"\noptions = [\"-F\", \"{}\"]", config.display());
    let scheduler = "[scheduler]\ndirectives = [\"--nodelist=node1\"]";
    let user = User::new("pssh", &format!("extends = \"slurm\"\n{launcher}\n{scheduler}"));
    is_well(&user);
    let gone = format!("extends = \"slurm\"\n{launcher}\n[scheduler]\ndirectives = [\"--nodelist=node8\"]");
    let (exit, findings) = User::new("pssh8", &gone).probe(&[]);
    assert_eq!(exit, Some(110), "{findings:#?}");
    assert!(has(&findings, &["error no engine host would start", "node8"]), "{findings:#?}");
}

#[test]
fn this_machine_needs_no_site() {
    let home = Home::new();
    let answer = home.json(&["profile", "check", "local", "--live", "--ppn", "1"]);
    assert_eq!(answer["errors"], 0, "{answer}");
    assert!(answer.to_string().contains("reaches this host at tcp://127.0.0.1"), "{answer}");
    assert_eq!(home.processes(), Vec::<String>::new());
}

/// Nodes that share nothing get the program, and whom to dial, by ssh.
#[test]
fn every_named_host_is_probed() {
    let config = services::ssh();
    let home = Home::new();
    let launcher = format!("[launcher]\noptions = [\"-F\", \"{}\"]\n", config.display());
    home.profile("lab", &format!("extends = \"hosts\"\n{launcher}"));
    let answer = home.json(&["profile", "check", "lab", "--live", "--hosts", "node1:1,node2:1"]);
    assert_eq!(answer["errors"], 0, "{answer:#}");
    let told = answer.to_string();
    for node in ["node1", "node2"] {
        assert!(told.contains(&format!("{node} reaches this host at tcp://")), "{answer:#}");
        assert!(!told.contains(&format!("{node} sees")), "nothing is to be seen: {answer:#}");
    }
    assert!(!home.state().join("lab").exists());
    assert_eq!(home.processes(), Vec::<String>::new());
}

/// TEST-NET-2 of RFC 5737 is nobody's: no packet to it is ever answered by us.
#[test]
fn an_address_that_leads_nowhere_is_explained() {
    let user = User::new("pdead", "extends = \"slurm\"\n[transport]\nadvertise = [\"198.51.100.7\"]");
    let (exit, findings) = user.probe(&[]);
    assert_eq!(exit, Some(110), "{findings:#?}");
    let what = "does not reach this host at tcp://198.51.100.7:";
    assert!(has(&findings, &["error node", what, "ours.toml:3 | "]), "{findings:#?}");
    assert!(has(&findings, &["ok node", "answered by a file instead"]), "{findings:#?}");
    assert!(has(&findings, &["ok node", "sees the cluster's directory"]), "{findings:#?}");

    let both = "extends = \"slurm\"\n[transport]\nadvertise = [\"198.51.100.7\", \"lo\"]";
    let (exit, findings) = User::new("pboth", both).probe(&[]);
    assert_eq!(exit, Some(0), "{findings:#?}");
    assert!(has(&findings, &["warning node", what]), "{findings:#?}");
    assert!(has(&findings, &["ok node", "reaches this host at tcp://127.0.0.1:"]), "{findings:#?}");
}

#[test]
fn what_ends_on_the_node_is_told_with_its_words() {
    let setup = "extends = \"slurm\"\n[engines]\nsetup = [\"echo no such module >&2; exit 3\"]";
    let (exit, findings) = User::new("psetup", setup).probe(&[]);
    assert_eq!(exit, Some(110), "{findings:#?}");
    assert!(has(&findings, &["error no engine host", "exit status 3", "no such module"]), "{findings:#?}");

    let program = "extends = \"torque\"\n[engines]\nprogram = \"/nowhere/rpar\"";
    let (exit, findings) = User::new("pprog", program).probe(&[]);
    assert_eq!(exit, Some(110), "{findings:#?}");
    let told = ["error the allocation ended without a word", "ours.toml:3", "/nowhere/rpar"];
    assert!(has(&findings, &told), "{findings:#?}");
}

#[test]
fn a_queue_is_waited_for_as_long_as_the_user_likes() {
    let later = "extends = \"slurm\"\n[scheduler]\ndirectives = [\"--begin=now+1hour\"]";
    let user = User::new("plate", later);
    let (exit, findings) = user.probe(&["--timeout", "1"]);
    assert_eq!(exit, Some(0), "{findings:#?}");
    assert!(has(&findings, &["warning no node was granted within 1 s"]), "{findings:#?}");

    let mut child =
        user.command(&[]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    until("a job waits", || !user.jobs().is_empty());
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid")).expect("a pid");
    kill_process(pid, Signal::INT).expect("it is there");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    user.nothing_is_left();
}
