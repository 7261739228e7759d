//! Batch systems without a site: what dialects make of a site's words, and the suite over a small Torque of our own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rpar_backends::slurm::{self, Slurm};
use rpar_backends::torque::{self, Torque};
use rpar_backends::{Batch, Exec, local};
use rpar_core::error::{Action, BackendError, Retry};
use rpar_core::id::{AllocationId, ClusterTag};
use rpar_core::runner::{Answer, Invocation, RunError, Runner};
use rpar_core::scheduler::{AllocationEnd, AllocationPhase, AllocationRequest, Scheduler};
use rpar_testkit::conformance::scheduler::{Setup, suite};
use rpar_testkit::{FakeTorque, Reply, Scenario, ScriptedRunner};

const SUBMIT: [&str; 8] =
    ["qsub", "-N", "rpar-12345678", "-j", "oe", "-o", "logs/allocation-%A.log", "rpar-12345678.sh"];

fn request(directory: &Path) -> AllocationRequest {
    AllocationRequest {
        tag: "rpar-12345678".into(),
        nodes: 2,
        array: false,
        ppn: 8,
        walltime: Some(Duration::from_secs(1800)),
        queue: Some("regular".into()),
        account: Some("m1234".into()),
        pilot: ["/opt/rpar", "pilot", "--directory", "/home/u/a b"].map(str::to_owned).to_vec(),
        setup: vec!["module load python".into()],
        directory: directory.to_owned(),
        script: None,
    }
}

fn torque(runner: Arc<dyn Runner>) -> Batch<Torque> {
    Batch::new(Torque::new(torque::Config::default()), runner)
}

async fn submit(reply: Reply) -> Result<AllocationId, BackendError> {
    let runner = Arc::new(ScriptedRunner::new());
    runner.expect(&SUBMIT, reply);
    let answer = torque(runner.clone()).submit(&request(Path::new("/d"))).await;
    runner.finish();
    answer
}

