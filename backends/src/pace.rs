//! How often a site's commands may run: a batch server is everybody's.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rpar_core::runner::{Answer, Invocation, RunError, Runner};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, sleep_until};

/// Commands that run at once: one for each kind of question that a controller has.
const AT_ONCE: usize = 4;

/// Commands in any second unless the profile says otherwise. A cluster asks a few times a minute; only hundreds of allocations of
/// one node each, submitted one by one, come near this, and a PBS server that takes 50 ms for each has time for others.
pub(crate) const DEFAULT_PER_SECOND: NonZeroU32 = NonZeroU32::new(10).expect("10 is not 0");

/// A runner whose commands wait until there is room for them.
#[derive(Debug)]
pub(crate) struct Paced {
    inner: Arc<dyn Runner>,
    slots: Semaphore,
    per_second: usize,
    /// When the latest commands began, as many as may begin in a second.
    begun: Mutex<VecDeque<Instant>>,
}

impl Paced {
    pub(crate) fn new(inner: Arc<dyn Runner>, per_second: NonZeroU32) -> Self {
        let per_second = usize::try_from(per_second.get()).unwrap_or(usize::MAX);
        Paced { inner, slots: Semaphore::new(AT_ONCE), per_second, begun: Mutex::default() }
    }

    /// Waits until a command may begin. Who waits holds the lock, so that they begin in the order in which they came.
    async fn may_begin(&self) {
        let mut begun = self.begun.lock().await;
        while begun.len() >= self.per_second {
            if let Some(first) = begun.front() {
                sleep_until(*first + Duration::from_secs(1)).await;
            }
            begun.pop_front();
        }
        begun.push_back(Instant::now());
    }
}

#[async_trait]
impl Runner for Paced {
    async fn run(&self, invocation: &Invocation) -> Result<Answer, RunError> {
        // never closed
        let _slot = self.slots.acquire().await;
        self.may_begin().await;
        self.inner.run(invocation).await
    }

    async fn make_directory(&self, path: &Path) -> Result<(), RunError> {
        self.inner.make_directory(path).await
    }

    async fn write_file(&self, path: &Path, text: &str) -> Result<(), RunError> {
        self.inner.write_file(path, text).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as StdMutex;
    use std::sync::PoisonError;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::task::JoinSet;

    use super::*;

    /// Commands that take as long as their limit, and tell when they began.
    #[derive(Debug, Default)]
    struct Clocked {
        began: StdMutex<Vec<Instant>>,
        running: AtomicUsize,
        most: AtomicUsize,
    }

    #[async_trait]
    impl Runner for Clocked {
        async fn run(&self, invocation: &Invocation) -> Result<Answer, RunError> {
            self.began.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
            self.most.fetch_max(self.running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(invocation.limit).await;
            self.running.fetch_sub(1, Ordering::SeqCst);
            Ok(Answer::default())
        }

        async fn make_directory(&self, _: &Path) -> Result<(), RunError> {
            Ok(())
        }

        async fn write_file(&self, _: &Path, _: &str) -> Result<(), RunError> {
            Ok(())
        }
    }

    async fn run(commands: usize, per_second: u32, limit: Duration) -> (Vec<Instant>, usize) {
        let clocked = Arc::new(Clocked::default());
        let paced = Arc::new(Paced::new(clocked.clone(), NonZeroU32::new(per_second).unwrap()));
        let mut all = JoinSet::new();
        for _ in 0..commands {
            let paced = Arc::clone(&paced);
            let invocation = Invocation { argv: vec!["qstat".into()], directory: None, stdin: None, limit };
            all.spawn(async move { paced.run(&invocation).await });
        }
        while all.join_next().await.is_some() {}
        let began = clocked.began.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (began, clocked.most.load(Ordering::SeqCst))
    }

    #[tokio::test(start_paused = true)]
    async fn no_second_sees_more_than_allowed() {
        let (began, _) = run(50, 10, Duration::from_millis(1)).await;
        assert_eq!(began.len(), 50);
        for (first, last) in began.iter().zip(&began[10..]) {
            assert!(*last - *first >= Duration::from_secs(1), "more than 10 in a second");
        }
        assert!(began[49] - began[0] < Duration::from_secs(6), "and they all run");
    }

    #[tokio::test(start_paused = true)]
    async fn few_run_at_once() {
        let (began, most) = run(12, 100, Duration::from_secs(60)).await;
        assert_eq!((began.len(), most), (12, AT_ONCE));
    }
}
