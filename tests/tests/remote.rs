//! `--profile NAME@HOST`: from a host that shares nothing with the cluster's but ssh, on real OpenSSH servers.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use bytes::BytesMut;
use rpar_core::connection::Role;
use rpar_core::id::Incarnation;
use rpar_core::wire::{FRAME_LIMIT_BYTES, Hello, Message, PROTOCOL_VERSION, decode, encode};
use rpar_tests::binary::{Home, rpar, until};
use rpar_tests::services;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// A laptop, and a home on node1 with a cluster of two engines.
struct Place {
    laptop: Home,
    there: Home,
    ssh: String,
    program: String,
}

impl Place {
    fn new() -> Place {
        let ssh = format!("ssh -F {}", services::ssh().display());
        let (laptop, there) = (Home::new(), Home::new());
        let program = program(&there, &rpar());
        Place { laptop, there, ssh, program }
    }

    fn started() -> Place {
        let place = Place::new();
        let (exit, _, err) = place.said(&["--profile", "local@node1", "start", "--nodes", "1", "--ppn", "2"]);
        assert_eq!(exit, Some(0), "{err}");
        assert!(err.contains("cluster local/default is ready: 2 engines on 1 node"), "{err}");
        place
    }

    fn command(&self) -> Command {
        let mut command = self.laptop.command();
        command.env("RPAR_SSH", &self.ssh).env("RPAR_REMOTE_PROGRAM", &self.program);
        command
    }

    fn said(&self, words: &[&str]) -> (Option<i32>, String, String) {
        said(self.command().args(words))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // the cluster's processes are node1's, which nobody can end from here
        let _ = self.command().args(["--profile", "local@node1", "stop", "--all"]).output();
    }
}

/// What node1's shell runs as `rpar`, in that home.
fn program(home: &Home, rpar: &Path) -> String {
    let (home, site) = (home.path().display(), home.path().join("site"));
    format!("env HOME={home} TMPDIR={home}/tmp RPAR_SITE_PROFILES={} {}", site.display(), rpar.display())
}

fn said(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_laptop_maps_over_ssh_on_a_cluster_of_another_host() {
    let place = Place::started();
    let at = ["--profile", "local@node1"];
    let on = |words: &[&str]| place.said(&[&at, words].concat());
    let (exit, out, err) = on(&["map", "echo {} $(hostname) $(pwd)", ":::", "a", "b c"]);
    let home = place.there.path().display();
    assert_eq!((exit, out), (Some(0), format!("a node1 {home}\nb c node1 {home}\n")), "{err}");
    assert_eq!(err, "");
    // many and long ones, in both directions
    let script = "head -c 300000 /dev/zero | tr '\\0' x";
    let (exit, out, err) = on(&["run", script]);
    assert_eq!((exit, out.len(), err.as_str()), (Some(0), 300_000, ""));
    let (exit, out, _) = on(&["map", "--workdir", "work", "pwd; exit {}", ":::", "3", "0"]);
    assert_eq!((exit, out), (Some(1), format!("{home}/work\n").repeat(2)));
    let (exit, out, err) = on(&["status"]);
    assert!(exit == Some(0) && out.contains("on node1") && out.contains("engines: 2 of 2"), "{out}{err}");
    let (exit, out, _) = on(&["engines", "list"]);
    assert!(exit == Some(0) && out.contains("node1"), "{out}");
    let (exit, out, err) = on(&["submit", "echo it is {}", ":::", "x", "y"]);
    assert_eq!((exit, out.as_str()), (Some(0), "1\n"));
    assert!(err.contains("`rpar --profile local@node1 results 1`"), "{err}");
    assert_eq!(on(&["wait"]).0, Some(0));
    assert_eq!(on(&["results", "1"]).1, "it is x\nit is y\n");
    assert!(on(&["tasks", "1"]).1.contains("ok"), "it lists tasks");
    assert_eq!(on(&["cancel", "1"]).0, Some(0));
    assert!(on(&["list"]).1.contains("local"), "the clusters there");
    let (exit, _, err) = on(&["stop"]);
    assert!(exit == Some(0) && err.contains("is stopped"), "{err}");
    let (exit, _, err) = on(&["map", "echo {}", ":::", "a"]);
    assert_eq!(exit, Some(111), "{err}");
    assert!(err.contains("node1 says: cluster local/default does not run"), "{err}");
    assert!(err.contains("`rpar --profile local@node1 start` starts it"), "{err}");
}

#[test]
fn a_program_links_like_the_command() {
    let place = Place::started();
    let mut program = place.laptop.command_of(Path::new(env!("CARGO_BIN_EXE_rpar-tests-program")));
    program.env("RPAR_SSH", &place.ssh).env("RPAR_REMOTE_PROGRAM", &place.program);
    let (exit, out, err) = said(program.args(["counts", "local@node1"]));
    assert_eq!((exit, out.as_str()), (Some(0), "2 engines\n"), "{err}");
    let (exit, _, err) = said(program.env("RPAR_SSH", "false"));
    assert!(exit == Some(1) && err.contains("node1 says: "), "{err}");
    // the environment may name the profile too
    let (_, out, err) = said(place.command().env("RPAR_PROFILE", "local@node1").args(["run", "hostname"]));
    assert_eq!(out, "node1\n", "{err}");
    let (exit, _, err) = place.said(&["--profile", "local@node1", "--cluster-id", "b", "run", "true"]);
    assert_eq!(exit, Some(111), "{err}");
    assert!(err.contains("of this profile there is --cluster-id default"), "{err}");
    assert!(err.contains("`rpar --profile local@node1 --cluster-id b start`"), "{err}");
}

#[test]
fn a_link_that_breaks_loses_no_more_than_its_tasks() {
    let place = Place::started();
    let mark = place.there.path().join("begun");
    let script = format!("touch {}; sleep 600", mark.display());
    let mut command = place.command();
    command.args(["--profile", "local@node1", "run", &script]).stdin(Stdio::null());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("the task begins", || mark.exists());
    let ssh = children(child.id());
    kill_process(Pid::from_raw(ssh[0]).unwrap(), Signal::KILL).unwrap();
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(119), "{err}");
    assert!(err.contains("the link to the controller was lost"), "{err}");
    // the controller sees it too, and goes on
    let tasks = || place.said(&["--profile", "local@node1", "status"]).1;
    until("the task is given up there", || tasks().contains("0 assigned"));
    assert_eq!(place.said(&["--profile", "local@node1", "run", "echo on"]).1, "on\n");
}

