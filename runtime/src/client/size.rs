//! A program changes the size of its cluster.

use std::sync::mpsc;
use std::time::Duration;

use rpar_core::wire::{Agreement, Change};

use super::outbox::Request;
use super::{Client, ClientError};

impl Client {
    /// Asks for further engines, or has some leave; tells what has begun. Engines come and go later:
    /// [`status`](Self::status) tells how far it is.
    ///
    /// # Errors
    /// When the controller declines, when the link is gone, or when no answer comes in time.
    pub fn change(&self, change: Change, timeout: Duration) -> Result<Agreement, ClientError> {
        let (answer, answered) = mpsc::sync_channel(1);
        let request = Request::Change { change: Box::new(change), answer };
        self.asked(request, &answered, timeout)?.map_err(|reason| ClientError::Declined { reason })
    }
}
