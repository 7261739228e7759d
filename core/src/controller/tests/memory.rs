//! What is kept for each task.

use super::super::accounts::Owner;
use super::*;

/// Bytes kept beside the arguments.
fn bookkeeping(bench: &Bench) -> usize {
    let batches: usize = bench.controller.tasks.batches().map(|batch| batch.bookkeeping()).sum();
    // a tree's nodes are half full at least
    let trees =
        2 * bench.controller.tasks.batches().count() * (size_of::<super::super::batch::Batch>() + 4 * 8);
    batches + trees + bench.controller.ready.bookkeeping()
}

#[test]
fn a_million_queued_tasks_take_less_than_a_hundred_bytes_each() {
    // in large submissions, and in small ones
    for (size, limit) in [(1000, 30), (10, 100)] {
        let mut bench = Bench::new(ControllerConfig { submit_window_bytes: 1 << 30, ..config() });
        bench.client(CLIENT);
        let mut effects = Vec::new();
        for base in (0..1_000_000).step_by(size) {
            let batch: Batch = (0..size).map(|_| Bytes::from_static(b"x")).collect();
            let options = TaskOptions::default();
            let message =
                Message::Submit { base: TaskId(base as u64), function: echo().hash(), options, batch };
            bench.controller.step(bench.now, Input::Received { link: CLIENT, message }, &mut effects);
        }
        assert_eq!(bench.controller.status().tasks.queued, 1_000_000);
        let each = bookkeeping(&bench) / 1_000_000;
        assert!(each < limit, "{each} bytes a task in submissions of {size}");
    }
}

#[test]
fn a_long_task_does_not_keep_its_neighbours() {
    let mut bench = Bench::with(config(), 1);
    let argument = Bytes::from(vec![1; 10_000]);
    let engine = EngineId(0);
    // of every submission, one task stays at its engine
    for round in 0..60 {
        let batch: Batch = (0..25).map(|_| argument.clone()).collect();
        let (base, options) = (TaskId(round * 25), TaskOptions::default());
        bench.say(CLIENT, Message::Submit { base, function: echo().hash(), options, batch });
        while let Some(task) = bench.engines.get_mut(&engine).and_then(|held| held.remove(round as usize + 1))
        {
            bench.say(LinkId(100), Message::Done(outcomes(engine, &[task], 1, TaskStatus::Ok)));
        }
        if round == 0 {
            // two, so that there is always evidence of short tasks and room beside the long ones
            bench.finish(engine, 1, 1, TaskStatus::Ok);
        }
    }
    let account = &bench.controller.accounts[&Owner::Link(CLIENT)];
    let (kept, unfinished) = (account.kept, account.window.unfinished());
    assert!(kept <= (16 << 20) + 3 * unfinished, "{kept} bytes for {unfinished}");
    bench.work(1);
    assert_eq!(bench.results.len(), 60 * 25);
    assert_eq!(bench.controller.accounts[&Owner::Link(CLIENT)].kept, 0);
}
