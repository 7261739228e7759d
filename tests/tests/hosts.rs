//! Named hosts and no batch system: the scheduler by itself, and clusters over real OpenSSH servers.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use rpar_backends::hosts::{Config, Hosts};
use rpar_core::id::AllocationId;
use rpar_core::scheduler::{AllocationRequest, Scheduler};
use rpar_testkit::conformance::scheduler::{Setup, suite};
use rpar_tests::binary::{Home, rpar, until};
use rpar_tests::secrets::Secrets;
use rpar_tests::services;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

fn hosts(list: &str) -> Hosts {
    Hosts::new(Config { hosts: vec![list.to_owned()], hostfile: None })
}

fn request(nodes: u32, directory: &std::path::Path) -> AllocationRequest {
    AllocationRequest {
        tag: format!("rpar-{}", std::process::id()).as_str().into(),
        nodes,
        array: false,
        ppn: 1,
        walltime: None,
        queue: None,
        account: None,
        pilot: ["sleep", "600"].map(str::to_owned).to_vec(),
        setup: Vec::new(),
        directory: directory.to_owned(),
        script: None,
    }
}

#[tokio::test]
async fn named_hosts_conform() {
    let directory = tempfile::tempdir().unwrap();
    suite(Setup {
        scheduler: Arc::new(hosts("node1:2,node2:4,node3:2,node4:2")),
        directory: directory.path().join("cluster"),
        nodes: 2,
        ppn: 2,
        patience: Duration::from_secs(60),
    })
    .await;
}

#[tokio::test]
async fn each_allocation_gets_hosts_of_its_own_until_there_are_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let site = hosts("a,b:4,c");
    let first = site.submit(&request(2, directory.path())).await.unwrap();
    // another process, which has nothing but /proc to go by
    let later = hosts("a,b:4,c");
    let error = later.submit(&request(2, directory.path())).await.unwrap_err();
    assert_eq!(error.reason, "2 more asked for, but 1 of the 3 hosts is free: the cluster has the others");
    let second = later.submit(&request(1, directory.path())).await.unwrap();
    let nodes =
        async |id: &AllocationId| later.poll(std::slice::from_ref(id)).await.unwrap()[id].nodes.join(" ");
    assert_eq!((nodes(&first).await.as_str(), nodes(&second).await.as_str()), ("a b", "c"));
    later.cancel(std::slice::from_ref(&first)).await.unwrap();
    let third = later.submit(&request(1, directory.path())).await.unwrap();
    assert_eq!(nodes(&third).await, "a", "what was given back is there again");
    later.cancel(&[second, third]).await.unwrap();
    let error = site.preview(&request(4, directory.path())).unwrap_err();
    assert_eq!(error.reason, "4 hosts asked for, but the list has 3");
}

#[tokio::test]
async fn what_is_no_list_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("machines");
    let reason =
        |config: Config| Hosts::new(config).preview(&request(1, directory.path())).unwrap_err().reason;
    assert_eq!(reason(Config::default()), "no host is named");
    let config = Config { hosts: Vec::new(), hostfile: Some(file.clone()) };
    assert!(reason(config.clone()).contains("machines: No such file"));
    std::fs::write(&file, "node1 slots=4\nnode2 cores=4\n").unwrap();
    assert!(reason(config.clone()).contains("machines: line 2: `cores=4`"));
    let error = Hosts::new(config).nodes(&BTreeMap::new()).await.unwrap_err();
    assert!(error.to_string().contains("no pilot of `hosts`"), "{error}");
}

/// A user with a profile for the hosts of the test bed.
fn user(sections: &str) -> Home {
    let home = Home::new();
    let config = services::ssh();
    let options = format!("options = ['-F', '{}']", config.display());
    home.profile("lab", &format!("extends = 'hosts'\n[launcher]\n{options}\n{sections}"));
    home
}

fn ok(home: &Home, words: &[&str]) -> String {
    let (exit, out, err) = home.said(&[&["--profile", "lab"], words].concat());
    assert_eq!(exit, Some(0), "{words:?}: {err}");
    out
}

