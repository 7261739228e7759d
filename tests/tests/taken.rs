//! Nodes are taken from a cluster, on a real Slurm, by its own commands and by those for Torque's users: at the walltime, by
//! somebody's hand, and because they fail. Tasks run again elsewhere, and the status says why.

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use rpar_tests::binary::{until, until_within};
use rpar_tests::user::User;
use serde_json::Value;

/// Whose commands a user of the site types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Commands {
    Slurm,
    Torque,
}

use Commands::{Slurm, Torque};

impl Commands {
    /// Somebody at the site; `scheduler` is what else stands in that section of the profile.
    fn user(self, scheduler: &str) -> User {
        let (user, kind) = (User::new("site"), if self == Slurm { "slurm" } else { "torque" });
        let profile =
            format!("extends = \"{kind}\"\n[controller]\npoll_every = \"200ms\"\n[scheduler]\n{scheduler}\n");
        user.home.profile("site", &profile);
        user
    }

    /// Ends a job as its owner does.
    fn cancel(self, user: &User, job: &str) {
        user.site(if self == Slurm { "scancel" } else { "qdel" }, &[job]);
    }
}

/// A command that goes on until [`release`], and tells where it ended.
const TASK: &str = "until [ -e go ]; do sleep 0.1; done; echo on $RPAR_NODE; :";

fn release(user: &User) {
    fs::write(user.home.work().join("go"), "").expect("a file");
}

/// The only job of the cluster, and its only node.
fn job(user: &User) -> (String, String) {
    let jobs = user.jobs("%A %N");
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    let (id, node) = jobs[0].split_once(' ').expect("two words");
    (id.to_owned(), node.to_owned())
}

/// What the status says of an allocation.
fn allocation(user: &User, id: &str) -> Value {
    let status = user.json(&["status"]);
    let mut all = status["allocations"].as_array().expect("a list").iter();
    all.find(|one| one["allocation"] == id).expect("it is listed").clone()
}

/// Waits until the site's word has come that an allocation is over; tells what the status says of that.
fn ended(user: &User, id: &str, patience: Duration) -> String {
    until_within(patience, "it has ended", || allocation(user, id)["state"] == "ended");
    allocation(user, id)["problem"].as_str().expect("a problem").to_owned()
}

fn problems(user: &User) -> String {
    user.json(&["status"])["problems"].to_string()
}

/// One task has begun in the first allocation, with other ones that have these options, and there is a second allocation
/// with engines that have nothing to do.
fn two_with_a_task(user: &User, words: &[&str], others: &[&[&str]]) -> (String, String) {
    user.ok(&[&["start", "--nodes", "1"], words].concat());
    let first = job(user);
    for options in [&[&[][..]], others].concat() {
        user.ok(&[&["submit"], options, &[TASK, ":::", "1"]].concat());
    }
    until("all have begun", || user.json(&["status"])["tasks"]["assigned"] == 1 + others.len());
    user.ok(&[&["engines", "add", "--nodes", "1", "--walltime", "10m"], &words[..2]].concat());
    first
}

/// The task was taken from its engine by no fault of its own, and ends well elsewhere.
fn ends_elsewhere(user: &User, node: &str) {
    let why = || user.ok(&["why", "1.1"]);
    until("it is excused", || why().contains("by no doing of its own"));
    assert!(why().contains("as attempt 2") && why().contains(&format!("once on node {node}")), "{}", why());
    release(user);
    let there = user.ok(&["results", "1"]);
    assert!(there.starts_with("on node"), "{there}");
    let told = &user.json(&["tasks"])["submissions"][0];
    assert_eq!((&told["succeeded"], &told["failed"]), (&1.into(), &0.into()), "{told}");
}

fn stops(user: &User) {
    user.ok(&["stop"]);
    assert_eq!(user.jobs("%A"), Vec::<String>::new(), "nothing is left in the queue");
    assert!(!user.directory().exists(), "no file is left");
    until("no process is left", || user.home.processes().is_empty());
}

fn at_the_walltime(commands: Commands) {
    let user = commands.user("");
    let (id, node) = two_with_a_task(&user, &["--ppn", "2", "--walltime", "1m"], &[&["--no-rerun"]]);
    let left = allocation(&user, &id)["left_seconds"].as_f64();
    assert!(
        left.is_some_and(|left| left > 0.0 && left <= 60.0),
        "the status tells how long it has: {left:?}"
    );
    let problem = ended(&user, &id, Duration::from_secs(150));
    assert!(problem.contains("its walltime of 00:01:00 was over"), "{problem}");
    let lost = format!("2 engines on node {node} were lost: the walltime of allocation {id} was over");
    assert!(problems(&user).contains(&format!("{lost}; 1 of their tasks run again")), "{}", problems(&user));
    assert!(user.ok(&["why", "allocation", &id]).contains("its walltime of 00:01:00 was over"));
    let engine = user.ok(&["why", "engine", "0"]);
    assert!(engine.contains(&format!("the walltime of allocation {id} was over")), "{engine}");
    ends_elsewhere(&user, &node);
    // what is not to run again says what it was killed by
    let output = user.rpar(&["results", "2"]);
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains(&format!("killed at the walltime of allocation {id}, on engine ")), "{err}");
    stops(&user);
}

