//! The pilot's watch: starts what is due, looks after what runs, reports what dies, and ends it all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rpar_core::error::{Action, BackendError, Retry};
use rpar_core::launcher::{Apart, GroupHandle, Launcher, ProcessGroup, Signal};
use rpar_core::runner::tail;
use rpar_core::wire::{Message, PilotInfo};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, sleep_until, timeout};

use super::contact::{Contact, Farewell, Word};
use super::fleet::{Death, Fleet, Start};
use super::plan::divide;
use super::{ApartSetup, PilotError, PilotSetup};
use crate::engine::Interrupts;
use crate::files::{Handed, host_name, read_connection};
use crate::link::fresh_identity;

/// How often the hosts are looked at: soon after a start, when they die most, and later.
const LOOK_EARLY: Duration = Duration::from_millis(200);
const LOOK_LATER: Duration = Duration::from_secs(1);

/// What is soon after a start.
const EARLY: Duration = Duration::from_secs(30);

/// How long hosts may take to leave: they give their commands 2 s, and close their links.
const LEAVE_LIMIT: Duration = Duration::from_secs(5);

/// How long killed processes may take to be gone.
const KILL_LIMIT: Duration = Duration::from_secs(2);

/// How long the end waits for starts that are under way, so that none is left behind.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How long the last reports may take to reach a controller that is away, or reads slowly.
const LINK_LIMIT: Duration = Duration::from_secs(5);

/// How often the hosts are looked at while they end.
const LOOK_ENDING: Duration = Duration::from_millis(20);

/// Reports that wait for the link: deaths come at most a few a minute and node, old ones tell the most.
const REPORTS: usize = 256;

/// The controller's words that wait for the pilot, which takes each at once.
const WORDS: usize = 16;

/// How much of a death is told to the controller, which keeps no more; a launcher's error may hold pages of output.
const REPORT_BYTES: usize = 2 << 10;

type Started = (Vec<usize>, Result<GroupHandle, BackendError>);

struct Watch {
    launcher: Arc<dyn Launcher>,
    fleet: Fleet,
    group: ProcessGroup,
    /// What nodes apart are told, with the connection file.
    apart: Option<(ApartSetup, PathBuf)>,
    starts: JoinSet<Started>,
    early_until: Instant,
    reports: Sender<Message>,
    last_death: String,
}

/// Runs the pilot.
pub(super) async fn run(setup: PilotSetup) -> Result<(), PilotError> {
    let PilotSetup {
        connection,
        transport,
        launcher,
        nodes,
        allocation,
        element,
        ends,
        engines,
        ppn,
        program,
        setup,
        logs,
        apart,
        restarts,
        lost_after,
        give_up_after,
    } = setup;
    let granted = nodes.len();
    let places = divide(nodes, engines, ppn);
    if places.is_empty() {
        return Err(PilotError::Nothing { nodes: granted, engines, ppn });
    }
    let info = PilotInfo {
        node: host_name(),
        pid: std::process::id(),
        allocation,
        element,
        nodes: places.iter().map(|place| place.node.name.clone()).collect(),
        remaining_ms: None,
    };
    let mut interrupts = Interrupts::new()?;
    let apart = apart.map(|apart| (apart, connection.clone()));
    let contact =
        Contact { connection, transport, identity: fresh_identity()?, info, ends, lost_after, give_up_after };
    let (reports, to_send) = channel(REPORTS);
    let (to_tell, mut words) = channel(WORDS);
    let link = tokio::spawn(contact.keep(to_send, to_tell));
    let mut watch = Watch {
        fleet: Fleet::new(Arc::clone(&launcher), places, restarts, Instant::now()),
        launcher,
        group: ProcessGroup { argv: program, setup, environment: BTreeMap::new(), logs, apart: None },
        apart,
        starts: JoinSet::new(),
        early_until: Instant::now() + EARLY,
        reports,
        last_death: String::new(),
    };
    let ended = watch.attend(&mut interrupts, &mut words).await;
    tracing::info!("the pilot ends its engine hosts");
    // nobody wants to know any more why to end: a contact without a link stops trying
    drop(words);
    watch.end(link).await;
    ended
}