/// How many engines each node has.
fn engines(home: &Home) -> BTreeMap<String, u64> {
    let list = home.json(&["--profile", "lab", "engines", "list"]);
    let mut counts = BTreeMap::new();
    for engine in list["engines"].as_array().expect("a list") {
        *counts.entry(engine["node"].as_str().expect("a node").to_owned()).or_default() += 1;
    }
    counts
}

fn counts<const N: usize>(counts: [(&str, u64); N]) -> BTreeMap<String, u64> {
    counts.map(|(node, count)| (node.to_owned(), count)).into()
}

#[test]
fn a_cluster_on_a_list_of_hosts_grows_by_what_is_left_of_it() {
    let home = user("[scheduler]\nhosts = ''\nhostfile = 'machines'\n");
    // beside the profile
    let machines = home.path().join(".config/rpar/profiles/machines");
    std::fs::write(&machines, "node1 slots=2\nnode2:3   # two of them\n").unwrap();
    ok(&home, &["start"]);
    assert_eq!(engines(&home), counts([("node1", 2), ("node2", 3)]));
    let tasks = ["map", "--workdir", "/", "sleep 0.2; hostname; :", ":::", "1", "2", "3", "4", "5"];
    let ran = ok(&home, &tasks);
    assert!(ran.contains("node1\n") && ran.contains("node2\n"), "{ran}");

    let (exit, _, err) = home.said(&["--profile", "lab", "engines", "add", "--nodes", "1"]);
    assert!(
        exit != Some(0) && err.contains("1 more asked for, but the cluster has all 2 hosts already"),
        "{err}"
    );
    // the list is read anew
    std::fs::write(&machines, "node1 slots=2\nnode2:3\nnode3\n").unwrap();
    ok(&home, &["engines", "add", "--nodes", "1", "--ppn", "2"]);
    assert_eq!(engines(&home), counts([("node1", 2), ("node2", 3), ("node3", 2)]));
    ok(&home, &["stop"]);

    // each host has what the list says of it, whenever it comes
    std::fs::write(&machines, "node1\nnode2:3\nnode3:2\n").unwrap();
    ok(&home, &["start", "--nodes", "1"]);
    assert_eq!(engines(&home), counts([("node1", 1)]));
    ok(&home, &["engines", "add", "--nodes", "1"]);
    assert_eq!(engines(&home), counts([("node1", 1), ("node2", 3)]));
    ok(&home, &["engines", "add"]);
    assert_eq!(engines(&home), counts([("node1", 1), ("node2", 3), ("node3", 2)]));
    ok(&home, &["stop"]);
    assert_eq!(home.processes(), Vec::<String>::new(), "no process is left");
}

#[test]
fn flags_are_enough_and_too_much_is_refused_at_once() {
    let home = user("");
    ok(&home, &["start", "--hosts", "node1,node2", "--ppn", "2", "-n", "3"]);
    assert_eq!(engines(&home), counts([("node1", 2), ("node2", 1)]));
    ok(&home, &["stop"]);
    for (words, told) in [
        (["start", "--hosts", "node1", "--nodes", "2"].as_slice(), "2 hosts asked for, but the list has 1"),
        (&["start"], "no host is named"),
        (&["start", "--hosts", "node1,-oX"], "`-oX` is no host"),
        (&["start", "--hosts", "node1", "--walltime", "1h"], "scheduler `hosts` has none: leave it out"),
    ] {
        let (exit, _, err) = home.said(&[&["--profile", "lab"], words].concat());
        assert!(exit != Some(0) && err.contains(told), "{err}");
    }
    assert_eq!(std::fs::read_dir(home.state()).map_or(0, Iterator::count), 0, "nothing was started");
}

/// The first of all processes whose command line has these words, with this in its environment.
fn victim(words: &str, variable: &str) -> Option<Pid> {
    let mut all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let entry = all.find(|entry| {
        let read = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
        let text = |name: &str| String::from_utf8_lossy(&read(name)).replace('\0', " ");
        text("cmdline").contains(words) && text("environ").contains(variable)
    })?;
    Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)
}

