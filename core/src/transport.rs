//! Authenticated, encrypted, ordered byte streams between processes: tcp, and mem for tests.

use std::fmt::{self, Debug};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};

/// Makes links. Framing and messages are written once, above it, in [`wire`](crate::wire).
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait Transport: Debug + Send + Sync + 'static {
    /// The name a profile's `kind` selects it by, and the scheme of its endpoints.
    fn scheme(&self) -> String;

    /// Listens. `at` is the transport's own notation of where; its port may be left to the system.
    ///
    /// # Errors
    /// When the endpoint is malformed or cannot be listened on.
    async fn bind(&self, identity: &Identity, at: &Endpoint) -> Result<Box<dyn Listener>, TransportError>;

    /// Opens a link to the process that holds `peer`. Cancel-safe.
    ///
    /// # Errors
    /// When nobody answers, or when who answers does not prove `peer`.
    async fn dial(&self, identity: &Identity, to: &Endpoint, peer: &PeerKey) -> Result<Link, TransportError>;
}

/// Where a process listens.
#[async_trait]
pub trait Listener: Debug + Send + 'static {
    /// Where others can dial it; goes into the connection files. Best first.
    fn endpoints(&self) -> Vec<Endpoint>;

    /// The public key that whoever dials will be shown; goes into the connection files.
    fn key(&self) -> PeerKey;

    /// Waits for the next link whose handshake has succeeded. Handshakes that fail, or last longer than the
    /// transport's bound, are dropped and counted, never returned. Cancel-safe.
    ///
    /// # Errors
    /// When no further link can ever come.
    async fn accept(&mut self) -> Result<Link, TransportError>;

    /// How many handshakes have failed since the last call.
    fn refused(&mut self) -> u64;
}

/// One stream to a peer whose key is proven.
pub struct Link {
    /// The key that this side proved to hold.
    pub own: PeerKey,
    /// The key that the peer proved to hold.
    pub peer: PeerKey,
    /// Where the peer is, for people to read.
    pub address: String,
    /// The stream.
    pub io: Box<dyn Duplex>,
}

impl Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("peer", &self.peer)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// A byte stream in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A place to dial or listen at: a scheme and the transport's own notation, as in `tcp://10.0.0.1:7000`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Endpoint(pub String);

impl Endpoint {
    /// The part after `SCHEME://`, if the endpoint has this scheme.
    pub fn strip(&self, scheme: &str) -> Option<&str> {
        self.0.strip_prefix(scheme)?.strip_prefix("://")
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A process's own key pair: an Ed25519 seed (RFC 8032), made at its start from the system's randomness.
#[derive(Clone)]
pub struct Identity {
    seed: [u8; 32],
}

impl Identity {
    /// Takes 32 random bytes.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Identity { seed }
    }

    /// The secret seed.
    pub fn seed(&self) -> &[u8; 32] {
        &self.seed
    }
}

impl Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(secret)")
    }
}

/// An Ed25519 public key (RFC 8032): who a peer is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PeerKey(#[serde(with = "serde_bytes")] pub [u8; 32]);

impl Debug for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}{:02x}{:02x}{:02x}", self.0[0], self.0[1], self.0[2], self.0[3])
    }
}

/// A link could not be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TransportError {
    /// The endpoint is not in this transport's notation.
    #[error("endpoint `{endpoint}` is not one of transport {scheme}: {reason}")]
    Endpoint {
        /// The transport.
        scheme: String,
        /// What was given.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Listening failed.
    #[error("could not listen on {endpoint}: {reason}")]
    Bind {
        /// Where.
        endpoint: String,
        /// The system's reason.
        reason: String,
    },
    /// Nobody answered there.
    #[error("could not reach {endpoint}: {reason}")]
    Unreachable {
        /// Where.
        endpoint: String,
        /// The system's reason.
        reason: String,
    },
    /// The host answered at once that nobody listens there.
    #[error("could not reach {endpoint}: nobody listens there (connection refused)")]
    Deserted {
        /// Where.
        endpoint: String,
    },
    /// Somebody answered who could not prove the expected key.
    #[error("{endpoint} is not the expected peer: {reason}")]
    Stranger {
        /// Where.
        endpoint: String,
        /// What failed.
        reason: String,
    },
    /// The listener is closed for good.
    #[error("the listener is closed: {reason}")]
    Closed {
        /// Why.
        reason: String,
    },
}
