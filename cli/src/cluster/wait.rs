//! Waits until a cluster's engines are there, or cannot come any more.

use std::time::{Duration, Instant};

use rpar_core::wire::ClusterStatus;
use rpar_runtime::client::{Client, ClientError};
use thiserror::Error;

use super::describe;

/// How long one question to the controller waits for news: long enough to be cheap, short enough to notice a silent
/// controller and the caller's own deadline.
const QUESTION: Duration = Duration::from_secs(5);

/// At first people want to see something within a second.
const FIRST_QUESTIONS: Duration = Duration::from_millis(500);

/// A cluster is not what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WaitError {
    /// Its allocations are refused or over, and not all engines are there.
    #[error("{} of {wanted} engines came, and no more will: {}", engines, why.join("; "))]
    NoMore {
        /// How many engines are there.
        engines: usize,
        /// How many were asked for.
        wanted: u32,
        /// What happened to the allocations, and the latest problems.
        why: Vec<String>,
    },
    /// The caller's patience is at its end.
    #[error("after {} s the cluster is not complete: {state}", waited.as_secs())]
    TooLate {
        /// The caller's patience.
        waited: Duration,
        /// How far it is.
        state: String,
    },
    /// The controller is gone.
    #[error("lost the controller while waiting for engines: {reason}")]
    Controller {
        /// Why.
        reason: String,
    },
}

impl WaitError {
    /// What the user can do next.
    pub fn hint(&self) -> &'static str {
        match self {
            WaitError::NoMore { .. } => {
                "`rpar start --dry-run` shows the script and the command line that the site gets"
            }
            WaitError::TooLate { .. } => {
                "give it longer with --timeout, or ask for less, which starts sooner"
            }
            WaitError::Controller { .. } => "`rpar stop` cleans up what is left",
        }
    }
}

/// Waits until all engines are there, up to `patience`; tells `observe` of every change, and every few
/// seconds without one.
///
/// # Errors
/// When no more engines can come, when the controller is lost, or when it takes longer.
pub fn wait_for_engines(
    client: &Client,
    patience: Option<Duration>,
    observe: &mut dyn FnMut(&ClusterStatus),
) -> Result<ClusterStatus, WaitError> {
    let begun = Instant::now();
    let mut known: Option<ClusterStatus> = None;
    loop {
        let left = patience.map(|patience| patience.saturating_sub(begun.elapsed()));
        if let (Some(patience), Some(Duration::ZERO)) = (patience, left) {
            let state =
                known.as_ref().map_or_else(|| "the controller does not answer".into(), describe::waiting);
            return Err(WaitError::TooLate { waited: patience, state });
        }
        let after = known.as_ref().map(|status| status.version);
        let question = if begun.elapsed() < QUESTION { FIRST_QUESTIONS } else { QUESTION };
        match client.status(after, left.map_or(question, |left| left.min(question))) {
            Ok(status) => {
                observe(&status);
                if status.engines.len() >= status.engines_wanted as usize {
                    return Ok(status);
                }
                if !status.engines_coming {
                    return Err(no_more(&status));
                }
                known = Some(status);
            }
            // no news, but whoever shows progress wants to be asked again
            Err(ClientError::TimedOut(_)) => known.iter().for_each(&mut *observe),
            Err(ClientError::Lost { reason }) => return Err(WaitError::Controller { reason }),
        }
    }
}

fn no_more(status: &ClusterStatus) -> WaitError {
    let mut why: Vec<String> = status.allocations.iter().map(describe::allocation).collect();
    for problem in &status.problems {
        // an allocation's own problem is told with it
        if !why.iter().any(|known| known.contains(problem.as_str())) {
            why.push(problem.clone());
        }
    }
    WaitError::NoMore { engines: status.engines.len(), wanted: status.engines_wanted, why }
}