#[test]
fn what_is_lost_on_a_host_runs_on_another_and_its_engine_comes_back() {
    let home = user("[controller]\npoll_every = '200ms'\n");
    ok(&home, &["start", "--hosts", "node1:1,node2:1"]);
    let status = || home.json(&["--profile", "lab", "status"]);
    let id = status()["allocations"][0]["allocation"].as_str().expect("an id").to_owned();
    for round in ["1", "2"] {
        let go = home.work().join(format!("go-{round}"));
        let task = format!("until [ -e {} ]; do sleep 0.1; done; echo $RPAR_NODE; :", go.display());
        ok(&home, &["submit", "--workdir", "/", &task, ":::", "1"]);
        let why = || ok(&home, &["why", &format!("{round}.1")]);
        until("it has begun", || why().contains("is at engine"));
        let (node, other) =
            if why().contains("on node node1") { ("node1", "node2") } else { ("node2", "node1") };
        // the engine host itself, or the connection that it hangs on
        let found = match round {
            "1" => victim(&format!("engine --handed --allocation {id} "), &format!("RPAR_NODE={node} ")),
            _ => victim(&format!(" -- {node} exec bash"), &home.path().display().to_string()),
        };
        kill_process(found.expect("it runs"), Signal::KILL).expect("it is killed");
        until("its task runs elsewhere", || why().contains(&format!("on node {other}, as attempt 2")));
        until("the engine is there again", || engines(&home) == counts([("node1", 1), ("node2", 1)]));
        let told = status()["problems"].to_string();
        assert!(told.contains(&format!("the engine host on node {node} ended: ")), "{told}");
        std::fs::write(go, "").unwrap();
        assert!(ok(&home, &["results", round]).starts_with(other));
    }
    // somebody cancels it: to end the pilot is all that there is
    let pilot = victim("pilot --directory", &home.path().display().to_string()).expect("a pilot");
    kill_process(pilot, Signal::TERM).expect("it is told to end");
    let ended = format!("allocation {id} has ended (exit status 0, from outside: its pilot got SIGTERM)");
    until("its end is told", || status()["problems"].to_string().contains(&ended));
    ok(&home, &["engines", "add", "--nodes", "1"]);
    assert_eq!(ok(&home, &["map", "--workdir", "/", "echo {}", ":::", "1"]), "1\n");
    ok(&home, &["stop"]);
    assert!(victim(&format!("--allocation {id} "), "").is_none(), "no engine host is left");
    until("no process is left", || home.processes().is_empty());
}

#[test]
fn a_single_map_on_hosts_needs_no_cluster() {
    let home = user("");
    let ran = ok(
        &home,
        &["map", "--hosts", "node3,apart4", "--workdir", "/", "sleep 0.3; hostname; :", ":::", "1", "2"],
    );
    let mut ran: Vec<&str> = ran.lines().collect();
    ran.sort_unstable();
    assert_eq!(ran, ["apart4", "node3"]);
}

