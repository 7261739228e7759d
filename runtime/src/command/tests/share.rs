//! What commands are given of their node.

use rpar_core::resources::Resources;

use super::*;

const TELLS: &str = "echo ${CUDA_VISIBLE_DEVICES-unset} ${ROCR_VISIBLE_DEVICES-unset} ${RPAR_GPUS-unset}";

fn run_with(bench: &mut Bench, resources: Resources, script: &str) -> (TaskStatus, CommandOutcome) {
    bench.options.resources = resources;
    bench.submit(&function(script, Path::new("/"), &[]), None, &[arguments(&[])]);
    let (status, payload) = bench.next(GENEROUS);
    (status, CommandOutcome::decode(payload).unwrap())
}

fn gpus(count: u64) -> Resources {
    Resources { gpus: count, ..Resources::default() }
}

#[test]
fn a_task_sees_the_gpus_that_it_was_given_and_no_others() {
    let mut bench = Bench::start();
    let mut told = |count| text(&run_with(&mut bench, gpus(count), TELLS).1.stdout).to_owned();
    let [first, second] = Bench::GPUS;
    assert_eq!(told(0), "\n");
    assert_eq!(told(1), format!("{first} {first} {first}\n"));
    let both = format!("{second},{first}");
    assert_eq!(told(2), format!("{both} {both} {both}\n"));
    let (status, outcome) = run_with(&mut bench, gpus(3), TELLS);
    assert_eq!((status, outcome.exit), (TaskStatus::Failed, Some(125)));
    assert_eq!(
        text(&outcome.stderr),
        "rpar: it asks for 3 GPUs, and 2 of the 2 that its engine host has are free\n"
    );
}

#[test]
fn gpus_come_back_however_a_task_ends() {
    let mut bench = Bench::start();
    for script in ["exit 1", "kill -SEGV $$", "kill -KILL $$"] {
        assert_eq!(run_with(&mut bench, gpus(2), script).0, TaskStatus::Failed, "{script}");
    }
    let limit = Some(Duration::from_millis(100));
    bench.submit(&function("sleep 600", Path::new("/"), &[]), limit, &[arguments(&[])]);
    assert_eq!(bench.next(GENEROUS).0, TaskStatus::TimedOut);
    bench.submit(&function("true", Path::new("/absent"), &[]), None, &[arguments(&[])]);
    assert_eq!(bench.next(GENEROUS).0, TaskStatus::Failed);
    assert_eq!(run_with(&mut bench, gpus(2), "exit 0").0, TaskStatus::Ok);
}

#[test]
fn a_task_has_as_many_threads_as_cores() {
    if std::env::var_os("OMP_NUM_THREADS").is_some() {
        return;
    }
    let mut bench = Bench::start();
    let resources = Resources { cpus: 7, ..Resources::default() };
    let (_, outcome) = run_with(&mut bench, resources, "echo $OMP_NUM_THREADS");
    assert_eq!(text(&outcome.stdout), "7\n");
}

/// Tells in the log of the tests what this machine cannot show.
#[expect(clippy::print_stderr, reason = "that something was not checked must not go unseen")]
fn tell(what: &str) {
    eprintln!("{what}");
}

#[test]
fn a_task_that_takes_more_memory_than_it_asked_for_is_ended_and_told() {
    let mut bench = Bench::start();
    let limited = |mebibytes: u64| Resources { memory_bytes: mebibytes << 20, ..Resources::default() };
    // a shell that keeps 200 MB, in a child of the task's first process
    let script = "sh -c 'x=$(head -c 200000000 /dev/zero | tr \"\\0\" x); echo ${#x}'; echo \"$1\"";
    let (status, outcome) = run_with(&mut bench, limited(2048), script);
    assert_eq!((status, text(&outcome.stdout)), (TaskStatus::Ok, "200000000\n\n"), "{outcome:?}");
    let (status, outcome) = run_with(&mut bench, limited(64), &format!("{script}; exit 3"));
    if !Bench::limits_memory() {
        tell("NOT CHECKED: no control group can be made here, so no limit on memory is enforced");
        tell("checked instead: a task that asks for too little memory runs as if it had asked for none");
        assert_eq!((outcome.exit, text(&outcome.stdout)), (Some(3), "200000000\n\n"), "{outcome:?}");
        return;
    }
    assert_eq!((status, outcome.exit), (TaskStatus::Failed, Some(3)), "{outcome:?}");
    let said = text(&outcome.stderr);
    assert!(
        said.ends_with("rpar: it needed more memory than the 64 MiB that it had asked for: ask for more\n"),
        "{said}"
    );
    // it had the limit, not the host, and nothing of it stays
    let (status, outcome) = run_with(&mut bench, Resources::default(), script);
    assert_eq!((status, text(&outcome.stdout)), (TaskStatus::Ok, "200000000\n\n"));
}
