//! A cluster in one thread: the real machines of controller, engine hosts and clients, on simulated links, a simulated
//! site and a virtual clock. One seed decides everything that happens; the same seed gives the same run.
//!
//! Messages are encoded and decoded on their way. After every step the controller checks itself, and the simulator
//! checks what it sees from outside: windows, grants, and that every task's result is delivered exactly once.

mod book;
mod client;
mod controller;
mod describe;
mod faults;
mod host;
mod net;
mod pilot;
mod rng;
mod scenario;
mod site;
mod size;
mod task;
mod trace;
mod watch;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

/// How many lines of the trace a failure shows.
const TAIL_LINES: usize = 80;

/// What a run was like, for tests that want to know that enough happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Machine steps.
    pub steps: u64,
    /// Tasks submitted.
    pub submitted: u64,
    /// Results delivered.
    pub delivered: u64,
    /// Tasks that engines gave back before they had begun.
    pub returned: u64,
    /// Changes of the cluster's size that were made.
    pub changes: u64,
    /// Links that were cut, stalled, and processes that were killed.
    pub faults: u64,
    /// A number that depends on everything that was sent.
    pub fingerprint: u64,
}

/// Runs a seed.
///
/// # Errors
/// With the reason and the end of the trace when something was wrong.
pub fn run(seed: u64) -> Result<Summary, String> {
    match attempt(seed, trace::Trace::silent()) {
        Ok(summary) => Ok(summary),
        Err(_) => {
            // the same again, now written down
            let (trace, lines) = trace::Trace::kept(TAIL_LINES);
            let reason = attempt(seed, trace).err().unwrap_or_else(|| "it passed the second time".to_owned());
            Err(format!(
                "seed {seed}: {reason}\nrun it alone with RPAR_SEED={seed}; the last {TAIL_LINES} lines:\n{}",
                lines.text()
            ))
        }
    }
}

/// Runs a seed and writes all that happens to stderr.
///
/// # Errors
/// With the reason when something was wrong.
pub fn replay(seed: u64) -> Result<Summary, String> {
    attempt(seed, trace::Trace::printed()).map_err(|reason| format!("seed {seed}: {reason}"))
}

fn attempt(seed: u64, trace: trace::Trace) -> Result<Summary, String> {
    catch_unwind(AssertUnwindSafe(|| world::World::new(seed, trace).run())).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "a panic without a text".to_owned())
    })
}
