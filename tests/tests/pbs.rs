//! The dialect of OpenPBS and PBS Pro, over what a real server answered (`tests/fixtures/openpbs`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rpar_backends::pbs::{self, Pbs};
use rpar_backends::{Batch, Exec};
use rpar_core::error::Retry;
use rpar_core::id::AllocationId;
use rpar_core::runner::{Answer, RunError};
use rpar_core::scheduler::{
    AllocationEnd, AllocationPhase, AllocationRequest, AllocationState, Elements, Scheduler,
};
use rpar_testkit::{Reply, ScriptedRunner};

const POLL: [&str; 6] = ["qstat", "-E", "-x", "-f", "-F", "json"];
/// The same where `qstat` writes no JSON.
const TEXT: [&str; 4] = ["qstat", "-E", "-x", "-f"];
const SUBMIT: [&str; 5] = ["qsub", "-f", "-N", "rpar-12345678", "rpar-12345678.sh"];

/// An answer that was captured.
fn captured(name: &str) -> Answer {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/openpbs");
    let read = |ending: &str| std::fs::read_to_string(folder.join(format!("{name}.{ending}"))).ok();
    let exit = read("status").unwrap_or_else(|| panic!("no capture {name}"));
    Answer {
        exit: Some(exit.trim().parse().unwrap()),
        stdout: read("stdout").unwrap_or_default(),
        stderr: read("stderr").unwrap_or_default(),
    }
}

fn replay(name: &str) -> Reply {
    Reply::Answer(captured(name))
}

fn request() -> AllocationRequest {
    AllocationRequest {
        tag: "rpar-12345678".into(),
        nodes: 2,
        array: false,
        ppn: 8,
        walltime: Some(Duration::from_secs(1800)),
        queue: Some("workq".into()),
        account: Some("m1234".into()),
        pilot: ["/opt/rpar", "pilot", "--directory", "/home/u/a b"].map(str::to_owned).to_vec(),
        setup: vec!["module load python".into()],
        directory: PathBuf::from("/home/u/it's"),
        script: None,
    }
}

fn site(runner: Arc<ScriptedRunner>) -> Batch<Pbs> {
    Batch::new(Pbs::new(pbs::Config::default()), runner)
}

fn ids(ids: &[&str]) -> Vec<AllocationId> {
    ids.iter().map(|id| AllocationId::from(*id)).collect()
}

/// What is made of `answers`, each to one more question of a poll for `asked`.
async fn polled(asked: &[&str], answers: &[(&[&str], Reply)]) -> BTreeMap<AllocationId, AllocationState> {
    let runner = Arc::new(ScriptedRunner::new());
    for (options, reply) in answers {
        runner.expect(&[options, asked].concat(), reply.clone());
    }
    let states = site(runner.clone()).poll(&ids(asked)).await.unwrap();
    runner.finish();
    states
}

