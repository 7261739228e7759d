//! The dialler's side of a greeting.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rpar_core::connection::{Claim, ConnectionFile};
use rpar_core::transport::{Duplex, Endpoint, Identity, Link, Transport, TransportError};
use rpar_core::wire::{FRAME_LIMIT_BYTES, Hello, Message, PROTOCOL_VERSION, Welcome, encode};
use thiserror::Error;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::{BUILD, LinkReader, LinkWriter, first, open_after};

/// How long an endpoint may take to answer, and then to the greeting: a lost first packet is sent again after 1 and 3 s
/// (RFC 6298).
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// How long a greeting may be without an answer until the next link that has proven the controller's key is greeted as
/// well: a path that passes small packets only (a broken path MTU discovery, RFC 2923) stands still just there.
const HEDGE: Duration = Duration::from_millis(500);

/// No link could be made to a controller.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DialError {
    /// The controller answered, and will not have this process. Dialling again does not help.
    #[error("the controller refused the link: {reason}")]
    Refused {
        /// Why, and what to do next.
        reason: String,
        /// The protocol versions that it speaks.
        supported: Vec<u16>,
        /// Its build.
        build: String,
    },
    /// The controller could not be reached. Dialling again may help.
    #[error(
        "could not reach the controller of `{cluster}`: {}; is it still running, and is this host in its network?",
        list(attempts)
    )]
    Unreachable {
        /// The cluster.
        cluster: String,
        /// What happened at each endpoint.
        attempts: Vec<Attempt>,
    },
}

/// What happened at an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Where.
    pub endpoint: Endpoint,
    /// What went wrong, in one line.
    pub reason: String,
    /// Whether the host answered at once that nobody listens there.
    pub deserted: bool,
}

impl DialError {
    /// Whether nobody listens at any endpoint, and every host has said so: a controller that is slow, or behind a broken
    /// network, does not look like that.
    pub fn is_deserted(&self) -> bool {
        match self {
            DialError::Unreachable { attempts, .. } => {
                !attempts.is_empty() && attempts.iter().all(|attempt| attempt.deserted)
            }
            DialError::Refused { .. } => false,
        }
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // a transport's reason mostly names the endpoint
        if self.reason.contains(&self.endpoint.0) {
            f.write_str(&self.reason)
        } else {
            write!(f, "{}: {}", self.endpoint, self.reason)
        }
    }
}

fn list(attempts: &[Attempt]) -> String {
    if attempts.is_empty() {
        return "its connection file names no endpoint".to_owned();
    }
    attempts.iter().map(Attempt::to_string).collect::<Vec<_>>().join("; ")
}

/// A stream whose greeting is over: what comes next on it is between the two ends.
pub(super) struct Greeted {
    pub(super) io: Box<dyn Duplex>,
    /// What has come behind the welcome.
    pub(super) came: BytesMut,
    pub(super) welcome: Welcome,
}

/// Links to the controller that `file` names. Dials all its endpoints at once; who proves the controller's key first is
/// greeted, and the next one too if no answer comes. Takes at most 10 s. Cancel-safe in that a dropped future drops whatever it had opened.
///
/// # Errors
/// When no endpoint led to the controller, or when it refused.
pub async fn dial(
    file: &ConnectionFile,
    transport: Arc<dyn Transport>,
    identity: Identity,
) -> Result<(LinkReader, LinkWriter, Welcome), DialError> {
    dial_within(file, transport, identity, PATIENCE).await
}

/// [`dial`] for at most twice the `patience`.
///
/// # Errors
/// As [`dial`].
pub(crate) async fn dial_within(
    file: &ConnectionFile,
    transport: Arc<dyn Transport>,
    identity: Identity,
    patience: Duration,
) -> Result<(LinkReader, LinkWriter, Welcome), DialError> {
    let Greeted { io, came, welcome } = reach(file, transport, identity, patience).await?;
    let (reader, writer) = open_after(came, io);
    Ok((reader, writer, welcome))
}

