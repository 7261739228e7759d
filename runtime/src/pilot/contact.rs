//! The pilot's link to its controller: kept up, and made again when it breaks.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rpar_core::connection::ConnectionFile;
use rpar_core::transport::{Identity, Transport};
use rpar_core::wire::{Message, PilotInfo, Welcome};
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::{Instant, sleep, sleep_until};

use crate::engine::await_connection_for;
use crate::files::read_connection;
use crate::link::{DialError, LinkReader, LinkWriter, dial};

/// The waits before the link is made again.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// A pilot that has never had a link ends this long after it has begun, if the connection file is not there, or nobody
/// listens where it leads: its cluster is gone, and its nodes cost. A controller writes the file and listens before it asks
/// for nodes, and a node that has not looked for a file before asks the file server, so that this is longer than either
/// takes; one that does not answer at all may be behind a broken network, and is given the longer time.
const FORSAKEN: Duration = Duration::from_secs(5);

/// What a pilot needs to stay in contact.
#[derive(Debug)]
pub(super) struct Contact {
    pub(super) connection: PathBuf,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) identity: Identity,
    pub(super) info: PilotInfo,
    /// When the site ends the allocation, as far as its environment tells.
    pub(super) ends: Option<std::time::Instant>,
    /// A controller that has been silent for this long is lost.
    pub(super) lost_after: Duration,
    /// A controller that is away for this long is gone: it has had time to be restarted, and nodes cost money.
    pub(super) give_up_after: Duration,
}

/// Why the pilot is to end its engine hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Farewell {
    /// The controller says so.
    Stop(String),
    /// There is no controller, or it will not have this pilot.
    Alone(String),
}

/// What the controller wants of the pilot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// It is to end.
    Farewell(Farewell),
    /// Only so many engines are to stay on a node.
    Release {
        /// The node's name.
        node: String,
        engines: u32,
    },
}

enum Broken {
    Link(String),
    Ended(Farewell),
    /// The pilot itself has ended.
    Done,
}

impl Contact {
    /// Passes `reports` on until they end, and the controller's words; the last tells why everything is to end.
    pub(super) async fn keep(self, mut reports: Receiver<Message>, words: Sender<Word>) {
        let mut connection = match await_connection_for(&self.connection, FORSAKEN).await {
            Ok(connection) => connection,
            Err(error) => return alone(&words, error.to_string()).await,
        };
        let mut away_since = Instant::now();
        let (mut wait, mut met) = (FIRST_WAIT, false);
        loop {
            let (reason, deserted) = match self.dial(&connection).await {
                Ok((reader, writer, welcome)) => {
                    (wait, met) = (FIRST_WAIT, true);
                    let broken = self.hold(reader, writer, welcome, &mut reports, &words).await;
                    away_since = Instant::now();
                    match broken {
                        Broken::Link(reason) => (reason, false),
                        Broken::Ended(reason) => return tell(&words, Word::Farewell(reason)).await,
                        Broken::Done => return,
                    }
                }
                Err(DialFailure::Final(reason)) => return alone(&words, reason).await,
                Err(DialFailure::Passing { reason, deserted }) => (reason, deserted),
            };
            tracing::info!("no link to the controller: {reason}");
            let forsaken = deserted && !met;
            let limit = if forsaken { FORSAKEN.min(self.give_up_after) } else { self.give_up_after };
            if away_since.elapsed() + wait >= limit {
                return alone(&words, format!("no controller for {limit:?}: {reason}")).await;
            }
            tokio::select! {
                () = sleep(wait) => {}
                // so that a pilot that ends does not wait
                () = words.closed() => return,
            }
            wait = (wait * 2).min(LONGEST_WAIT);
            // a controller that was started anew has written a new file
            match read_connection(&self.connection) {
                Ok(newer) => connection = newer,
                Err(error) => tracing::info!("the connection file cannot be read again: {error}"),
            }
        }
    }

    async fn dial(
        &self,
        connection: &ConnectionFile,
    ) -> Result<(LinkReader, LinkWriter, Welcome), DialFailure> {
        let dialled = dial(connection, Arc::clone(&self.transport), self.identity.clone()).await;
        dialled.map_err(|error| match error {
            DialError::Refused { .. } => DialFailure::Final(error.to_string()),
            DialError::Unreachable { .. } => {
                DialFailure::Passing { reason: error.to_string(), deserted: error.is_deserted() }
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
        words: &Sender<Word>,
    ) -> Broken {
        let heartbeat = Duration::from_millis(welcome.heartbeat_ms.into());
        let left = self.ends.map(|ends| ends.saturating_duration_since(std::time::Instant::now()));
        let remaining_ms = left.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
        writer.send(&Message::Pilot(PilotInfo { remaining_ms, ..self.info.clone() }));
        let (mut spoke, mut heard) = (Instant::now(), Instant::now());
        loop {
            tokio::select! {
                messages = reader.receive() => match messages {
                    Ok(messages) => {
                        heard = Instant::now();
                        for word in messages.into_iter().filter_map(word) {
                            if let Word::Farewell(farewell) = word {
                                writer.close().await;
                                return Broken::Ended(farewell);
                            }
                            tell(words, word).await;
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
                () = sleep_until(heard + self.lost_after) => {
                    return Broken::Link(format!("silent for {:?}", self.lost_after));
                }
            }
        }
    }
}

enum DialFailure {
    /// Trying again may help.
    Passing {
        reason: String,
        /// Whether nobody listens there.
        deserted: bool,
    },
    Final(String),
}

/// What a message means to the pilot, if anything.
fn word(message: Message) -> Option<Word> {
    let stop = |reason| Some(Word::Farewell(Farewell::Stop(reason)));
    match message {
        Message::Stop => stop("the cluster was stopped".to_owned()),
        Message::Goodbye { reason } => stop(format!("the controller left: {reason}")),
        Message::Release { node, engines } => Some(Word::Release { node, engines }),
        Message::Notice { text } => {
            tracing::info!("{text}");
            None
        }
        _ => None,
    }
}

async fn alone(words: &Sender<Word>, reason: String) {
    tell(words, Word::Farewell(Farewell::Alone(reason))).await;
}

async fn tell(words: &Sender<Word>, word: Word) {
    // nobody listens any more: then the pilot is already ending
    let _ = words.send(word).await;
}