impl Watch {
    /// Keeps the hosts alive until there is a reason to end.
    async fn attend(
        &mut self,
        interrupts: &mut Interrupts,
        words: &mut Receiver<Word>,
    ) -> Result<(), PilotError> {
        let mut look_at = Instant::now();
        loop {
            let now = Instant::now();
            for start in self.fleet.due(now) {
                self.start(start);
            }
            if self.fleet.is_released() {
                tracing::info!("no engine of this allocation is wanted any more");
                return Ok(());
            }
            if self.fleet.is_over() {
                return Err(PilotError::GaveUp { reason: self.last_death.clone() });
            }
            if look_at <= now {
                let deaths = self.fleet.poll(now).await;
                self.report(deaths);
                look_at = Instant::now() + if now < self.early_until { LOOK_EARLY } else { LOOK_LATER };
            }
            let wake = self.fleet.next_start().map_or(look_at, |start| start.min(look_at));
            tokio::select! {
                biased;
                signal = interrupts.next() => {
                    tracing::info!("the pilot got {signal}");
                    // a batch system kills what is left a few seconds later
                    let ending = Message::Ending { signal: signal.to_owned() };
                    if self.reports.try_send(ending).is_err() {
                        tracing::warn!("the controller is away, and not told of {signal}");
                    }
                    return Ok(());
                }
                word = words.recv() => match word {
                    Some(Word::Release { node, engines }) => {
                        tracing::info!("{engines} engines are to stay on {node}");
                        self.fleet.release(&node, engines);
                    }
                    Some(Word::Farewell(Farewell::Alone(reason))) => {
                        return Err(PilotError::Alone { reason });
                    }
                    Some(Word::Farewell(Farewell::Stop(reason))) => {
                        tracing::info!("{reason}");
                        return Ok(());
                    }
                    None => {
                        let reason = "the link's task has died".to_owned();
                        return Err(PilotError::Alone { reason });
                    }
                },
                Some(Ok((hosts, answer))) = self.starts.join_next() => {
                    self.early_until = Instant::now() + EARLY;
                    let deaths = self.fleet.started(hosts, answer, Instant::now());
                    self.report(deaths);
                }
                () = sleep_until(wake.into()) => {}
            }
        }
    }

    fn start(&mut self, start: Start) {
        let mut group = self.group.clone();
        group.argv.extend(["--engines".to_owned(), start.engines.to_string()]);
        let nodes: Vec<_> = start.hosts.iter().map(|host| self.fleet.place(*host).node.clone()).collect();
        let (launcher, apart) = (Arc::clone(&self.launcher), self.apart.clone());
        self.starts.spawn(async move {
            let given = apart.map(|(apart, connection)| give(&*launcher, &apart, &connection)).transpose();
            let started = match given {
                Ok(apart) => launcher.start(&ProcessGroup { apart, ..group }, &nodes).await,
                Err(error) => Err(error),
            };
            (start.hosts, started)
        });
    }

    fn report(&mut self, deaths: Vec<Death>) {
        for Death { node, text, restarting } in deaths {
            self.last_death = format!("the engine host on {node} ended: {text}");
            tracing::warn!(
                "{}; {}",
                self.last_death,
                if restarting { "it is started again" } else { "given up" }
            );
            let text = tail(&text, REPORT_BYTES).to_owned();
            if self.reports.try_send(Message::Report { node, text, restarting }).is_err() {
                tracing::warn!("a report was dropped: the controller is away");
            }
        }
    }

    /// Ends all hosts, and says goodbye.
    async fn end(mut self, mut link: JoinHandle<()>) {
        let starts = async {
            while let Some(started) = self.starts.join_next().await {
                if let Ok((hosts, answer)) = started {
                    self.fleet.started(hosts, answer, Instant::now());
                }
            }
        };
        if timeout(START_LIMIT, starts).await.is_err() {
            tracing::warn!("a start of engine hosts did not come to an end; their own limit will end them");
        }
        self.fleet.signal(Signal::Terminate).await;
        if timeout(LEAVE_LIMIT, gone(&mut self.fleet)).await.is_err() {
            self.fleet.signal(Signal::Kill).await;
            if timeout(KILL_LIMIT, gone(&mut self.fleet)).await.is_err() {
                tracing::warn!("some engine hosts may still run");
            }
        }
        drop(self.reports);
        if timeout(LINK_LIMIT, &mut link).await.is_err() {
            link.abort();
        }
    }
}

/// What a host reads on its stdin. The connection file is read each time: a controller that was started anew has written
/// a new one.
fn give(launcher: &dyn Launcher, apart: &ApartSetup, connection: &Path) -> Result<Apart, BackendError> {
    let connection = read_connection(connection);
    let handed =
        connection.and_then(|connection| Handed { profile: apart.profile.clone(), connection }.text());
    handed.map(|input| Apart { bring: apart.bring, input }).map_err(|error| BackendError {
        backend: launcher.name(),
        action: Action::Start,
        retry: Retry::Later,
        reason: error.to_string(),
        command: None,
        hint: None,
    })
}

async fn gone(fleet: &mut Fleet) {
    loop {
        fleet.poll(Instant::now()).await;
        if fleet.is_gone() {
            return;
        }
        sleep(LOOK_ENDING).await;
    }
}
