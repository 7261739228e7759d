//! The thread that reads arguments and submits them.

use std::sync::Arc;
use std::time::Duration;

use rpar_core::task::TaskOptions;
use rpar_runtime::client::{Client, Group};

use super::board::Board;
use super::resume::Earlier;
use crate::command::exit::Exit;
use crate::command::input::{InputError, Records};
use crate::command::report::{Outcome, Report};
use crate::command::template::Functions;

/// All that it needs.
pub(super) struct Submission {
    pub(super) records: Records,
    /// Tasks that are left out.
    pub(super) earlier: Earlier,
    pub(super) functions: Functions,
    pub(super) options: Arc<TaskOptions>,
    pub(super) delay: Option<Duration>,
    pub(super) client: Client,
    pub(super) group: Group,
    pub(super) board: Arc<Board>,
}

impl Submission {
    /// Starts the thread. It ends with the input, or when the board is stopped; one that waits for its input is left
    /// behind.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub(super) fn start(mut self) -> Outcome<()> {
        let run = move || {
            let _over = Over(Arc::clone(&self.board));
            if let Err(error) = self.run() {
                self.board.end(Some(error));
            }
        };
        match std::thread::Builder::new().name("rpar-input".into()).spawn(run) {
            Ok(_) => Ok(()),
            Err(error) => Err(Report::of(Exit::Files, &error)),
        }
    }

    fn run(&mut self) -> Result<(), InputError> {
        let mut first = true;
        for record in &mut self.records {
            let record = record?;
            if self.earlier.has(&record) {
                continue;
            }
            if let Some(delay) = self.delay.filter(|_| !first) {
                self.board.pause(delay);
            }
            first = false;
            let (function, payload) = self.functions.of(&record);
            let submitted = self.board.submit(record, || {
                self.client.submit(&self.group, function, &self.options, payload);
            });
            if !submitted {
                break;
            }
            self.client.wait_ready(None);
        }
        Ok(())
    }
}

/// Tells the board that the input is over, however the thread ends.
struct Over(Arc<Board>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.end(None);
    }
}
