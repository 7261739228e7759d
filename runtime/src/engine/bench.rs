//! One engine alone, for tests of what it runs.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rpar_core::id::{EngineId, TaskId};
use rpar_core::resources::Resources;
use rpar_core::task::{Function, RunOptions, TaskStatus};
use rpar_core::wire::{BULK, Outcomes, Output, RETURNED, Runs};

use super::executor::{EngineContext, PythonSettings};
use super::guard::Guard;
use super::lane::{Lane, Ready, RunBatch};
use super::stock::Stock;
use super::thread;
use crate::native::NativeFunctions;

/// An engine with its thread; ends with it.
pub(crate) struct Bench {
    lane: Arc<Lane>,
    thread: Option<JoinHandle<()>>,
    next: u64,
    ended: VecDeque<(TaskId, TaskStatus, Bytes)>,
    /// How further tasks are run.
    pub(crate) options: RunOptions,
    /// What live tasks have written.
    pub(crate) output: Vec<Output>,
    /// What was given back.
    pub(crate) returned: Vec<TaskId>,
}

impl Bench {
    pub(crate) const NODE: &'static str = "node-of-tests";
    pub(crate) const ENGINE: u32 = 41;
    pub(crate) const THREADS: u32 = 3;
    pub(crate) const GPUS: [&'static str; 2] = ["0", "GPU-7"];

    /// Whether limits on memory are enforced on this machine.
    pub(crate) fn limits_memory() -> bool {
        let resources = Resources { memory_bytes: 1 << 30, ..Resources::default() };
        Stock::default().limit(&resources).is_some()
    }

    pub(crate) fn start() -> Self {
        Self::with(NativeFunctions::new(), PythonSettings::default())
    }

    pub(crate) fn with(native: NativeFunctions, python: PythonSettings) -> Self {
        let lane = Arc::new(Lane::new(0, Arc::<Ready>::default()).unwrap());
        let context = EngineContext {
            slot: 0,
            node: Self::NODE.to_owned(),
            threads: Self::THREADS,
            guard: Arc::new(Guard::none()),
            stock: Arc::new(Stock::new(Self::GPUS.map(String::from).to_vec())),
            python,
        };
        let thread = thread::start(Arc::clone(&lane), Arc::new(context), Arc::new(native)).unwrap();
        Bench {
            lane,
            thread: Some(thread),
            next: 0,
            ended: VecDeque::new(),
            options: RunOptions::default(),
            output: Vec::new(),
            returned: Vec::new(),
        }
    }

    /// Gives the engine a batch of tasks, ids from 0 on over all batches.
    pub(crate) fn submit(
        &mut self,
        function: &Function,
        timeout: Option<Duration>,
        arguments: &[Bytes],
    ) -> Runs {
        let runs = Runs::one(TaskId(self.next), arguments.len() as u32);
        self.next += arguments.len() as u64;
        self.give(function, timeout, runs.clone(), arguments);
        runs
    }

    /// Gives it a task once more.
    pub(crate) fn repeat(&self, function: &Function, task: TaskId) {
        self.give(function, None, Runs::one(task, 1), &[Bytes::new()]);
    }

    fn give(&self, function: &Function, timeout: Option<Duration>, runs: Runs, arguments: &[Bytes]) {
        self.lane.run(RunBatch {
            engine: EngineId(Self::ENGINE),
            function: Arc::new(function.clone()),
            options: Arc::new(RunOptions {
                timeout_ms: timeout.map(|limit| limit.as_millis() as u64),
                ..self.options.clone()
            }),
            runs,
            count: arguments.len() as u32,
            batch: arguments.iter().cloned().collect(),
            bulk: Vec::new(),
        });
    }

    pub(crate) fn cancel(&self, runs: &Runs) {
        self.lane.cancel(runs, true);
    }

    pub(crate) fn cancel_queued(&self, runs: &Runs) {
        self.lane.cancel(runs, false);
    }

    pub(crate) fn withdraw(&self, runs: &Runs) {
        self.lane.withdraw(runs);
    }

    pub(crate) fn reset(&mut self) {
        self.lane.reset();
        self.ended.clear();
    }

    /// Takes what is there.
    pub(crate) fn pump(&mut self) {
        let mut drained = self.lane.drain(|outbox| outbox.take());
        self.output.append(&mut drained.output);
        if let Some(outcomes) = drained.outcomes {
            let returned = outcomes.codes.iter().zip(outcomes.runs.ids());
            self.returned.extend(returned.filter(|(code, _)| **code == RETURNED).map(|(_, id)| id));
            self.ended.extend(unpacked(outcomes, drained.bulk));
        }
        assert!(!drained.dead, "the engine's thread has ended");
    }

    /// Takes what live tasks write until there is no room for more.
    pub(crate) fn fill(&mut self, limit: Duration) {
        let deadline = Instant::now() + limit;
        while self.lane.drain(|outbox| outbox.has_room()) && self.ended.is_empty() {
            assert!(Instant::now() < deadline, "there is room still");
            self.pump();
            std::thread::sleep(Duration::from_millis(1));
        }
        self.pump();
    }

    /// Lets its tasks write so much.
    pub(crate) fn widen(&self, bytes: u64) {
        self.lane.widen(bytes);
    }

    /// So many tasks were given back, whatever the engine is at.
    pub(crate) fn await_returned(&mut self, count: usize, limit: Duration) -> Vec<TaskId> {
        let deadline = Instant::now() + limit;
        while self.returned.len() < count {
            assert!(Instant::now() < deadline, "given back: {:?}", self.returned);
            self.pump();
            std::thread::sleep(Duration::from_millis(1));
        }
        let mut returned = std::mem::take(&mut self.returned);
        returned.sort_unstable();
        returned
    }

    /// How the next task has ended.
    pub(crate) fn next(&mut self, limit: Duration) -> (TaskStatus, Bytes) {
        let (_, status, payload) = self.next_with_id(limit);
        (status, payload)
    }

    /// The same, with which it is.
    pub(crate) fn next_with_id(&mut self, limit: Duration) -> (TaskId, TaskStatus, Bytes) {
        let deadline = Instant::now() + limit;
        loop {
            self.pump();
            if let Some(ended) = self.ended.pop_front() {
                return ended;
            }
            assert!(Instant::now() < deadline, "no task ended in time");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.lane.close();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the engine's thread panicked");
        }
    }
}

fn unpacked(outcomes: Outcomes, bulk: Vec<Bytes>) -> Vec<(TaskId, TaskStatus, Bytes)> {
    assert_eq!(outcomes.engine, Some(EngineId(Bench::ENGINE)));
    let (mut payload, mut bulk) = (outcomes.batch.payload.clone(), bulk.into_iter());
    let ids = outcomes.runs.ids().zip(outcomes.batch.lengths.iter()).enumerate();
    ids.filter_map(|(index, (id, length))| {
        let code = outcomes.codes.get(index).copied().unwrap_or(0);
        let result = if length == BULK { bulk.next().unwrap() } else { payload.split_to(length as usize) };
        (code != RETURNED).then(|| (id, TaskStatus::from_code(code).unwrap(), result))
    })
    .collect()
}
