//! The ssh launcher, on real OpenSSH servers that stand for hosts of their own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rpar_backends::ssh;
use rpar_core::launcher::{Launcher, Node, ProcessGroup, ProcessState, Signal};
use rpar_testkit::conformance::launcher::{Setup, suite};
use rpar_tests::services;

const PATIENCE: Duration = Duration::from_secs(60);

fn launcher(config: &Path) -> Arc<dyn Launcher> {
    let options = vec!["-F".to_owned(), config.display().to_string()];
    Arc::new(ssh::Ssh::new(ssh::Config { options }))
}

fn node(name: &str) -> Node {
    Node { name: name.into(), slots: 0 }
}

async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done().await {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn ssh_conforms() {
    let config = services::ssh();
    let directory = tempfile::tempdir().unwrap();
    suite(Setup {
        launcher: Box::new(move || launcher(&config)),
        nodes: vec![node("node1"), node("node2")],
        directory: directory.path().to_owned(),
        patience: PATIENCE,
    })
    .await;
}

struct Started {
    launcher: Arc<dyn Launcher>,
    handle: rpar_core::launcher::GroupHandle,
    directory: tempfile::TempDir,
}

/// A process on node3 that says where it is, and says when it is asked to end.
async fn started(config: PathBuf) -> Started {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().display();
    // once the connection is gone, the shell's own remark on a killed `sleep` would end it by SIGPIPE
    let script = format!(
        "cd '{at}'; trap '' PIPE; trap 'echo x > term; exit' TERM
        hostname > host.new; mv host.new host; while :; do sleep 0.05; done"
    );
    let group = ProcessGroup {
        argv: ["sh", "-c", &script].map(str::to_owned).to_vec(),
        setup: Vec::new(),
        environment: BTreeMap::new(),
        logs: directory.path().to_owned(),
        apart: None,
    };
    let launcher = launcher(&config);
    let handle = launcher.start(&group, &[node("node3")]).await.unwrap();
    let host = directory.path().join("host");
    until("the process starts", async || host.exists()).await;
    assert_eq!(std::fs::read_to_string(host).unwrap(), "node3\n", "it runs there, not here");
    Started { launcher, handle, directory }
}

#[tokio::test]
async fn the_remote_process_ends_with_the_connection() {
    let config = services::ssh();
    let Started { launcher, handle, directory } = started(config).await;
    let pid = rustix::process::Pid::from_raw(handle.processes[0].pid.unwrap() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    until("the remote process is asked to end", async || directory.path().join("term").exists()).await;
    let states = launcher.poll(&handle).await.unwrap();
    assert!(matches!(states[0], ProcessState::Ended { signal: Some(9), .. }), "{states:?}");
}

#[tokio::test]
async fn the_remote_process_ends_with_its_starter() {
    let config = services::ssh();
    let Started { launcher, handle: _, directory } = started(config).await;
    drop(launcher);
    until("the remote process is asked to end", async || directory.path().join("term").exists()).await;
}

#[tokio::test]
async fn a_host_that_does_not_answer_is_told_of() {
    let config = services::ssh();
    let directory = tempfile::tempdir().unwrap();
    let group = ProcessGroup {
        argv: vec!["true".into()],
        setup: Vec::new(),
        environment: BTreeMap::new(),
        logs: directory.path().to_owned(),
        apart: None,
    };
    let launcher = launcher(&config);
    let handle = launcher.start(&group, &[node("127.0.0.250")]).await.unwrap();
    let mut state = ProcessState::Running;
    until("ssh gives up", async || {
        state = launcher.poll(&handle).await.unwrap().remove(0);
        state != ProcessState::Running
    })
    .await;
    let ProcessState::Ended { exit, detail, .. } = state else { panic!("it has ended") };
    assert_eq!(exit, Some(255));
    assert!(detail.as_ref().unwrap().contains("Connection refused"), "{detail:?}");
    launcher.signal(&handle, Signal::Kill).await.unwrap();
}
