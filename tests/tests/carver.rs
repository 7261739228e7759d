//! The story of the README, on a real Slurm behind Torque's commands: start, status, map, stop.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use rpar_tests::binary::{Home, rpar};
use rpar_tests::user::User;

/// The names of this cluster's jobs that have not ended, as Slurm tells them.
fn jobs(user: &User, name: &str) -> Vec<String> {
    let jobs = user.site("squeue", &["-h", "-o", "%j %T"]);
    jobs.lines().filter(|line| line.starts_with(name)).map(str::to_owned).collect()
}

/// The walk through `docs/carver.md`, and what it says is seen on the way.
const DOCUMENT: &str = include_str!("../../docs/carver.md");

/// Every command of the document, in order, each with the lines that it is said to print; but not those that install
/// rpar, and those of a job that is held already, which `here.rs` tests.
fn told() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut told: Vec<(&str, Vec<&str>)> = Vec::new();
    let other = ["Install", "In an interactive job"];
    let sections = DOCUMENT.split("\n## ");
    for section in sections.filter(|section| !other.iter().any(|title| section.starts_with(title))) {
        // what Python is given is not of the shell
        let lines = section.lines().filter_map(|line| line.strip_prefix("    "));
        for line in lines {
            match line.strip_prefix("$ ") {
                Some(command) => told.push((command, Vec::new())),
                None if line.starts_with('#') => told.last_mut().expect("a command").1.push(line),
                None => {}
            }
        }
    }
    told
}

#[test]
fn the_document_word_for_word() {
    let user = User::new("carver");
    let bin = rpar().parent().expect("a directory").to_owned();
    let simulate = user.home.path().join("bin/simulate");
    fs::create_dir(user.home.path().join("bin")).expect("a directory");
    fs::write(&simulate, "#!/bin/sh\necho \"$(cat \"$1\") on $RPAR_NODE\"\n").expect("a program");
    fs::set_permissions(&simulate, fs::Permissions::from_mode(0o755)).expect("executable");
    // job scripts are login shells, at any site
    fs::write(user.home.path().join(".bash_profile"), "PATH=~/bin:$PATH\n").expect("a file");
    for (name, text) in [("a.cfg", "hot"), ("b.cfg", "cold"), ("c.cfg", "mild")] {
        fs::write(user.home.work().join(name), text).expect("a file");
    }
    let path = std::env::var("PATH").expect("a PATH");
    let path = format!("{}:{}:{path}", bin.display(), user.home.path().join("bin").display());
    let told = told();
    let verbs = ["show", "check", "--dry-run", "start", "status", "map", "stop"];
    assert_eq!(told.len(), verbs.len(), "{told:?}");
    for ((command, lines), verb) in told.into_iter().zip(verbs) {
        assert!(command.contains(verb), "{command}");
        let mut shell = Command::new("bash");
        shell.args(["-c", command]).env_clear().envs(environment(&user.home)).envs(&user.slurm.environment);
        let output = shell.env("PATH", &path).current_dir(user.home.work()).output().expect("bash starts");
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "$ {command}\n{said}");
        for line in lines {
            assert!(said.contains(line), "$ {command}\n{said}\nlacks {line}");
        }
        if verb == "map" {
            let said: Vec<&str> = said.lines().collect();
            let each = said.iter().zip(["hot on node", "cold on node", "mild on node"]);
            assert!(
                said.len() == 3 && each.into_iter().all(|(line, begin)| line.starts_with(begin)),
                "{said:?}"
            );
        }
    }
    assert!(!user.directory().exists(), "no file is left");
    assert_eq!(user.home.processes(), Vec::<String>::new(), "no process is left");
}

/// What `Home::command` gives to rpar.
fn environment(home: &Home) -> Vec<(OsString, OsString)> {
    let command = home.command();
    command.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect()
}

