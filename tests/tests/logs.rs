//! `rpar logs`, and who else is told of clusters that end, die or are misspelt.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStderr, ChildStdout, Stdio};

use rpar_tests::binary::Home;

fn started() -> Home {
    let home = Home::new();
    assert_eq!(home.said(&["start", "-n", "1"]).0, Some(0));
    home
}

/// `rpar logs --follow` of one log, and what it says.
struct Follower {
    child: Child,
    out: Lines<BufReader<ChildStdout>>,
    err: Lines<BufReader<ChildStderr>>,
}

impl Follower {
    fn new(home: &Home, words: &[&str]) -> Self {
        let mut logs = home.command();
        logs.args(["logs", "--follow"]).args(words).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = logs.spawn().expect("rpar starts");
        let out = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let err = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        Follower { child, out, err }
    }

    /// Reads on until a line says this.
    fn until(&mut self, what: &str) -> Vec<String> {
        let mut lines = Vec::new();
        while lines.last().is_none_or(|line: &String| !line.contains(what)) {
            let next = self.out.next().unwrap_or_else(|| panic!("no line says {what}: {lines:?}"));
            lines.push(next.expect("UTF-8"));
        }
        lines
    }

    fn rest(mut self) -> (Option<i32>, Vec<String>, Vec<String>) {
        let out = self.out.map_while(Result::ok).collect();
        let err = self.err.map_while(Result::ok).collect();
        (self.child.wait().expect("rpar ends").code(), out, err)
    }
}

#[test]
fn a_follower_sees_the_last_words_and_the_end() {
    let home = started();
    let mut follower = Follower::new(&home, &["controller", "--lines", "1"]);
    assert_eq!(follower.until("==> ")[0], "==> controller <==");
    assert_eq!(home.said(&["status"]).0, Some(0));
    follower.until("linked as Client");
    assert_eq!(home.said(&["stop"]).0, Some(0));
    let (exit, out, err) = follower.rest();
    assert_eq!((exit, err), (Some(0), vec!["cluster local/default has ended".to_owned()]));
    assert!(out.last().is_some_and(|line| line.contains("the cluster has ended")), "{out:?}");
    assert!(!out.iter().any(|line| line.starts_with("==>")), "one log needs no second heading: {out:?}");
}

#[test]
fn a_follower_is_told_that_the_controller_has_died() {
    let home = started();
    let mut follower = Follower::new(&home, &["controller"]);
    follower.until("engine 0 on node");
    home.kill_controller(&home.state().join("local/default"));
    let warning = follower.err.next().expect("a warning").expect("UTF-8");
    assert!(
        warning.contains("controller of cluster local/default has died") && warning.contains("`rpar stop`")
    );
    assert_eq!(home.said(&["stop"]).0, Some(0));
    assert_eq!(follower.rest().0, Some(0));
}

#[test]
fn a_log_that_is_not_there_names_those_that_are() {
    let home = started();
    let (exit, _, err) = home.said(&["logs", "contrller"]);
    assert!(exit == Some(117) && err.contains("hint: there are controller, allocation-local-"), "{err}");
}

#[test]
fn a_misspelt_cluster_is_told_those_that_are_there() {
    let home = started();
    let (exit, _, err) = home.said(&["--cluster-id", "defualt", "status"]);
    assert_eq!(exit, Some(111));
    assert!(
        err.contains("local/defualt does not run") && err.contains("there is --cluster-id default"),
        "{err}"
    );
    let (exit, _, err) = home.said(&["start"]);
    assert!(exit == Some(112) && err.contains("`rpar engines add` asks for more engines"), "{err}");
    home.kill_controller(&home.state().join("local/default"));
    let (_, out, err) = home.said(&["list"]);
    assert!(out.contains("dead") && err.contains("`rpar clean` removes"), "{out}{err}");
}
