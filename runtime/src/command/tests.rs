//! Commands through the executor, as an engine runs them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rpar_core::id::TaskId;
use rpar_core::task::{Arguments, CommandOutcome, CommandSpec, Failure, Function, TaskStatus};
use rpar_core::wire::Runs;

use crate::engine::Bench;

mod live;
mod share;

const GENEROUS: Duration = Duration::from_secs(30);

fn function(script: &str, workdir: &Path, environment: &[(&str, &str)]) -> Function {
    let environment = environment.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    let spec = CommandSpec {
        script: script.to_owned(),
        workdir: workdir.to_str().unwrap().to_owned(),
        environment: environment.collect::<BTreeMap<_, _>>(),
    };
    spec.function()
}

fn arguments(list: &[&[u8]]) -> Bytes {
    let mut out = BytesMut::new();
    Arguments(list.iter().map(|argument| Bytes::copy_from_slice(argument)).collect()).encode(&mut out);
    out.freeze()
}

fn run_in(
    script: &str,
    list: &[&[u8]],
    workdir: &Path,
    environment: &[(&str, &str)],
) -> (TaskStatus, CommandOutcome) {
    let mut bench = Bench::start();
    bench.submit(&function(script, workdir, environment), None, &[arguments(list)]);
    let (status, payload) = bench.next(GENEROUS);
    (status, CommandOutcome::decode(payload).unwrap())
}

fn run(script: &str, list: &[&[u8]]) -> (TaskStatus, CommandOutcome) {
    run_in(script, list, Path::new("/"), &[])
}

fn text(bytes: &Bytes) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn arguments_arrive_as_they_are_with_and_without_a_shell() {
    let odd: &[&[u8]] =
        &[b"a b", b"new\nline", b"$(touch x)", b"`id`", b"\xff\xfe", b"", b"-n", b"'\"\\", b"*"];
    let expected: Vec<u8> = odd.iter().flat_map(|argument| [b"<", *argument, b">"].concat()).collect();
    // printf is some shells' own; the file is nobody's
    for script in ["/usr/bin/printf '<%s>' \"$@\"", "printf '<%s>' \"$@\"", "exec printf '<%s>' \"$@\""] {
        let (status, outcome) = run(script, odd);
        assert_eq!(status, TaskStatus::Ok, "{script}");
        assert_eq!(outcome.stdout.as_ref(), expected, "{script}");
    }
    let (_, outcome) = run("/usr/bin/printf '%s' \"x${2}y\"", odd);
    assert_eq!(outcome.stdout.as_ref(), b"xnew\nliney");
}

#[test]
fn ends_are_told() {
    type Case = (&'static str, TaskStatus, Option<i32>, Option<i32>, &'static str, &'static str);
    let cases: &[Case] = &[
        ("/bin/true", TaskStatus::Ok, Some(0), None, "", ""),
        ("/bin/false", TaskStatus::Failed, Some(1), None, "", ""),
        ("exit 100", TaskStatus::Failed, Some(100), None, "", ""),
        ("kill -9 $$", TaskStatus::Failed, None, Some(9), "", ""),
        ("echo out; echo err >&2", TaskStatus::Ok, Some(0), None, "out\n", "err\n"),
        ("cat", TaskStatus::Ok, Some(0), None, "", ""),
        ("echo $0", TaskStatus::Ok, Some(0), None, "rpar\n", ""),
    ];
    for (script, status, exit, signal, stdout, stderr) in cases {
        let (seen, outcome) = run(script, &[]);
        assert_eq!((seen, outcome.exit, outcome.signal), (*status, *exit, *signal), "{script}");
        assert_eq!((text(&outcome.stdout), text(&outcome.stderr)), (*stdout, *stderr), "{script}");
    }
}

#[test]
fn what_cannot_run_says_what_the_shell_says() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("data"), "text").unwrap();
    let cases = [
        ("no-such-program-here", 127, "no-such-program-here"),
        ("./nothing", 127, "nothing"),
        ("./data", 126, "data"),
    ];
    for (script, exit, said) in cases {
        let (status, direct) = run_in(script, &[], directory.path(), &[]);
        let (_, through) = run_in(&format!("{script} ;"), &[], directory.path(), &[]);
        assert_eq!((status, direct.exit), (TaskStatus::Failed, Some(exit)), "{script}");
        assert!(text(&direct.stderr).contains(said), "{:?}", direct.stderr);
        assert_eq!(direct, through, "{script}");
    }
}

