//! A program asks why things are as they are.

use std::sync::mpsc;
use std::time::Duration;

use rpar_core::wire::{Because, Subject};

use super::outbox::Request;
use super::{Client, ClientError};

impl Client {
    /// Asks what is known of some things: why tasks wait, and what became of tasks, engines and allocations.
    ///
    /// # Errors
    /// When the link is gone, or no answer comes in time.
    pub fn why(&self, subjects: Vec<Subject>, timeout: Duration) -> Result<Because, ClientError> {
        let (answer, answered) = mpsc::sync_channel(1);
        self.asked(Request::Why { subjects, answer }, &answered, timeout)
    }
}