#[test]
fn a_host_that_shares_no_files_is_brought_what_it_needs() {
    let home = user("");
    ok(&home, &["start", "--hosts", "apart4:2", "--nodes", "1"]);
    let there = ["run", "--workdir", "/", "echo $HOME; readlink /proc/$PPID/exe; ls -d /tmp/rpar-home-*"];
    let (_, out, err) = home.said(&[&["--profile", "lab"], there.as_slice()].concat());
    assert!(out.starts_with("/tmp/home\n/tmp/home/.cache/rpar/bin/"), "{out}{err}");
    assert!(!out.contains("rpar-home-"), "it sees no cluster: {out}");

    // whoever is started again is told again
    let mark = format!("/tmp/{}", home.path().file_name().expect("a name").display());
    let once = format!("[ -e {mark} ] && {{ rm {mark}; exit; }}; touch {mark}; kill -KILL $PPID; sleep 60");
    ok(&home, &["run", "--workdir", "/", &once]);

    no_secret_shows(&home);
    let log = std::fs::read_to_string(home.state().join("lab/default/logs/apart4.log")).expect("a log");
    assert!(log.matches("copying").count() <= 1, "a build is copied once: {log}");
    ok(&home, &["stop"]);
    let left = processes("engine --handed");
    let left: Vec<_> =
        left.iter().filter(|words| words.contains(&home.path().display().to_string())).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn half_a_program_in_a_hosts_cache_is_brought_anew_and_not_run() {
    let home = user("");
    // a build that no other test brings there
    let program = home.path().join("rpar");
    let mut build = std::fs::read(rpar()).unwrap();
    build.extend_from_slice(home.path().as_os_str().as_encoded_bytes());
    std::fs::write(&program, build).unwrap();
    std::fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    let said = |words: &[&str]| {
        let output =
            home.command_of(&program).args(["--profile", "lab"]).args(words).output().expect("it runs");
        let text = |bytes| String::from_utf8(bytes).expect("rpar writes UTF-8");
        (output.status.success(), text(output.stdout), text(output.stderr))
    };
    let start = ["start", "--hosts", "apart4:1", "--nodes", "1"];
    let there = |script: &str| {
        let config = services::ssh();
        let mut ssh = std::process::Command::new("ssh");
        ssh.arg("-F").arg(config).args(["apart4", script]);
        assert!(ssh.status().expect("ssh runs").success(), "{script}");
    };
    assert!(said(&start).0);
    let (_, out, _) = said(&["run", "--workdir", "/", "readlink /proc/$PPID/exe"]);
    let cached = out.trim().to_owned();
    assert!(cached.starts_with("/tmp/home/.cache/rpar/bin/"), "{cached}");
    assert!(said(&["stop"]).0);

    // as after a crash of the host in the middle
    there(&format!(
        "cd /tmp && head -c 4096 {cached} > {cached}.part && mv {cached}.part {cached} && chmod 700 {cached}"
    ));
    let (started, _, err) = said(&start);
    assert!(started, "{err}");
    let log = std::fs::read_to_string(home.state().join("lab/default/logs/apart4.log")).expect("a log");
    assert!(log.contains("copying"), "{log}");
    assert!(said(&["stop"]).0);

    there(&format!("rm -r {}", cached.trim_end_matches("/rpar")));
}

/// The command lines and environments of all processes, those on the hosts too, with these words.
fn processes(words: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let read = |name: &str| {
            let bytes = std::fs::read(entry.path().join(name)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).replace('\0', " ")
        };
        let all = format!("{} {}", read("cmdline"), read("environ"));
        if all.contains(words) {
            found.push(all);
        }
    }
    found
}

fn no_secret_shows(home: &Home) {
    assert!(!processes("engine --handed").is_empty(), "an engine host runs");
    let mut secrets = Secrets::of(&home.state().join("lab/default"));
    secrets.look_at_processes();
    secrets.look_at_files(home.path());
    assert_eq!(secrets.seen_and_found().1, Vec::<String>::new());
}

#[test]
fn hosts_that_ssh_does_not_reach_are_told_in_its_words() {
    let home = user("[engines]\nrestarts = 1\n");
    let (exit, _, err) =
        home.said(&["--profile", "lab", "start", "--hosts", "127.0.0.250", "--timeout", "60s"]);
    assert!(matches!(exit, Some(115)), "{exit:?} {err}");
    assert!(err.contains("exit status 255: ssh: connect to host 127.0.0.250"), "{err}");
    assert!(err.contains("hint: try `ssh NODE true` from where the pilot runs"), "{err}");
    let _ = home.said(&["--profile", "lab", "stop"]);
}

#[test]
fn what_cannot_be_brought_is_refused_in_words() {
    let home = user("[storage]\nshared = false\n");
    home.profile("forked", "extends = 'lab'\n[launcher]\nkind = 'fork'\n");
    let (exit, _, err) = home.said(&["--profile", "forked", "start", "--hosts", "node1"]);
    assert!(exit != Some(0) && err.contains("brings nothing to nodes that share no files"), "{err}");
    home.profile("queued", "extends = 'slurm'\n[storage]\nshared = false\n");
    let (exit, _, err) = home.said(&["--profile", "queued", "start"]);
    assert!(exit != Some(0) && err.contains("`storage.shared` is false, but the pilot of `slurm`"), "{err}");
    let value: Value = home.json(&["list"]);
    assert_eq!(value["clusters"].as_array().map(Vec::len), Some(0), "{value}");
}