/// The same, for who does not read what follows.
pub(super) async fn reach(
    file: &ConnectionFile,
    transport: Arc<dyn Transport>,
    identity: Identity,
    patience: Duration,
) -> Result<Greeted, DialError> {
    let deadline = Instant::now() + 2 * patience;
    let mut dials = JoinSet::new();
    for endpoint in file.endpoints.clone() {
        let (transport, identity, key) = (Arc::clone(&transport), identity.clone(), file.controller_key);
        dials.spawn(async move {
            let dialled = timeout(patience, transport.dial(&identity, &endpoint, &key)).await;
            let late = || TransportError::Unreachable {
                endpoint: endpoint.to_string(),
                reason: format!("no answer within {} s", patience.as_secs()),
            };
            (endpoint.clone(), dialled.unwrap_or_else(|_| Err(late())))
        });
    }
    let mut greetings = JoinSet::new();
    let mut proven: VecDeque<(Endpoint, Link)> = VecDeque::new();
    let mut attempts = Vec::new();
    let mut hedge_at = Instant::now();
    loop {
        if (greetings.is_empty() || Instant::now() >= hedge_at)
            && let Some((endpoint, link)) = proven.pop_front()
        {
            hedge_at = Instant::now() + HEDGE;
            let (file, limit) = (file.clone(), deadline.min(Instant::now() + patience));
            greetings.spawn(async move {
                let greeted = timeout_at(limit, greet(&file, link)).await;
                let late = format!("no answer to the greeting within {} s", patience.as_secs());
                (endpoint, greeted.unwrap_or(Err(Failure::Link(late))))
            });
        }
        // a transport that panics leaves its endpoint out
        let (endpoint, reason, deserted) = tokio::select! {
            Some(dialled) = dials.join_next() => match dialled {
                Ok((endpoint, Ok(link))) => {
                    proven.push_back((endpoint, link));
                    continue;
                }
                Ok((endpoint, Err(error))) => {
                    (endpoint, error.to_string(), matches!(error, TransportError::Deserted { .. }))
                }
                Err(_) => continue,
            },
            Some(greeted) = greetings.join_next() => match greeted {
                Ok((_, Ok(greeted))) => return Ok(greeted),
                Ok((_, Err(Failure::Refused(refused)))) => return Err(refused),
                Ok((endpoint, Err(Failure::Link(reason)))) => (endpoint, reason, false),
                Err(_) => continue,
            },
            () = sleep_until(hedge_at), if !proven.is_empty() => continue,
            else => break,
        };
        attempts.push(Attempt { endpoint, reason, deserted });
    }
    Err(DialError::Unreachable { cluster: file.cluster.clone(), attempts })
}

enum Failure {
    Refused(DialError),
    Link(String),
}

async fn greet(file: &ConnectionFile, link: Link) -> Result<Greeted, Failure> {
    let claim = Claim {
        controller: &link.peer,
        peer: &link.own,
        role: file.role,
        cluster: &file.cluster,
        incarnation: file.incarnation,
    };
    let hello = Hello {
        versions: vec![PROTOCOL_VERSION],
        build: BUILD.to_owned(),
        role: file.role,
        cluster: file.cluster.clone(),
        incarnation: file.incarnation,
        proof: claim.prove(&file.secret).to_vec(),
    };
    let (mut io, mut came) = (link.io, BytesMut::new());
    encode(&Message::Hello(hello), &mut came);
    let sent = async {
        io.write_all_buf(&mut came).await?;
        io.flush().await
    };
    sent.await.map_err(|error| Failure::Link(format!("writing failed: {error}")))?;
    match first(&mut io, &mut came, FRAME_LIMIT_BYTES).await {
        Ok(Message::Welcome(welcome)) => Ok(Greeted { io, came, welcome }),
        Ok(Message::Refused { reason, supported, build }) => {
            Err(Failure::Refused(DialError::Refused { reason, supported, build }))
        }
        Ok(_) => Err(Failure::Link(
            "the peer broke the protocol: its answer is neither welcome nor refusal".to_owned(),
        )),
        Err(error) => Err(Failure::Link(error.to_string())),
    }
}
