//! From a resolved profile and its site to what a controller is told.

use std::path::{Path, PathBuf};

use rpar_core::controller::ControllerConfig;
use rpar_core::profile::{EnginesSection, Shape};
use rpar_core::scheduler::{AllocationRequest, SchedulerInfo};
use rpar_core::wire::{ControllerStatus, Growth, Portion, RESULT_WINDOW_BYTES};
use rpar_runtime::controller::ControllerSetup;
use rpar_runtime::files::host_name;
use thiserror::Error;

use crate::paths::ClusterDir;
use crate::profile::{ProfileError, Resolved, ScriptPlace};
use crate::site::Site;

/// A controller cannot be set up.
#[derive(Debug, Error)]
pub enum SetupError {
    /// The job script cannot be rendered.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The scheduler cannot be asked for an array.
    #[error(
        "{place}: `scheduler.shape` is `array`, and scheduler `{scheduler}` has no arrays: say `one` or `each`"
    )]
    NoArrays {
        /// Where that is set.
        place: String,
        /// The scheduler.
        scheduler: String,
    },
    /// The scheduler never takes nodes back by itself.
    #[error(
        "{place}: `scheduler.walltime` is set, and scheduler `{scheduler}` has none: leave it out; its engines stay until \
         `rpar stop`"
    )]
    NoWalltime {
        /// Where that is set.
        place: String,
        /// The scheduler.
        scheduler: String,
    },
    /// The path of this program, or of the cluster, has no form that a job script could hold.
    #[error("the path {} is not UTF-8, which a job script cannot hold", .0.display())]
    Path(PathBuf),
}

/// What the scheduler is asked for. `program` is this one, absolute; `[engines] program` replaces it. `file` in the
/// cluster's directory holds the resolved profile.
///
/// # Errors
/// When the profile's job script cannot be rendered, a path is no text, or the scheduler has no such shape or no walltime.
pub(crate) fn growth(
    resolved: &Resolved,
    scheduler: &SchedulerInfo,
    directory: &ClusterDir,
    program: &Path,
    file: &str,
) -> Result<Growth, SetupError> {
    let EnginesSection { nodes, ppn, total, .. } = resolved.engines;
    let shape = resolved.request.shape;
    if shape == Shape::Array && !scheduler.arrays {
        let place = resolved.origins().place("scheduler.shape");
        return Err(SetupError::NoArrays { place, scheduler: scheduler.name.clone() });
    }
    if resolved.request.walltime.is_some() && !scheduler.walltime && !resolved.here {
        let place = resolved.origins().place("scheduler.walltime");
        return Err(SetupError::NoWalltime { place, scheduler: scheduler.name.clone() });
    }
    let mut portions = Vec::new();
    if shape == Shape::Each {
        // the last node may be short
        for (times, engines) in [(total / ppn, ppn), (1, total % ppn)] {
            if times > 0 && engines > 0 {
                let request = request(resolved, directory, program, file, 1, Some(engines))?;
                portions.push(Portion { request, times, engines });
            }
        }
    } else {
        let request = request(resolved, directory, program, file, nodes, None)?;
        portions.push(Portion { request, times: 1, engines: total });
    }
    if !scheduler.walltime {
        // an allocation that is held already has its own, of which the pilot tells
        portions.iter_mut().for_each(|portion| portion.request.walltime = None);
    }
    Ok(Growth { portions })
}

/// The request for an allocation of so many nodes; `engines` is how many its pilot starts, where the profile does not say.
fn request(
    resolved: &Resolved,
    directory: &ClusterDir,
    program: &Path,
    file: &str,
    nodes: u32,
    engines: Option<u32>,
) -> Result<AllocationRequest, SetupError> {
    let program = match &resolved.engines.program {
        Some(program) => program.clone(),
        None => text(program)?,
    };
    let mut pilot = vec![program, "pilot".into(), "--directory".into(), text(&directory.path)?];
    if file != Resolved::FILE {
        pilot.extend(["--resolved".into(), file.into()]);
    }
    pilot.extend(engines.into_iter().flat_map(|engines| ["--engines".into(), engines.to_string()]));
    let tag = directory.tag(&resolved.request.name);
    let place = ScriptPlace { tag: &tag, pilot: &pilot, directory: &directory.path };
    Ok(resolved.allocation(nodes, &place)?)
}

/// All that a controller is told at its start. An `ephemeral` one ends with its first client.
///
/// # Errors
/// When the profile's job script cannot be rendered, or a path is no text.
pub fn controller_setup(
    resolved: &Resolved,
    site: &Site,
    directory: &ClusterDir,
    program: &Path,
    ephemeral: bool,
) -> Result<ControllerSetup, SetupError> {
    let growth = growth(resolved, &site.scheduler.info(), directory, program, Resolved::FILE)?;
    let requests = growth.portions.iter();
    let requests = requests.flat_map(|portion| vec![portion.request.clone(); portion.times as usize]);
    let section = &resolved.controller;
    let config = ControllerConfig {
        epoch_micros: 0,
        identity: ControllerStatus {
            cluster: directory.cluster(),
            host: host_name(),
            pid: std::process::id(),
            build: env!("CARGO_PKG_VERSION").into(),
            ..ControllerStatus::default()
        },
        tag: directory.tag(&resolved.request.name),
        requests: requests.collect(),
        engines_wanted: resolved.engines.total,
        heartbeat: section.heartbeat,
        lost_after: section.lost_after,
        poll_every: section.poll_every,
        queue_ahead: section.queue_ahead,
        policy: section.policy,
        seed: 0,
        attempts_limit: section.attempts_limit,
        submit_window_bytes: section.submit_window_bytes,
        result_window_bytes: RESULT_WINDOW_BYTES,
        result_bytes: section.result_bytes,
        ephemeral,
    };
    Ok(ControllerSetup {
        config,
        cluster: directory.cluster(),
        scheduler: site.scheduler.clone(),
        transport: site.transport.clone(),
        listen: resolved.listen.clone(),
        directory: directory.path.clone(),
    })
}

pub(super) fn text(path: &Path) -> Result<String, SetupError> {
    path.to_str().map(str::to_owned).ok_or_else(|| SetupError::Path(path.to_owned()))
}
