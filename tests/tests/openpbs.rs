//! The small OpenPBS of `rpar-testkit`: that it answers as the real one did (`tests/fixtures/openpbs`), and that `pbs`
//! keeps every promise on it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use rpar_backends::Batch;
use rpar_backends::pbs::{self, Pbs};
use rpar_backends::pbsdsh::{self, Pbsdsh};
use rpar_core::error::Retry;
use rpar_core::launcher::{Launcher, Node};
use rpar_core::scheduler::{AllocationEnd, AllocationPhase, AllocationRequest, AllocationState, Scheduler};
use rpar_testkit::FakeOpenPbs;
use rpar_testkit::conformance::launcher;
use rpar_testkit::conformance::scheduler::{Setup, suite};
use rpar_tests::binary::{testkit, until};
use rpar_tests::commands::First;

struct Fake {
    directory: tempfile::TempDir,
    fake: FakeOpenPbs,
}

impl Fake {
    fn new(scenario: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let fake = FakeOpenPbs::install(&testkit(), &directory.path().join("openpbs")).unwrap();
        fake.play(scenario).unwrap();
        let script = "#!/bin/bash\n#PBS -l select=1:ncpus=1\n#PBS -l walltime=00:10:00\nexec sleep 600\n";
        std::fs::write(directory.path().join("sleep.pbs"), script).unwrap();
        Fake { directory, fake }
    }

    fn scheduler(&self) -> Batch<Pbs> {
        Batch::new(Pbs::new(pbs::Config::default()), Arc::new(self.runner(&[])))
    }

    /// With a home whose login files are nobody's.
    fn runner(&self, variables: &[(&str, String)]) -> First {
        let mut variables: Vec<_> = variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        variables.push(format!("HOME={}", self.directory.path().display()));
        First { bin: self.fake.bin(), variables }
    }

    /// Runs one of the programs.
    fn run(&self, words: &[&str]) -> Output {
        let mut command = Command::new(self.fake.bin().join(words[0]));
        command.args(&words[1..]).current_dir(self.directory.path()).env("HOME", self.directory.path());
        command.output().unwrap()
    }

