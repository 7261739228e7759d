//! A cluster for this process alone: it ends with it, however that ends.

use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use rpar_core::id::ClusterTag;
use rpar_runtime::client::Client;
use thiserror::Error;

use super::launch::{Launch, LaunchError};
use super::lock::LockError;
use super::stop::{StopError, connect, discard};
use crate::paths::{ClusterDir, temporary_directory, throw_away_id};
use crate::profile::{ProfileError, Resolved, Surroundings};
use crate::site::Site;

/// A throw-away controller that has said goodbye only removes its files.
const END_WITHIN: Duration = Duration::from_secs(10);

/// A throw-away cluster could not be started.
#[derive(Debug, Error)]
pub enum ThrowAwayError {
    /// The system gives no random numbers for its name.
    #[error("the system has no randomness: {reason}")]
    Randomness {
        /// The system's reason.
        reason: String,
    },
    /// Its directory cannot be made or locked.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Its controller did not come up.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// Its controller cannot be reached.
    #[error(transparent)]
    Link(#[from] StopError),
    /// The profile has no form in TOML, or gives no name to a directory.
    #[error(transparent)]
    Profile(#[from] ProfileError),
}

/// A cluster that ends with this process. Dropped in any way, it closes the controller's life line.
#[derive(Debug)]
pub(crate) struct ThrowAway {
    directory: ClusterDir,
    child: Child,
    site: Site,
    tag: ClusterTag,
    ended: bool,
}

impl ThrowAway {
    /// Starts `program` as the controller, and links to it.
    pub(crate) fn start(
        resolved: &Resolved,
        site: Site,
        program: &Path,
        surroundings: &Surroundings,
    ) -> Result<(Client, ThrowAway), ThrowAwayError> {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes)
            .map_err(|error| ThrowAwayError::Randomness { reason: error.to_string() })?;
        let cluster_id = throw_away_id(bytes);
        let mut directory = ClusterDir::new(resolved, &cluster_id, surroundings)?;
        if is_temporary(resolved, &site) {
            // no other host needs to see it: off the home directory, which may be slow, full or read-only
            let above = temporary_directory();
            // made for this cluster, it would stay behind
            std::fs::metadata(&above).map_err(|source| LockError::Io { path: above.clone(), source })?;
            directory.path = above.join(&cluster_id);
        }
        // beside this process, wherever others of the profile run: a life line is no longer than a host
        let launch = Launch {
            program: program.to_owned(),
            profile: resolved.to_toml()?,
            throw_away: true,
            host: None,
        };
        let lock = directory.lock()?;
        let child = launch.run(&directory)?;
        drop(lock);
        let transport = site.transport.clone();
        let tag = directory.tag(&resolved.request.name);
        let throw_away = ThrowAway { directory, child, site, tag, ended: false };
        // an error drops it, and so ends it
        let client = connect(&throw_away.directory, transport)?;
        Ok((client, throw_away))
    }

    /// Its directory.
    pub(crate) fn directory(&self) -> &ClusterDir {
        &self.directory
    }

    /// Closes the life line, waits for the controller's end, and removes what it has not. The second time does nothing.
    ///
    /// # Errors
    /// When something of the cluster is left.
    pub(crate) fn end(&mut self) -> Result<(), StopError> {
        if std::mem::replace(&mut self.ended, true) {
            return Ok(());
        }
        drop(self.child.stdin.take());
        let deadline = Instant::now() + END_WITHIN;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        // whatever did not end by itself has had its time
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !self.directory.path.exists() {
            return Ok(());
        }
        let (directory, scheduler, tag) = (&self.directory, &*self.site.scheduler, &self.tag);
        // on a thread of its own: the caller may be inside a runtime, which takes no other one
        let discard = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let failed = |source| StopError::Remove { path: directory.path.clone(), source };
            runtime
                .map_err(failed)?
                .block_on(discard(directory, scheduler, std::slice::from_ref(tag)))
                .map(drop)
        };
        let discarded = std::thread::scope(|scope| scope.spawn(discard).join());
        // a panic there has told of itself
        discarded.unwrap_or(Ok(()))
    }
}

impl Drop for ThrowAway {
    fn drop(&mut self) {
        // nobody is left to be told
        let _ = self.end();
    }
}

/// Whether a throw-away cluster of this site lives below the directory of temporary files.
pub(crate) fn is_temporary(resolved: &Resolved, site: &Site) -> bool {
    let info = site.scheduler.info();
    !info.remote_pilot && (info.name == "local" || !resolved.storage.shared)
}