#[test]
fn a_script_without_an_interpreter_line_runs() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("plain");
    std::fs::write(&path, "printf '%s' \"$1\"").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    let (status, outcome) = run_in("./plain \"${1}\"", &[b"x y"], directory.path(), &[]);
    assert_eq!((status, text(&outcome.stdout)), (TaskStatus::Ok, "x y"));
}

#[test]
fn an_absent_working_directory_is_named_with_its_host() {
    let (status, outcome) = run_in("/bin/true", &[], Path::new("/no/such/place"), &[]);
    assert_eq!((status, outcome.exit), (TaskStatus::Failed, Some(125)));
    let said = text(&outcome.stderr);
    assert!(said.contains("/no/such/place") && said.contains(Bench::NODE), "{said}");
}

#[test]
fn a_nul_in_an_argument_is_a_failure() {
    let (status, outcome) = run("/bin/true \"${1}\"", &[b"a\0b"]);
    assert_eq!((status, outcome.exit), (TaskStatus::Failed, Some(125)));
}

#[test]
fn the_environment_is_as_promised() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().canonicalize().unwrap();
    let names = "$PWD $RPAR_TASK_ID $RPAR_ENGINE_ID $RPAR_LOCAL_RANK $PARALLEL_SEQ $PARALLEL_JOBSLOT $OMP_NUM_THREADS $MINE";
    let script = format!("echo {names}; pwd");
    let (_, outcome) = run_in(&script, &[], &place, &[("MINE", "own"), ("OMP_NUM_THREADS", "5")]);
    let threads = std::env::var("OMP_NUM_THREADS").unwrap_or_else(|_| Bench::THREADS.to_string());
    let place = place.display();
    let (engine, slot) = (Bench::ENGINE, Bench::ENGINE + 1);
    assert_eq!(text(&outcome.stdout), format!("{place} 0 {engine} 0 1 {slot} {threads} own\n{place}\n"));
}

#[test]
fn big_output_comes_whole_and_endless_output_is_ended() {
    let (status, outcome) = run("head -c 5000000 /dev/zero; head -c 3000000 /dev/zero >&2", &[]);
    assert_eq!((status, outcome.stdout.len(), outcome.stderr.len()), (TaskStatus::Ok, 5_000_000, 3_000_000));
    let (status, outcome) = run("cat /dev/zero", &[]);
    assert_eq!((status, outcome.stdout.len()), (TaskStatus::Failed, super::LIMIT_BYTES));
    assert!(text(&outcome.stderr).contains("64 MiB to stdout"));
}

