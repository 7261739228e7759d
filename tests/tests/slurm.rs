//! Torque's commands and Slurm's own, in front of a real Slurm; and `srun` inside its jobs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rpar_backends::slurm::Slurm;
use rpar_backends::torque::Torque;
use rpar_backends::{Batch, Exec, auto, srun};
use rpar_core::error::Retry;
use rpar_core::id::ClusterTag;
use rpar_core::launcher::Launcher;
use rpar_core::runner::Runner;
use rpar_core::scheduler::{AllocationPhase, AllocationRequest, Scheduler};
use rpar_testkit::conformance::{launcher, scheduler};
use rpar_tests::services;

/// Other tests' jobs may be in front of ours.
const PATIENCE: Duration = Duration::from_secs(180);

fn torque(runner: Arc<dyn Runner>) -> Arc<dyn Scheduler> {
    Arc::new(Batch::new(Torque::new(Default::default()), runner))
}

fn slurm(runner: Arc<dyn Runner>) -> Arc<dyn Scheduler> {
    Arc::new(Batch::new(Slurm::new(Default::default()), runner))
}

fn request(directory: &Path) -> AllocationRequest {
    let number = std::process::id() ^ (Instant::now().elapsed().subsec_nanos() << 8);
    AllocationRequest {
        tag: ClusterTag(format!("rpar-{number:08x}")),
        nodes: 2,
        array: false,
        ppn: 8,
        walltime: Some(Duration::from_secs(600)),
        queue: None,
        account: None,
        pilot: ["sleep", "600"].map(str::to_owned).to_vec(),
        setup: Vec::new(),
        directory: directory.to_owned(),
        script: None,
    }
}

async fn conforms(scheduler: Arc<dyn Scheduler>) {
    let directory = tempfile::tempdir().unwrap();
    scheduler::suite(scheduler::Setup {
        scheduler,
        directory: directory.path().join("cluster"),
        nodes: 2,
        ppn: 2,
        patience: PATIENCE,
    })
    .await;
}

#[tokio::test]
async fn torque_commands_conform() {
    let site = services::slurm();
    conforms(torque(site.runner())).await;
}

#[tokio::test]
async fn slurm_commands_conform() {
    let site = services::slurm();
    conforms(slurm(site.runner())).await;
}

#[tokio::test]
async fn refusals_of_the_real_site() {
    let site = services::slurm();
    let directory = tempfile::tempdir().unwrap();
    for (scheduler, name) in [(torque(site.runner()), "torque"), (slurm(site.runner()), "slurm")] {
        let request = request(directory.path());
        let wrong_queue = AllocationRequest { queue: Some("nosuch".into()), ..request.clone() };
        let too_large = AllocationRequest { nodes: 99, ..request.clone() };
        let too_long = AllocationRequest { walltime: Some(Duration::from_secs(100 * 3600)), ..request };
        for (request, reason, hint) in [
            (wrong_queue, "invalid partition specified: nosuch", "--queue"),
            (too_large, "More processors requested than permitted", "--nodes"),
            (too_long, "Requested time limit is invalid", "--walltime"),
        ] {
            let error = scheduler.submit(&request).await.unwrap_err();
            assert!(
                error.to_string().starts_with(&format!("{name} could not submit an allocation: ")),
                "{error}"
            );
            assert!(error.reason.contains(reason), "{error}");
            assert_eq!(error.retry, Retry::Never, "{error}");
            assert!(error.hint.as_ref().unwrap().contains(hint), "{error:?}");
        }
    }
}

/// Asks for two nodes, and runs the test `inside` of this very program there as the pilot.
async fn inside(scheduler: Arc<dyn Scheduler>, inside: &str, environment: &BTreeMap<String, String>) {
    // not below /tmp alone: the nodes share it with us, as they are this machine
    let directory = tempfile::tempdir().unwrap();
    let mut request = request(directory.path());
    let program = std::env::current_exe().unwrap();
    let done = directory.path().join("done");
    let script = format!(
        "'{}' --exact {inside} --ignored --nocapture && touch '{}'",
        program.display(),
        done.display()
    );
    request.pilot = ["sh", "-c", &script].map(str::to_owned).to_vec();
    request.setup = environment.iter().map(|(name, value)| format!("export {name}='{value}'")).collect();
    let id = scheduler.submit(&request).await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    let ended = loop {
        let state = scheduler.poll(std::slice::from_ref(&id)).await.unwrap().remove(&id).unwrap();
        if matches!(state.phase, AllocationPhase::Ended | AllocationPhase::Unknown) {
            break true;
        }
        if Instant::now() > deadline {
            break false;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let log = directory.path().join("logs").join(id.log_name().expect("a name"));
    let log = std::fs::read_to_string(log).unwrap_or_default();
    scheduler.cancel(&[id]).await.unwrap();
    assert!(ended, "{inside} is not over within {PATIENCE:?}:\n{log}");
    assert!(done.exists(), "{inside} failed:\n{log}");
}

#[tokio::test]
async fn srun_conforms_behind_torque_commands() {
    let site = services::slurm();
    inside(torque(site.runner()), "inside_srun_conforms", &site.environment).await;
}

#[tokio::test]
async fn srun_conforms_behind_slurm_commands() {
    let site = services::slurm();
    inside(slurm(site.runner()), "inside_srun_conforms", &site.environment).await;
}

#[tokio::test]
#[ignore = "runs in a job, as the pilot does; started by the tests above"]
async fn inside_srun_conforms() {
    let environment: BTreeMap<String, String> = std::env::vars().collect();
    let site = torque(Arc::new(Exec));
    let nodes = site.nodes(&environment).await.unwrap();
    assert_eq!(nodes.iter().map(|node| node.slots).collect::<Vec<_>>(), [8, 8]);

    let auto = auto::Auto::new(auto::Config::default(), environment, Arc::new(Exec));
    let directory = tempfile::tempdir().unwrap();
    let group = rpar_core::launcher::ProcessGroup {
        argv: ["sh", "-c", "echo $SLURMD_NODENAME $SLURM_STEP_NUM_TASKS $(nproc)"]
            .map(str::to_owned)
            .to_vec(),
        setup: Vec::new(),
        environment: BTreeMap::new(),
        logs: directory.path().to_owned(),
        apart: None,
    };
    let handle = auto.start(&group, &nodes).await.unwrap();
    assert_eq!(handle.launcher, "srun", "inside Slurm, auto picks srun");
    let cores = std::thread::available_parallelism().unwrap();
    for node in &nodes {
        let log = directory.path().join(format!("{}.log", node.name));
        // below what srun itself has to say
        let expected = format!("{} 1 {cores}\n", node.name);
        let deadline = Instant::now() + PATIENCE;
        // one process a node, which sees all cores
        while !std::fs::read_to_string(&log).unwrap_or_default().ends_with(&expected) {
            assert!(
                Instant::now() < deadline,
                "{:?} does not end in {expected:?}",
                std::fs::read_to_string(&log)
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    launcher::suite(launcher::Setup {
        launcher: Box::new(|| Arc::new(srun::Srun::new(Default::default(), Arc::new(Exec)))),
        nodes,
        directory: directory.path().to_owned(),
        patience: Duration::from_secs(60),
    })
    .await;
}
