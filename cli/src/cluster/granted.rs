//! A controller that is the first process of an allocation of its own, with a tag of its own: it looks for those of its
//! engines by theirs.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rpar_core::error::{BackendError, Retry};
use rpar_core::id::AllocationId;
use rpar_core::profile::{Scalar, Shape};
use rpar_core::scheduler::{AllocationPhase, AllocationRequest, AllocationState, Scheduler};
use rpar_core::wire::AllocationStatus;
use rpar_runtime::files::{tail, write_private};

use super::launch::{TAIL_BYTES, is_listed, last_words, unwritable};
use super::setup::text;
use super::{LaunchError, SetupError, describe};
use crate::paths::ClusterDir;
use crate::profile::{Resolved, ScriptPlace};

/// What the job script becomes: `sh -c BECOME rpar PROGRAM DIRECTORY`. What the site tells a job of itself is not for the jobs
/// that the controller submits.
const BECOME: &str = r#"for name in $(env | sed -n -e 's/^\(SLURM_[A-Z0-9_]*\)=.*/\1/p' -e 's/^\(PBS_[A-Z0-9_]*\)=.*/\1/p')
do
    case $name in
    SLURM_CONF | PBS_CONF_FILE | PBS_EXEC | PBS_HOME | PBS_SERVER | PBS_DEFAULT) ;;
    *) unset "$name" ;;
    esac
done
exec "$1" controller --directory "$2" >>"$2/logs/controller.log" 2>&1"#;

/// How often the directory is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// So many polls in a row without a word of the allocation are its end: the site forgets what has ended.
const FORGOTTEN: u32 = 3;

impl ClusterDir {
    /// Names the allocation that the controller is to run in.
    pub(super) fn allocation_file(&self) -> std::path::PathBuf {
        self.path.join("controller.allocation")
    }
}

/// What the scheduler is asked for: one node.
pub(crate) fn controller_request(
    resolved: &Resolved,
    directory: &ClusterDir,
    program: &Path,
) -> Result<AllocationRequest, SetupError> {
    let mut one = resolved.clone();
    (one.engines.nodes, one.engines.ppn, one.engines.total) = (1, 1, 1);
    one.request.shape = Shape::One;
    one.request.walltime = resolved.controller.walltime.or(resolved.request.walltime);
    one.params.insert("ppn".to_owned(), Scalar::Int(1));
    let (program, path) = (text(program)?, text(&directory.path)?);
    let pilot = ["sh", "-c", BECOME, "rpar", &program, &path].map(str::to_owned);
    let tag = directory.controller_tag(&resolved.request.name);
    let place = ScriptPlace { tag: &tag, pilot: &pilot, directory: &directory.path };
    Ok(one.allocation(1, &place)?)
}

/// How long a job that the site has accepted may take to show in its lists.
const SHOWS_WITHIN: Duration = Duration::from_secs(10);

/// Makes the directory and asks for the allocation. The caller holds the cluster's lock. On failure nothing is left behind, but
/// where the site may hold an allocation and does not say: then the directory stays, by which that is found later.
///
/// # Errors
/// When the directory cannot be made, the site refuses, or it may have accepted and does not answer.
pub(crate) async fn submit(
    profile: &str,
    directory: &ClusterDir,
    scheduler: &dyn Scheduler,
    request: &AllocationRequest,
) -> Result<AllocationId, LaunchError> {
    directory.create().map_err(|error| unwritable(directory, &error))?;
    let submitted = async {
        write_private(&directory.profile_file(), profile.as_bytes())
            .map_err(|error| unwritable(directory, &error))?;
        let id = submit_once(scheduler, request, SHOWS_WITHIN).await?;
        let named = write_private(&directory.allocation_file(), id.0.as_bytes());
        if let Err(error) = named {
            // nobody would find it
            let _ = scheduler.cancel(std::slice::from_ref(&id)).await;
            return Err(unwritable(directory, &error));
        }
        Ok(id)
    };
    let submitted = submitted.await;
    if submitted.is_err() && !matches!(submitted, Err(LaunchError::Doubt(_))) {
        // the first error is the one to tell
        let _ = directory.remove();
    }
    submitted
}

/// Submits; where the site may have accepted without saying so, it is asked, once more after a moment.
async fn submit_once(
    scheduler: &dyn Scheduler,
    request: &AllocationRequest,
    shows_within: Duration,
) -> Result<AllocationId, LaunchError> {
    let unsure = match scheduler.submit(request).await {
        Err(error) if error.retry == Retry::Unsure => error,
        answer => return answer.map_err(LaunchError::Site),
    };
    for pause in [Duration::ZERO, shows_within] {
        tokio::time::sleep(pause).await;
        let found = scheduler.find(&request.tag).await.map_err(LaunchError::Doubt)?;
        if let Some(id) = found.into_iter().next() {
            return Ok(id);
        }
    }
    Err(LaunchError::Site(unsure))
}

