//! What waits to be written to a link: shared by whoever sends, by the task that writes, and by the reader, who wants to
//! know when writing has failed.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Buf;
use rpar_core::wire::Message;
use tokio::sync::Notify;

use super::pieces::Pieces;

#[derive(Debug, Default)]
pub(super) struct Outgoing {
    state: Mutex<State>,
    /// Something waits, or the link is being closed.
    wake: Notify,
    /// Something has gone out.
    drained: Notify,
    /// The link is being closed.
    closing: Notify,
    /// Writing has failed.
    broken: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: Pieces,
    /// How much the writing task has taken that has not gone out.
    in_flight: usize,
    closing: bool,
    failure: Option<String>,
}

impl Outgoing {
    /// Encodes a message behind those that wait. Forgotten when writing has failed.
    pub(super) fn push(&self, message: &Message) {
        let mut state = self.lock();
        if state.failure.is_none() && !state.closing {
            state.waiting.push(message);
        }
    }

    /// Has what waits written.
    pub(super) fn flush(&self) {
        self.wake.notify_one();
    }

    /// How many bytes have not gone out.
    pub(super) fn queued(&self) -> usize {
        let state = self.lock();
        state.waiting.remaining() + state.in_flight
    }

    /// Waits until less than `bound` bytes have not gone out, or writing has failed.
    pub(super) async fn below(&self, bound: usize) {
        while self.queued() >= bound && self.failure().is_none() {
            self.drained.notified().await;
        }
    }

    /// Takes no further messages.
    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.closing.notify_one();
        self.wake.notify_one();
    }

    /// Waits until the link is being closed.
    pub(super) async fn closing(&self) {
        while !self.lock().closing {
            self.closing.notified().await;
        }
    }

    /// Exchanges the `written`, which are empty, for what waits; waits until something does. False when there will be no
    /// more.
    pub(super) async fn next(&self, written: &mut Pieces) -> bool {
        loop {
            {
                let mut state = self.lock();
                if state.in_flight > 0 {
                    state.in_flight = 0;
                    self.drained.notify_one();
                }
                if state.waiting.has_remaining() {
                    std::mem::swap(&mut state.waiting, written);
                    state.in_flight = written.remaining();
                    return true;
                }
                if state.closing {
                    return false;
                }
            }
            self.wake.notified().await;
        }
    }

    /// Writing has failed: what waits is dropped.
    pub(super) fn fail(&self, reason: String) {
        let mut state = self.lock();
        state.waiting = Pieces::default();
        state.in_flight = 0;
        state.failure = Some(reason);
        drop(state);
        self.broken.notify_one();
        self.drained.notify_one();
    }

    /// Waits until writing fails.
    pub(super) async fn broken(&self) -> String {
        loop {
            if let Some(reason) = self.failure() {
                return reason;
            }
            self.broken.notified().await;
        }
    }

    fn failure(&self) -> Option<String> {
        self.lock().failure.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // the state is whole after every statement that can panic
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
