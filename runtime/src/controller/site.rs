//! Calls to the scheduler, beside the machine: however slow the site is, tasks and results go on.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rpar_core::controller::Input;
use rpar_core::error::{Action, BackendError, Retry};
use rpar_core::id::{AllocationId, ClusterTag, RequestId};
use rpar_core::scheduler::{AllocationRequest, Scheduler};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::inbox::{Event, Inbox};
use super::output::read_end;

/// How long the site may take to answer: busy schedulers take a minute, and the commands retry by themselves.
const SITE_TIMEOUT: Duration = Duration::from_secs(120);

/// The site, as the shell asks it. Each answer comes back through the inbox. How many calls are under way is the
/// machine's decision: one for each of its allocations, and one poll.
#[derive(Debug)]
pub(super) struct Site {
    scheduler: Arc<dyn Scheduler>,
    logs: PathBuf,
    inbox: Inbox,
    calls: JoinSet<()>,
}

impl Site {
    pub(super) fn new(scheduler: Arc<dyn Scheduler>, logs: PathBuf, inbox: Inbox) -> Self {
        Site { scheduler, logs, inbox, calls: JoinSet::new() }
    }

    pub(super) fn submit(&mut self, request: RequestId, spec: AllocationRequest) {
        let scheduler = Arc::clone(&self.scheduler);
        self.call(async move {
            let answer = in_time(&*scheduler, Action::Submit, scheduler.submit(&spec)).await;
            Input::Submitted { request, answer }
        });
    }

    pub(super) fn find(&mut self, request: RequestId, tag: ClusterTag) {
        let scheduler = Arc::clone(&self.scheduler);
        self.call(async move {
            let answer = in_time(&*scheduler, Action::Find, scheduler.find(&tag)).await;
            Input::Found { request, answer }
        });
    }

    pub(super) fn poll(&mut self, allocations: Vec<AllocationId>) {
        let scheduler = Arc::clone(&self.scheduler);
        self.call(async move {
            let answer = in_time(&*scheduler, Action::Poll, scheduler.poll(&allocations)).await;
            Input::Polled { answer }
        });
    }

    pub(super) fn cancel(&mut self, allocation: AllocationId) {
        let scheduler = Arc::clone(&self.scheduler);
        self.call(async move {
            let answer = in_time(&*scheduler, Action::Cancel, scheduler.cancel(&allocation)).await;
            Input::Cancelled { allocation, answer }
        });
    }

    pub(super) fn read_output(&mut self, allocation: AllocationId) {
        let logs = self.logs.clone();
        self.call(async move {
            let named = allocation.clone();
            // the directory may be on a slow file system
            let text = tokio::task::spawn_blocking(move || read_end(&logs, &named)).await;
            Input::Output { allocation, text: text.unwrap_or_default() }
        });
    }

    fn call(&mut self, call: impl Future<Output = Input> + Send + 'static) {
        while self.calls.try_join_next().is_some() {}
        let inbox = self.inbox.clone();
        self.calls.spawn(async move {
            inbox.send(Event::Input(call.await)).await;
        });
    }
}

/// The site's answer, or that there was none. A submission without an answer may have been accepted.
async fn in_time<T>(
    scheduler: &dyn Scheduler,
    action: Action,
    call: impl Future<Output = Result<T, BackendError>>,
) -> Result<T, BackendError> {
    timeout(SITE_TIMEOUT, call).await.unwrap_or_else(|_| {
        Err(BackendError {
            backend: scheduler.info().name,
            action,
            retry: if action == Action::Submit { Retry::Unsure } else { Retry::Later },
            reason: format!("the site has not answered within {} s", SITE_TIMEOUT.as_secs()),
            command: None,
            hint: Some("see whether the site's own commands answer on this host".to_owned()),
        })
    })
}
