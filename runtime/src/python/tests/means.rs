//! What Python tasks are given of their node.

use rpar_core::resources::Resources;

use super::*;

/// Which GPUs a task sees, and in which interpreter.
fn seen(engine: &mut Engine, resources: Resources) -> (String, i64) {
    engine.bench.options.resources = resources;
    let both = "'%s %d' % (__import__('os').environ['RPAR_GPUS'], __import__('os').getpid())";
    let sent = format!("open('{}', 'w').write({both}) and 1", engine.directory.path().join("seen").display());
    assert_eq!(engine.number(&sent), 1);
    let text = std::fs::read_to_string(engine.directory.path().join("seen")).unwrap();
    let (gpus, pid) = text.split_once(' ').unwrap();
    (gpus.to_owned(), pid.parse().unwrap())
}

fn gpus(count: u64) -> Resources {
    Resources { gpus: count, ..Resources::default() }
}

#[test]
fn a_task_with_other_gpus_gets_another_interpreter() {
    let mut engine = Engine::start();
    let none = seen(&mut engine, gpus(0));
    assert_eq!(none.0, "");
    assert_eq!(seen(&mut engine, gpus(0)), none, "the same needs the same");
    let one = seen(&mut engine, gpus(1));
    assert_eq!(one.0, Bench::GPUS[0]);
    assert_ne!(one.1, none.1);
    assert_eq!(seen(&mut engine, gpus(1)), one, "the same GPU is free, and liked");
    let two = seen(&mut engine, gpus(2));
    assert_eq!(two.0.split(',').count(), 2);
    engine.bench.options.resources = gpus(3);
    engine.submit(&["1"]);
    let (status, failure) = engine.failure();
    assert_eq!(status, TaskStatus::Failed);
    assert!(failure.message.contains("asks for 3 GPUs"), "{failure:?}");
    assert_eq!(seen(&mut engine, gpus(0)).0, "");
}

#[test]
fn gpus_come_back_from_an_interpreter_that_dies() {
    let mut engine = Engine::start();
    engine.bench.options.resources = gpus(2);
    engine.submit(&["__import__('os')._exit(1)"]);
    assert_eq!(engine.failure().0, TaskStatus::Crashed);
    assert_eq!(seen(&mut engine, gpus(2)).0.split(',').count(), 2);
}

#[test]
fn tasks_that_ask_for_nothing_flow_past_those_that_do() {
    let mut engine = Engine::start();
    let mut expected = Vec::new();
    for _ in 0..3 {
        for count in [0, 1] {
            engine.bench.options.resources = gpus(count);
            engine.submit(&["7", "8"]);
            expected.extend([7, 8]);
        }
    }
    let got: Vec<i64> = expected.iter().map(|_| number(&engine.next().1)).collect();
    assert_eq!(got, expected);
}

#[test]
fn a_limit_on_memory_ends_the_interpreter_and_is_told() {
    let mut engine = Engine::start();
    engine.bench.options.resources = Resources { memory_bytes: 100 << 20, ..Resources::default() };
    engine.submit(&["len(bytearray(300000000))", "1"]);
    if !Bench::limits_memory() {
        // the same of a command tells so
        assert_eq!((number(&engine.next().1), number(&engine.next().1)), (300_000_000, 1));
        return;
    }
    let (status, failure) = engine.failure();
    assert_eq!((status, failure.signal), (TaskStatus::Crashed, Some(9)));
    let told = "killed by signal 9 (SIGKILL): it needed more memory than the 100 MiB that it had asked for";
    assert!(failure.message.contains(told), "{failure:?}");
    assert_eq!(number(&engine.next().1), 1);
}
