//! Asks for a node, waits for what its probe tells, and gives everything back.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rpar_backends::shell;
use rpar_core::error::BackendError;
use rpar_core::id::AllocationId;
use rpar_core::profile::Shape;
use rpar_core::scheduler::{AllocationPhase, AllocationState};
use rpar_core::transport::TransportError;
use rpar_runtime::files::{tail, write_private};
use thiserror::Error;

use super::listen::{Listening, listen};
use super::{CONNECTION_FILE, Left, Told, Way, left};
use crate::cluster::{LockError, SetupError, StopError, discard, phase_word, release};
use crate::paths::ClusterDir;
use crate::profile::{ProfileError, Resolved, ScriptPlace, Surroundings};
use crate::site::Site;

/// How long a probe may run before it counts as lost: its minute, and what a site takes to end it.
const RUNS_WITHIN: Duration = Duration::from_secs(120);

/// How long is looked for files after the end: NFS shows them late.
const FILES_WITHIN: Duration = Duration::from_secs(4);

/// How often the directory is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// How much of a log is shown.
const TAIL_BYTES: u64 = 2048;

/// What to probe, and how.
pub(crate) struct Probe<'a> {
    /// The profile, for as few nodes as will do.
    pub(crate) resolved: &'a Resolved,
    pub(crate) site: &'a Site,
    pub(crate) surroundings: &'a Surroundings,
    /// This program, absolute.
    pub(crate) program: &'a Path,
    /// How long to wait in the queue.
    pub(crate) patience: Option<Duration>,
    /// Whether the user wants no more of it.
    pub(crate) interrupted: &'a dyn Fn() -> bool,
    /// Shows what is waited for.
    pub(crate) say: &'a dyn Fn(&str),
}

/// What was heard.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Heard {
    /// What was told, each by the best way it came.
    pub(crate) told: Vec<(Told, Way)>,
    /// How long it waited in the queue.
    pub(crate) queued: Duration,
    /// The last that the site said.
    pub(crate) state: AllocationState,
    /// The last lines of what it printed.
    pub(crate) output: String,
    /// Where it could have been dialled.
    pub(crate) endpoints: Vec<String>,
    /// Whether the waiting was at its end before the site granted a node.
    pub(crate) gave_up: bool,
}

