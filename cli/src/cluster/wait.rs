//! Waits until a cluster's engines are there, or cannot come any more.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rpar_core::wire::ClusterStatus;
use rpar_runtime::client::{Client, ClientError};
use thiserror::Error;

use super::describe;

/// One question waits for news for this long. The controller keeps it that long too, and only few of them, so that
/// asking anew every second would exhaust its patience.
const QUESTION: Duration = Duration::from_secs(24 * 3600);

/// How often `observe` is called without news: it may be showing progress.
const LOOK: Duration = Duration::from_millis(500);

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
            WaitError::NoMore { why, .. } if why.iter().any(|why| why.ends_with(GIVEN_UP)) => {
                "what runs first on every node is `setup` in `[engines]` of the profile: try its lines on a node by hand"
            }
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

/// Waits until all engines are there, up to `patience`; tells `observe` of every change, and every half second without
/// one. Asks on a thread of its own, which lives until the controller's next news, or the link's end.
///
/// # Errors
/// When no more engines can come, when the controller is lost, or when it takes longer.
pub fn wait_for_engines(
    client: &Client,
    patience: Option<Duration>,
    observe: &mut dyn FnMut(&ClusterStatus),
) -> Result<ClusterStatus, WaitError> {
    let begun = Instant::now();
    let news = ask(client.clone())?;
    let mut known: Option<ClusterStatus> = None;
    loop {
        let left = patience.map(|patience| patience.saturating_sub(begun.elapsed()));
        if let (Some(patience), Some(Duration::ZERO)) = (patience, left) {
            let state =
                known.as_ref().map_or_else(|| "the controller does not answer".into(), describe::waiting);
            return Err(WaitError::TooLate { waited: patience, state });
        }
        match news.recv_timeout(left.map_or(LOOK, |left| left.min(LOOK))) {
            Ok(Ok(status)) => {
                observe(&status);
                if status.engines.len() >= status.engines_wanted as usize {
                    return Ok(status);
                }
                if !status.engines_coming {
                    return Err(no_more(&status));
                }
                known = Some(status);
            }
            Err(RecvTimeoutError::Timeout) => known.iter().for_each(&mut *observe),
            Ok(Err(reason)) => return Err(WaitError::Controller { reason }),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(WaitError::Controller { reason: client.lost().unwrap_or_default() });
            }
        }
    }
}

/// Every news of the cluster, or in the end why there is none any more.
fn ask(client: Client) -> Result<Receiver<Result<ClusterStatus, String>>, WaitError> {
    // only the latest news matter: whoever is late holds up the next question
    let (tell, news) = mpsc::sync_channel(1);
    let asking = move || {
        let mut after = None;
        loop {
            let answer = match client.status(after, QUESTION) {
                Ok(status) => {
                    after = Some(status.version);
                    Ok(status)
                }
                Err(ClientError::TimedOut(_)) => continue,
                Err(ClientError::Lost { reason } | ClientError::Declined { reason }) => Err(reason),
            };
            let over = answer.is_err();
            if tell.send(answer).is_err() || over {
                return;
            }
        }
    };
    let thread = std::thread::Builder::new().name("rpar-status".into()).spawn(asking);
    thread
        .map(|_| news)
        .map_err(|error| WaitError::Controller { reason: format!("no thread to ask it: {error}") })
}

/// How the controller's news of a dead engine host end.
const STARTED_AGAIN: &str = "; it is started again";
const GIVEN_UP: &str = "; it is not started again";

/// A text whose later lines do not repeat earlier ones: a log holds the same complaint for each try.
fn once(text: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines() {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines.join("\n")
}

fn no_more(status: &ClusterStatus) -> WaitError {
    let mut why: Vec<String> = status.allocations.iter().map(describe::allocation).collect();
    // of a host that died again and again the last death says it all
    let given_up = status.problems.iter().any(|problem| problem.ends_with(GIVEN_UP));
    for problem in status.problems.iter().filter(|problem| !given_up || !problem.ends_with(STARTED_AGAIN)) {
        let problem = once(problem);
        // an allocation's own problem is told with it
        if !why.iter().any(|known| known.contains(problem.as_str())) {
            why.push(problem);
        }
    }
    WaitError::NoMore { engines: status.engines.len(), wanted: status.engines_wanted, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_death_of_a_host_is_told_and_each_line_once() {
        let death = |tries: usize, then: &str| {
            format!("the engine host on node n1 ended: exit status 3{}{then}", "\nno module".repeat(tries))
        };
        let status = ClusterStatus {
            engines_wanted: 8,
            problems: vec![death(1, STARTED_AGAIN), death(2, STARTED_AGAIN), death(3, GIVEN_UP)],
            ..ClusterStatus::default()
        };
        let error = no_more(&status);
        let told = "0 of 8 engines came, and no more will: \
                    the engine host on node n1 ended: exit status 3\nno module\nno module; it is not started again";
        assert_eq!(error.to_string(), told);
        assert!(error.hint().contains("`setup`"));
    }
}
