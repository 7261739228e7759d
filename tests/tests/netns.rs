//! Clusters on hosts with networks of their own: what happens when cables are pulled, hosts crash and packets are lost.

use std::process::{Child, Command, Output, Stdio};

use rpar_tests::binary::{Home, rpar, until};
use rpar_tests::services::Network;
use serde_json::Value;

/// What a lost node is known by, in seconds; the test's patience is far longer.
const TIMES: &str =
    "[controller]\nheartbeat = '200ms'\nlost_after = '2s'\n[engines]\ngive_up_after = '40s'\nrestarts = 50\n";

/// Somebody who works on login1.
struct User {
    home: Home,
    network: Network,
}

impl User {
    /// Everybody's profile `lab` names node1 to node3, with one engine each.
    fn new(sections: &str) -> User {
        let (home, network) = (Home::new(), Network::new());
        let options = format!("options = ['-F', '{}']", network.ssh_config().display());
        let scheduler = "[scheduler]\nhosts = ['node1', 'node2', 'node3']\n[storage]\nshared = true\n";
        home.profile(
            "lab",
            &format!("extends = 'hosts'\n{scheduler}[launcher]\n{options}\n{TIMES}{sections}"),
        );
        User { home, network }
    }

    /// `rpar` on a host, all of which share the home directory.
    fn command(&self, host: &str, words: &[&str]) -> Command {
        let on = self.network.on(host);
        let mut command = self.home.command_of(on[0].as_ref());
        command.args(&on[1..]).arg(rpar()).args(["--profile", "lab"]).args(words);
        command
    }

    fn run(&self, host: &str, words: &[&str]) -> Output {
        self.command(host, words).output().expect("rpar starts")
    }

    fn ok(&self, host: &str, words: &[&str]) -> String {
        let output = self.run(host, words);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{host}: {words:?}: {}: {stderr}", output.status);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.ok("login1", &["status", "--json"])).expect("json")
    }

    /// Which nodes have engines, as `status` tells.
    fn nodes(&self) -> Vec<String> {
        let status = self.status();
        let engines = status["engines"].as_array().expect("a list").iter();
        let mut nodes: Vec<String> =
            engines.map(|engine| engine["node"].as_str().expect("a node").to_owned()).collect();
        nodes.sort_unstable();
        nodes
    }

    fn until_nodes(&self, nodes: &[&str]) {
        until(&format!("engines on {nodes:?}, and nowhere else"), || self.nodes() == nodes);
    }

    /// Begins a map of some seconds on login1.
    fn begin(&self) -> Child {
        let tasks: Vec<String> = (0..40).map(|number| number.to_string()).collect();
        let mut command = self.command("login1", &["map", "sleep 0.2; echo {}", ":::"]);
        command.args(&tasks).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("rpar starts")
    }

    fn completed(&self) -> u64 {
        let status = self.status();
        status["tasks"]["succeeded"].as_u64().unwrap_or_else(|| panic!("how many tasks succeeded: {status}"))
    }
}

/// All tasks of [`User::begin`] have come to a good end, each once.
fn all_done(map: Child) {
    let output = map.wait_with_output().expect("it ends");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}: {err}", output.status);
    let mut numbers: Vec<u32> = out.lines().map(|line| line.parse().expect("a number")).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..40).collect::<Vec<_>>());
}

#[test]
fn a_node_that_is_cut_off_is_missed_and_comes_back() {
    let user = User::new("");
    user.ok("login1", &["start"]);
    let map = user.begin();
    until("the map is on its way", || user.completed() > 3);
    user.network.run("cut", &["node2"]);
    user.until_nodes(&["node1", "node3"]);
    all_done(map);
    user.network.run("heal", &["node2"]);
    user.until_nodes(&["node1", "node2", "node3"]);
    all_done(user.begin());
    user.ok("login1", &["stop"]);
    until("no engine host is left", || !user.home.processes().iter().any(|words| words.contains(" engine ")));
}

#[test]
fn a_node_that_crashes_is_missed_and_used_again_once_it_is_up() {
    let user = User::new("");
    user.ok("login1", &["start"]);
    let map = user.begin();
    until("the map is on its way", || user.completed() > 3);
    user.network.run("crash", &["node3"]);
    user.until_nodes(&["node1", "node2"]);
    all_done(map);
    let problems = user.status()["problems"].to_string();
    assert!(problems.contains("node3"), "status tells of the node: {problems}");
    user.network.run("boot", &["node3"]);
    user.until_nodes(&["node1", "node2", "node3"]);
    user.ok("login1", &["stop"]);
}

#[test]
fn lost_packets_slow_it_down_and_no_more() {
    let user = User::new("");
    user.ok("login1", &["start"]);
    for node in ["node1", "node2", "node3"] {
        user.network.run("loss", &[node, "10"]);
    }
    all_done(user.begin());
    user.ok("login1", &["stop"]);
}

/// Behind a firewall that opens two ports, with an address that leads nowhere advertised first.
#[test]
fn a_few_open_ports_are_enough_and_a_dead_address_costs_nothing() {
    let ports = "listen = ['tcp://0.0.0.0:5000-5001']\nadvertise = ['10.77.0.99', '10.77.0.0/24']";
    let user = User::new(&format!("[transport]\n{ports}\n"));
    user.network.run("shun", &["login1", "10.77.0.99"]);
    user.network.run("only", &["login1", "5000-5001"]);
    user.ok("login1", &["start"]);
    user.ok("login1", &["start", "--cluster-id", "second", "--nodes", "1"]);
    all_done(user.begin());
    let output = user.run("login1", &["start", "--cluster-id", "third", "--nodes", "1"]);
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && err.contains("all ports from 5000 to 5001 are in use"), "{err}");
    user.ok("login1", &["stop", "--all"]);
}

/// The shared home directory tells a compute node where the controller is.
#[test]
fn from_a_compute_node_the_controller_on_the_login_node_is_reached() {
    let user = User::new("");
    user.ok("login1", &["start", "--nodes", "2"]);
    assert_eq!(user.ok("node3", &["map", "echo {}", ":::", "1", "2"]), "1\n2\n");
    assert!(user.ok("node3", &["status"]).contains("on login1"));
    user.network.run("cut", &["node3"]);
    let output = user.run("node3", &["status"]);
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(err.contains("the controller runs on login1") && err.contains("tcp://10.77.0.1:"), "{err}");
    user.ok("login1", &["stop"]);
}