#[test]
fn scripts() {
    let config = pbs::Config {
        ncpus: Some(16),
        chunk: Some("mem=4gb:ngpus=1".into()),
        place: Some("scatter:excl".into()),
        project: Some("climate".into()),
        directives: vec!["-m n".into()],
        timeout: None,
        commands_per_second: None,
    };
    let script = Batch::new(Pbs::new(config), Arc::new(Exec)).preview(&request()).unwrap();
    assert_eq!(script.argv, SUBMIT);
    insta::assert_snapshot!(script.text, @r##"
    #!/bin/bash -l
    #PBS -S /bin/bash
    #PBS -N rpar-12345678
    #PBS -l select=2:ncpus=16:mpiprocs=8:mem=4gb:ngpus=1
    #PBS -l place=scatter:excl
    #PBS -l walltime=00:30:00
    #PBS -q workq
    #PBS -A m1234
    #PBS -P climate
    #PBS -j oe
    #PBS -o logs/allocation-site.log
    #PBS -k oed
    #PBS -m n
    cd '/home/u/it'\''s' || exit 1
    exec >>"logs/allocation-${PBS_JOBID%%.*}.log" 2>&1
    module load python
    exec /opt/rpar pilot --directory '/home/u/a b'
    "##);
    let plain = site(Arc::default()).preview(&request()).unwrap().text;
    assert!(plain.contains("#PBS -l select=2:ncpus=8:mpiprocs=8\n#PBS -l place=scatter\n"), "{plain}");
    assert!(!plain.contains(" -V"), "the environment of whoever submits is nobody's: {plain}");
}

#[test]
fn an_array_has_two_elements_at_least() {
    let array = |nodes| AllocationRequest { array: true, nodes, ..request() };
    let script = site(Arc::default()).preview(&array(3)).unwrap();
    assert_eq!(script.argv.join(" "), "qsub -f -N rpar-12345678 -J 1-3 rpar-12345678.sh");
    assert!(script.text.contains("#PBS -l select=1:ncpus=8:mpiprocs=8\n"), "{}", script.text);
    assert!(script.text.contains("#PBS -o logs/allocation-site.^array_index^.log\n"), "{}", script.text);
    let one = site(Arc::default()).preview(&array(1)).unwrap();
    assert_eq!(one.argv, SUBMIT);
    assert!(one.text.contains("#PBS -l select=1:ncpus=8"), "{}", one.text);
}

#[test]
fn a_value_cannot_smuggle_in_options() {
    for value in ["a b", "a\n#PBS -M x", "", "a\t-q b"] {
        for key in ["chunk", "place", "project"] {
            let mut config = pbs::Config::default();
            let slot = match key {
                "chunk" => &mut config.chunk,
                "place" => &mut config.place,
                _ => &mut config.project,
            };
            *slot = Some(value.into());
            let error = Batch::new(Pbs::new(config), Arc::new(Exec)).preview(&request()).unwrap_err();
            assert!(error.reason.starts_with(&format!("{key} `")), "{}", error.reason);
        }
    }
}

#[tokio::test]
async fn what_qsub_refuses_comes_with_advice() {
    use Retry::{Later, Never, Unsure};
    for (name, retry, reason, advice) in [
        ("qsub_bad_resource", Never, "Unknown resource Resource_List.foo", "chunk"),
        ("qsub_bad_nodes", Never, "node(s) specification error", "pbsnodes"),
        (
            "qsub_bad_walltime",
            Never,
            "Illegal attribute or resource value Resource_List.walltime",
            "--walltime",
        ),
        ("qsub_bad_queue", Never, "Unknown queue", "qstat -Q"),
        ("qsub_over_queue_walltime", Never, "Job violates queue and/or server resource limits", "qstat -Qf"),
        ("qsub_mixed_select_nodes", Never, "Cannot be used with select or place: nodes", "`chunk`"),
        (
            "qsub_select_and_ncpus",
            Never,
            "\"-lresource=\" cannot be used with \"select\" or \"place\", resource is: ncpus",
            "`chunk`",
        ),
        ("qsub_root_refused", Never, "Bad UID for job execution", "ordinary user"),
        ("qsub_server_down", Later, "cannot connect to server login1 (errno=15010)", "does not answer"),
        ("qsub_missing_script", Never, "script file:: No such file or directory", ""),
        ("qsub_bad_option", Never, "invalid option -- 'Z'", ""),
        ("qsub_array_one", Never, "illegal -J value", ""),
        // no id, but no failure either
        ("qstat_unknown_json", Never, "Unknown Job Id 999.login1", ""),
        ("qselect_empty", Unsure, "qsub succeeded, but `` is no job id", ""),
    ] {
        let runner = Arc::new(ScriptedRunner::new());
        runner.expect(&SUBMIT, replay(name));
        let error = site(runner).submit(&request()).await.unwrap_err();
        assert_eq!((error.retry, error.reason.as_str()), (retry, reason), "{name}");
        assert!(error.hint.unwrap_or_default().contains(advice), "{name}");
    }
}

#[tokio::test]
async fn an_exit_status_tells_where_a_wrapper_is_silent() {
    for (exit, reason) in [(170, "Unknown queue"), (162, "cannot connect to server"), (9, "exit status 9")] {
        let runner = Arc::new(ScriptedRunner::new());
        runner.expect(&SUBMIT, Reply::failed(exit, "", ""));
        let error = site(runner).submit(&request()).await.unwrap_err();
        assert!(error.reason.contains(reason), "{error}");
        assert_eq!(error.retry, if exit == 162 { Retry::Later } else { Retry::Never });
    }
}

#[tokio::test]
async fn an_old_qsub_is_asked_for_less() {
    let usage = captured("qsub_bad_option").stderr;
    for refused in [usage.replace("'Z'", "'f'"), usage.replace("invalid option -- 'Z'", "illegal -k value")] {
        let runner = Arc::new(ScriptedRunner::new());
        let site = site(runner.clone());
        runner.expect(&SUBMIT, Reply::failed(2, "", &refused));
        assert_eq!(site.submit(&request()).await.unwrap_err().retry, Retry::Later, "{refused}");
        runner.expect(&["qsub", "-N", "rpar-12345678", "rpar-12345678.sh"], replay("qsub_ok"));
        site.submit(&request()).await.unwrap();
        let script = runner.file(&request().directory.join("rpar-12345678.sh")).unwrap();
        assert!(script.contains("#PBS -o ") && !script.contains("-k oed"), "{script}");
    }
}

#[tokio::test]
async fn an_id_is_taken_as_it_is() {
    for (name, id) in [("qsub_ok", "1.login1"), ("qsub_array", "4[].login1")] {
        let runner = Arc::new(ScriptedRunner::new());
        runner.expect(&SUBMIT, replay(name));
        assert_eq!(site(runner).submit(&request()).await.unwrap(), id.into());
    }
}

#[tokio::test]
async fn one_poll_tells_of_all() {
    let asked = ["1.login1", "5.login1", "7.login1", "8.login1", "999.login1"];
    let states = polled(&asked, &[(&POLL, replay("qstat_f_json_mixed"))]).await;
    let state = |id: &str| &states[&AllocationId::from(id)];
    let running = state("1.login1");
    assert_eq!((&running.phase, &running.reason), (&AllocationPhase::Running, &None));
    assert_eq!(running.nodes, ["node1"]);
    assert_eq!(running.elapsed, Some(Duration::from_secs(22)));
    assert_eq!(running.remaining, Some(Duration::from_secs(578)));
    for (id, phase, reason) in [
        (
            "5.login1",
            AllocationPhase::Queued,
            Some("Can Never Run: Insufficient amount of resource: ncpus (R: 198 A: 12 T: 12)"),
        ),
        ("7.login1", AllocationPhase::Queued, Some("Not Running: No available resources on nodes")),
        ("8.login1", AllocationPhase::Held, None),
        ("999.login1", AllocationPhase::Unknown, None),
    ] {
        assert_eq!((&state(id).phase, state(id).reason.as_deref()), (&phase, reason), "{id}");
        assert_eq!(state(id).never, id == "5.login1", "{id}");
    }
}

/// What `qstat` says of options that it does not know.
fn unknown_option(letters: &str) -> Reply {
    let told = letters.chars().map(|letter| format!("qstat: invalid option -- '{letter}'\n"));
    let stderr = format!("{}usage: \nqstat [-f] [-x] [ job_identifier... ]\n", told.collect::<String>());
    Reply::Answer(Answer { exit: Some(2), stderr, ..Answer::default() })
}

#[tokio::test]
async fn several_are_asked_of_at_once() {
    let asked = ["31.login1", "999.login1", "32.login1"];
    let states = polled(&asked, &[(&POLL, replay("qstat_express"))]).await;
    for (id, phase) in
        asked.iter().zip([AllocationPhase::Held, AllocationPhase::Unknown, AllocationPhase::Held])
    {
        assert_eq!(states[&AllocationId::from(*id)].phase, phase, "{id}");
    }
    let states = polled(&["998.login1", "999.login1"], &[(&POLL, replay("qstat_express_unknown"))]).await;
    assert!(states.values().all(|state| state.phase == AllocationPhase::Unknown), "{states:?}");
}

#[tokio::test]
async fn a_qstat_without_e_is_asked_of_each() {
    let asked = ["1.login1", "2.login1", "999.login1", "4.login1"];
    let each = ["qstat", "-x", "-f"];
    let one = [each.as_slice(), &["-F", "json"]].concat();
    let mut several = captured("qstat_several");
    several.stdout.clear();
    let several = Reply::Answer(several);
    // of several ids, JSON would tell of the first alone
    for (id, told) in [("E", &each[..]), ("EF", &each)] {
        let states = polled(&asked, &[(&POLL, unknown_option(id)), (told, several.clone())]).await;
        assert_eq!(states[&"2.login1".into()].phase, AllocationPhase::Ended);
        assert_eq!(states[&"999.login1".into()].phase, AllocationPhase::Unknown);
    }
    let old = [(&POLL[..], unknown_option("E")), (&one, replay("qstat_f_json_mixed"))];
    assert_eq!(polled(&["8.login1"], &old).await[&"8.login1".into()].phase, AllocationPhase::Held);
    // one that does not say which
    let mute =
        [(&POLL[..], unknown_option("")), (&one, unknown_option("")), (&each, replay("qstat_f_queued"))];
    assert_eq!(polled(&["5.login1"], &mute).await[&"5.login1".into()].phase, AllocationPhase::Queued);
}

#[tokio::test]
async fn the_text_form_says_the_same() {
    for (name, id, json) in [
        ("qstat_f_running", "1.login1", "qstat_f_json_mixed"),
        ("qstat_f_queued", "5.login1", "qstat_f_json_mixed"),
    ] {
        let text = polled(&[id], &[(&POLL, unknown_option("F")), (&TEXT, replay(name))]).await;
        let json = polled(&[id], &[(&POLL, replay(json))]).await;
        let told = |states: &BTreeMap<AllocationId, AllocationState>| {
            let state = &states[&AllocationId::from(id)];
            (state.phase.clone(), state.reason.clone(), state.nodes.clone())
        };
        assert_eq!(told(&text), told(&json), "{id}");
    }
}

#[tokio::test]
async fn json_that_is_none_is_asked_for_once() {
    let runner = Arc::new(ScriptedRunner::new());
    let mut broken = captured("qstat_f_json_mixed");
    broken.stdout = broken.stdout.replace("\"Priority\":\t0", "\"Priority\":\t007");
    runner.expect(&[&POLL[..], &["5.login1"]].concat(), Reply::Answer(broken));
    let text = [&TEXT[..], &["5.login1"]].concat();
    runner.expect(&text, replay("qstat_f_queued")).expect(&text, replay("qstat_f_queued"));
    let site = site(runner.clone());
    for _ in 0..2 {
        let states = site.poll(&ids(&["5.login1"])).await.unwrap();
        assert_eq!(states[&"5.login1".into()].phase, AllocationPhase::Queued);
    }
    runner.finish();
}

#[tokio::test]
async fn without_history_it_is_asked_otherwise() {
    let runner = Arc::new(ScriptedRunner::new());
    let site = site(runner.clone());
    let plain = ["qstat", "-E", "-f", "-F", "json"];
    let one = |options: &[&'static str]| [options, &["999.login1"]].concat();
    runner.expect(&one(&POLL), replay("qstat_x_finished_no_history"));
    runner.expect(&one(&plain), replay("qstat_unknown_json"));
    let states = site.poll(&ids(&["999.login1"])).await.unwrap();
    assert_eq!(states[&"999.login1".into()].phase, AllocationPhase::Unknown, "unknown is not over");
    // it is remembered, until the site's words tell that history has been turned on
    runner.expect(&one(&plain), replay("qstat_unknown_json"));
    site.poll(&ids(&["999.login1"])).await.unwrap();
    let asked = ["31.login1", "32.login1"];
    runner.expect(&[&plain[..], &asked].concat(), replay("qstat_express_finished"));
    runner.expect(&[&POLL[..], &asked].concat(), replay("qstat_xf_array_json"));
    assert_eq!(site.poll(&ids(&asked)).await.unwrap()[&"31.login1".into()].phase, AllocationPhase::Unknown);
    runner.finish();
}

#[tokio::test]
async fn how_it_ended() {
    use AllocationEnd::{Cancelled, Exit, Signal, Walltime};
    for (name, id, end, reason) in [
        ("qstat_xf_exit7", "21.login1", Some(Exit(7)), Some("failed")),
        ("qstat_xf_segv", "22.login1", Some(Signal(11)), Some("failed")),
        ("qstat_xf_qdeled", "23.login1", Some(Cancelled), Some("terminated by hpcuser@login1")),
        ("qstat_xf_walltime_killed", "10.login1", Some(Walltime), Some("exceeded resource walltime")),
        ("qstat_xf_dep", "24.login1", None, None),
    ] {
        let states = polled(&[id], &[(&POLL, unknown_option("F")), (&TEXT, replay(name))]).await;
        let state = &states[&AllocationId::from(id)];
        assert_eq!(state.phase, AllocationPhase::Ended, "{name}");
        assert_eq!((state.end, state.reason.as_deref()), (end, reason), "{name}");
        assert_eq!(state.remaining, None, "{name}");
    }
}

#[tokio::test]
async fn an_array_is_one_allocation() {
    let asked = ["4[].login1"];
    let options = [&POLL[..], &["-t"]].concat();
    let states = polled(&asked, &[(&options, replay("qstat_f_json_array"))]).await;
    assert_eq!(states.len(), 1, "{states:?}");
    let running = &states[&"4[].login1".into()];
    assert_eq!((&running.phase, &running.reason), (&AllocationPhase::Running, &None));
    assert_eq!(
        (running.nodes.join(" "), running.elapsed),
        ("node1 node2".into(), Some(Duration::from_secs(28)))
    );
    let states = polled(&asked, &[(&options, replay("qstat_xf_array_json"))]).await;
    let ended = &states[&"4[].login1".into()];
    assert_eq!((&ended.phase, ended.end), (&AllocationPhase::Ended, Some(AllocationEnd::Cancelled)));
    assert_eq!(ended.reason.as_deref(), Some("terminated by hpcuser@login1"));
}

#[tokio::test]
async fn an_array_of_which_some_wait() {
    let options = [&POLL[..], &["-t"]].concat();
    let mut answer = captured("qstat_f_json_array");
    let waiting = "\"job_state\":\t\"Q\",\n\t\t\t\"comment\":\t\"Not Running: Insufficient amount of resource: ncpus\",";
    let all = answer.stdout.replace("\"job_state\":\t\"R\",", waiting);
    // the last of equal names counts: the comment of one that runs
    let all = all.replace("\"comment\":\t\"Job run at", "\"before\":\t\"Job run at");
    let at = all.rfind(waiting).unwrap();
    let some = format!("{}\"job_state\":\t\"R\",{}", &all[..at], &all[at + waiting.len()..]);
    for (stdout, phase, reason) in [
        (all, AllocationPhase::Queued, "Not Running: Insufficient amount of resource: ncpus"),
        (some, AllocationPhase::Running, "3 of 4 wait: Not Running: Insufficient amount of resource: ncpus"),
    ] {
        answer.stdout = stdout;
        let states = polled(&["4[].login1"], &[(&options, Reply::Answer(answer.clone()))]).await;
        let state = &states[&"4[].login1".into()];
        assert_eq!((&state.phase, state.reason.as_deref()), (&phase, Some(reason)));
        let running = u32::from(phase == AllocationPhase::Running);
        assert_eq!(state.elements, Some(Elements { waiting: 4 - running, running, ended: 0 }));
    }
}

#[tokio::test]
async fn a_dead_server_tells_nothing() {
    let runner = Arc::new(ScriptedRunner::new());
    let asked = [&POLL[..], &["7.login1"]].concat();
    runner.expect(&asked, replay("qstat_server_down")).expect(&asked, replay("qstat_malformed"));
    let find = ["qselect", "-u", "hpcuser", "-N", "rpar-12345678"];
    runner.expect(&["id", "-un"], Reply::ok("hpcuser\n"));
    runner.expect(&find, replay("qstat_server_down")).expect(&find, replay("qselect_all"));
    runner.expect(&find, replay("qselect_empty"));
    let site = site(runner.clone());
    let down = site.poll(&ids(&["7.login1"])).await.unwrap_err();
    assert_eq!(
        (down.retry, down.reason.as_str()),
        (Retry::Later, "cannot connect to server login1 (errno=15010)")
    );
    assert_eq!(site.poll(&ids(&["7.login1"])).await.unwrap_err().retry, Retry::Later);
    let tag = request().tag;
    assert_eq!(site.find(&tag).await.unwrap_err().retry, Retry::Later);
    let found = site.find(&tag).await.unwrap();
    assert_eq!((found.len(), &found[3]), (9, &AllocationId::from("4[].login1")));
    assert!(site.find(&tag).await.unwrap().is_empty());
    runner.finish();
}

#[tokio::test]
async fn ids_that_cannot_be_cancelled_keep_none_of_the_later_ones() {
    let runner = Arc::new(ScriptedRunner::new());
    let site = site(runner.clone());
    let ids: Vec<_> = (1..=2500).map(|id| AllocationId(id.to_string())).collect();
    let late = RunError::TimedOut { program: "qdel".into(), seconds: 60 };
    let replies =
        [Reply::failed(159, "", "qdel: Unauthorized Request  7"), Reply::Error(late), Reply::ok("")];
    for (some, reply) in ids.chunks(1000).zip(replies) {
        let words = some.iter().map(|id| id.0.as_str());
        runner.expect(&std::iter::once("qdel").chain(words).collect::<Vec<_>>(), reply);
    }
    let error = site.cancel(&ids).await.unwrap_err();
    assert_eq!(error.reason, "Unauthorized Request  7 (of 1 to 1000; 2000 of 2500 in all)");
    assert_eq!(error.retry, Retry::Never);
    runner.finish();
}

#[tokio::test]
async fn to_cancel_what_is_gone_is_fine_and_what_cannot_be_reached_is_forced() {
    let runner = Arc::new(ScriptedRunner::new());
    let site = site(runner.clone());
    let array = AllocationId::from("4[].login1");
    runner.expect(&["qdel", "4[].login1"], replay("qdel_array"));
    site.cancel(&[array]).await.unwrap();
    let id = AllocationId::from("28.login1");
    for (name, retry) in [
        ("qdel_running", None),
        ("qdel_unknown", None),
        ("qdel_several_one_bad", None),
        ("qdel_malformed", Some(Retry::Never)),
        ("qdel_server_down", Some(Retry::Later)),
        ("qdel_node_crashed", Some(Retry::Later)),
    ] {
        runner.expect(&["qdel", "28.login1"], replay(name));
        assert_eq!(
            site.cancel(std::slice::from_ref(&id)).await.map_err(|error| error.retry).err(),
            retry,
            "{name}"
        );
    }
    runner.expect(&["qdel", "-W", "force", "28.login1"], Reply::ok(""));
    site.cancel(&[id]).await.unwrap();
    runner.finish();
}

#[tokio::test]
async fn the_nodefile_names_the_nodes() {
    let site = site(Arc::default());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("nodes");
    std::fs::write(&file, "node1\nnode1\nnode2\nnode2\n").unwrap();
    let environment = BTreeMap::from([("PBS_NODEFILE".to_owned(), file.display().to_string())]);
    let nodes = site.nodes(&environment).await.unwrap();
    assert_eq!(
        nodes.iter().map(|node| (node.name.as_str(), node.slots)).collect::<Vec<_>>(),
        [("node1", 2), ("node2", 2)]
    );
    let error = site.nodes(&BTreeMap::new()).await.unwrap_err();
    assert_eq!(error.reason, "PBS_NODEFILE is not set: this is not inside an allocation");
}
