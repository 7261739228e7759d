//! All engine hosts of a pilot: which run, which wait for their next start, which were given up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rpar_core::error::{BackendError, Retry};
use rpar_core::launcher::{GroupHandle, Launcher, ProcessState, Signal};
use tokio::task::JoinSet;

use super::plan::Place;
use super::restarts::Restarts;

/// A host that left in good order is not started again if the cluster's end follows within this time, which it does as
/// a rule: the controller tells hosts and pilots in one breath.
const FAREWELL: Duration = Duration::from_secs(5);

/// How long the launcher may take to answer; hosts count as running meanwhile.
const POLL_LIMIT: Duration = Duration::from_secs(10);

/// One engine host.
#[derive(Debug)]
struct Host {
    /// Its node, and how many engines it has from its next start on; with none it is not started again.
    place: Place,
    state: State,
    restarts: Restarts,
}

#[derive(Debug)]
enum State {
    /// To be started at this time.
    Due(Instant),
    /// A start is under way.
    Starting,
    Running,
    /// It has left in good order.
    Left(Instant),
    /// It is not wanted any more, and does not run.
    Released,
    GivenUp,
}

/// Hosts that were started together.
#[derive(Debug)]
struct Group {
    handle: Arc<GroupHandle>,
    /// Which host each process is; `None` when that was seen to end.
    hosts: Vec<Option<usize>>,
}

/// A host has died.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Death {
    pub(super) node: String,
    pub(super) text: String,
    pub(super) restarting: bool,
}

/// Hosts to be started with one call.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) engines: u32,
    pub(super) hosts: Vec<usize>,
}

#[derive(Debug)]
pub(super) struct Fleet {
    launcher: Arc<dyn Launcher>,
    hosts: Vec<Host>,
    groups: Vec<Group>,
}

impl Fleet {
    /// All hosts are due at once.
    pub(super) fn new(launcher: Arc<dyn Launcher>, places: Vec<Place>, restarts: u32, now: Instant) -> Self {
        let host = |place| Host { place, state: State::Due(now), restarts: Restarts::new(restarts) };
        Fleet { launcher, hosts: places.into_iter().map(host).collect(), groups: Vec::new() }
    }

