//! `[scheduler] shape`: an allocation for each node, and one array of them all, on a small Torque of our own, and on a real
//! Slurm by its own commands and by those for Torque's users.

use std::collections::BTreeMap;
use std::process::{Command, Output};
use std::sync::Arc;

use rpar_backends::Batch;
use rpar_backends::slurm::Slurm;
use rpar_backends::torque::Torque;
use rpar_core::id::AllocationId;
use rpar_core::scheduler::Scheduler;
use rpar_testkit::{FakeTorque, Reply, Scenario, ScriptedRunner};
use rpar_tests::binary::{Home, until};
use rpar_tests::services;
use serde_json::Value;

/// A user of a site, with a profile of three nodes with two engines each, of which the last one is short.
struct User {
    home: Home,
    environment: BTreeMap<String, String>,
}

const START: [&str; 5] = ["start", "-n", "5", "--ppn", "2"];

impl User {
    fn new(kind: &str, shape: &str, launcher: &str) -> User {
        let home = Home::new();
        let profile = format!(
            "extends = \"{kind}\"\n[scheduler]\nshape = \"{shape}\"\n[launcher]\nkind = \"{launcher}\"\n\
             [controller]\npoll_every = \"200ms\"\n"
        );
        home.profile("site", &profile);
        User { home, environment: BTreeMap::new() }
    }

    /// At the fake.
    fn fake(shape: &str, scenarios: &[Scenario]) -> (User, FakeTorque) {
        let mut user = User::new("torque", shape, "fork");
        let torque = FakeTorque::install(&user.home.path().join("torque")).expect("the fake is installed");
        torque.play(scenarios).expect("it plays");
        let path = std::env::var("PATH").expect("a PATH");
        user.environment.insert("PATH".into(), format!("{}:{path}", torque.bin().display()));
        (user, torque)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.home.command();
        command.args(["--profile", "site"]).args(words).envs(&self.environment);
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("rpar starts")
    }

    fn ok(&self, words: &[&str]) -> String {
        let output = self.run(words);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "rpar {words:?} ended with {}: {stderr}", output.status);
        String::from_utf8(output.stdout).expect("text")
    }

    fn json(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[words, &["--json"]].concat())).expect("JSON")
    }

    /// The site's lines about this cluster's jobs that have not ended.
    fn queue(&self, program: &str, words: &[&str], name: &str) -> Vec<String> {
        let mut command = Command::new(program);
        command.args(words);
        if let Some(path) = self.environment.get("PATH") {
            // the fake's own: this process looks the program up on its own PATH
            command = Command::new(format!("{}/{program}", path.split(':').next().unwrap_or_default()));
        }
        let output = command.envs(&self.environment).output().expect("it starts");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let live = |line: &&str| line.contains(name) && !line.contains(" C ");
        text.lines().filter(live).map(str::to_owned).collect()
    }

    /// Its allocations: each one's id, and how many engines it has.
    fn allocations(&self) -> Vec<(String, u64)> {
        let status = self.json(&["status"]);
        let list = status["allocations"].as_array().expect("a list").iter();
        list.map(|one| {
            (
                one["allocation"].as_str().unwrap_or_default().to_owned(),
                one["engines"].as_u64().expect("a number"),
            )
        })
        .collect()
    }

    fn engines(&self) -> Vec<(u64, String)> {
        let list = self.json(&["engines", "list"]);
        let engines = list["engines"].as_array().expect("a list").iter();
        let one = |engine: &Value| {
            (engine["engine"].as_u64().expect("an id"), engine["node"].as_str().expect("a node").to_owned())
        };
        engines.map(one).collect()
    }

    fn name(&self) -> String {
        let script = self.ok(&[&START[..], &["--dry-run"]].concat());
        let at = script.find("rpar-").expect("a job name");
        script[at..at + 13].to_owned()
    }

    fn nothing_left(&self) {
        assert!(!self.home.state().join("site/default").exists(), "no file is left");
        until("no process is left", || self.home.processes().is_empty());
    }
}

