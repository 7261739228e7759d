//! Accepting: many handshakes at once, none of them able to hold up the others.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rpar_core::transport::{Endpoint, Link, Listener, PeerKey, TransportError};
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::{HANDSHAKE_TIME, prepare, tls};

/// Handshakes under way at once: a stranger who opens connections takes at most this many places, each for
/// `HANDSHAKE_TIME`, or for `SILENCE` if he says nothing; the rest wait in the system's backlog.
const HANDSHAKES_LIMIT: usize = 1024;

/// How long a connection may be silent at first. Diallers speak first, and a lost packet is sent again after 1 s (RFC
/// 6298); who scans ports says nothing, and is not to keep others waiting for as long as they are patient.
const SILENCE: Duration = Duration::from_secs(3);

/// Pause after the system refused to accept (out of descriptors, mostly), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A listening socket and the handshakes on their way.
pub(super) struct TcpListener {
    socket: tokio::net::TcpListener,
    acceptor: TlsAcceptor,
    key: PeerKey,
    endpoints: Vec<Endpoint>,
    handshakes: JoinSet<Option<Link>>,
    refused: u64,
    /// The last try to accept failed, and that was logged.
    failing: bool,
}

impl TcpListener {
    pub(super) fn new(
        socket: tokio::net::TcpListener,
        config: Arc<ServerConfig>,
        key: PeerKey,
        endpoints: Vec<Endpoint>,
    ) -> Self {
        let acceptor = TlsAcceptor::from(config);
        TcpListener {
            socket,
            acceptor,
            key,
            endpoints,
            handshakes: JoinSet::new(),
            refused: 0,
            failing: false,
        }
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpListener").field("endpoints", &self.endpoints).field("key", &self.key).finish()
    }
}

#[async_trait]
impl Listener for TcpListener {
    fn endpoints(&self) -> Vec<Endpoint> {
        self.endpoints.clone()
    }

    fn key(&self) -> PeerKey {
        self.key
    }

    async fn accept(&mut self) -> Result<Link, TransportError> {
        loop {
            tokio::select! {
                Some(ended) = self.handshakes.join_next() => match ended {
                    Ok(Some(link)) => return Ok(link),
                    Ok(None) | Err(_) => self.refused += 1,
                },
                accepted = self.socket.accept(), if self.handshakes.len() < HANDSHAKES_LIMIT => match accepted {
                    Ok((stream, address)) => {
                        self.failing = false;
                        self.handshakes.spawn(shake(self.acceptor.clone(), stream, address.to_string(), self.key));
                    }
                    Err(error) => {
                        // once, not with every try: that would fill the log's disk
                        if !std::mem::replace(&mut self.failing, true) {
                            tracing::warn!(%error, "could not accept a connection");
                        }
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
    }

    fn refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
    }
}

async fn shake(acceptor: TlsAcceptor, stream: TcpStream, address: String, own: PeerKey) -> Option<Link> {
    prepare(&stream).ok()?;
    // nothing but the socket is kept for who says nothing
    if !matches!(timeout(SILENCE, stream.readable()).await, Ok(Ok(()))) {
        tracing::debug!(%address, "connected, and said nothing");
        return None;
    }
    let shaken = timeout(HANDSHAKE_TIME, acceptor.accept(stream)).await;
    let stream = match shaken {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(%address, %error, "handshake failed");
            return None;
        }
        Err(_) => {
            tracing::debug!(%address, "handshake took too long");
            return None;
        }
    };
    let peer = tls::key_of(stream.get_ref().1.peer_certificates()?.first()?)?;
    Some(Link { own, peer, address, io: Box::new(stream) })
}
