//! A profile made real: its scheduler, launcher and transport.

use std::sync::Arc;

use rpar_backends::here::Here;
use rpar_core::launcher::Launcher;
use rpar_core::scheduler::Scheduler;
use rpar_core::transport::Transport;
use thiserror::Error;

use crate::profile::{ProfileError, Resolved, Section, nearest};
use crate::registry::Registry;

/// The three backends of a resolved profile.
#[derive(Clone, Debug)]
pub struct Site {
    /// Grants nodes.
    pub scheduler: Arc<dyn Scheduler>,
    /// Starts engine hosts on them.
    pub launcher: Arc<dyn Launcher>,
    /// Links everything.
    pub transport: Arc<dyn Transport>,
}

/// A profile cannot be made real.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SiteError {
    /// A section has a key or value that its backend refuses.
    #[error(transparent)]
    Profile(ProfileError),
    /// A section names a backend that does not exist.
    #[error("{place}: unknown {section} `{kind}`: {suggestion}")]
    Unknown {
        /// File and line.
        place: String,
        /// Which section.
        section: &'static str,
        /// The name.
        kind: String,
        /// The nearest and all known ones.
        suggestion: String,
    },
    /// Nodes without shared files are for schedulers whose pilot runs beside the controller.
    #[error(
        "{place}: `storage.shared` is false, but the pilot of `{scheduler}` runs on the nodes and reads the cluster's \
         directory there: set `storage.dir` to one that they see too"
    )]
    Apart {
        /// File and line.
        place: String,
        /// Which scheduler.
        scheduler: String,
    },
}

impl Site {
    /// Makes the backends that a resolved profile names, checking their sections.
    ///
    /// # Errors
    /// When a backend does not exist, or refuses its section.
    pub fn new(resolved: &Resolved, registry: &Registry) -> Result<Site, SiteError> {
        let scheduler = registry.make_scheduler(&resolved.scheduler().map_err(SiteError::Profile)?)?;
        let info = scheduler.info();
        if info.remote_pilot && !resolved.storage.shared {
            let place = resolved.origins().place("storage.shared");
            return Err(SiteError::Apart { place, scheduler: info.name });
        }
        let scheduler = if resolved.here { Arc::new(Here::new(scheduler)) } else { scheduler };
        Ok(Site {
            scheduler,
            launcher: registry.make_launcher(&resolved.launcher().map_err(SiteError::Profile)?)?,
            transport: registry.make_transport(&resolved.transport().map_err(SiteError::Profile)?)?,
        })
    }
}

impl SiteError {
    pub(crate) fn unknown<'a>(section: &Section, known: impl Iterator<Item = &'a str>) -> Self {
        let known: Vec<&str> = known.collect();
        let list = format!("known {}s: {}", section.name(), known.join(", "));
        let suggestion = match nearest(section.kind(), known) {
            Some(near) => format!("did you mean `{near}`? {list}"),
            None => list,
        };
        let kind = section.kind().to_owned();
        SiteError::Unknown { place: section.place(), section: section.name(), kind, suggestion }
    }
}
