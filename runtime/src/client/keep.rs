//! What a group keeps of tasks that have ended, until the program lets go of it; and how a program that takes results
//! slower than they come holds up those after them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::sync::Notify;

use super::Group;
use super::group::{Slot, State};

/// What the results of paced groups may take before the client's thread reads no further: more than is printed in the
/// time that the next ones need.
const LIMIT_BYTES: u64 = 16 << 20;

/// How much there is of them.
#[derive(Debug, Default)]
pub(super) struct Pace {
    bytes: AtomicU64,
    eased: Notify,
}

impl Pace {
    /// Takes note of a result of so many bytes.
    pub(super) fn keep(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::AcqRel);
    }

    /// The program has let go of so many bytes.
    fn let_go(&self, bytes: usize) {
        let before = self.bytes.fetch_sub(bytes as u64, Ordering::AcqRel);
        if before >= LIMIT_BYTES && before - (bytes as u64) < LIMIT_BYTES {
            self.eased.notify_one();
        }
    }

    /// Whether nothing more is to be read.
    pub(super) fn is_full(&self) -> bool {
        self.bytes.load(Ordering::Acquire) >= LIMIT_BYTES
    }

    /// Waits until that may have changed. Cancel-safe.
    pub(super) async fn eased(&self) {
        self.eased.notified().await;
    }
}

impl Group {
    pub(super) fn paced(pace: &Arc<Pace>) -> Self {
        let group = Group::default();
        group.lock().pace = Some(Arc::clone(pace));
        group
    }

    /// Lets go of a task's payload, which is empty from then on.
    pub fn forget(&self, index: usize) {
        self.lock().take_payload(index);
    }

    /// Lets go of all that is known of a task that has ended; nobody may wait for it any more. Once all tasks before it
    /// are discarded too, it takes no memory.
    pub fn discard(&self, index: usize) {
        let mut state = self.lock();
        state.take_payload(index);
        if let Some(slot @ Slot::Finished(_)) = state.slot(index) {
            *slot = Slot::Discarded;
        }
        while state.slots.pop_front_if(|slot| matches!(slot, Slot::Discarded)).is_some() {
            state.first += 1;
        }
        let first = state.first;
        state.ids.forget(first);
        // who takes results in order of submission never asks for that of completion
        while state.order.pop_front_if(|(index, count)| *index + *count <= first).is_some() {}
        // the time of submission counts up to the next one
        while state.submitted.keys().nth(1).is_some_and(|next| *next <= first) {
            state.submitted.pop_first();
        }
    }

    /// How many tasks have been discarded with all before them.
    pub fn discarded(&self) -> usize {
        self.lock().first
    }
}

impl State {
    fn take_payload(&mut self, index: usize) {
        let Some(Slot::Finished(end)) = self.slot(index) else { return };
        let payload = std::mem::replace(&mut end.payload, Bytes::new());
        if let Some(pace) = &self.pace {
            pace.let_go(payload.len());
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        if let Some(pace) = &self.pace {
            let kept = self.slots.iter().map(|slot| match slot {
                Slot::Finished(end) => end.payload.len(),
                _ => 0,
            });
            pace.let_go(kept.sum());
        }
    }
}