    fn ok(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts the job that sleeps, and waits until it runs; tells its id.
    fn running(&self, words: &[&str]) -> String {
        let id = self.ok(&[&["qsub"], words, &["sleep.pbs"]].concat()).trim().to_owned();
        until("the job runs", || self.ok(&["qselect", "-s", "RB"]).contains(&id));
        id
    }

    fn request(&self, pilot: &str) -> AllocationRequest {
        AllocationRequest {
            tag: "rpar-12345678".into(),
            nodes: 1,
            ppn: 1,
            walltime: None,
            queue: None,
            account: None,
            array: false,
            pilot: ["/bin/sh", "-c", pilot].map(str::to_owned).to_vec(),
            setup: Vec::new(),
            directory: self.directory.path().join("cluster"),
            script: None,
        }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = self.fake.play("kill_delay 0s");
        for id in String::from_utf8_lossy(&self.run(&["qselect"]).stdout).lines() {
            let _ = self.run(&["qdel", "-W", "force", id]);
        }
        // what runs a job ends it before it ends itself
        until("no job is left", || self.run(&["qselect"]).stdout.is_empty());
    }
}

fn captured(name: &str, ending: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/openpbs");
    std::fs::read_to_string(folder.join(format!("{name}.{ending}"))).unwrap_or_default()
}

/// Checks an answer against the capture, byte for byte, where its job had another number.
fn as_captured(fake: &Fake, words: &[&str], name: &str, number: (&str, &str)) {
    let output = fake.run(words);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap().replace(number.0, number.1);
    assert_eq!(text(&output.stderr), captured(name, "stderr"), "{words:?}");
    assert_eq!(text(&output.stdout), captured(name, "stdout"), "{words:?}");
    let status: i32 = captured(name, "status").trim().parse().unwrap();
    assert_eq!(output.status.code(), Some(status), "{words:?}");
}

#[test]
fn it_refuses_in_openpbs_s_words() {
    let fake = Fake::new("");
    let same = ("", "");
    for (words, name) in [
        (&["qsub", "-l", "foo=bar", "sleep.pbs"][..], "qsub_bad_resource"),
        (&["qsub", "-l", "walltime=junk", "sleep.pbs"], "qsub_bad_walltime"),
        (&["qsub", "-q", "nosuch", "sleep.pbs"], "qsub_bad_queue"),
        (&["qsub", "-q", "debug", "-l", "walltime=01:00:00", "sleep.pbs"], "qsub_over_queue_walltime"),
        (&["qsub", "-l", "select=1:ncpus=1", "-l", "nodes=1:ppn=1", "sleep.pbs"], "qsub_mixed_select_nodes"),
        (&["qsub", "-l", "select=1:ncpus=1", "-l", "ncpus=2", "sleep.pbs"], "qsub_select_and_ncpus"),
        (&["qsub", "-Z", "sleep.pbs"], "qsub_bad_option"),
        (&["qsub", "-J", "1-1", "sleep.pbs"], "qsub_array_one"),
        (&["qsub", "/nonexistent.pbs"], "qsub_missing_script"),
        (&["qstat", "notajob"], "qstat_malformed"),
        (&["qdel", "999"], "qdel_unknown"),
        (&["qdel", "notajob"], "qdel_malformed"),
        (&["qselect"], "qselect_empty"),
    ] {
        as_captured(&fake, words, name, same);
    }
    for (scenario, words, name) in [
        ("refuse root", &["qsub", "sleep.pbs"][..], "qsub_root_refused"),
        ("refuse nodes", &["qsub", "sleep.pbs"], "qsub_bad_nodes"),
        ("down", &["qsub", "sleep.pbs"], "qsub_server_down"),
        ("down", &["qstat", "29"], "qstat_server_down"),
        ("down", &["qdel", "29"], "qdel_server_down"),
        ("history off", &["qstat", "-x"], "qstat_x_no_history"),
    ] {
        fake.fake.play(scenario).unwrap();
        as_captured(&fake, words, name, same);
    }
}

#[test]
fn it_tells_of_jobs_in_openpbs_s_words() {
    let fake = Fake::new("");
    assert_eq!(fake.running(&[]), "0.login1");
    as_captured(&fake, &["qdel", "0"], "qdel_array", ("", ""));
    until("it is over", || fake.ok(&["qselect"]).is_empty());
    as_captured(&fake, &["qdel", "0"], "qdel_running", ("0.login1", "3.login1"));
    assert_eq!(fake.running(&["-J", "1-4"]), "1[].login1");
    as_captured(&fake, &["qdel", "1"], "qdel_array_bare_id", ("1.login1", "4.login1"));
    let several = fake.run(&["qstat", "0", "999", "1[]"]);
    let said = String::from_utf8(several.stderr).unwrap().replace("0.login1", "2.login1");
    assert_eq!(said, captured("qstat_several", "stderr"));
    assert_eq!(several.status.code(), Some(153));
    as_captured(&fake, &["qstat", "-E", "-x", "-f", "998", "999"], "qstat_express_unknown", ("", ""));
    as_captured(
        &fake,
        &["qstat", "-E", "-f", "999", "0"],
        "qstat_express_finished",
        ("0.login1", "32.login1"),
    );
    let listing = fake.ok(&["qstat", "-E", "-x", "-f", "-F", "json", "1[]", "999", "0"]);
    assert!(listing.find("\"0.login1\"") < listing.find("\"1[].login1\""), "{listing}");
    fake.fake.play("unreachable").unwrap();
    as_captured(&fake, &["qdel", "1[]"], "qdel_node_crashed", ("1[].login1", "28.login1"));
}

/// The names of attributes, in their order, and how each line begins.
fn shape(listing: &str) -> Vec<String> {
    let lines = listing.lines().filter(|line| !line.contains("PBS_O_MAIL"));
    let names = lines.filter_map(|line| line.split_once(" = ").or_else(|| line.split_once(":\t")));
    let skipped = ["\tPBS", "PBS_"];
    let names = names.map(|(name, _)| name.to_owned());
    names.filter(|name| !skipped.iter().any(|skip| name.starts_with(skip))).collect()
}

#[test]
fn its_listings_have_the_form_of_openpbs_s() {
    let fake = Fake::new("");
    fake.running(&[]);
    assert_eq!(shape(&fake.ok(&["qstat", "-f", "0"])), shape(&captured("qstat_f_running", "stdout")));
    fake.fake.play("nodes 3\ncores 4").unwrap();
    let id = fake.ok(&["qsub", "-N", "toobig", "-l", "select=99:ncpus=2", "sleep.pbs"]);
    let listing = fake.ok(&["qstat", "-f", id.trim()]);
    assert_eq!(shape(&listing), shape(&captured("qstat_f_queued", "stdout")));
    let comment = |text: &str| {
        let at = text.find("    comment").unwrap();
        text[at..at + 95].to_owned()
    };
    assert_eq!(comment(&listing), comment(&captured("qstat_f_queued", "stdout")), "folded at the same place");
    std::fs::write(fake.directory.path().join("sleep.pbs"), "#!/bin/bash\nexec sleep 600\n").unwrap();
    fake.running(&["-J", "1-4"]);
    until("all of it runs", || fake.ok(&["qstat", "-t", "2[]"]).matches(" R workq").count() == 4);
    let array = fake.ok(&["qstat", "-t", "-f", "-F", "json", "2[]"]);
    let (array, real) = (array.replace("2[", "4["), captured("qstat_f_json_array", "stdout"));
    assert_eq!(shape(&array).join("\n"), shape(&real).join("\n"));
}

async fn conforms(scenario: &str) {
    let fake = Fake::new(scenario);
    suite(Setup {
        scheduler: Arc::new(fake.scheduler()),
        directory: fake.directory.path().join("cluster"),
        nodes: 2,
        ppn: 4,
        patience: Duration::from_secs(60),
    })
    .await;
}

#[tokio::test]
async fn pbs_conforms() {
    conforms("").await;
}

#[tokio::test]
async fn pbs_conforms_without_history_and_json() {
    conforms("history off\njson none").await;
}

#[tokio::test]
async fn pbs_conforms_to_an_old_qstat() {
    conforms("express none\njson none").await;
}

#[tokio::test]
async fn pbs_conforms_with_broken_json() {
    conforms("json broken").await;
}

/// The state of an allocation once it has this phase.
async fn state(fake: &Fake, pilot: &str, walltime: Option<u64>, phase: AllocationPhase) -> AllocationState {
    let scheduler = fake.scheduler();
    let request = AllocationRequest { walltime: walltime.map(Duration::from_secs), ..fake.request(pilot) };
    let id = scheduler.submit(&request).await.unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    loop {
        let state = scheduler.poll(std::slice::from_ref(&id)).await.unwrap().remove(&id).unwrap();
        if state.phase == phase {
            return state;
        }
        assert!(std::time::Instant::now() < deadline, "{state:?} is not {phase:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn how_jobs_end() {
    let fake = Fake::new("");
    let ended = AllocationPhase::Ended;
    let own = state(&fake, "exit 3", None, ended.clone()).await;
    assert_eq!((own.end, own.reason.as_deref()), (Some(AllocationEnd::Exit(3)), Some("failed")));
    let late = state(&fake, "exec sleep 600", Some(1), ended.clone()).await;
    assert_eq!(
        (late.end, late.reason.as_deref()),
        (Some(AllocationEnd::Walltime), Some("exceeded resource walltime"))
    );
    fake.fake.play("die 0s").unwrap();
    let dead = state(&fake, "exec sleep 600", None, ended.clone()).await;
    assert_eq!(dead.end, Some(AllocationEnd::Signal(9)));
    fake.fake.play("vanish 0s").unwrap();
    state(&fake, "exec sleep 600", None, AllocationPhase::Unknown).await;
    fake.fake.play("history off").unwrap();
    state(&fake, "exit 3", None, AllocationPhase::Unknown).await;
}

#[tokio::test]
async fn why_jobs_wait() {
    let fake = Fake::new("hold");
    state(&fake, "exit 0", None, AllocationPhase::Held).await;
    fake.fake.play("never").unwrap();
    let never = state(&fake, "exit 0", None, AllocationPhase::Queued).await;
    assert!(never.reason.unwrap().starts_with("Can Never Run: "));
    fake.fake.play("wait 600s").unwrap();
    let waits = state(&fake, "exit 0", None, AllocationPhase::Queued).await;
    assert_eq!(waits.reason.as_deref(), Some("Not Running: No available resources on nodes"));
}

#[tokio::test]
async fn an_unsure_submission_is_found_and_an_unreachable_job_is_forced() {
    let fake = Fake::new("unsure");
    let scheduler = fake.scheduler();
    let request = fake.request("exec sleep 600");
    assert_eq!(scheduler.submit(&request).await.unwrap_err().retry, Retry::Unsure);
    let found = scheduler.find(&request.tag).await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    until("it runs", || fake.ok(&["qselect", "-s", "R"]).contains("login1"));
    fake.fake.play("unreachable").unwrap();
    assert_eq!(scheduler.cancel(&found).await.unwrap_err().retry, Retry::Later);
    scheduler.cancel(&found).await.unwrap();
    assert!(scheduler.find(&request.tag).await.unwrap().is_empty());
}

#[tokio::test]
async fn pbsdsh_conforms() {
    let fake = Fake::new("");
    let job = fake.running(&["-l", "select=2:ncpus=2:mpiprocs=2", "-l", "place=scatter"]);
    let nodefile = fake.fake.bin().with_file_name("jobs/0/nodefile").display().to_string();
    let variables = [("PBS_JOBID", job), ("PBS_ENVIRONMENT", "PBS_BATCH".into()), ("PBS_NODEFILE", nodefile)];
    let runner = fake.runner(&variables);
    let mut environment = BTreeMap::from(variables.map(|(name, value)| (name.to_owned(), value)));
    // as where a job's PATH lacks it, and that of whoever submitted does not
    environment.insert("PBS_O_PATH".into(), fake.fake.bin().display().to_string());
    let launcher = move || -> Arc<dyn Launcher> {
        Arc::new(Pbsdsh::new(pbsdsh::Config::default(), environment.clone(), Arc::new(runner.clone())))
    };
    launcher::suite(launcher::Setup {
        launcher: Box::new(launcher),
        nodes: ["node1", "node2"].map(|name| Node { name: name.into(), slots: 2 }).to_vec(),
        directory: fake.directory.path().to_owned(),
        patience: Duration::from_secs(60),
    })
    .await;
}

#[test]
fn the_command_installs_both_systems() {
    let directory = tempfile::tempdir().unwrap();
    for system in ["openpbs", "torque"] {
        let at = directory.path().join(system);
        // twice: it may be there from before
        for _ in 0..2 {
            let mut install = Command::new(testkit());
            let output = install.arg("install").arg(&at).args(["--system", system]).output().unwrap();
            assert!(output.status.success(), "{output:?}");
            let bin = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
            assert!(bin.join("qsub").is_file() && bin.join("qdel").is_file(), "{}", bin.display());
        }
    }
    let output = Command::new(testkit()).args(["install", "x", "--system", "vms"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("usage: rpar-testkit install DIR"));
}