/// A probe could not be sent.
#[derive(Debug, Error)]
pub(crate) enum ProbeError {
    /// The profile gives no name to a directory, or no script.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// A path has no form that a job script could hold.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// Its directory cannot be made.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A file cannot be written there.
    #[error("could not write to {}: {reason}", path.display())]
    Files {
        /// Where.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// Nobody can listen as the profile says.
    #[error(transparent)]
    Listen(#[from] TransportError),
    /// The site refused it.
    #[error(transparent)]
    Site(#[from] BackendError),
    /// It was not asked for, or had ended, and its files cannot be removed.
    #[error(transparent)]
    Stop(#[from] StopError),
    /// The user did not want any more of it.
    #[error("the probe was interrupted")]
    Interrupted,
}

/// What became of a probe.
#[derive(Debug)]
pub(crate) struct Probed {
    /// What it told.
    pub(crate) heard: Result<Heard, ProbeError>,
    /// What may still be there of it.
    pub(crate) left: Option<Left>,
}

/// Sends a probe and hears what it tells. Whatever happens, its allocation is given back and its files are removed, unless the
/// site does not answer: then the files stay, by which `rpar clean` finds it.
///
/// # Errors
/// When nothing could be asked for.
pub(crate) async fn probe(probe: &Probe<'_>) -> Result<Probed, ProbeError> {
    let id = format!("probe-{}", std::process::id());
    let directory = ClusterDir::new(probe.resolved, &id, probe.surroundings)?;
    let files = |error: &dyn std::error::Error| ProbeError::Files {
        path: directory.path.clone(),
        reason: error.to_string(),
    };
    let lock = directory.lock()?;
    directory.create().map_err(|error| files(&error))?;
    let mut asked = None;
    let heard = async {
        write_private(&directory.profile_file(), probe.resolved.to_toml()?.as_bytes())
            .map_err(|error| files(&error))?;
        let listening =
            listen(&probe.site.transport, &probe.resolved.listen, directory.cluster(), &directory.path)
                .await?;
        let text = toml::to_string(&listening.file).map_err(|error| files(&error))?;
        let path = directory.path.join(CONNECTION_FILE);
        write_private(&path, text.as_bytes()).map_err(|error| files(&error))?;
        let id = submit(probe, &directory).await?;
        hear(probe, &directory, listening, asked.insert(id)).await
    }
    .await;
    (probe.say)("giving the node back");
    let given_back = give_back(probe, &directory, asked.as_ref()).await;
    drop(lock);
    directory.remove_empty_parent();
    match (given_back, asked) {
        (Ok(()), _) => Ok(Probed { heard, left: None }),
        (Err(source), Some(id)) => Ok(Probed { heard, left: Some(Left { id, source }) }),
        // why nothing was asked for is the first to tell
        (Err(source), None) => Err(heard.err().unwrap_or(source.into())),
    }
}

/// Gives back what was asked for, and what else the site may have accepted, and removes the files.
async fn give_back(
    probe: &Probe<'_>,
    directory: &ClusterDir,
    asked: Option<&AllocationId>,
) -> Result<(), StopError> {
    let scheduler = &*probe.site.scheduler;
    let tag = directory.tag(&probe.resolved.request.name);
    // one that was asked for just now may not show in the site's lists yet
    let cancelled = match asked {
        Some(id) => scheduler.cancel(std::slice::from_ref(id)).await,
        None => Ok(()),
    };
    let found = release(scheduler, std::slice::from_ref(&tag)).await?;
    // what was found was cancelled once more
    match cancelled {
        Err(error) if asked.is_some_and(|id| !found.iter().any(|one| one.is_known_as(id))) => {
            Err(error.into())
        }
        _ => discard(directory, scheduler, &[]).await.map(drop),
    }
}

async fn hear(
    probe: &Probe<'_>,
    directory: &ClusterDir,
    mut listening: Listening,
    id: &AllocationId,
) -> Result<Heard, ProbeError> {
    let endpoints = listening.file.endpoints.iter().map(|endpoint| endpoint.0.clone()).collect();
    let mut heard = Heard { endpoints, ..Heard::default() };
    let begun = Instant::now();
    let mut polled: Option<Instant> = None;
    let (mut running, mut ended) = (None, None);
    loop {
        if (probe.interrupted)() {
            return Err(ProbeError::Interrupted);
        }
        if polled.is_none_or(|at| at.elapsed() >= probe.resolved.controller.poll_every) {
            polled = Some(Instant::now());
            // a site that does not answer now may answer the next time
            if let Ok(mut states) = probe.site.scheduler.poll(std::slice::from_ref(id)).await {
                heard.state = states.remove(id).unwrap_or_default();
            }
            (probe.say)(&waiting(id, &heard.state, begun.elapsed()));
        }
        match heard.state.phase {
            AllocationPhase::Running => running = running.or(Some(Instant::now())),
            AllocationPhase::Ended => ended = ended.or(Some(Instant::now())),
            AllocationPhase::Unknown if running.is_some() => ended = ended.or(Some(Instant::now())),
            _ => {}
        }
        if running.is_none() && ended.is_none() {
            heard.queued = begun.elapsed();
            heard.gave_up = probe.patience.is_some_and(|patience| begun.elapsed() >= patience);
        }
        if let Ok(Some(told)) = tokio::time::timeout(LOOK, listening.told.recv()).await {
            note(&mut heard.told, (told, Way::Link));
        }
        left(&directory.path).into_iter().for_each(|told| note(&mut heard.told, told));
        let late = ended.is_some_and(|at: Instant| at.elapsed() > FILES_WITHIN)
            || running.is_some_and(|at: Instant| at.elapsed() > RUNS_WITHIN);
        if is_complete(&heard.told, probe.resolved.engines.nodes) || late || heard.gave_up {
            break;
        }
    }
    while let Ok(told) = listening.told.try_recv() {
        note(&mut heard.told, (told, Way::Link));
    }
    heard.output = output(directory);
    Ok(heard)
}

/// Whether there is nothing more to hear: every node has told what it found, or the first process, which waits for them, its
/// own.
fn is_complete(told: &[(Told, Way)], nodes: u32) -> bool {
    let mut heard = BTreeSet::new();
    told.iter().any(|(told, _)| match told {
        Told::First(_) => true,
        Told::Node(report) => {
            heard.insert(&report.node);
            heard.len() >= nodes as usize
        }
    })
}

/// Keeps each report once, by the best way it came: the same files are read over and over.
fn note(kept: &mut Vec<(Told, Way)>, one: (Told, Way)) {
    match kept.iter_mut().find(|(known, _)| known.name() == one.0.name()) {
        Some(known) if known.1 > one.1 => *known = one,
        Some(_) => {}
        None => kept.push(one),
    }
}

async fn submit(probe: &Probe<'_>, directory: &ClusterDir) -> Result<AllocationId, ProbeError> {
    let path =
        |path: &Path| path.to_str().map(str::to_owned).ok_or_else(|| SetupError::Path(path.to_owned()));
    let program = match &probe.resolved.engines.program {
        Some(program) => program.clone(),
        None => path(probe.program)?,
    };
    let pilot = [program, "probe".to_owned(), "--directory".to_owned(), path(&directory.path)?];
    let tag = directory.tag(&probe.resolved.request.name);
    let place = ScriptPlace { tag: &tag, pilot: &pilot, directory: &directory.path };
    // one allocation shows how its nodes reach each other, whatever the cluster's are
    let mut resolved = probe.resolved.clone();
    resolved.request.shape = Shape::One;
    let request = resolved.allocation(resolved.engines.nodes, &place)?;
    tracing::info!("probing with `{}`", shell::join(&pilot));
    Ok(probe.site.scheduler.submit(&request).await?)
}

fn waiting(id: &AllocationId, state: &AllocationState, since: Duration) -> String {
    let reason = state.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let phase = phase_word(&state.phase);
    format!("probe {id} is {phase}{reason}, for {} s now; Ctrl-C gives it back", since.as_secs())
}

/// The last lines of all that the probe's processes have printed, but for reports.
fn output(directory: &ClusterDir) -> String {
    let entries = fs::read_dir(directory.logs()).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    let texts = paths.iter().filter_map(|path| tail(path, TAIL_BYTES).ok());
    let lines: Vec<String> = texts
        .flat_map(|text| {
            text.lines().filter(|line| !line.contains(super::MARK)).map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::{FirstReport, NodeReport};

    #[test]
    fn a_report_counts_once_and_by_its_best_way() {
        let node = || Told::Node(NodeReport { node: "n1".into(), ..NodeReport::default() });
        let mut kept = Vec::new();
        for (way, best) in [
            (Way::Output, Way::Output),
            (Way::Link, Way::Link),
            (Way::File, Way::Link),
            (Way::Link, Way::Link),
        ] {
            note(&mut kept, (node(), way));
            assert_eq!(kept, [(node(), best)]);
        }
        assert!(is_complete(&[(Told::First(FirstReport::default()), Way::File)], 2));
        assert!(!is_complete(&[(node(), Way::File), (node(), Way::Link)], 2));
        assert!(is_complete(&[(node(), Way::File)], 1));
    }
}