#[test]
fn a_child_left_behind_holds_nobody_up() {
    let begun = Instant::now();
    let (status, outcome) = run("echo here; sleep 600 & echo $!", &[]);
    let said: Vec<&str> = text(&outcome.stdout).lines().collect();
    assert_eq!((status, said[0]), (TaskStatus::Ok, "here"));
    assert!(begun.elapsed() < GENEROUS);
    let left = rustix::process::Pid::from_raw(said[1].parse().unwrap()).unwrap();
    rustix::process::kill_process(left, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn a_time_limit_ends_the_whole_group() {
    let mut bench = Bench::start();
    let scripts =
        ["echo out; echo before >&2; sleep 600", "trap '' TERM; sleep 600 & wait; wait", "exec sleep 600"];
    for script in scripts {
        let begun = Instant::now();
        bench.submit(
            &function(script, Path::new("/"), &[]),
            Some(Duration::from_millis(200)),
            &[arguments(&[])],
        );
        let (status, payload) = bench.next(GENEROUS);
        assert_eq!(status, TaskStatus::TimedOut, "{script}");
        assert!(begun.elapsed() >= Duration::from_millis(200));
        assert!(Failure::decode(&payload).unwrap().message.contains("200ms"));
        let (failure, written) = Failure::decode_with(payload).unwrap();
        let written = written.unwrap();
        assert_eq!((written.signal, written.streamed), (failure.signal, false));
        if script.contains("before") {
            let said = (text(&written.stdout), text(&written.stderr), failure.detail.as_str());
            assert_eq!(said, ("out\n", "before\n", "before\n"));
        }
    }
}

#[test]
fn a_cancel_drops_what_waits_and_ends_what_runs() {
    let mut bench = Bench::start();
    let directory = tempfile::tempdir().unwrap();
    let script = "echo > running; sleep 600";
    let wanted = bench.submit(&function(script, directory.path(), &[]), None, &vec![arguments(&[]); 3]);
    let begun = Instant::now();
    while !directory.path().join("running").exists() {
        assert!(begun.elapsed() < GENEROUS);
        std::thread::sleep(Duration::from_millis(2));
    }
    bench.cancel(&wanted);
    let said: Vec<String> = (0..3)
        .map(|_| {
            let (status, payload) = bench.next(GENEROUS);
            assert_eq!(status, TaskStatus::Cancelled);
            Failure::decode(&payload).unwrap().message
        })
        .collect();
    assert_eq!(said, ["cancelled while it ran", "cancelled before it ran", "cancelled before it ran"]);
    bench.submit(&function("/bin/true", Path::new("/"), &[]), None, &[arguments(&[])]);
    assert_eq!(bench.next(GENEROUS).0, TaskStatus::Ok);
}

#[test]
fn what_waits_is_given_back_or_cancelled_and_leaves_what_runs() {
    let mut bench = Bench::start();
    let directory = tempfile::tempdir().unwrap();
    let script = "echo > running; while [ ! -e over ]; do sleep 0.01; done";
    let wanted = bench.submit(&function(script, directory.path(), &[]), None, &vec![arguments(&[]); 3]);
    let begun = Instant::now();
    while !directory.path().join("running").exists() {
        assert!(begun.elapsed() < GENEROUS);
        std::thread::sleep(Duration::from_millis(2));
    }
    bench.withdraw(&Runs::one(TaskId(2), 1));
    assert_eq!(bench.await_returned(1, GENEROUS), [TaskId(2)]);
    bench.cancel_queued(&wanted);
    std::fs::write(directory.path().join("over"), "").unwrap();
    let ended: Vec<TaskStatus> = (0..2).map(|_| bench.next(GENEROUS).0).collect();
    assert_eq!(ended, [TaskStatus::Ok, TaskStatus::Cancelled]);
}

#[test]
fn a_death_that_may_be_the_hosts_own_is_kept_back_until_that_is_known() {
    let mut bench = Bench::start();
    let directory = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    bench.submit(&function("kill -TERM $$", directory.path(), &[]), None, &[arguments(&[])]);
    let (status, payload) = bench.next(GENEROUS);
    assert_eq!((status, CommandOutcome::decode(payload).unwrap().signal), (TaskStatus::Failed, Some(15)));
    assert!(begun.elapsed() >= Duration::from_secs(1));
    // the host is told to end after the task was: the next that is heard is a task of its next life
    let script = "echo > \"${1}\"; kill -KILL $$";
    bench.submit(&function(script, directory.path(), &[]), None, &[arguments(&[b"dying"])]);
    let begun = Instant::now();
    while !directory.path().join("dying").exists() {
        assert!(begun.elapsed() < GENEROUS);
        std::thread::sleep(Duration::from_millis(2));
    }
    bench.reset();
    bench.submit(&function("exit 3", directory.path(), &[]), None, &[arguments(&[])]);
    let (_, payload) = bench.next(GENEROUS);
    assert_eq!(CommandOutcome::decode(payload).unwrap().exit, Some(3));
}

#[test]
fn the_end_of_a_long_task_is_kept_back_a_little() {
    let mut bench = Bench::start();
    let begun = Instant::now();
    bench.submit(&function("sleep 1", Path::new("/"), &[]), None, &[arguments(&[])]);
    assert_eq!(bench.next(GENEROUS).0, TaskStatus::Ok);
    assert!(begun.elapsed() >= Duration::from_millis(1005), "{:?}", begun.elapsed());
}

#[test]
fn a_reset_ends_all_and_tells_nothing() {
    let mut bench = Bench::start();
    let directory = tempfile::tempdir().unwrap();
    bench.submit(
        &function("echo $$ > running; exec sleep 600", directory.path(), &[]),
        None,
        &vec![arguments(&[]); 3],
    );
    let begun = Instant::now();
    let pid = loop {
        let written = std::fs::read_to_string(directory.path().join("running")).unwrap_or_default();
        if let Some(pid) = written.trim().parse().ok().and_then(rustix::process::Pid::from_raw) {
            break pid;
        }
        assert!(begun.elapsed() < GENEROUS);
        std::thread::sleep(Duration::from_millis(2));
    };
    bench.reset();
    bench.submit(&function("/bin/true", Path::new("/"), &[]), None, &[arguments(&[])]);
    assert_eq!(bench.next(GENEROUS).0, TaskStatus::Ok);
    assert!(rustix::process::test_kill_process_group(pid).is_err(), "the group still runs");
}
