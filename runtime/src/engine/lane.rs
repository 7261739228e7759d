//! What the host's IO task and one engine's thread share: batches of tasks in one direction, results in the other, and
//! orders that overtake.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use rpar_core::id::EngineId;
use rpar_core::task::{Function, RunOptions};
use rpar_core::wire::{Batch, Runs};
use rustix::event::{EventfdFlags, eventfd};
use tokio::sync::Notify;

use super::claims::Claims;
use super::orders::{Cancelled, Orders};
use super::outbox::Outbox;

/// Tasks that are run alike, in order: an [`Effect::Run`](rpar_core::engine_host::Effect::Run) with its function.
#[derive(Debug)]
pub(super) struct RunBatch {
    pub(super) engine: EngineId,
    pub(super) function: Arc<Function>,
    pub(super) options: Arc<RunOptions>,
    pub(super) runs: Runs,
    /// How many of them, from the first on, are still to be run.
    pub(super) count: u32,
    pub(super) batch: Batch,
    pub(super) bulk: Vec<Bytes>,
}

/// Which lanes have results, for the IO task.
#[derive(Debug, Default)]
pub(super) struct Ready {
    slots: Mutex<Vec<u32>>,
    notify: Notify,
}

impl Ready {
    /// Waits until a lane has results. Cancel-safe.
    pub(super) async fn wait(&self) {
        self.notify.notified().await;
    }

    /// The lanes that got results since the last call.
    pub(super) fn take(&self, slots: &mut Vec<u32>) {
        slots.append(&mut lock(&self.slots));
    }

    fn add(&self, slot: u32) {
        lock(&self.slots).push(slot);
        self.notify.notify_one();
    }
}

#[derive(Debug)]
pub(super) struct Lane {
    slot: u32,
    inbox: Mutex<Inbox>,
    arrived: Condvar,
    /// What is left of the batch that was taken out last.
    claims: Claims,
    /// Changes with every order, so that the engine's thread sees between two tasks, without a lock, that there is one.
    orders: AtomicU64,
    /// The same for a thread that waits in poll(2).
    wake: OwnedFd,
    outbox: Mutex<Outbox>,
    drained: Condvar,
    ready: Arc<Ready>,
}

/// Tasks on their way to an engine. The controller's credits bound them.
#[derive(Debug, Default)]
struct Inbox {
    batches: VecDeque<RunBatch>,
    /// Whose the batch is that was taken out last, and which tasks are in it, while the engine is at it.
    current: Option<(EngineId, Runs)>,
    /// How many batches have been taken out, so that a cancel reaches those before it and none after.
    taken: u64,
    cancels: Vec<Cancelled>,
    life: u64,
    closed: bool,
}

impl Inbox {
    /// The number of the last batch that has come.
    fn last(&self) -> u64 {
        self.taken + self.batches.len() as u64
    }
}

impl Lane {
    pub(super) fn new(slot: u32, ready: Arc<Ready>) -> rustix::io::Result<Self> {
        Ok(Lane {
            slot,
            inbox: Mutex::default(),
            arrived: Condvar::new(),
            claims: Claims::default(),
            orders: AtomicU64::new(0),
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            outbox: Mutex::default(),
            drained: Condvar::new(),
            ready,
        })
    }

    // the IO task's side

    pub(super) fn run(&self, batch: RunBatch) {
        lock(&self.inbox).batches.push_back(batch);
        self.arrived.notify_one();
    }

    pub(super) fn cancel(&self, runs: &Runs, running: bool) {
        self.order(|inbox| inbox.cancels.push(Cancelled::new(runs, inbox.last(), running, false)));
    }

    /// Gives back those of `runs` that have not begun. The ends of batches are taken back here and now, whatever the
    /// engine's thread is at; what is before those, or in its executor's hands, the thread gives back itself.
    pub(super) fn withdraw(&self, runs: &Runs) {
        let back = self.order(|inbox| {
            let order = Cancelled::new(runs, inbox.last(), false, true);
            let mut back = Vec::new();
            if let Some((engine, runs)) = &inbox.current {
                let kept = order.places_before(runs);
                let cut = self.claims.cut(kept);
                let ids = runs.ids().skip(cut.start as usize).take(cut.len());
                back.extend(ids.map(|task| (*engine, task)));
            }
            for batch in &mut inbox.batches {
                let kept = order.places_before(&batch.runs).min(batch.count);
                let ids = batch.runs.ids().take(batch.count as usize).skip(kept as usize);
                back.extend(ids.map(|task| (batch.engine, task)));
                batch.count = kept;
            }
            inbox.cancels.push(order);
            back
        });
        if back.is_empty() {
            return;
        }
        let mut outbox = lock(&self.outbox);
        let first = outbox.is_empty();
        back.into_iter().for_each(|(engine, task)| outbox.give_back(engine, task));
        drop(outbox);
        if first {
            self.ready.add(self.slot);
        }
    }