#[test]
fn scripts() {
    let request = request(Path::new("/home/u/it's"));
    let config = torque::Config { directives: vec!["-l mem=4gb".into()], ..torque::Config::default() };
    let text = Batch::new(Torque::new(config), Arc::new(Exec)).preview(&request).unwrap().text;
    insta::assert_snapshot!(text, @r##"
    #!/bin/bash -l
    #PBS -S /bin/bash
    #PBS -l nodes=2:ppn=8
    #PBS -l walltime=00:30:00
    #PBS -q regular
    #PBS -A m1234
    #PBS -l mem=4gb
    #SBATCH --ntasks-per-node=8
    cd '/home/u/it'\''s' || exit 1
    [ -n "$SLURM_JOB_ID" ] || exec >>"logs/allocation-${PBS_JOBID%%.*}.log" 2>&1
    module load python
    exec /opt/rpar pilot --directory '/home/u/a b'
    "##);
    let config =
        slurm::Config { directives: vec!["--constraint=haswell".into()], ..slurm::Config::default() };
    let script = Batch::new(Slurm::new(config), Arc::new(Exec)).preview(&request).unwrap();
    assert_eq!(script.argv.join(" "), "sbatch --parsable -J rpar-12345678 rpar-12345678.sh");
    insta::assert_snapshot!(script.text, @r##"
    #!/bin/bash -l
    #SBATCH --job-name=rpar-12345678
    #SBATCH --nodes=2
    #SBATCH --ntasks-per-node=8
    #SBATCH --output=logs/allocation-%j.log
    #SBATCH --open-mode=append
    #SBATCH --time=00:30:00
    #SBATCH --partition=regular
    #SBATCH --account=m1234
    #SBATCH --constraint=haswell
    cd '/home/u/it'\''s' || exit 1
    module load python
    exec /opt/rpar pilot --directory '/home/u/a b'
    "##);
}

#[test]
fn a_value_cannot_smuggle_in_options() {
    for queue in ["a b", "a\n#PBS -M x", "", "a\t-q b"] {
        let request = AllocationRequest { queue: Some(queue.into()), ..request(Path::new("/d")) };
        let error = torque(Arc::new(Exec)).preview(&request).unwrap_err();
        assert_eq!((error.action, error.retry), (Action::Preview, Retry::Never));
        assert!(error.reason.contains("queue `"), "{}", error.reason);
    }
}

#[tokio::test]
async fn the_script_is_written_where_the_command_finds_it() {
    let runner = Arc::new(ScriptedRunner::new());
    runner.expect(&SUBMIT, Reply::ok("12.login1\n"));
    let scheduler = torque(runner.clone());
    let request = request(Path::new("/d"));
    assert_eq!(scheduler.submit(&request).await.unwrap(), "12.login1".into());
    assert_eq!(
        runner.file(Path::new("/d/rpar-12345678.sh")),
        Some(scheduler.preview(&request).unwrap().text)
    );
}

#[tokio::test]
async fn refusals_speak_with_the_site_s_words() {
    // from Slurm's qsub for Torque users, which prints all on stdout
    let wrapped = "There was an error running the Slurm sbatch command.\nThe command was:\n\
        '/usr/bin/sbatch -o x -J rpar-12345678 rpar-12345678.sh 2>&1'\nand the output was:\n\
        'sbatch: error: invalid partition specified: nosuch\n \
        sbatch: error: Batch job submission failed: Invalid partition name specified\n'\n";
    let error = submit(Reply::failed(1, wrapped, "")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "torque could not submit an allocation: invalid partition specified: nosuch; \
         Batch job submission failed: Invalid partition name specified"
    );
    assert_eq!(error.retry, Retry::Never);
    assert!(error.hint.as_ref().unwrap().contains("--queue"));
    let command = error.command.unwrap();
    assert_eq!((command.argv.join(" "), command.exit), (SUBMIT.join(" "), Some(1)));
    assert!(command.output.contains("sbatch: error: invalid partition"));

    // Torque itself
    let refused = Reply::failed(170, "", "qsub: submit error (Unknown queue MSG=cannot locate queue)\n");
    let error = submit(refused).await.unwrap_err();
    assert_eq!(error.retry, Retry::Never);
    assert_eq!(error.reason, "submit error (Unknown queue MSG=cannot locate queue)");
    assert!(error.hint.unwrap().contains("qstat -q"));
}

#[tokio::test]
async fn who_may_try_again() {
    let controller_down = "There was an error running the Slurm sbatch command.\nThe command was:\n'x'\n\
        and the output was:\n'sbatch: error: Batch job submission failed: Unable to contact slurm controller \
        (connect failure)\n'";
    let server_down = "qsub: cannot connect to server login1 (errno=111) Connection refused";
    let lost = |reason: &str| RunError::Lost { program: "qsub".into(), reason: reason.into() };
    for (reply, retry) in [
        (Reply::failed(1, controller_down, ""), Retry::Later),
        (Reply::failed(171, "", server_down), Retry::Later),
        (Reply::failed(1, "", "qsub: End of File"), Retry::Unsure),
        (
            Reply::failed(
                1,
                "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
                "",
            ),
            Retry::Unsure,
        ),
        (Reply::failed(2, "", "qsub: illegal -l value"), Retry::Never),
        (Reply::Answer(Answer { exit: None, ..Answer::default() }), Retry::Unsure),
        (Reply::ok("welcome to the site\n"), Retry::Unsure),
        (Reply::ok(""), Retry::Unsure),
        (Reply::Error(lost("gone")), Retry::Unsure),
        (Reply::Error(RunError::NotFound { program: "qsub".into() }), Retry::Never),
    ] {
        let error = submit(reply.clone()).await.unwrap_err();
        assert_eq!(error.retry, retry, "{reply:?} gave {error}");
    }
}

#[tokio::test]
async fn a_hanging_qsub_leaves_it_open() {
    let runner = Arc::new(ScriptedRunner::new());
    runner.expect(&SUBMIT, Reply::Hang).expect(&["qstat", "-f", "7"], Reply::Hang);
    let config = torque::Config { timeout: Some(Duration::from_secs(1)), ..Default::default() };
    let scheduler = Batch::new(Torque::new(config), runner);
    let error = scheduler.submit(&request(Path::new("/d"))).await.unwrap_err();
    assert_eq!(error.retry, Retry::Unsure);
    assert_eq!(error.reason, "`qsub` gave no answer within 1 s and was killed");
    assert!(error.hint.unwrap().contains("`timeout`"));
    assert_eq!(scheduler.poll(&["7".into()]).await.unwrap_err().retry, Retry::Later);
}

#[tokio::test]
async fn no_qsub_on_the_path() {
    #[derive(Debug)]
    struct Bare;
    #[async_trait]
    impl Runner for Bare {
        async fn run(&self, invocation: &Invocation) -> Result<Answer, RunError> {
            let mut argv = invocation.argv.clone();
            argv[0] = format!("{}-of-no-site", argv[0]);
            Exec.run(&Invocation { argv, ..invocation.clone() }).await
        }
        async fn make_directory(&self, path: &Path) -> Result<(), RunError> {
            Exec.make_directory(path).await
        }
        async fn write_file(&self, path: &Path, text: &str) -> Result<(), RunError> {
            Exec.write_file(path, text).await
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let error = torque(Arc::new(Bare)).submit(&request(directory.path())).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "torque could not submit an allocation: `qsub-of-no-site` was not found on PATH"
    );
    assert_eq!(error.retry, Retry::Never);
    let hint = error.hint.unwrap();
    assert!(hint.contains("PATH") && hint.contains("`kind` in `[scheduler]`"), "{hint}");
}

#[tokio::test]
async fn one_poll_asks_for_many_and_reads_both_forms() {
    // Torque's own form: a server's name in the id, long values folded; and one id that is not known any more
    let listing = "Job Id: 12.login1\n    Job_Name = rpar-12345678\n    job_state = R\n    \
        comment = Job was sent for execution at node n1\n    exec_host = n1/0-7+n2/0-7\n    resources_used.walltime = 00:01:30\n    Walltime.Remaining = 1710\n    \
        submit_args = -N rpar-12345678 -o logs/allocation-%A.\n\tlog rpar-12345678.sh\n\n\
        Job Id: 14.login1\n    job_state = Q\n    comment = Not enough of the right type of nodes are avail\n\table\n\n\
        Job Id: 15.login1\n    job_state = Z\n\nJob Id: 16.login1\n    job_state = C\n    exit_status = 271\n";
    let runner = Arc::new(ScriptedRunner::new());
    let argv = ["qstat", "-f", "12.login1", "13.login1", "14.login1", "15.login1", "16.login1"];
    runner.expect(&argv, Reply::failed(153, listing, "qstat: Unknown Job Id Error 13.login1"));
    let ids: Vec<AllocationId> = argv[2..].iter().map(|id| AllocationId::from(*id)).collect();
    let states = torque(runner).poll(&ids).await.unwrap();
    let running = &states[&ids[0]];
    assert_eq!(
        (&running.phase, &running.nodes[..], running.reason.as_deref()),
        (&AllocationPhase::Running, &["n1".into(), "n2".into()][..], None)
    );
    assert_eq!(
        (running.elapsed, running.remaining),
        (Some(Duration::from_secs(90)), Some(Duration::from_secs(1710)))
    );
    assert_eq!(states[&ids[1]].phase, AllocationPhase::Unknown);
    assert_eq!(states[&ids[2]].phase, AllocationPhase::Queued);
    assert_eq!(
        states[&ids[2]].reason.as_deref(),
        Some("Not enough of the right type of nodes are available")
    );
    assert_eq!(states[&ids[3]].phase, AllocationPhase::Other("Z".into()));
    let cancelled = Some(AllocationEnd::Cancelled);
    assert_eq!((&states[&ids[4]].phase, states[&ids[4]].end), (&AllocationPhase::Ended, cancelled));
}

#[tokio::test]
async fn an_empty_list_and_a_dead_server_are_told_apart() {
    let ids = [AllocationId::from("7")];
    let runner = Arc::new(ScriptedRunner::new());
    runner.expect(&["qstat", "-f", "7"], Reply::failed(153, "", ""));
    runner.expect(&["qstat", "-f", "7"], Reply::failed(8, "", "Problem loading jobs.\n"));
    let scheduler = torque(runner);
    assert_eq!(scheduler.poll(&ids).await.unwrap()[&ids[0]].phase, AllocationPhase::Unknown);
    let error = scheduler.poll(&ids).await.unwrap_err();
    assert_eq!((error.retry, error.reason.as_str()), (Retry::Later, "Problem loading jobs."));
}

#[tokio::test]
async fn slurm_s_states_come_with_reasons() {
    let listing = "1|N/A|RUNNING|0|2026-11-24T15:00:00|0:02|9:58|node[1-2]|None|\n\
        2|N/A|PENDING|0|N/A|0:00|10:00||JobHeldUser|\n\
        3|N/A|PENDING|0|2026-11-24T16:19:01|0:00|10:00||Resources|\n\
        4|N/A|TIMEOUT|0|2026-11-24T15:00:00|1:00|0:00|node3|TimeLimit|\n\
        5|N/A|NODE_FAIL|0|2026-11-24T15:00:00|1:00|INVALID|node3|None|\n\
        6|N/A|SPECIAL_EXIT|0|N/A|0:00|UNLIMITED||None|\n\
        7|N/A|COMPLETED|0|2026-11-24T15:00:00|0:01|9:59|node3|None|\n\
        9|N/A|FAILED|768|2026-11-24T15:00:00|0:01|9:59|node3|NonZeroExitCode|\n\
        10|N/A|FAILED|9|2026-11-24T15:00:00|0:01|9:59|node3|JobLaunchFailure|\n\
        11|N/A|CANCELLED|15|2026-11-24T15:00:00|0:01|9:59|node3|None|\n\
        12|1|RUNNING|0|2026-11-24T15:00:00|0:07|9:53|node4|None|\n\
        12|2|PENDING|0|N/A|0:00|10:00||Resources|\n\
        13|N/A|PENDING|0|N/A|0:00|10:00||BadConstraints|\n";
    let runner = Arc::new(ScriptedRunner::new());
    let format = "ArrayJobID:|,ArrayTaskID:|,State:|,exit_code:|,StartTime:|,TimeUsed:|,TimeLeft:|,NodeList:|,Reason:|";
    let argv = ["squeue", "-h", "-r", "-t", "all", "-O", format, "-j", "1,2,3,4,5,6,7,8,9,10,11,12,13"];
    runner.expect(&argv, Reply::ok(listing));
    let scheduler = Batch::new(Slurm::new(slurm::Config::default()), runner);
    let ids: Vec<AllocationId> = (1..=13).map(|n| AllocationId(n.to_string())).collect();
    let states = scheduler.poll(&ids).await.unwrap();
    let told: Vec<_> =
        ids.iter().map(|id| (states[id].phase.clone(), states[id].reason.as_deref())).collect();
    assert_eq!(
        told,
        [
            (AllocationPhase::Running, None),
            (AllocationPhase::Held, Some("JobHeldUser")),
            (AllocationPhase::Queued, Some("Resources")),
            (AllocationPhase::Ended, Some("TIMEOUT: TimeLimit")),
            (AllocationPhase::Ended, Some("NODE_FAIL")),
            (AllocationPhase::Other("SPECIAL_EXIT".into()), None),
            (AllocationPhase::Ended, None),
            (AllocationPhase::Unknown, None),
            (AllocationPhase::Ended, Some("FAILED: NonZeroExitCode")),
            (AllocationPhase::Ended, Some("FAILED: JobLaunchFailure")),
            (AllocationPhase::Ended, Some("CANCELLED")),
            (AllocationPhase::Running, Some("1 of 2 wait: Resources")),
            (AllocationPhase::Queued, Some("BadConstraints")),
        ]
    );
    let never: Vec<&AllocationId> = ids.iter().filter(|id| states[id].never).collect();
    assert_eq!(never, [&ids[12]]);
    let ends: Vec<_> = ids.iter().map(|id| states[id].end).collect();
    use AllocationEnd::{Cancelled, Exit, NodeFailed, Signal, Walltime};
    assert_eq!(ends[..3], [None; 3]);
    assert_eq!(ends[3..8], [Some(Walltime), Some(NodeFailed), None, Some(Exit(0)), None]);
    assert_eq!(ends[8..], [Some(Exit(3)), Some(Signal(9)), Some(Cancelled), None, None]);
    assert_eq!(states[&ids[2]].start.as_deref(), Some("2026-11-24 16:19"));
    assert_eq!((&states[&ids[0]].start, &states[&ids[1]].start), (&None, &None));
    assert_eq!(states[&ids[0]].nodes, ["node1", "node2"]);
    assert_eq!(states[&ids[0]].remaining, Some(Duration::from_secs(598)));
}

#[tokio::test]
async fn only_the_user_s_own_are_found() {
    let listing = "Job id              Name             Username        Time Use S Queue          \n\
        ------------------- ---------------- --------------- -------- - ---------------\n\
        1                   rpar-12345678    hpcuser         00:00:00 R batch          \n\
        2                   rpar-12345678    stranger        00:00:00 R batch          \n\
        3                   rpar-12345678    hpcuser         00:00:00 C batch          \n\
        4                   rpar-1234567     hpcuser         00:00:00 R batch          \n\
        5                   rpar-12345678    hpcuser         00:00:00 Q batch          \n";
    let runner = Arc::new(ScriptedRunner::new());
    runner.expect(&["id", "-un"], Reply::ok("hpcuser\n")).expect(&["qstat"], Reply::ok(listing));
    runner.expect(&["qstat"], Reply::failed(153, "", ""));
    let scheduler = torque(runner.clone());
    let tag = ClusterTag::from("rpar-12345678");
    assert_eq!(scheduler.find(&tag).await.unwrap(), ["1".into(), "5".into()]);
    assert!(scheduler.find(&tag).await.unwrap().is_empty(), "the wrapper's answer for an empty list");
    runner.finish();
}

#[tokio::test]
async fn to_cancel_what_is_gone_is_fine() {
    let runner = Arc::new(ScriptedRunner::new());
    let scheduler = torque(runner.clone());
    let ids = [AllocationId::from("7"), AllocationId::from("8")];
    let complete = "qdel: Request invalid for state of job MSG=invalid state for job - COMPLETE 7.login1";
    for reply in [
        Reply::ok(""),
        Reply::failed(1, "", ""),
        Reply::failed(153, "", "qdel: Unknown Job Id 7.login1"),
        Reply::failed(170, "", complete),
        Reply::failed(170, "", &format!("{complete}\nqdel: Unknown Job Id 8.login1")),
    ] {
        runner.expect(&["qdel", "7", "8"], reply);
        scheduler.cancel(&ids).await.unwrap();
    }
    let down = "qdel: Kill job error on job id 7: Unable to contact slurm controller (connect failure)";
    for (reply, retry) in [
        (Reply::failed(1, down, ""), Retry::Later),
        (Reply::failed(159, "", "qdel: Unauthorized Request  7.login1"), Retry::Never),
        (Reply::failed(159, "", &format!("{complete}\nqdel: Unauthorized Request  8.login1")), Retry::Never),
    ] {
        runner.expect(&["qdel", "7", "8"], reply);
        assert_eq!(scheduler.cancel(&ids).await.unwrap_err().retry, retry);
    }
}

/// Runs commands with a directory first on `PATH`.
#[derive(Debug)]
struct First(PathBuf);

#[async_trait]
impl Runner for First {
    async fn run(&self, invocation: &Invocation) -> Result<Answer, RunError> {
        let path = format!("PATH={}:{}", self.0.display(), std::env::var("PATH").unwrap());
        let argv = ["env".to_owned(), path].into_iter().chain(invocation.argv.iter().cloned()).collect();
        Exec.run(&Invocation { argv, ..invocation.clone() }).await
    }
    async fn make_directory(&self, path: &Path) -> Result<(), RunError> {
        Exec.make_directory(path).await
    }
    async fn write_file(&self, path: &Path, text: &str) -> Result<(), RunError> {
        Exec.write_file(path, text).await
    }
}

struct Fake {
    directory: tempfile::TempDir,
    fake: FakeTorque,
    scheduler: Batch<Torque>,
}

fn fake() -> Fake {
    let directory = tempfile::tempdir().unwrap();
    let fake = FakeTorque::install(&directory.path().join("torque")).unwrap();
    let scheduler = torque(Arc::new(First(fake.bin())));
    Fake { directory, fake, scheduler }
}

#[tokio::test]
async fn a_small_torque_conforms() {
    let Fake { directory, fake: _fake, scheduler } = fake();
    suite(Setup {
        scheduler: Arc::new(scheduler),
        directory: directory.path().join("cluster"),
        nodes: 2,
        ppn: 4,
        patience: Duration::from_secs(60),
    })
    .await;
}

#[tokio::test]
async fn a_forgetful_torque_conforms() {
    let Fake { directory, fake, scheduler } = fake();
    fake.play(&[Scenario::Forget]).unwrap();
    suite(Setup {
        scheduler: Arc::new(scheduler),
        directory: directory.path().join("cluster"),
        nodes: 2,
        ppn: 4,
        patience: Duration::from_secs(60),
    })
    .await;
}

#[tokio::test]
async fn a_suite_that_fails_leaves_no_allocation() {
    let Fake { directory, fake, scheduler } = fake();
    fake.play(&[Scenario::Hold]).unwrap();
    let setup = Setup {
        scheduler: Arc::new(scheduler),
        directory: directory.path().join("cluster"),
        nodes: 2,
        ppn: 4,
        patience: Duration::ZERO,
    };
    let failed = tokio::task::LocalSet::new();
    let run = failed.spawn_local(suite(setup));
    assert!(
        failed.run_until(run).await.unwrap_err().is_panic(),
        "a job that stays queued breaks the promise"
    );
    let list = ["qstat"].map(str::to_owned).to_vec();
    let limit = Duration::from_secs(20);
    let invocation = Invocation { argv: list, directory: None, stdin: None, limit };
    let listing = First(fake.bin()).run(&invocation).await.unwrap().stdout;
    assert_eq!(listing.lines().filter(|line| line.contains(" C batch")).count(), 1, "{listing}");
    assert!(!listing.contains(" Q batch"), "{listing}");
}

#[tokio::test]
async fn an_unsure_submission_is_found() {
    let Fake { directory, fake, scheduler } = fake();
    let mut request = request(&directory.path().join("cluster"));
    (request.pilot, request.setup) = (["sleep", "600"].map(str::to_owned).to_vec(), Vec::new());
    fake.play(&[Scenario::Unsure]).unwrap();
    assert_eq!(scheduler.submit(&request).await.unwrap_err().retry, Retry::Unsure);
    let found = scheduler.find(&request.tag).await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    fake.play(&[Scenario::Down]).unwrap();
    assert_eq!(scheduler.submit(&request).await.unwrap_err().retry, Retry::Later);
    assert_eq!(scheduler.poll(&found).await.unwrap_err().retry, Retry::Later);
    fake.play(&[]).unwrap();
    scheduler.cancel(&found[..1]).await.unwrap();
}

#[tokio::test]
async fn this_machine_conforms() {
    let directory = tempfile::tempdir().unwrap();
    suite(Setup {
        scheduler: Arc::new(local::Local::new(local::Config::default())),
        directory: directory.path().join("cluster"),
        nodes: 3,
        ppn: 2,
        patience: Duration::from_secs(60),
    })
    .await;
}

#[tokio::test]
async fn a_later_process_ends_a_local_allocation() {
    let directory = tempfile::tempdir().unwrap();
    let mut request = request(directory.path());
    request.tag = ClusterTag(format!("rpar-{}", std::process::id()));
    request.setup = vec!["trap '' TERM".into()];
    request.pilot = ["sleep", "600"].map(str::to_owned).to_vec();
    let first = local::Local::new(local::Config::default());
    let id = first.submit(&request).await.unwrap();
    let later = local::Local::new(local::Config::default());
    assert_eq!(later.find(&request.tag).await.unwrap(), std::slice::from_ref(&id));
    // it does not listen, so this takes until the pilot's time is over
    later.cancel(std::slice::from_ref(&id)).await.unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while later.poll(std::slice::from_ref(&id)).await.unwrap()[&id].phase != AllocationPhase::Ended {
        assert!(std::time::Instant::now() < deadline, "a killed pilot still runs");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(later.find(&request.tag).await.unwrap().is_empty());
}
