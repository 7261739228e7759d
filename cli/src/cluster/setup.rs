//! From a resolved profile and its site to what a controller is told.

use std::path::{Path, PathBuf};

use rpar_core::controller::ControllerConfig;
use rpar_core::scheduler::AllocationRequest;
use rpar_core::wire::{ControllerStatus, RESULT_WINDOW_BYTES};
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
    /// The path of this program, or of the cluster, has no form that a job script could hold.
    #[error("the path {} is not UTF-8, which a job script cannot hold", .0.display())]
    Path(PathBuf),
}

/// What the scheduler is asked for. `program` is this one, absolute; `[engines] program` replaces it. `file` in the
/// cluster's directory holds the resolved profile.
///
/// # Errors
/// When the profile's job script cannot be rendered, or a path is no text.
pub(crate) fn allocation_request(
    resolved: &Resolved,
    directory: &ClusterDir,
    program: &Path,
    file: &str,
) -> Result<AllocationRequest, SetupError> {
    let program = match &resolved.engines.program {
        Some(program) => program.clone(),
        None => text(program)?,
    };
    let mut pilot = vec![program, "pilot".into(), "--directory".into(), text(&directory.path)?];
    if file != Resolved::FILE {
        pilot.extend(["--resolved".into(), file.into()]);
    }
    let tag = directory.tag(&resolved.request.name);
    let place = ScriptPlace { tag: &tag, pilot: &pilot, directory: &directory.path };
    Ok(resolved.allocation(&place)?)
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
    let request = allocation_request(resolved, directory, program, Resolved::FILE)?;
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
        tag: request.tag.clone(),
        requests: vec![request],
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

fn text(path: &Path) -> Result<String, SetupError> {
    path.to_str().map(str::to_owned).ok_or_else(|| SetupError::Path(path.to_owned()))
}
