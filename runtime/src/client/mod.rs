//! The client's shell: a handle for the user's program, and a thread of its own that does the IO.

mod batch;
mod error;
mod group;
mod ids;
mod keep;
mod outbox;
mod output;
mod poll;
mod printed;
mod ranges;
mod size;
mod submission;
#[cfg(test)]
mod tests;
mod thread;
mod why;

pub use error::{ClientError, ConnectError};
pub use group::{Group, Outcome};
pub use output::{Event, TaskOutput};
pub use printed::{Heard, Listening, Piece};
pub use submission::Reading;

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rpar_core::connection::{ConnectionFile, Role};
use rpar_core::id::{FunctionHash, TaskId};
use rpar_core::task::{Failure, Function, TaskOptions};
use rpar_core::transport::Transport;
use rpar_core::wire::ClusterStatus;

use crate::link;
use outbox::{Outbox, Request};

/// A program's link to a controller. All clones share it; dropping the last closes it.
#[derive(Clone, Debug)]
pub struct Client {
    guard: Arc<Guard>,
}

/// Closes the link and waits for its thread when the last clone goes.
#[derive(Debug)]
struct Guard {
    outbox: Arc<Outbox>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// A function and its hash, made once and used for any number of submissions.
#[derive(Debug, PartialEq, Eq)]
pub struct Defined {
    function: Function,
    hash: FunctionHash,
}

impl Defined {
    /// Hashes a function.
    pub fn new(function: Function) -> Arc<Self> {
        let hash = function.hash();
        Arc::new(Defined { function, hash })
    }

    /// Its identity.
    pub fn hash(&self) -> FunctionHash {
        self.hash
    }

    /// The function itself.
    pub fn function(&self) -> &Function {
        &self.function
    }
}

impl Client {
    /// Links to the controller that `file` names; all its endpoints are tried at once. Blocks, at most 10 s.
    ///
    /// # Errors
    /// When the controller is not reached, or refuses.
    pub fn connect(file: &ConnectionFile, transport: Arc<dyn Transport>) -> Result<Client, ConnectError> {
        Client::connect_within(file, transport, link::PATIENCE)
    }

