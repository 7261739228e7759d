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

    pub(super) fn cancel(&mut self, allocations: Vec<AllocationId>) {
        let scheduler = Arc::clone(&self.scheduler);
        self.call(async move {
            let answer = in_time(&*scheduler, Action::Cancel, scheduler.cancel(&allocations)).await;
            Input::Cancelled { allocations, answer }
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
            inbox.send(Event::Input(Box::new(call.await))).await;
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rpar_core::launcher::Node;
    use rpar_core::scheduler::{AllocationState, JobScript, SchedulerInfo};

    use super::super::inbox;
    use super::*;

    /// A site whose commands hang.
    #[derive(Debug)]
    struct Stuck;

    #[async_trait::async_trait]
    impl Scheduler for Stuck {
        fn info(&self) -> SchedulerInfo {
            let name = "stuck".to_owned();
            SchedulerInfo { name, queued: true, remote_pilot: true, walltime: true, arrays: false }
        }

        fn preview(&self, _: &AllocationRequest) -> Result<JobScript, BackendError> {
            unreachable!()
        }

        async fn submit(&self, _: &AllocationRequest) -> Result<AllocationId, BackendError> {
            std::future::pending().await
        }

        async fn poll(
            &self,
            _: &[AllocationId],
        ) -> Result<BTreeMap<AllocationId, AllocationState>, BackendError> {
            std::future::pending().await
        }

        async fn cancel(&self, _: &[AllocationId]) -> Result<(), BackendError> {
            std::future::pending().await
        }

        async fn find(&self, _: &ClusterTag) -> Result<Vec<AllocationId>, BackendError> {
            std::future::pending().await
        }

        async fn nodes(&self, _: &BTreeMap<String, String>) -> Result<Vec<Node>, BackendError> {
            unreachable!()
        }
    }

    fn request() -> AllocationRequest {
        AllocationRequest {
            tag: "rpar-test".into(),
            nodes: 1,
            array: false,
            ppn: 1,
            walltime: None,
            queue: None,
            account: None,
            pilot: Vec::new(),
            setup: Vec::new(),
            directory: PathBuf::new(),
            script: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_site_that_hangs_is_not_waited_for_and_a_submission_stays_unsure() {
        let (inbox, mut events) = inbox::open();
        let mut site = Site::new(Arc::new(Stuck), PathBuf::new(), inbox);
        site.submit(RequestId(3), request());
        site.find(RequestId(4), "rpar-test".into());
        site.poll(vec!["1".into()]);
        site.cancel(vec!["1".into()]);
        let mut errors = Vec::new();
        for _ in 0..4 {
            let Some(Event::Input(input)) = events.recv().await else { panic!("no answer") };
            errors.extend(match *input {
                Input::Submitted { request: RequestId(3), answer } => answer.err(),
                Input::Found { request: RequestId(4), answer } => answer.err(),
                Input::Polled { answer } => answer.err(),
                Input::Cancelled { answer, .. } => answer.err(),
                other => panic!("{other:?}"),
            });
        }
        errors.sort_by_key(|error| error.action as u8);
        let retries: Vec<_> = errors.iter().map(|error| (error.action, error.retry)).collect();
        assert_eq!(
            retries,
            [
                (Action::Submit, Retry::Unsure),
                (Action::Poll, Retry::Later),
                (Action::Cancel, Retry::Later),
                (Action::Find, Retry::Later),
            ]
        );
        assert!(errors[0].to_string().contains("stuck could not submit an allocation"), "{}", errors[0]);
    }
}