/// Waits until the controller runs; tells `observe` what the site says of its allocation.
///
/// # Errors
/// When the allocation ends before that, the cluster is stopped meanwhile, or it takes longer than `patience`.
pub(crate) async fn wait(
    directory: &ClusterDir,
    scheduler: &dyn Scheduler,
    id: &AllocationId,
    (poll_every, patience): (Duration, Option<Duration>),
    observe: &mut (dyn FnMut(&str) + Send),
) -> Result<(), LaunchError> {
    let begun = Instant::now();
    let (mut polled, mut silent, mut known) = (None::<Instant>, 0, false);
    while !is_listed(directory) {
        if !directory.path.is_dir() {
            return Err(LaunchError::Stopped);
        }
        if let Some(within) = patience.filter(|patience| begun.elapsed() >= *patience) {
            return Err(LaunchError::Slow { within, log: log(directory) });
        }
        if polled.is_none_or(|at| at.elapsed() >= poll_every) {
            // a site that does not answer now may do so later
            if let Ok(state) = poll(scheduler, id).await {
                observe(&describe_controller(id, state.clone()));
                silent = if state.phase == AllocationPhase::Unknown { silent + 1 } else { 0 };
                known |= silent == 0;
                let over = state.phase == AllocationPhase::Ended || (known && silent >= FORGOTTEN);
                if over && !is_listed(directory) {
                    let how = describe_controller(id, state);
                    return Err(LaunchError::Ended { how, log: log(directory) });
                }
            }
            polled = Some(Instant::now());
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// What the site says of the allocation that a controller is to run in, and whether it has ended.
pub(crate) async fn outlook(
    scheduler: &dyn Scheduler,
    id: &AllocationId,
) -> Result<(String, bool), BackendError> {
    let state = poll(scheduler, id).await?;
    let over = matches!(state.phase, AllocationPhase::Ended | AllocationPhase::Unknown);
    Ok((describe_controller(id, state), over))
}

async fn poll(scheduler: &dyn Scheduler, id: &AllocationId) -> Result<AllocationState, BackendError> {
    let mut states = scheduler.poll(std::slice::from_ref(id)).await?;
    Ok(states.remove(id).unwrap_or_default())
}

fn describe_controller(id: &AllocationId, state: AllocationState) -> String {
    let status = AllocationStatus { id: Some(id.clone()), nodes: 1, state, ..AllocationStatus::default() };
    format!("the controller's {}", describe::allocation(&status))
}

/// The last words of the controller, else of its allocation.
fn log(directory: &ClusterDir) -> String {
    let words = last_words(directory);
    if !words.is_empty() {
        return words;
    }
    let entries = fs::read_dir(directory.logs()).into_iter().flatten().flatten();
    let logs = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("allocation"));
    let words = logs.filter_map(|entry| tail(&entry.path(), TAIL_BYTES).ok());
    words.max_by_key(String::len).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rpar_core::error::{Action, BackendError};
    use rpar_core::id::ClusterTag;
    use rpar_core::scheduler::MockScheduler;

    fn error(action: Action, retry: Retry) -> BackendError {
        let (backend, reason) = ("pbs".to_owned(), "End of File".to_owned());
        BackendError { backend, action, retry, reason, command: None, hint: None }
    }

    fn request() -> AllocationRequest {
        AllocationRequest {
            tag: ClusterTag("rpar-00000001".into()),
            nodes: 1,
            array: false,
            ppn: 1,
            walltime: None,
            queue: None,
            account: None,
            pilot: Vec::new(),
            setup: Vec::new(),
            directory: "/".into(),
            script: None,
        }
    }

    #[tokio::test]
    async fn what_was_accepted_without_a_word_is_looked_for() {
        for (answers, expected) in [
            (vec![Ok(vec!["7".into()])], "Ok(7)"),
            (vec![Ok(vec![]), Ok(vec!["7".into()])], "Ok(7)"),
            (vec![Ok(vec![]), Ok(vec![])], "refused"),
            (vec![Err(error(Action::Find, Retry::Later))], "in doubt"),
        ] {
            let mut scheduler = MockScheduler::new();
            scheduler.expect_submit().times(1).returning(|_| Err(error(Action::Submit, Retry::Unsure)));
            let mut left = answers.clone().into_iter();
            scheduler
                .expect_find()
                .times(answers.len())
                .returning(move |_| left.next().unwrap_or_else(|| Ok(Vec::new())));
            let told = match submit_once(&scheduler, &request(), Duration::ZERO).await {
                Ok(id) => format!("Ok({id})"),
                Err(LaunchError::Site(_)) => "refused".to_owned(),
                Err(LaunchError::Doubt(_)) => "in doubt".to_owned(),
                Err(other) => other.to_string(),
            };
            assert_eq!(told, expected, "{answers:?}");
        }
    }
}