    /// [`connect`](Self::connect) over a transport that may take longer to open and to greet: up to `patience` for each.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn connect_within(
        file: &ConnectionFile,
        transport: Arc<dyn Transport>,
        patience: Duration,
    ) -> Result<Client, ConnectError> {
        if file.role != Role::Client {
            return Err(ConnectError::Role { cluster: file.cluster.clone() });
        }
        let identity = link::fresh_identity()?;
        let outbox = Arc::new(Outbox::default());
        let (linked, answer) = mpsc::sync_channel(1);
        let thread = {
            let (file, outbox) = (file.clone(), Arc::clone(&outbox));
            let run = move || thread::run((file, transport, identity, patience), outbox, linked);
            std::thread::Builder::new().name("rpar-client".to_owned()).spawn(run)?
        };
        match answer.recv() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(error),
            Err(mpsc::RecvError) => return Err(std::io::Error::other("it ended at once").into()),
        }
        Ok(Client { guard: Arc::new(Guard { outbox, thread: Mutex::new(Some(thread)) }) })
    }

    /// A new, empty group.
    pub fn group(&self) -> Group {
        Group::default()
    }

    /// A new, empty group for a program that takes all results as they come and [discards](Group::discard) them: while
    /// there are 16 MiB of them that it has not, nothing more is read from the controller. One that waits for something
    /// else meanwhile, even after it has dropped the group, may wait forever.
    pub fn paced_group(&self) -> Group {
        Group::paced(&self.guard.outbox.pace)
    }

    /// Submits a task and returns its index in the group. Never blocks; tasks that are submitted one by one are sent
    /// together. When the link is gone the task ends as [`Lost`](rpar_core::task::TaskStatus::Lost) at once. A group
    /// belongs to one client.
    pub fn submit(
        &self,
        group: &Group,
        function: &Arc<Defined>,
        options: &Arc<TaskOptions>,
        argument: Bytes,
    ) -> usize {
        self.guard.outbox.submit(group, function, options, argument)
    }

    /// Adds a task that ends as failed at once, without being sent: its argument cannot be put into a payload. Returns its
    /// index.
    pub fn reject(&self, group: &Group, failure: &Failure) -> usize {
        self.guard.outbox.reject(group, failure.encode())
    }

    /// First ids, and how many, of a group's tasks that were sent and are not discarded: what
    /// [`After`](rpar_core::task::After) calls them.
    pub fn task_ids(&self, group: &Group) -> Vec<(TaskId, u32)> {
        self.guard.outbox.ids(group)
    }

    /// Whether [`wait_ready`](Self::wait_ready) would return at once.
    pub fn is_ready(&self) -> bool {
        self.guard.outbox.is_ready()
    }

    /// Blocks while more than 64 MiB of submissions have not left, so that endless inputs do not fill this process.
    /// A task counts its argument and 64 bytes. False when it is still so at `deadline`.
    pub fn wait_ready(&self, deadline: Option<Instant>) -> bool {
        self.guard.outbox.wait_ready(deadline)
    }

    /// Cancels the group's unfinished tasks. Each still ends: as cancelled, or as it would have, if that came first.
    pub fn cancel(&self, group: &Group) {
        self.cancel_some(group, 0..usize::MAX);
    }

    /// The same for some of its tasks.
    pub fn cancel_some(&self, group: &Group, indexes: Range<usize>) {
        self.guard.outbox.request(Request::Cancel { group: group.clone(), indexes, running: true });
    }

    /// Cancels those of the group's tasks that have not begun. What runs goes on to its end, and is not tried again.
    pub fn cancel_queued(&self, group: &Group) {
        self.guard.outbox.request(Request::Cancel {
            group: group.clone(),
            indexes: 0..usize::MAX,
            running: false,
        });
    }

    /// Asks for the cluster's status; with `after`, the answer waits until the status is newer than that version.
    ///
    /// # Errors
    /// When the link is gone or no answer comes in time.
    pub fn status(&self, after: Option<u64>, timeout: Duration) -> Result<ClusterStatus, ClientError> {
        let (answer, answered) = mpsc::sync_channel(1);
        self.asked(Request::Ask { after, answer }, &answered, timeout)
    }

    fn request(&self, request: Request) {
        self.guard.outbox.request(request);
    }

    /// Asks something, and waits for the answer.
    fn asked<T>(
        &self,
        request: Request,
        answered: &mpsc::Receiver<T>,
        timeout: Duration,
    ) -> Result<T, ClientError> {
        self.request(request);
        answered.recv_timeout(timeout).map_err(|error| match error {
            mpsc::RecvTimeoutError::Timeout => ClientError::TimedOut(timeout),
            mpsc::RecvTimeoutError::Disconnected => {
                ClientError::Lost { reason: self.lost().unwrap_or_default() }
            }
        })
    }

    /// Ends the cluster: its tasks, engines, allocations and its controller. `Ok` when the controller has said goodbye.
    ///
    /// # Errors
    /// When the link breaks before, or that takes longer than `timeout`.
    pub fn stop_cluster(&self, timeout: Duration) -> Result<(), ClientError> {
        self.guard.outbox.request(Request::Stop);
        match self.guard.outbox.wait_lost(Instant::now() + timeout) {
            Some(end) if end.orderly => Ok(()),
            Some(end) => Err(ClientError::Lost { reason: end.reason }),
            None => Err(ClientError::TimedOut(timeout)),
        }
    }

    /// What the controller wants the user to know, since the last call; the latest 100 at most.
    pub fn notices(&self) -> Vec<String> {
        self.guard.outbox.take_notices()
    }

    /// Why the link is gone, if it is.
    pub fn lost(&self) -> Option<String> {
        self.guard.outbox.lost().map(|end| end.reason)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.outbox.leave();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // the thread takes 5 s at most to send what is left
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}
