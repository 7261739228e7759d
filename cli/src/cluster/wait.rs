//! Waits until a cluster's engines are there, or cannot come any more.

use std::ops::Range;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rpar_core::id::{AllocationId, EngineId};
use rpar_core::wire::{AllocationStatus, ClusterStatus};
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
            WaitError::NoMore { why, .. } if why.iter().any(|why| why.contains(OF_SSH)) => {
                "try `ssh NODE true` from where the pilot runs: rpar reaches what ssh does without a question"
            }
            WaitError::NoMore { why, .. } if why.iter().any(|why| why.ends_with(GIVEN_UP)) => {
                "what runs first on every node is `setup` in `[engines]` of the profile: try its lines on a node by hand"
            }
            WaitError::NoMore { .. } => {
                "`rpar profile check NAME --live` tries the profile on a node, and tells what is missing there"
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
    let judge = |status: &ClusterStatus| match status.engines.len() >= status.engines_wanted as usize {
        true => Some(Ok(())),
        false => (!status.engines_coming).then(|| Err(no_more(status))),
    };
    wait(client, patience, judge, observe, describe::waiting)
}

/// Waits in the same way until all engines of some allocations are there: those that these requests have asked for.
///
/// # Errors
/// As [`wait_for_engines`].
pub(crate) fn wait_for_requests(
    client: &Client,
    requests: &Range<u64>,
    patience: Option<Duration>,
    observe: &mut dyn FnMut(&ClusterStatus),
) -> Result<ClusterStatus, WaitError> {
    let judge = |status: &ClusterStatus| {
        let ours = of_requests(status, requests);
        if ours.is_empty() {
            let why = vec!["what was asked for was given back meanwhile".to_owned()];
            return Some(Err(WaitError::NoMore { engines: 0, wanted: 0, why }));
        }
        let short: Vec<&AllocationStatus> =
            ours.iter().copied().filter(|one| one.engines < one.engines_wanted).collect();
        if short.is_empty() {
            return Some(Ok(()));
        }
        let (engines, wanted) = counts(&ours);
        let over = !short.iter().any(|one| one.coming);
        over.then(|| {
            Err(WaitError::NoMore { engines: engines as usize, wanted, why: why_no_more(status, &short) })
        })
    };
    wait(client, patience, judge, observe, |status| waiting_for(status, requests))
}

/// The allocations that these requests have asked for.
pub(crate) fn of_requests<'a>(status: &'a ClusterStatus, requests: &Range<u64>) -> Vec<&'a AllocationStatus> {
    status.allocations.iter().filter(|one| requests.contains(&one.request.0)).collect()
}

/// How many engines of these are there, and how many there are meant to be.
fn counts(allocations: &[&AllocationStatus]) -> (u32, u32) {
    let add = |sum: (u32, u32), one: &&AllocationStatus| (sum.0 + one.engines, sum.1 + one.engines_wanted);
    allocations.iter().fold((0, 0), add)
}

/// What is waited for: `1 of 8 engines; allocation 12 is queued: Resources`.
pub(crate) fn waiting_for(status: &ClusterStatus, requests: &Range<u64>) -> String {
    let ours = of_requests(status, requests);
    if ours.is_empty() {
        return String::new();
    }
    let (engines, wanted) = counts(&ours);
    let short = ours.into_iter().filter(|one| one.engines < one.engines_wanted);
    let engines = format!("{engines} of {}", describe::plural(wanted.into(), "engine"));
    std::iter::once(engines).chain(describe::told(short)).collect::<Vec<_>>().join("; ")
}

/// Waits in the same way until these engines have left, and the allocation if one is named.
///
/// # Errors
/// When the controller is lost.
pub(crate) fn wait_for_leaving(
    client: &Client,
    engines: &[EngineId],
    allocation: Option<&AllocationId>,
    observe: &mut dyn FnMut(&ClusterStatus),
) -> Result<ClusterStatus, WaitError> {
    let judge = |status: &ClusterStatus| {
        let there = status.engines.iter().any(|engine| engines.contains(&engine.id));
        let held = status.allocations.iter().any(|one| allocation.is_some() && one.id.as_ref() == allocation);
        (!there && !held).then_some(Ok(()))
    };
    wait(client, None, judge, observe, |_| String::new())
}