/// Slurm grants minutes, and looks at their end twice in one: both have to wait for that, and do so at once.
#[test]
fn at_the_walltime_by_both() {
    thread::scope(|scope| {
        scope.spawn(|| at_the_walltime(Slurm));
        at_the_walltime(Torque);
    });
}

fn by_hand(commands: Commands) {
    let user = commands.user("");
    let (id, node) = two_with_a_task(&user, &["--ppn", "1"], &[]);
    commands.cancel(&user, &id);
    let problem = ended(&user, &id, Duration::from_secs(60));
    // Slurm's qstat tells of an end, and not how it came
    let how = if commands == Slurm { "cancelled" } else { "from outside: its pilot got SIGTERM" };
    assert!(problem.starts_with(&format!("allocation {id} has ended ({how}")), "{problem}");
    let why = problems(&user);
    let told = ["was ended from outside: its pilot got SIGTERM", "a signal has asked the engine host to end"];
    assert!(told.iter().any(|told| why.contains(told)), "{why}");
    ends_elsewhere(&user, &node);

    // no other is left, and none comes
    let (last, _) = job(&user);
    commands.cancel(&user, &last);
    ended(&user, &last, Duration::from_secs(60));
    let output = user.rpar(&["map", "echo {}", ":::", "1"]);
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{err}");
    let told = format!("none can come any more: allocation {last} has ended ({how}");
    assert!(err.contains(&told), "{err}");
    stops(&user);
}

#[test]
fn by_hand_by_slurm() {
    by_hand(Slurm);
}

#[test]
fn by_hand_by_torque_commands() {
    by_hand(Torque);
}

fn while_it_waits(commands: Commands) {
    let hold = if commands == Slurm { "--hold" } else { "-h" };
    let user = commands.user(&format!("directives = [\"{hold}\"]"));
    // somebody else's hand
    let start = user.command(&["start"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("rpar");
    until("it waits", || user.jobs("%T") == ["PENDING"]);
    let id = user.jobs("%A").remove(0);
    until("the status says so", || {
        let output = user.rpar(&["status", "--json"]);
        let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        // Slurm's qstat tells all that wait alike
        let expected = if commands == Slurm { "held" } else { "queued" };
        status["allocations"][0]["state"] == expected
    });
    commands.cancel(&user, &id);
    let output = start.wait_with_output().expect("it ends");
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(115), "{err}");
    assert!(err.contains(&format!("allocation {id} ended before its engines registered")), "{err}");
    assert!(commands == Torque || err.contains("(cancelled"), "{err}");
    assert!(!user.directory().exists(), "no file is left");
    // rpar's own hand
    user.ok(&["start", "--no-wait"]);
    until("it waits", || user.jobs("%T") == ["PENDING"]);
    stops(&user);
}

#[test]
fn while_it_waits_by_slurm() {
    while_it_waits(Slurm);
}

#[test]
fn while_it_waits_by_torque_commands() {
    while_it_waits(Torque);
}

/// Slurm ends the job and puts it back into its queue, from which it comes again.
fn as_its_node_is_down(commands: Commands) {
    let user = commands.user("queue = \"frail\"");
    // all of a node: nobody else is on it
    let (id, node) = two_with_a_task(&user, &["--ppn", "8"], &[]);
    let down = user.slurm.take_down(&node);
    let back = format!("allocation {id} has lost its nodes: the site has put it back into its queue");
    until("it waits once more", || problems(&user).contains(&back));
    let there = allocation(&user, &id);
    assert_eq!((&there["state"], &there["engines"]), (&"queued".into(), &0.into()), "{there}");
    assert!(problems(&user).contains(&format!("8 engines on node {node} were lost")), "{}", problems(&user));
    ends_elsewhere(&user, &node);
    // other tests have nodes of that partition, too
    until_within(Duration::from_secs(150), "its engines are there again", || {
        // Slurm would wait for two minutes, once all of the job has ended
        user.site("scontrol", &["update", &format!("JobId={id}"), "StartTime=now"]);
        allocation(&user, &id)["engines"] == 8
    });
    assert_eq!(allocation(&user, &id)["state"], "running");
    assert_eq!(user.ok(&["map", "echo {}", ":::", "1", "2"]), "1\n2\n");
    stops(&user);
    drop(down);
}

#[test]
fn as_its_node_is_down_by_slurm() {
    as_its_node_is_down(Slurm);
}

#[test]
fn as_its_node_is_down_by_torque_commands() {
    as_its_node_is_down(Torque);
}

/// The site notices only after `SlurmdTimeout`; nothing waits for that.
#[test]
fn as_its_node_crashes() {
    let user = Slurm.user("queue = \"frail\"\ndirectives = [\"--no-requeue\"]");
    let (id, node) = two_with_a_task(&user, &["--ppn", "8"], &[]);
    let down = user.slurm.crash(&node);
    until("its engines are missed", || allocation(&user, &id)["engines"] == 0);
    assert_eq!(allocation(&user, &id)["state"], "running", "so says the site");
    until("the task runs elsewhere", || user.ok(&["why", "1.1"]).contains("as attempt 2"));
    let problem = ended(&user, &id, Duration::from_secs(100));
    assert!(problem.contains("(a node has failed, NODE_FAIL"), "{problem}");
    ends_elsewhere(&user, &node);
    drop(down);
    stops(&user);
}