#[test]
fn ctrl_c_ends_the_task_and_not_the_link() {
    let place = Place::started();
    let mark = place.there.path().join("begun");
    let script = format!("touch {}; sleep 600", mark.display());
    let mut command = place.command();
    command.args(["--profile", "local@node1", "run", &script]).stdin(Stdio::null()).process_group(0);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("the task begins", || mark.exists());
    // as a terminal does: to ssh too
    kill_process_group(Pid::from_raw(child.id() as i32).unwrap(), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "the link was there to the end");
    let status = place.said(&["--profile", "local@node1", "status"]).1;
    assert!(status.contains("0 assigned, 0 succeeded, 1 failed"), "{status}");
}

/// The children of all threads of a process.
fn children(pid: u32) -> Vec<i32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let of = |thread: std::fs::DirEntry| {
        std::fs::read_to_string(thread.path().join("children")).unwrap_or_default()
    };
    threads
        .flat_map(|thread| of(thread).split_whitespace().flat_map(str::parse).collect::<Vec<_>>())
        .collect()
}

#[test]
fn each_way_not_to_get_there_is_told() {
    let place = Place::new();
    let (exit, _, err) = place.said(&["--profile", "local@127.0.0.250", "map", "echo {}", ":::", "a"]);
    assert_eq!(exit, Some(114), "{err}");
    assert!(err.contains("ssh could not reach 127.0.0.250: ssh: connect to host 127.0.0.250"), "{err}");
    assert!(err.contains("$RPAR_SSH"), "{err}");
    for verb in ["status", "list"] {
        let (exit, _, err) = said(place.command().env("RPAR_REMOTE_PROGRAM", "no-such-rpar").args([
            "--profile",
            "local@node1",
            verb,
        ]));
        assert_eq!(exit, Some(114), "{err}");
        assert!(err.contains("there is no command `no-such-rpar` on node1"), "{err}");
        assert!(err.contains("hint: $RPAR_REMOTE_PROGRAM names rpar on node1"), "{err}");
    }
    let (exit, _, err) = place.said(&["--profile", "local@-x", "map", "echo {}", ":::", "a"]);
    assert!(exit == Some(2) && err.contains("`-x` is no name of a host"), "{err}");
    let (exit, _, err) =
        said(place.command().env("RPAR_SSH", "no-such-ssh").args(["--profile", "a@b", "list"]));
    assert!(exit == Some(114) && err.contains("could not run `no-such-ssh`"), "{err}");
}

#[test]
fn another_build_is_refused_with_both_named() {
    let place = Place::new();
    let (exit, _, err) = place.said(&["--profile", "local@node1", "start", "--nodes", "1", "--ppn", "1"]);
    assert_eq!(exit, Some(0), "{err}");
    // a client of version 0.0.7
    let hello = Hello {
        versions: vec![PROTOCOL_VERSION],
        build: "0.0.7".into(),
        role: Role::Client,
        cluster: "local/default".into(),
        incarnation: Incarnation(0),
        proof: vec![0; 32],
    };
    let mut greeting = BytesMut::new();
    encode(&Message::Hello(hello), &mut greeting);
    let mut old =
        place.there.command().arg("stdio").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    old.stdin.take().unwrap().write_all(&greeting).unwrap();
    let told = old.wait_with_output().unwrap().stdout;
    let ready = b"rpar stdio is ready\n";
    assert!(told.starts_with(ready));
    let mut told = BytesMut::from(&told[ready.len()..]);
    let Some(Message::Refused { reason, .. }) = decode(&mut told, FRAME_LIMIT_BYTES).unwrap() else {
        panic!("{told:?}")
    };
    let built = env!("CARGO_PKG_VERSION");
    assert!(reason.contains("you run rpar 0.0.7") && reason.contains(&format!("rpar {built}")), "{reason}");
    // a rpar there of version 0.0.7
    let refused =
        Message::Refused { reason: "here is rpar 0.0.7".into(), supported: vec![1], build: "0.0.7".into() };
    let mut answer = BytesMut::from(&ready[..]);
    encode(&refused, &mut answer);
    let file = place.there.path().join("answer");
    std::fs::write(&file, &answer).unwrap();
    let program = format!("cat {} -; true", file.display());
    let (exit, _, err) = said(place.command().env("RPAR_REMOTE_PROGRAM", program).args([
        "--profile",
        "local@node1",
        "status",
    ]));
    assert!(exit == Some(114) && err.contains("here is rpar 0.0.7"), "{err}");
    // and a rpar that is too old to know of it
    let (exit, _, err) = said(
        place
            .command()
            .env("RPAR_REMOTE_PROGRAM", "echo error: unrecognized subcommand >&2; exit 2;")
            .args(["--profile", "local@node1", "status"]),
    );
    assert!(exit == Some(114) && err.contains("use the same rpar on both sides"), "{err}");
}
