//! Everything that can go wrong at once, for a while: nothing may be lost, told twice, or left behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rpar_core::task::{TaskOptions, TaskStatus};
use rpar_core::wire::INLINE_LIMIT_BYTES;
use rpar_runtime::client::{Client, Defined, Group};

use super::place::{PATIENCE, Place, await_engines, deadline, native, until};

/// Long enough for some dozen engine hosts and clients to come and go.
const LASTS: Duration = Duration::from_secs(6);

/// Numbers that look random, the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

fn submit(client: &Client, dice: &mut Dice, functions: &[Arc<Defined>]) -> (Group, u64) {
    let (group, tasks) = (client.group(), 1 + dice.roll(400));
    let options = Arc::new(TaskOptions { retries: dice.roll(3) as u16, ..TaskOptions::default() });
    let function = &functions[dice.roll(functions.len() as u64) as usize];
    for index in 0..tasks {
        let long = if dice.roll(100) == 0 { 2 * INLINE_LIMIT_BYTES } else { 0 };
        let mut argument = vec![index as u8; long + 8];
        argument[..8].copy_from_slice(&index.to_le_bytes());
        client.submit(&group, function, &options, Bytes::from(argument));
    }
    (group, tasks)
}

/// Takes all results, each once, and in full if its task ended well.
fn collect(group: &Group, tasks: u64, may_lack: bool) {
    let mut seen = vec![false; tasks as usize];
    while let Some((index, outcome)) = group.next_finished(deadline()) {
        assert!(!std::mem::replace(&mut seen[index], true), "task {index} was told twice");
        match outcome.status {
            TaskStatus::Ok if outcome.payload.len() >= 8 => {
                assert_eq!(outcome.payload[..8], (index as u64).to_le_bytes(), "another task's result");
            }
            TaskStatus::Failed => {}
            TaskStatus::Cancelled | TaskStatus::Lost if may_lack => {}
            status => panic!("task {index} ended as {status:?}: {outcome:?}"),
        }
    }
    assert!(seen.iter().all(|seen| *seen), "{group:?}");
}

/// A client's life: it comes, has work done, cancels some of it, and leaves, now and then in the middle of it.
fn live(place: &Place, mut dice: Dice, over: &AtomicBool) -> usize {
    let functions = ["echo", "nap", "fail"].map(native);
    let mut groups = 0;
    while !over.load(Ordering::Relaxed) {
        let client = place.client();
        for _ in 0..1 + dice.roll(8) {
            let (group, tasks) = submit(&client, &mut dice, &functions);
            groups += 1;
            let cancelled = dice.roll(4) == 0;
            if cancelled {
                client.cancel(&group);
            }
            if dice.roll(8) == 0 {
                // leaves in the middle
                drop(client);
                collect(&group, tasks, true);
                break;
            }
            collect(&group, tasks, cancelled);
        }
    }
    groups
}

#[test]
fn nothing_is_lost_told_twice_or_left_behind() {
    let place = Place::tcp();
    let stays = place.host("n0", 2);
    let watcher = place.client();
    await_engines(&watcher, 2);
    let over = AtomicBool::new(false);
    let groups: usize = std::thread::scope(|scope| {
        let lives: Vec<_> = (1..=4)
            .map(|seed| {
                scope.spawn({
                    let (place, over) = (&place, &over);
                    move || live(place, Dice(seed), over)
                })
            })
            .collect();
        let start = Instant::now();
        let mut dice = Dice(99);
        while start.elapsed() < LASTS {
            // a host that comes, works for a while, and is lost
            let host = place.host("n1", 2);
            std::thread::sleep(Duration::from_millis(100 + dice.roll(300)));
            host.kill();
        }
        over.store(true, Ordering::Relaxed);
        lives.into_iter().map(|life| life.join().unwrap()).sum()
    });
    assert!(groups > 20, "only {groups} groups");
    // all credits have come back
    until("the cluster comes to rest", || {
        let status = watcher.status(None, PATIENCE).unwrap();
        let idle = status.engines.iter().all(|engine| engine.assigned == 0);
        status.engines.len() == 2
            && idle
            && (status.tasks.queued, status.tasks.assigned) == (0, 0)
            && status.controller.clients == 1
    });
    // and the engine that stayed works as before
    let functions = [native("echo")];
    let (group, tasks) = submit(&watcher, &mut Dice(7), &functions);
    collect(&group, tasks, false);
    watcher.stop_cluster(PATIENCE).unwrap();
    stays.ended().unwrap();
    place.ended().1.unwrap();
}
