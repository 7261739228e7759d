//! A host's engines, as its IO task sees them.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rpar_core::engine_host::{Effect, Input};
use rpar_core::id::FunctionHash;
use rpar_core::task::Function;

use super::EngineSetup;
use super::executor::EngineContext;
use super::guard::Guard;
use super::lane::{Lane, Ready, RunBatch};
use super::stock::Stock;
use super::thread;

/// How long the engines' threads may take to end what they do: a command gets 2 s between SIGTERM and SIGKILL.
const END_LIMIT: Duration = Duration::from_secs(4);

#[derive(Debug)]
pub(super) struct Engines {
    lanes: Vec<Arc<Lane>>,
    threads: Vec<JoinHandle<()>>,
    ready: Arc<Ready>,
    slots: Vec<u32>,
    functions: BTreeMap<FunctionHash, Arc<Function>>,
}

impl Engines {
    /// Starts a thread for each engine.
    ///
    /// # Errors
    /// When the system gives no thread or descriptor.
    pub(super) fn start(setup: &EngineSetup) -> io::Result<Self> {
        let count = setup.registration.engines;
        let (guard, native) = (Arc::new(Guard::new(count)), Arc::new(setup.native.clone()));
        let stock = Arc::new(Stock::new(setup.gpus.clone()));
        let ready = Arc::<Ready>::default();
        let mut engines = Engines {
            lanes: Vec::new(),
            threads: Vec::new(),
            ready: Arc::clone(&ready),
            slots: Vec::new(),
            functions: BTreeMap::new(),
        };
        for slot in 0..count {
            let lane = Arc::new(Lane::new(slot, Arc::clone(&ready))?);
            let context = EngineContext {
                slot,
                node: setup.registration.node.clone(),
                threads: (setup.cores / count.max(1)).max(1),
                guard: Arc::clone(&guard),
                stock: Arc::clone(&stock),
                python: setup.python.clone(),
            };
            engines.lanes.push(Arc::clone(&lane));
            engines.threads.push(thread::start(lane, Arc::new(context), Arc::clone(&native))?);
        }
        Ok(engines)
    }

    /// What wakes the IO task when there are results.
    pub(super) fn ready(&self) -> Arc<Ready> {
        Arc::clone(&self.ready)
    }

    /// Does what the machine wants of the engines; other effects are not for them.
    pub(super) fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Define { hash, function } => {
                self.functions.insert(hash, Arc::new(function));
            }
            Effect::Run { slot, engine, function, options, runs, batch, bulk } => {
                // the machine runs only what was defined, and only on engines that are here
                let function = self.functions.get(&function).cloned();
                if let (Some(lane), Some(function)) = (self.lanes.get(slot as usize), function) {
                    let count = batch.lengths.len() as u32;
                    lane.run(RunBatch { engine, function, options, runs, count, batch, bulk });
                }
            }
            Effect::Cancel { runs, running } => {
                self.lanes.iter().for_each(|lane| lane.cancel(&runs, running));
            }
            Effect::Withdraw { slot, runs } => {
                if let Some(lane) = self.lanes.get(slot as usize) {
                    lane.withdraw(&runs);
                }
            }
            Effect::Room { slot, bytes } => {
                if let Some(lane) = self.lanes.get(slot as usize) {
                    lane.widen(bytes);
                }
            }
            Effect::Reset => {
                self.lanes.iter().for_each(|lane| lane.reset());
                self.functions.clear();
            }
            _ => {}
        }
    }

    /// Takes the results that are there.
    ///
    /// # Errors
    /// With the slot of an engine whose thread has ended, which none does by itself.
    pub(super) fn drain(&mut self, mut take: impl FnMut(Input)) -> Result<(), u32> {
        self.ready.take(&mut self.slots);
        for slot in self.slots.drain(..) {
            let Some(lane) = self.lanes.get(slot as usize) else { continue };
            let drained = lane.drain(|outbox| outbox.take());
            drained.output.into_iter().for_each(|output| take(Input::Output(output)));
            if let Some(outcomes) = drained.outcomes {
                take(Input::Ended { outcomes, bulk: drained.bulk });
            }
            if drained.dead {
                return Err(slot);
            }
        }
        Ok(())
    }

    /// Ends all that runs and the threads; gives up on a Rust function that does not return.
    pub(super) async fn end(self) {
        self.close();
        let all = async {
            while !self.threads.iter().all(JoinHandle::is_finished) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(END_LIMIT, all).await.is_err() {
            tracing::warn!("an engine still runs a function that does not return; it ends with this process");
        }
    }

    fn close(&self) {
        self.lanes.iter().for_each(|lane| lane.close());
    }
}

impl Drop for Engines {
    fn drop(&mut self) {
        self.close();
    }
}
