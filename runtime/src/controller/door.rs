//! Accepts links, and lets in who can prove a role.

use std::sync::Arc;
use std::time::Duration;

use rpar_core::transport::{Link, Listener};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::inbox::{Event, Inbox};
use crate::link::{Admission, LinkError, Rejection, admit};

/// How many links may be open that have not proven anything: they cost some 50 KiB each. Past that no further one is
/// accepted until one has greeted, which takes an honest peer a round trip, or has failed to, within 5 s.
const UNPROVEN: usize = 512;

/// How often transports are asked for failed handshakes, and a suppressed refusal is summed up.
const COUNT_EVERY: Duration = Duration::from_secs(10);

/// How many refusals are logged one by one between two counts.
const LOGGED: u64 = 5;

/// The doors; they shut when dropped.
#[derive(Debug)]
pub(super) struct Doors(#[expect(dead_code, reason = "kept for its drop, which ends the tasks")] JoinSet<()>);

/// Opens a door for each listener.
pub(super) fn open(listeners: Vec<Box<dyn Listener>>, admission: Admission, inbox: &Inbox) -> Doors {
    let admission = Arc::new(admission);
    let mut doors = JoinSet::new();
    for listener in listeners {
        let door = Door {
            admission: Arc::clone(&admission),
            inbox: inbox.clone(),
            greetings: JoinSet::new(),
            refused: 0,
            logged: 0,
        };
        doors.spawn(door.serve(listener));
    }
    Doors(doors)
}

struct Door {
    admission: Arc<Admission>,
    inbox: Inbox,
    greetings: JoinSet<Result<(), (String, Rejection)>>,
    /// Refusals since the last count, and how many of them were logged.
    refused: u64,
    logged: u64,
}

impl Door {
    async fn serve(mut self, mut listener: Box<dyn Listener>) {
        let mut count = interval(COUNT_EVERY);
        count.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some(greeted) = self.greetings.join_next() => {
                    if let Ok(Err((address, rejection))) = greeted {
                        self.refuse(&address, &rejection);
                    }
                }
                accepted = listener.accept(), if self.greetings.len() < UNPROVEN => match accepted {
                    Ok(link) => self.greet(link),
                    // those who are here go on
                    Err(error) => return tracing::error!("no further links can be accepted: {error}"),
                },
                _ = count.tick() => self.sum_up(listener.refused()),
            }
        }
    }

    fn greet(&mut self, link: Link) {
        let (admission, inbox) = (Arc::clone(&self.admission), self.inbox.clone());
        let address = link.address.clone();
        self.greetings.spawn(async move {
            let admitted = admit(link, &admission).await.map_err(|rejection| (address, rejection))?;
            inbox.send(Event::Admitted(Box::new(admitted))).await;
            Ok(())
        });
    }

    fn refuse(&mut self, address: &str, rejection: &Rejection) {
        if matches!(rejection, Rejection::Link(LinkError::Closed)) {
            // a dialler that reached another of our endpoints first
            tracing::debug!("{address} left without a greeting");
            return;
        }
        self.refused += 1;
        if self.logged < LOGGED {
            self.logged += 1;
            tracing::warn!("refused a link from {address}: {rejection}");
        }
    }

    fn sum_up(&mut self, handshakes: u64) {
        let silent = self.refused - self.logged + handshakes;
        if silent > 0 {
            tracing::warn!(
                "refused {silent} more links in {} s, {handshakes} of them in the transport's handshake",
                COUNT_EVERY.as_secs()
            );
        }
        (self.refused, self.logged) = (0, 0);
    }
}
