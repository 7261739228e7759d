//! The controller's shell: owns the machine, its links, and the calls to the scheduler.

mod disk;
mod door;
mod error;
mod inbox;
mod links;
mod output;
mod papers;
mod residence;
mod shell;
mod site;

pub use error::ControllerError;

use std::path::PathBuf;
use std::sync::Arc;

use rpar_core::controller::ControllerConfig;
use rpar_core::scheduler::Scheduler;
use rpar_core::transport::{Endpoint, Transport};

use crate::clock::{Clock, wall_micros};
use crate::files::LOGS_DIRECTORY;
use papers::Papers;
use shell::Shell;

/// What a controller needs.
#[derive(Debug)]
pub struct ControllerSetup {
    /// What its machine is told; the wall clock and the seed are filled in here.
    pub config: ControllerConfig,
    /// The cluster, as `PROFILE/CLUSTER_ID`.
    pub cluster: String,
    /// Who grants nodes.
    pub scheduler: Arc<dyn Scheduler>,
    /// How links are made.
    pub transport: Arc<dyn Transport>,
    /// Where to listen. All must work.
    pub listen: Vec<Endpoint>,
    /// The cluster's directory; it exists, and only its owner may read it.
    pub directory: PathBuf,
}

/// Listens, writes `client.toml`, `engine.toml` and `controller.json` into the cluster's directory, and runs until the
/// cluster has ended; then removes those files. SIGTERM, SIGINT and SIGHUP end the cluster in good order.
///
/// Wants a current_thread runtime: there is one task that does the work, and a second thread would only slow it down.
///
/// # Errors
/// When it could not begin, or when its files cannot be removed.
pub async fn serve(setup: ControllerSetup) -> Result<(), ControllerError> {
    raise_file_limit();
    let mut listeners = Vec::new();
    let identity = crate::link::fresh_identity().map_err(ControllerError::Randomness)?;
    for endpoint in &setup.listen {
        listeners.push(setup.transport.bind(&identity, endpoint).await?);
    }
    let (papers, admission) = Papers::write(&setup, &listeners)?;
    let (inbox, events) = inbox::open();
    inbox::forward_signals(&inbox)?;
    let doors = door::open(listeners, admission, &inbox);
    let site = site::Site::new(setup.scheduler, setup.directory.join(LOGS_DIRECTORY), inbox.clone());
    if !setup.config.ephemeral {
        // a throw-away cluster needs nobody to find it
        let (every, patience) = (setup.config.heartbeat, setup.config.lost_after);
        tokio::spawn(residence::watch(papers.clone(), every, patience, inbox.clone()));
    }
    let seed = getrandom::u64()
        .map_err(|error| ControllerError::Randomness(std::io::Error::other(error.to_string())))?;
    let config = ControllerConfig { epoch_micros: wall_micros(), seed, ..setup.config };
    let disk = disk::open(setup.directory, inbox.clone());
    let shell = Shell::new(config, Clock::start(), inbox, site, disk);
    let reason = shell.run(events).await;
    tracing::info!("the cluster has ended: {reason}");
    drop(doors);
    papers.remove()?;
    Ok(())
}

/// Every engine host is a link, and a link is a file. What the controller starts inherits the limit, and some programs
/// close every file up to it one by one: so not more than needed.
const FILES: u64 = 1 << 16;

fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(FILES, |maximum| maximum.min(FILES));
    if limit.current.is_none_or(|current| current >= wanted) {
        return;
    }
    limit.current = Some(wanted);
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!("could not raise the limit of open files to {wanted}: {error}");
    }
}
