//! The pilot's link to its controller: kept up, and made again when it breaks.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rpar_core::transport::{Identity, Transport};
use rpar_core::wire::{Message, PilotInfo, Welcome};
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::{Instant, sleep, sleep_until};

use crate::engine::await_connection;
use crate::link::{DialError, LinkReader, LinkWriter, dial};

/// A controller that is away for this long is gone: it has had time to be restarted, and nodes cost money.
const GIVE_UP_AFTER: Duration = Duration::from_secs(60);

/// A controller that has been silent for this long is lost: several of its heartbeats.
const LOST_AFTER: Duration = Duration::from_secs(30);

/// The waits before the link is made again.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// What a pilot needs to stay in contact.
#[derive(Debug)]
pub(super) struct Contact {
    pub(super) connection: PathBuf,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) identity: Identity,
    pub(super) info: PilotInfo,
}

/// Why the pilot is to end its engine hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Farewell {
    /// The controller says so.
    Stop(String),
    /// There is no controller, or it will not have this pilot.
    Alone(String),
}

enum Broken {
    Link(String),
    Ended(Farewell),
    /// The pilot itself has ended.
    Done,
}

impl Contact {
    /// Passes `reports` on until they end; tells once why everything is to end.
    pub(super) async fn keep(self, mut reports: Receiver<Message>, farewell: Sender<Farewell>) {
        let mut away_since = Instant::now();
        let mut wait = FIRST_WAIT;
        loop {
            let reason = match self.dial().await {
                Ok((reader, writer, welcome)) => {
                    wait = FIRST_WAIT;
                    let broken = self.hold(reader, writer, welcome, &mut reports).await;
                    away_since = Instant::now();
                    match broken {
                        Broken::Link(reason) => reason,
                        Broken::Ended(reason) => return tell(&farewell, reason),
                        Broken::Done => return,
                    }
                }
                Err(DialFailure::Final(reason)) => return tell(&farewell, Farewell::Alone(reason)),
                Err(DialFailure::Passing(reason)) => reason,
            };
            tracing::info!("no link to the controller: {reason}");
            if away_since.elapsed() + wait >= GIVE_UP_AFTER {
                let limit = GIVE_UP_AFTER.as_secs();
                return tell(&farewell, Farewell::Alone(format!("no controller for {limit} s: {reason}")));
            }
            tokio::select! {
                () = sleep(wait) => {}
                // so that a pilot that ends does not wait
                () = farewell.closed() => return,
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn dial(&self) -> Result<(LinkReader, LinkWriter, Welcome), DialFailure> {
        let connection = await_connection(&self.connection)
            .await
            .map_err(|error| DialFailure::Final(error.to_string()))?;
        dial(&connection, Arc::clone(&self.transport), self.identity.clone()).await.map_err(|error| {
            match error {
                DialError::Refused { .. } => DialFailure::Final(error.to_string()),
                DialError::Unreachable { .. } => DialFailure::Passing(error.to_string()),
            }
        })
    }

    /// Speaks on an open link until it breaks.
    async fn hold(
        &self,
        mut reader: LinkReader,
        writer: LinkWriter,
        welcome: Welcome,
        reports: &mut Receiver<Message>,
    ) -> Broken {
        let heartbeat = Duration::from_millis(welcome.heartbeat_ms.into());
        writer.send(&Message::Pilot(self.info.clone()));
        let (mut spoke, mut heard) = (Instant::now(), Instant::now());
        loop {
            tokio::select! {
                messages = reader.receive() => match messages {
                    Ok(messages) => {
                        heard = Instant::now();
                        if let Some(farewell) = messages.into_iter().find_map(parting) {
                            writer.close().await;
                            return Broken::Ended(farewell);
                        }
                    }
                    Err(error) => return Broken::Link(error.to_string()),
                },
                report = reports.recv() => match report {
                    Some(report) => {
                        writer.send(&report);
                        spoke = Instant::now();
                        if writer.queued() > LinkWriter::READY_BYTES {
                            return Broken::Link("the controller does not read".to_owned());
                        }
                    }
                    None => {
                        writer.send(&Message::Goodbye { reason: "the pilot has ended".to_owned() });
                        writer.close().await;
                        return Broken::Done;
                    }
                },
                () = sleep_until(spoke + heartbeat) => {
                    writer.send(&Message::Heartbeat);
                    spoke = Instant::now();
                }
                () = sleep_until(heard + LOST_AFTER) => {
                    return Broken::Link(format!("silent for {} s", LOST_AFTER.as_secs()));
                }
            }
        }
    }
}

enum DialFailure {
    /// Trying again may help.
    Passing(String),
    Final(String),
}

/// The controller's last word, if this is one.
fn parting(message: Message) -> Option<Farewell> {
    match message {
        Message::Stop => Some(Farewell::Stop("the cluster was stopped".to_owned())),
        Message::Goodbye { reason } => Some(Farewell::Stop(format!("the controller left: {reason}"))),
        Message::Notice { text } => {
            tracing::info!("{text}");
            None
        }
        _ => None,
    }
}

fn tell(farewell: &Sender<Farewell>, reason: Farewell) {
    // nobody listens any more: then the pilot is already ending
    let _ = farewell.try_send(reason);
}