/// Start, work, grow, shrink, stop; `jobs` lists what the site holds.
fn lives(user: &User, shape: &str, jobs: impl Fn(&User, &str) -> usize) {
    let name = user.name();
    user.ok(&START);
    let mut counts: Vec<u64> = user.allocations().into_iter().map(|(_, engines)| engines).collect();
    counts.sort_unstable();
    assert_eq!(counts, if shape == "each" { vec![1, 2, 2] } else { vec![5] });
    assert!(jobs(user, &name) >= if shape == "each" { 3 } else { 1 }, "the site holds them");
    assert_eq!(user.ok(&["map", "echo {}", ":::", "1", "2", "3"]), "1\n2\n3\n");

    // further ones, in the same shape
    let added = user.json(&["engines", "add", "-n", "3"]);
    assert_eq!(added["engines"].as_array().map(Vec::len), Some(3), "{added}");
    let allocations = added["allocations"].as_array().expect("a list").len();
    assert_eq!(allocations, if shape == "each" { 2 } else { 1 });

    // the engines of one host leave, and with them its allocation, or its element
    user.ok(&["engines", "remove", "0,1"]);
    until("they are gone", || user.engines().iter().all(|(id, _)| *id > 1));
    assert_eq!(user.ok(&["map", "echo {}", ":::", "4", "5"]), "4\n5\n");
    assert_eq!(user.engines().len(), 6);

    user.ok(&["stop"]);
    assert_eq!(jobs(user, &name), 0, "nothing is left in the queue");
    user.nothing_left();
}

fn at_fake(user: &User, name: &str) -> usize {
    user.queue("qstat", &[], name).len()
}

fn at_slurm(user: &User, name: &str) -> usize {
    user.queue("squeue", &["-h", "-r", "-o", "%j"], name).len()
}

#[test]
fn each_at_a_small_torque() {
    lives(&User::fake("each", &[]).0, "each", at_fake);
}

#[test]
fn an_array_at_a_small_torque() {
    lives(&User::fake("array", &[]).0, "array", at_fake);
}

fn at_real_slurm(kind: &str, shape: &str) {
    let mut user = User::new(kind, shape, "auto");
    user.environment = services::slurm().environment;
    lives(&user, shape, at_slurm);
}

#[test]
fn each_at_slurm() {
    at_real_slurm("slurm", "each");
}

#[test]
fn an_array_at_slurm() {
    at_real_slurm("slurm", "array");
}

#[test]
fn each_behind_torque_commands() {
    at_real_slurm("torque", "each");
}

#[test]
fn an_array_behind_torque_commands() {
    at_real_slurm("torque", "array");
}

#[test]
fn what_a_killed_controller_held_is_found_by_its_tag() {
    for shape in ["one", "each", "array"] {
        let (user, _torque) = User::fake(shape, &[]);
        let name = user.name();
        user.ok(&START);
        user.home.kill_controller(&user.home.state().join("site/default"));
        let held = user.json(&["clean", "--dry-run"]);
        let count = held["clusters"][0]["allocations"].as_array().map(Vec::len);
        assert_eq!(count, Some(if shape == "each" { 3 } else { 1 }), "{shape}: {held}");
        user.ok(&["clean"]);
        assert_eq!(at_fake(&user, &name), 0, "{shape}: nothing is left in the queue");
        user.nothing_left();
    }
}

#[test]
fn a_lost_answer_does_not_ask_twice() {
    for shape in ["each", "array"] {
        let (user, torque) = User::fake(shape, &[Scenario::Unsure]);
        let name = user.name();
        user.ok(&START);
        assert_eq!(at_fake(&user, &name), if shape == "each" { 3 } else { 1 }, "{shape}");
        assert_eq!(user.engines().len(), 5, "{shape}");
        torque.play(&[]).expect("it plays");
        user.ok(&["stop"]);
        assert_eq!(at_fake(&user, &name), 0, "{shape}");
        user.nothing_left();
    }
}

#[test]
fn an_array_that_ends_early_shows_what_an_element_wrote() {
    let (user, _torque) = User::fake("array", &[]);
    let profile = "extends = \"torque\"\n[scheduler]\nshape = \"array\"\nsetup = [\"echo no such module; exit 3\"]\n\
                   [controller]\npoll_every = \"200ms\"\n";
    user.home.profile("site", profile);
    let output = user.run(&START);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(115), "{said}");
    assert!(said.contains("(exit status 3)") && said.contains("no such module"), "{said}");
    user.nothing_left();
}

