//! Batch commands on a login node that ssh reaches: real OpenSSH servers, and the Torque commands of a real Slurm.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rpar_backends::torque::Torque;
use rpar_backends::{Batch, SshRunner};
use rpar_core::error::Retry;
use rpar_core::id::ClusterTag;
use rpar_core::runner::{Invocation, RunError, Runner};
use rpar_core::scheduler::{AllocationRequest, Scheduler};
use rpar_testkit::conformance::scheduler;
use rpar_tests::binary::Home;
use rpar_tests::services;

const PATIENCE: Duration = Duration::from_secs(180);

fn runner(config: &Path, host: &str) -> SshRunner {
    let ssh = ["ssh", "-F", config.to_str().unwrap()].map(str::to_owned).to_vec();
    SshRunner::new(ssh, host.to_owned())
}

fn invocation(argv: &[&str], seconds: u64) -> Invocation {
    let argv = argv.iter().map(|word| (*word).to_owned()).collect();
    Invocation { argv, directory: None, stdin: None, limit: Duration::from_secs(seconds) }
}

#[tokio::test]
async fn commands_run_there_over_one_connection() {
    let runner = runner(&services::ssh(), "node2");
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().join("made there");
    runner.make_directory(&at).await.unwrap();
    runner.write_file(&at.join("a file"), "it's $HOME\n").await.unwrap();
    assert_eq!(std::fs::metadata(&at).unwrap().permissions().mode() & 0o777, 0o700);
    let script = "hostname; pwd; cat 'a file'; cat; exit 255";
    let asked = Invocation {
        directory: Some(at.clone()),
        stdin: Some("and this".into()),
        ..invocation(&["sh", "-c", script], 60)
    };
    let answer = runner.run(&asked).await.unwrap();
    assert_eq!(answer.exit, Some(255), "what the command says, and not ssh");
    assert_eq!(answer.stdout, format!("node2\n{}\nit's $HOME\nand this", at.display()));
    // which connection it came by
    let connection = ["sh", "-c", "echo $SSH_CONNECTION"];
    let first = runner.run(&invocation(&connection, 60)).await.unwrap();
    assert_eq!(first, runner.run(&invocation(&connection, 60)).await.unwrap());
}

#[tokio::test]
async fn what_ssh_cannot_reach_gives_no_answer() {
    let config = services::ssh();
    let error = runner(&config, "127.0.0.250").run(&invocation(&["true"], 60)).await.unwrap_err();
    assert!(matches!(&error, RunError::Lost { .. }) && error.to_string().contains("refused"), "{error}");
    let directory = tempfile::tempdir().unwrap();
    let site: Arc<dyn Runner> = Arc::new(runner(&config, "127.0.0.250"));
    let torque = Batch::new(Torque::new(Default::default()), site);
    let error = torque.submit(&request(directory.path())).await.unwrap_err();
    assert_eq!(error.retry, Retry::Later, "nothing was submitted: {error}");
    assert!(error.to_string().contains("ssh could not reach 127.0.0.250"), "{error}");
}

#[tokio::test]
async fn a_command_that_hangs_is_given_up_there_too() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pid");
    let script = format!("echo $$ > {}; exec sleep 1000", file.display());
    let runner = runner(&services::ssh(), "node3");
    let started = Instant::now();
    let error = runner.run(&invocation(&["sh", "-c", &script], 3)).await.unwrap_err();
    assert_eq!(error, RunError::TimedOut { program: "sh".into(), seconds: 3 });
    let pid = std::fs::read_to_string(&file).unwrap();
    let alive = invocation(&["kill", "-0", pid.trim()], 60);
    while runner.run(&alive).await.unwrap().exit == Some(0) {
        assert!(started.elapsed() < PATIENCE, "it still runs there");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn request(directory: &Path) -> AllocationRequest {
    AllocationRequest {
        tag: ClusterTag("rpar-00000001".into()),
        nodes: 1,
        array: false,
        ppn: 1,
        walltime: None,
        queue: None,
        account: None,
        pilot: vec!["true".into()],
        setup: Vec::new(),
        directory: directory.to_owned(),
        script: None,
    }
}

#[tokio::test]
async fn torque_commands_conform_over_ssh() {
    let site = services::slurm().runner_on(Arc::new(runner(&services::ssh(), "node1")));
    let directory = tempfile::tempdir().unwrap();
    scheduler::suite(scheduler::Setup {
        scheduler: Arc::new(Batch::new(Torque::new(Default::default()), site)),
        directory: directory.path().join("cluster"),
        nodes: 2,
        ppn: 2,
        patience: PATIENCE,
    })
    .await;
}

/// An ssh that knows the test's hosts, and gives commands there what the site's need in their environment.
fn ssh(directory: &Path) -> String {
    let settings: String = services::slurm()
        .environment
        .iter()
        .map(|(name, value)| format!("export {name}={value}; "))
        .collect();
    let script = format!(
        "#!/bin/sh\nssh='ssh -F {}'\ncase \" $* \" in *' -G '*) exec $ssh \"$@\" ;; esac\ncount=$# at=0\n\
         for word; do\n  [ $at = 0 ] && set --\n  at=$((at + 1))\n  [ $at = $count ] && word=\"{settings}$word\"\n  \
         set -- \"$@\" \"$word\"\ndone\nexec $ssh \"$@\"\n",
        services::ssh().display()
    );
    let file = directory.join("ssh");
    std::fs::write(&file, script).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o700)).unwrap();
    file.display().to_string()
}

#[test]
fn a_cluster_whose_batch_commands_are_on_another_host() {
    let home = Home::new();
    home.profile("far", "extends = \"carver\"\n[scheduler]\nssh_host = \"node1\"\n");
    let ssh = ssh(home.path());
    // here the site's commands know no site
    let said = |words: &[&str]| {
        let output =
            home.command().env("RPAR_SSH", &ssh).args(["--profile", "far"]).args(words).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (exit, _, err) = said(&["start", "--nodes", "2", "--ppn", "2"]);
    assert_eq!(exit, Some(0), "{err}");
    assert_eq!(said(&["map", "echo {}", ":::", "a", "b"]).1, "a\nb\n");
    let (exit, _, err) = said(&["stop"]);
    assert!(exit == Some(0) && err.contains("is stopped") && !err.contains("warning"), "{err}");
    home.profile("far", "extends = \"carver\"\n[scheduler]\nssh_host = \"-x\"\n");
    let (exit, _, err) = said(&["start"]);
    assert!(exit == Some(110) && err.contains("`scheduler.ssh_host` is `-x`"), "{err}");
}