fn wait(
    client: &Client,
    patience: Option<Duration>,
    judge: impl Fn(&ClusterStatus) -> Option<Result<(), WaitError>>,
    observe: &mut dyn FnMut(&ClusterStatus),
    describe: impl Fn(&ClusterStatus) -> String,
) -> Result<ClusterStatus, WaitError> {
    let begun = Instant::now();
    let news = ask(client.clone())?;
    let mut known: Option<ClusterStatus> = None;
    loop {
        let left = patience.map(|patience| patience.saturating_sub(begun.elapsed()));
        if let (Some(patience), Some(Duration::ZERO)) = (patience, left) {
            let known = known.as_ref().map(|status| how_far(status, &describe));
            let state = known.unwrap_or_else(|| "the controller does not answer".into());
            return Err(WaitError::TooLate { waited: patience, state });
        }
        match news.recv_timeout(left.map_or(LOOK, |left| left.min(LOOK))) {
            Ok(Ok(status)) => {
                observe(&status);
                if let Some(judgement) = judge(&status) {
                    return judgement.map(|()| status);
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

/// How a death is told of that is ssh's own (ssh(1), EXIT STATUS).
const OF_SSH: &str = "exit status 255: ";

/// What is still missing, and the latest death, which may be why.
fn how_far(status: &ClusterStatus, describe: &impl Fn(&ClusterStatus) -> String) -> String {
    let death = |one: &&String| one.ends_with(STARTED_AGAIN) || one.ends_with(GIVEN_UP);
    let latest = status.problems.iter().rev().find(death).map(|death| once(death));
    std::iter::once(describe(status)).chain(latest).collect::<Vec<_>>().join("; ")
}

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
    let why = why_no_more(status, &status.allocations.iter().collect::<Vec<_>>());
    WaitError::NoMore { engines: status.engines.len(), wanted: status.engines_wanted, why }
}

/// What has become of these allocations, and the latest problems.
fn why_no_more(status: &ClusterStatus, allocations: &[&AllocationStatus]) -> Vec<String> {
    let mut why = describe::told(allocations.iter().copied());
    // of a host that died again and again the last death says it all
    let given_up = status.problems.iter().any(|problem| problem.ends_with(GIVEN_UP));
    for problem in status.problems.iter().filter(|problem| !given_up || !problem.ends_with(STARTED_AGAIN)) {
        let problem = once(problem);
        // an allocation's own problem is told with it
        if !why.iter().any(|known| known.contains(problem.as_str())) {
            why.push(problem);
        }
    }
    why
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
        let of_ssh =
            "the engine host on node n1 ended: exit status 255: ssh: no route; it is not started again";
        let error = no_more(&ClusterStatus { problems: vec![of_ssh.into()], ..ClusterStatus::default() });
        assert!(error.hint().contains("`ssh NODE true`"));
        // 255 of a host's own program, and ssh's of another time
        for other in
            ["the engine host on node n1 ended: exit status 255; it is not started again", "no route"]
        {
            let error = no_more(&ClusterStatus { problems: vec![other.into()], ..ClusterStatus::default() });
            assert!(!error.hint().contains("`ssh NODE true`"), "{other}");
        }
    }

    #[test]
    fn the_latest_death_is_told_when_patience_is_over() {
        let death = |word: &str| format!("the engine host on node n1 ended: {word}\n{word}{STARTED_AGAIN}");
        let status = |problems: Vec<String>| ClusterStatus { problems, ..ClusterStatus::default() };
        let told = |status: &ClusterStatus| how_far(status, &|_| "0 of 2 engines".into());
        assert_eq!(
            told(&status(vec!["no quota".into()])),
            "0 of 2 engines",
            "what is no death says nothing here"
        );
        let deaths = status(vec![death("ssh: first"), death("ssh: last"), "a warning".into()]);
        let expected =
            "0 of 2 engines; the engine host on node n1 ended: ssh: last\nssh: last; it is started again";
        assert_eq!(told(&deaths), expected);
    }
}