#[test]
fn a_scheduler_without_arrays_says_so() {
    let home = Home::new();
    home.profile("own", "extends = \"local\"\n[scheduler]\nshape = \"array\"\n");
    let (exit, _, err) = home.said(&["--profile", "own", "start"]);
    assert_eq!(exit, Some(110), "{err}");
    let told =
        "own.toml:3: `scheduler.shape` is `array`, and scheduler `local` has no arrays: say `one` or `each`";
    assert!(err.contains(told), "{err}");
    home.profile("own", "extends = \"local\"\n[scheduler]\nshape = \"each\"\n");
    let (exit, _, err) = home.said(&["--profile", "own", "start", "--nodes", "2", "--ppn", "2"]);
    assert_eq!(exit, Some(0), "{err}");
    let status = home.json(&["--profile", "own", "status"]);
    assert_eq!(status["allocations"].as_array().map(Vec::len), Some(2), "{status}");
    assert_eq!(home.said(&["--profile", "own", "stop"]).0, Some(0));
}

#[test]
fn what_starts_after_its_cluster_is_gone_ends_within_seconds() {
    for shape in ["one", "each", "array"] {
        let (user, torque) = User::fake(shape, &[Scenario::Hold]);
        let name = user.name();
        user.ok(&[&START[..], &["--no-wait"]].concat());
        let count = if shape == "each" { 3 } else { 1 };
        until("all is queued", || at_fake(&user, &name) == count);
        // nobody cleans up: the connection file stays, and leads to nobody
        user.home.kill_controller(&user.home.state().join("site/default"));
        torque.play(&[]).expect("it plays");
        let path = user.environment["PATH"].clone();
        let qrls = format!("{}/qrls", path.split(':').next().unwrap_or_default());
        assert!(Command::new(qrls).env("PATH", path).status().expect("it runs").success());
        // less than `give_up_after`, which is a minute
        until("its pilots have run and ended", || at_fake(&user, &name) == 0);
        let logs = user.home.state().join("site/default/logs");
        let logs = std::fs::read_dir(logs).expect("logs").flatten();
        let texts: Vec<String> = logs.filter_map(|log| std::fs::read_to_string(log.path()).ok()).collect();
        let told = texts.iter().filter(|text| text.contains("no controller for 5s")).count();
        assert_eq!(told, if shape == "one" { 1 } else { 3 }, "{shape}: {texts:?}");
        user.ok(&["stop"]);
        user.nothing_left();
    }
}

#[test]
fn a_site_that_does_not_answer_is_told_as_that_until_it_does() {
    let (user, torque) = User::fake("one", &[]);
    user.ok(&START);
    torque.play(&[Scenario::Down]).expect("it plays");
    let first = |user: &User| user.json(&["status"])["allocations"][0].clone();
    until("its state is unknown", || first(&user)["state"] == "unknown");
    let told = first(&user);
    assert!(told["reason"].as_str().is_some_and(|why| why.contains("cannot connect to server")), "{told}");
    assert_eq!(
        (&told["engines"], &told["problem"]),
        (&Value::from(5), &Value::Null),
        "that is no end: {told}"
    );
    torque.play(&[]).expect("it plays");
    until("the site answers", || first(&user)["state"] == "running");
    user.ok(&["stop"]);
    user.nothing_left();
}

#[tokio::test]
async fn two_hundred_are_polled_and_given_back_by_one_command_each() {
    for kind in ["torque", "slurm"] {
        let ids: Vec<AllocationId> = (1000..1200).map(|n| AllocationId(n.to_string())).collect();
        let names: Vec<&str> = ids.iter().map(|id| id.0.as_str()).collect();
        let runner = Arc::new(ScriptedRunner::new());
        let format = "ArrayJobID:|,ArrayTaskID:|,State:|,exit_code:|,StartTime:|,TimeUsed:|,TimeLeft:|,NodeList:|,Reason:|";
        let (joined, scheduler): (String, Arc<dyn Scheduler>) = match kind {
            "slurm" => {
                let joined = names.join(",");
                runner
                    .expect(&["squeue", "-h", "-r", "-t", "all", "-O", format, "-j", &joined], Reply::ok(""));
                (joined, Arc::new(Batch::new(Slurm::new(Default::default()), runner.clone())))
            }
            _ => {
                runner.expect(&[&["qstat", "-f"], &names[..]].concat(), Reply::ok(""));
                (String::new(), Arc::new(Batch::new(Torque::new(Default::default()), runner.clone())))
            }
        };
        let states = scheduler.poll(&ids).await.unwrap();
        assert_eq!(states.len(), 200, "{kind} {joined}");
        let cancel = if kind == "slurm" { "scancel" } else { "qdel" };
        runner.expect(&[&[cancel], &names[..]].concat(), Reply::ok(""));
        scheduler.cancel(&ids).await.unwrap();
        runner.finish();
    }
}