    pub(super) fn reset(&self) {
        let life = self.order(|inbox| {
            inbox.batches.clear();
            inbox.current = None;
            inbox.cancels.clear();
            inbox.life += 1;
            inbox.life
        });
        lock(&self.outbox).restart(life);
        self.drained.notify_one();
    }

    pub(super) fn close(&self) {
        self.order(|inbox| inbox.closed = true);
        self.reset();
    }

    /// The engine's tasks may have written so much by now.
    pub(super) fn widen(&self, bytes: u64) {
        if lock(&self.outbox).widen(bytes) {
            self.rouse();
        }
    }

    /// Hands over the results that are there.
    pub(super) fn drain<T>(&self, take: impl FnOnce(&mut Outbox) -> T) -> T {
        let taken = take(&mut lock(&self.outbox));
        self.drained.notify_one();
        taken
    }

    fn order<T>(&self, give: impl FnOnce(&mut Inbox) -> T) -> T {
        let answer = {
            let mut inbox = lock(&self.inbox);
            // under the lock, so that a thread about to wait does not miss it
            self.orders.fetch_add(1, Ordering::Release);
            give(&mut inbox)
        };
        self.rouse();
        self.arrived.notify_one();
        answer
    }

    /// Ends the engine thread's wait in poll(2).
    fn rouse(&self) {
        // fails only when it is full, and then it is readable
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    // the engine's side

    /// A number that differs from the last one when there are orders.
    pub(super) fn orders(&self) -> u64 {
        self.orders.load(Ordering::Acquire)
    }

    pub(super) fn take_orders(&self) -> Orders {
        let mut inbox = lock(&self.inbox);
        Orders { cancels: std::mem::take(&mut inbox.cancels), life: inbox.life, closed: inbox.closed }
    }

    pub(super) fn wake(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    pub(super) fn quiet(&self) {
        // fails when nobody has written, and then it is quiet
        let _ = rustix::io::read(&self.wake, &mut [0; 8]);
    }

    /// What is left of the batch that was taken out last.
    pub(super) fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The next batch and its number, if one waits, it is of this `life`, and there are no orders but those `seen`.
    pub(super) fn take_batch(&self, life: u64, seen: u64) -> Option<(u64, RunBatch)> {
        let mut inbox = lock(&self.inbox);
        if inbox.life != life || self.orders() != seen {
            return None;
        }
        let batch = inbox.batches.pop_front()?;
        inbox.taken += 1;
        inbox.current = Some((batch.engine, batch.runs.clone()));
        self.claims.begin(batch.count);
        Some((inbox.taken, batch))
    }

    /// Waits until a batch is there or the orders differ from `seen`. The engine has nothing.
    pub(super) fn wait(&self, seen: u64) {
        let mut inbox = lock(&self.inbox);
        // it would keep the memory of the frame that it came in
        inbox.current = None;
        while inbox.batches.is_empty() && self.orders() == seen {
            inbox = self.arrived.wait(inbox).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether what is written in `life` need not wait.
    pub(super) fn has_room(&self, life: u64) -> bool {
        let outbox = lock(&self.outbox);
        outbox.has_room() || outbox.life() != life
    }

    /// Adds to the results of `life`; forgets them when another one has begun. Waits while too many are there.
    pub(super) fn report(&self, life: u64, add: impl FnOnce(&mut Outbox)) {
        let mut outbox = lock(&self.outbox);
        while outbox.is_full() && outbox.life() == life {
            outbox = self.drained.wait(outbox).unwrap_or_else(PoisonError::into_inner);
        }
        if outbox.life() != life {
            return;
        }
        let first = outbox.is_empty();
        add(&mut outbox);
        drop(outbox);
        if first {
            self.ready.add(self.slot);
        }
    }

    /// The engine's thread has ended.
    pub(super) fn die(&self) {
        lock(&self.outbox).die();
        self.ready.add(self.slot);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // all that is done under these locks leaves them whole wherever it could panic
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