#[test]
fn two_nodes_of_eight_engines() {
    let user = User::new("carver");

    let script = user.ok(&["start", "--nodes", "2", "--ppn", "8", "--dry-run"]);
    for line in ["qsub", "#PBS -l nodes=2:ppn=8", "#PBS -l walltime=00:30:00", "#PBS -q regular"] {
        assert!(script.contains(line), "{line} is not in {script}");
    }
    assert!(!user.directory().exists(), "a dry run leaves nothing");

    user.ok(&["start", "--nodes", "2", "--ppn", "8"]);
    let status: serde_json::Value = serde_json::from_str(&user.ok(&["status", "--json"])).expect("json");
    let engines = status["engines"].to_string();
    assert_eq!(
        engines.matches("\"node\":\"node").count(),
        16,
        "sixteen engines, each with its node: {status}"
    );
    let name = find_name(&script);
    assert_eq!(jobs(&user, &name).len(), 1, "one job, named {name}");

    assert_eq!(user.ok(&["map", "echo {}", ":::", "1", "2", "3"]), "1\n2\n3\n");
    let nodes = user.ok(&[
        "map",
        "sleep 0.2; echo $RPAR_NODE {}",
        ":::",
        "1",
        "2",
        "3",
        "4",
        "5",
        "6",
        "7",
        "8",
        "9",
    ]);
    let mut used: Vec<&str> = nodes.lines().filter_map(|line| line.split(' ').next()).collect();
    used.sort_unstable();
    used.dedup();
    assert_eq!(used.len(), 2, "nine tasks at once need both nodes: {nodes}");

    user.ok(&["stop"]);
    assert_eq!(jobs(&user, &name), Vec::<String>::new(), "nothing is left in the queue");
    assert!(!user.directory().exists(), "no file is left");
    assert_eq!(user.home.processes(), Vec::<String>::new(), "no process is left");
}

#[test]
fn a_node_more_and_a_node_less() {
    let user = User::new("carver");
    let name = find_name(&user.ok(&["start", "--nodes", "1", "--ppn", "4", "--dry-run"]));
    user.ok(&["start", "--nodes", "1", "--ppn", "4"]);
    let added: serde_json::Value =
        serde_json::from_str(&user.ok(&["engines", "add", "--nodes", "2", "--json"])).expect("json");
    assert_eq!(added["engines"].as_array().map(Vec::len), Some(8), "as many a node as at the start: {added}");
    assert_eq!(jobs(&user, &name).len(), 2, "two jobs of one name");

    let list = |user: &User| -> Vec<(u64, String)> {
        let list: serde_json::Value =
            serde_json::from_str(&user.ok(&["engines", "list", "--json"])).expect("json");
        let engines = list["engines"].as_array().expect("a list").iter();
        let one = |engine: &serde_json::Value| {
            (engine["engine"].as_u64(), engine["node"].as_str().map(str::to_owned))
        };
        engines.map(one).map(|(id, node)| (id.expect("an id"), node.expect("a node"))).collect()
    };
    // the site may give two jobs parts of one node: the one to remove is all of one job
    let there = list(&user);
    let whole = |node: &str| there.iter().filter(|(_, other)| other == node).count() == 4;
    let node = there.iter().rev().find(|(id, node)| *id >= 4 && whole(node)).expect("a node").1.clone();
    user.ok(&["engines", "remove", "--node", &node]);
    assert!(list(&user).len() == 8 && list(&user).iter().all(|(_, other)| *other != node));
    assert_eq!(jobs(&user, &name).len(), 2, "the other node of that job is still wanted");
    assert_eq!(user.ok(&["map", "echo {}", ":::", "1", "2", "3"]), "1\n2\n3\n");

    let allocation = added["allocation"].as_str().expect("an id");
    user.ok(&["engines", "remove", "--allocation", allocation.split('.').next().expect("a number")]);
    assert_eq!((list(&user).len(), jobs(&user, &name).len()), (4, 1));
    user.ok(&["stop"]);
    assert_eq!(jobs(&user, &name), Vec::<String>::new(), "nothing is left in the queue");
    assert_eq!(user.home.processes(), Vec::<String>::new(), "no process is left");
}

fn find_name(script: &str) -> String {
    let line =
        script.lines().find_map(|line| line.strip_prefix("#PBS -N ")).expect("the script names the job");
    line.trim().to_owned()
}

#[test]
fn no_qsub_on_the_path() {
    let home = Home::new();
    let output = home
        .command()
        .args(["--profile", "carver", "start"])
        .env("PATH", home.work())
        .output()
        .expect("starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(stderr.contains("qsub") && stderr.contains("PATH") && stderr.contains("hint:"), "{stderr}");
    assert!(!home.state().join("carver/default").exists(), "a failed start leaves nothing");
    assert_eq!(home.processes(), Vec::<String>::new());
}

#[test]
fn a_refused_request() {
    let user = User::new("carver");
    user.home.profile(
        "lost",
        "extends = \"carver\"\n[params.queue]\nchoices = [\"nosuch\"]\ndefault = \"nosuch\"\n",
    );
    let mut command = user.home.command();
    command.args(["--profile", "lost", "start"]).envs(&user.slurm.environment);
    let output = command.output().expect("rpar starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        stderr.contains("nvalid partition") && stderr.contains("hint:"),
        "the site's own words: {stderr}"
    );
    assert!(!user.home.state().join("lost/default").exists(), "a failed start leaves nothing");
}
