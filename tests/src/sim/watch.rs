//! What is allowed on a link, checked as messages arrive: windows, grants, order.

use std::collections::BTreeMap;

use rpar_core::controller::ControllerConfig;
use rpar_core::wire::{Message, Transfer};

use super::net::To;

#[derive(Debug)]
pub(super) struct Watch {
    /// What the client may have sent, as the controller has said; what has arrived of it.
    submit_window: u64,
    submitted: u64,
    /// The same for results. The client's word takes its time to the controller, the results theirs to the client.
    result_window: u64,
    results: u64,
    /// The furthest that the receiver of a transfer has asked for. It is never taken back, since what was sent for an
    /// earlier grant may still be under way.
    granted: BTreeMap<(bool, Transfer), u64>,
    /// Whether this link was ever stalled: either end may take the other for lost.
    pub(super) stalled: bool,
}

impl Watch {
    pub(super) fn new(config: &ControllerConfig) -> Self {
        Watch {
            submit_window: config.submit_window_bytes,
            submitted: 0,
            result_window: config.result_window_bytes,
            results: 0,
            granted: BTreeMap::new(),
            stalled: false,
        }
    }

    /// Checks a message that arrives.
    pub(super) fn see(&mut self, to: To, message: &Message) {
        let up = to == To::Controller;
        match message {
            Message::Window { bytes } if up => grows(&mut self.result_window, *bytes),
            Message::Window { bytes } => grows(&mut self.submit_window, *bytes),
            Message::Submit { batch, .. } => {
                self.submitted += batch.cost();
                // what the client goes by had arrived there before it sent this
                assert!(self.submitted <= self.submit_window, "a client sent more than its window");
            }
            Message::Results(outcomes) => {
                // the last message may pass the window's end, so that none is too long for it
                assert!(self.results < self.result_window, "a client was sent more results than its window");
                self.results += outcomes.batch.cost();
            }
            Message::Grant { transfer, upto } => {
                let granted = self.granted.entry((!up, *transfer)).or_default();
                *granted = (*granted).max(*upto);
            }
            Message::Chunk { transfer, offset, data } => {
                let granted = self.granted.get(&(up, *transfer)).copied().unwrap_or_default();
                let end = offset + data.len() as u64;
                assert!(end <= granted, "{transfer:?} came up to {end} where {granted} was asked for");
            }
            _ => {}
        }
    }
}

fn grows(window: &mut u64, bytes: u64) {
    assert!(bytes >= *window, "a window shrank from {window} to {bytes}");
    *window = bytes;
}