    /// The starts that are due: hosts with as many engines share one.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Start> {
        let mut starts: Vec<Start> = Vec::new();
        for (index, host) in self.hosts.iter_mut().enumerate() {
            if !matches!(host.state, State::Due(at) if at <= now) {
                continue;
            }
            host.state = State::Starting;
            match starts.iter_mut().find(|start| start.engines == host.place.engines) {
                Some(start) => start.hosts.push(index),
                None => starts.push(Start { engines: host.place.engines, hosts: vec![index] }),
            }
        }
        starts
    }

    pub(super) fn place(&self, host: usize) -> &Place {
        &self.hosts[host].place
    }

    /// When the next start is due, if one is planned.
    pub(super) fn next_start(&self) -> Option<Instant> {
        let due = |host: &Host| if let State::Due(at) = host.state { Some(at) } else { None };
        self.hosts.iter().filter_map(due).min()
    }

    /// Only so many engines are to stay on a node. Its host, if it runs, is told to leave by the controller.
    pub(super) fn release(&mut self, node: &str, engines: u32) {
        for host in self.hosts.iter_mut().filter(|host| host.place.node.name == node) {
            host.place.engines = engines.min(host.place.engines);
            if engines == 0 && !matches!(host.state, State::Starting | State::Running) {
                host.state = State::Released;
            }
        }
    }

    /// Whether no host is wanted any more, and none runs.
    pub(super) fn is_released(&self) -> bool {
        self.hosts.iter().all(|host| matches!(host.state, State::Released))
    }

    /// Whether no host runs or will run.
    pub(super) fn is_over(&self) -> bool {
        self.hosts.iter().all(|host| matches!(host.state, State::Released | State::GivenUp))
    }

    /// A start is over.
    pub(super) fn started(
        &mut self,
        hosts: Vec<usize>,
        answer: Result<GroupHandle, BackendError>,
        now: Instant,
    ) -> Vec<Death> {
        match answer {
            Ok(handle) => {
                hosts.iter().for_each(|host| self.hosts[*host].state = State::Running);
                let hosts = hosts.into_iter().map(Some).collect();
                self.groups.push(Group { handle: Arc::new(handle), hosts });
                Vec::new()
            }
            Err(error) => {
                let final_word = error.retry == Retry::Never;
                let died = |host| self.died(host, error.to_string(), final_word, now);
                hosts.into_iter().filter_map(died).collect()
            }
        }
    }

    /// Asks how the hosts are.
    pub(super) async fn poll(&mut self, now: Instant) -> Vec<Death> {
        let mut ended = Vec::new();
        for group in &mut self.groups {
            let states = tokio::time::timeout(POLL_LIMIT, self.launcher.poll(&group.handle)).await;
            let states = match states {
                Ok(Ok(states)) => states,
                Ok(Err(error)) => {
                    tracing::warn!("{error}");
                    continue;
                }
                Err(_) => {
                    tracing::warn!(
                        "{} did not tell within {POLL_LIMIT:?} how its processes are",
                        self.launcher.name()
                    );
                    continue;
                }
            };
            for (place, state) in group.hosts.iter_mut().zip(states) {
                if let ProcessState::Ended { exit, signal, detail } = state
                    && let Some(host) = place.take()
                {
                    ended.push((host, exit, signal, detail));
                }
            }
        }
        self.groups.retain(|group| group.hosts.iter().any(Option::is_some));
        let mut deaths = Vec::new();
        for (host, exit, signal, detail) in ended {
            if exit == Some(0) && self.hosts[host].place.engines > 0 {
                self.hosts[host].state = State::Left(now);
            } else {
                deaths.extend(self.died(host, obituary(exit, signal, detail), false, now));
            }
        }
        deaths.extend(self.deserted(now));
        deaths
    }

    /// Hosts that left, and no end of the cluster followed.
    fn deserted(&mut self, now: Instant) -> Vec<Death> {
        let late = |host: &Host| matches!(host.state, State::Left(at) if now.saturating_duration_since(at) >= FAREWELL);
        let late: Vec<usize> = (0..self.hosts.len()).filter(|index| late(&self.hosts[*index])).collect();
        late.into_iter()
            .filter_map(|host| {
                let text =
                    format!("the engine host on {} has left by itself", self.hosts[host].place.node.name);
                self.died(host, text, false, now)
            })
            .collect()
    }

    /// Plans the next start of a host that has died; `None` if nobody misses it.
    fn died(&mut self, host: usize, text: String, final_word: bool, now: Instant) -> Option<Death> {
        let host = &mut self.hosts[host];
        if host.place.engines == 0 {
            host.state = State::Released;
            return None;
        }
        let wait = if final_word { None } else { host.restarts.next(now) };
        host.state = wait.map_or(State::GivenUp, |wait| State::Due(now + wait));
        Some(Death { node: host.place.node.name.clone(), text, restarting: wait.is_some() })
    }

    /// Whether no process runs that is known.
    pub(super) fn is_gone(&self) -> bool {
        self.groups.is_empty()
    }

    /// Sends a signal to all that runs, to all groups at once: each host that was started again is one.
    pub(super) async fn signal(&self, signal: Signal) {
        let mut sends = JoinSet::new();
        for group in &self.groups {
            let (launcher, handle) = (Arc::clone(&self.launcher), Arc::clone(&group.handle));
            sends.spawn(async move { launcher.signal(&handle, signal).await });
        }
        while let Some(sent) = sends.join_next().await {
            if let Ok(Err(error)) = sent {
                tracing::warn!("{error}");
            }
        }
    }
}

/// How a host died, for people: the controller and the log add which it was.
fn obituary(exit: Option<i32>, signal: Option<i32>, detail: Option<String>) -> String {
    let how = match (exit, signal) {
        (_, Some(signal)) => format!("killed by {}", rpar_core::signal::told(signal)),
        (Some(exit), None) => format!("exit status {exit}"),
        (None, None) => "nothing else is known".to_owned(),
    };
    match detail.as_deref().map(str::trim_end).filter(|detail| !detail.is_empty()) {
        Some(detail) if exit.is_none() && signal.is_none() => detail.to_owned(),
        Some(detail) => format!("{how}: {detail}"),
        None => how,
    }
}
