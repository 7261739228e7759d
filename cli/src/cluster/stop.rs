//! The end of a cluster, whether its controller lives or not.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rpar_core::error::{BackendError, Retry};
use rpar_core::id::{AllocationId, ClusterTag};
use rpar_core::scheduler::Scheduler;
use rpar_core::transport::Transport;
use rpar_runtime::client::{Client, ClientError, ConnectError};
use rpar_runtime::files::{FileError, Liveness, ProcessIdentity, read_connection};
use rustix::process::{Pid, Signal, kill_process};
use thiserror::Error;

use super::directory::ClusterState;
use super::orphan::find_engine_hosts;
use crate::paths::ClusterDir;

/// PBS gives a cancelled job 15 s between its signals; Slurm up to 30 s, more when a node is slow.
pub(crate) const RELEASE_WITHIN: Duration = Duration::from_secs(90);

/// How often the site is asked whether an allocation is gone.
const RELEASE_PAUSE: Duration = Duration::from_millis(300);

/// A controller that has said goodbye has only files left to remove.
pub(crate) const END_WITHIN: Duration = Duration::from_secs(10);

/// A cluster could not be stopped.
#[derive(Debug, Error)]
pub enum StopError {
    /// Its files cannot be read.
    #[error(transparent)]
    Files(#[from] FileError),
    /// Its controller runs, and cannot be reached.
    #[error("the controller runs on {host} (pid {pid}), but cannot be reached from here")]
    Unreachable {
        /// Its host.
        host: String,
        /// Its process id there.
        pid: u32,
        /// What was tried.
        source: ConnectError,
    },
    /// Its controller was asked, and did not end.
    #[error("the controller was asked to stop, and has not: {source}")]
    Refused {
        /// What happened.
        source: ClientError,
    },
    /// Its controller has ended, and the site has not told that all is given back.
    #[error("the controller has ended without knowing that nothing is left: {reason}")]
    Unconfirmed {
        /// What may be left.
        reason: String,
    },
    /// The site did not do as asked.
    #[error(transparent)]
    Site(#[from] BackendError),
    /// Cancelled allocations are still there.
    #[error("the site still holds {}, cancelled {} s ago", list.join(", "), RELEASE_WITHIN.as_secs())]
    Remains {
        /// Which.
        list: Vec<String>,
    },
    /// The directory cannot be removed.
    #[error("could not remove {}: {source}", path.display())]
    Remove {
        /// The directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// Links to a cluster's controller as a client.
///
/// # Errors
/// When its connection file cannot be read, or it cannot be reached.
pub fn connect(directory: &ClusterDir, transport: Arc<dyn Transport>) -> Result<Client, StopError> {
    let file = read_connection(&directory.client_file())?;
    Client::connect(&file, transport).map_err(|source| {
        let (host, pid) = match directory.state() {
            Ok(ClusterState::Alive(record) | ClusterState::Elsewhere(record)) => (record.host, record.pid),
            _ => ("an unknown host".into(), 0),
        };
        StopError::Unreachable { host, pid, source }
    })
}

/// Asks a living controller to end its cluster, and waits until it has: its tasks, engines and allocations, then its
/// own process where that can be seen.
///
/// # Errors
/// When it does not end, or ends without an answer of the site's.
pub fn stop(directory: &ClusterDir, client: &Client) -> Result<(), StopError> {
    let process = match directory.state()? {
        ClusterState::Alive(record) => Some(record.process()),
        _ => None,
    };
    let stopped = client.stop_cluster(RELEASE_WITHIN);
    if let (Some(process), false) = (process, matches!(stopped, Err(ClientError::TimedOut(_)))) {
        wait_gone(&process, Instant::now() + END_WITHIN);
    }
    stopped.map_err(|source| match (&source, client.notices().pop()) {
        // instead of a goodbye
        (ClientError::Lost { .. }, Some(reason)) => StopError::Unconfirmed { reason },
        _ => StopError::Refused { source },
    })
}

fn wait_gone(process: &ProcessIdentity, deadline: Instant) {
    while process.liveness() == Liveness::Alive && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Gives back every allocation of a cluster, and waits until the site knows none any more; tells which there were.
///
/// # Errors
/// When the site refuses, does not answer, or does not end them in time.
pub(crate) async fn release(
    scheduler: &dyn Scheduler,
    tags: &[ClusterTag],
) -> Result<Vec<AllocationId>, StopError> {
    let found = find(scheduler, tags).await?;
    if !found.is_empty() {
        match scheduler.cancel(&found).await {
            // a dialect may have learnt how: `pbs` forces what is on a node that does not answer
            Err(error) if error.retry == Retry::Later => scheduler.cancel(&found).await?,
            answer => answer?,
        }
    }
    let mut left = found.clone();
    let deadline = Instant::now() + RELEASE_WITHIN;
    while !left.is_empty() {
        if Instant::now() >= deadline {
            return Err(StopError::Remains { list: left.iter().map(ToString::to_string).collect() });
        }
        tokio::time::sleep(RELEASE_PAUSE).await;
        left = find(scheduler, tags).await?;
    }
    Ok(found)
}

/// The allocations of a cluster that have not ended.
///
/// # Errors
/// When the site does not answer.
pub(crate) async fn find(
    scheduler: &dyn Scheduler,
    tags: &[ClusterTag],
) -> Result<Vec<AllocationId>, BackendError> {
    let mut found = Vec::new();
    for tag in tags {
        found.extend(scheduler.find(tag).await?);
    }
    Ok(found)
}

/// Removes what a cluster has left: allocations first, then engine hosts on this host that no pilot has ended, then the
/// directory; tells which allocations there were. The caller holds the cluster's lock and knows that the controller is gone.
///
/// # Errors
/// When an allocation cannot be given back; the directory is then kept, so that a later try can.
pub async fn discard(
    directory: &ClusterDir,
    scheduler: &dyn Scheduler,
    tags: &[ClusterTag],
) -> Result<Vec<AllocationId>, StopError> {
    let released = release(scheduler, tags).await?;
    kill(&find_engine_hosts(directory), END_WITHIN);
    remove(directory).map(|()| released)
}

/// Removes what a cluster has left whose controller has said goodbye. It has given back every allocation; the site is
/// asked once more, and when it does not answer, that is returned, and keeps nothing.
///
/// # Errors
/// When an allocation is there all the same and does not end, or the directory cannot be removed.
pub async fn discard_stopped(
    directory: &ClusterDir,
    scheduler: &dyn Scheduler,
    tags: &[ClusterTag],
) -> Result<Option<BackendError>, StopError> {
    let unanswered = match release(scheduler, tags).await {
        Ok(_) => None,
        Err(StopError::Site(error)) => Some(error),
        Err(error) => return Err(error),
    };
    remove(directory).map(|()| unanswered)
}

fn remove(directory: &ClusterDir) -> Result<(), StopError> {
    directory.remove().map_err(|source| StopError::Remove { path: directory.path.clone(), source })
}

/// Ends processes on this host that cannot be asked: SIGTERM, which they obey in good order within `patience`, then
/// SIGKILL.
pub(crate) fn kill(processes: &[ProcessIdentity], patience: Duration) {
    for signal in [Signal::TERM, Signal::KILL] {
        for process in processes {
            // the identity was compared just now: a pid that is used again has another start time
            if process.liveness() == Liveness::Alive
                && let Some(pid) = i32::try_from(process.pid).ok().and_then(Pid::from_raw)
            {
                let _ = kill_process(pid, signal);
            }
        }
        let deadline = Instant::now() + patience;
        processes.iter().for_each(|process| wait_gone(process, deadline));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

    use rpar_core::error::Action;
    use rpar_core::scheduler::MockScheduler;

    use super::*;

    #[tokio::test]
    async fn what_may_be_given_back_the_next_time_is_tried_once_more() {
        for (retry, tries, given_back) in [(Retry::Later, 2, true), (Retry::Never, 1, false)] {
            let cancels = Arc::new(AtomicU32::new(0));
            let (asked, seen) = (Arc::clone(&cancels), Arc::clone(&cancels));
            let mut site = MockScheduler::new();
            site.expect_find().returning(move |_| {
                Ok(if seen.load(SeqCst) < 2 { vec!["7.login1".into()] } else { Vec::new() })
            });
            site.expect_cancel().returning(move |_| match asked.fetch_add(1, SeqCst) {
                0 => Err(BackendError {
                    backend: "pbs".into(),
                    action: Action::Cancel,
                    retry,
                    reason: "Server could not connect to MOM".into(),
                    command: None,
                    hint: None,
                }),
                _ => Ok(()),
            });
            let released = release(&site, &["rpar-1".into()]).await;
            assert_eq!(released.is_ok(), given_back, "{released:?}");
            assert_eq!(cancels.load(SeqCst), tries);
        }
    }
}
