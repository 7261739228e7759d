//! TCP with TLS 1.3 (RFC 8446), both sides known by raw Ed25519 public keys (RFC 7250): no certificates, no
//! authorities, no host names to check. The dialler pins the listener's key; the listener learns the dialler's.

mod address;
mod listener;
mod port;
mod tls;

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use rpar_core::transport::{Endpoint, Identity, Link, Listener, PeerKey, Transport, TransportError};
use rustls::pki_types::ServerName;
use serde::Deserialize;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use self::listener::TcpListener;

/// How long a connection and its handshake may take: a handshake costs milliseconds, but hundreds of engines may ask a
/// busy login node at once.
const HANDSHAKE_TIME: Duration = Duration::from_secs(20);

/// The `[transport]` section of a profile with `kind = "tcp"`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TcpConfig {
    /// What the controller tells others to dial, best first: interfaces (`ib0`), networks (`10.0.0.0/8`), host names or
    /// addresses. Empty: every address of this host.
    pub advertise: Vec<String>,
}

/// The transport.
#[derive(Clone, Debug, Default)]
pub struct Tcp {
    config: TcpConfig,
}

impl Tcp {
    /// A transport with the options of a profile.
    pub fn new(config: TcpConfig) -> Self {
        Tcp { config }
    }
}

#[async_trait]
impl Transport for Tcp {
    fn scheme(&self) -> String {
        "tcp".to_owned()
    }

    async fn bind(&self, identity: &Identity, at: &Endpoint) -> Result<Box<dyn Listener>, TransportError> {
        let failed = |reason: String| TransportError::Bind { endpoint: at.to_string(), reason };
        let listener = port::listen(at).await?;
        let local = listener.local_addr().map_err(|error| failed(error.to_string()))?;
        let advertised = address::advertised(local, &self.config.advertise).map_err(failed)?;
        let endpoints = advertised.into_iter().map(|address| Endpoint(format!("tcp://{address}"))).collect();
        let (config, key) = tls::server(identity).map_err(|error| failed(error.to_string()))?;
        Ok(Box::new(TcpListener::new(listener, config, key, endpoints)))
    }

    async fn dial(&self, identity: &Identity, to: &Endpoint, peer: &PeerKey) -> Result<Link, TransportError> {
        let unreachable = |reason: String| TransportError::Unreachable { endpoint: to.to_string(), reason };
        let stranger = |reason: String| TransportError::Stranger { endpoint: to.to_string(), reason };
        let (config, own) = tls::client(identity, peer).map_err(|error| stranger(error.to_string()))?;
        let connect = async {
            let (mut last, mut deserted) = ("no address".to_owned(), true);
            for address in resolve(to).await? {
                match TcpStream::connect(address).await {
                    Ok(stream) => return Ok(stream),
                    Err(error) => {
                        deserted &= error.kind() == std::io::ErrorKind::ConnectionRefused;
                        last = error.to_string();
                    }
                }
            }
            Err(if deserted {
                TransportError::Deserted { endpoint: to.to_string() }
            } else {
                unreachable(last)
            })
        };
        let late = || unreachable(format!("no answer within {} s", HANDSHAKE_TIME.as_secs()));
        let stream = timeout(HANDSHAKE_TIME, connect).await.map_err(|_| late())??;
        prepare(&stream).map_err(|error| unreachable(error.to_string()))?;
        // who listens is known by key, not by name; the name is only what the protocol asks for
        let name = ServerName::from(std::net::Ipv4Addr::UNSPECIFIED);
        let shaking = TlsConnector::from(config).connect(name, stream);
        let stream = timeout(HANDSHAKE_TIME, shaking).await.map_err(|_| late())?;
        let stream = stream.map_err(|error| stranger(error.to_string()))?;
        Ok(Link { own, peer: *peer, address: to.to_string(), io: Box::new(stream) })
    }
}

/// Messages go out as soon as they are written, and a host that vanished is noticed even on an idle link.
fn prepare(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    Ok(rustix::net::sockopt::set_socket_keepalive(stream, true)?)
}

async fn resolve(endpoint: &Endpoint) -> Result<Vec<SocketAddr>, TransportError> {
    let malformed = |reason: String| TransportError::Endpoint {
        scheme: "tcp".to_owned(),
        endpoint: endpoint.to_string(),
        reason,
    };
    let place = endpoint.strip("tcp").ok_or_else(|| malformed("expected tcp://HOST:PORT".to_owned()))?;
    let found: Vec<SocketAddr> = match lookup_host(place).await {
        Ok(found) => found.collect(),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => {
            return Err(malformed("expected tcp://HOST:PORT".to_owned()));
        }
        Err(error) => {
            return Err(TransportError::Unreachable {
                endpoint: endpoint.to_string(),
                reason: error.to_string(),
            });
        }
    };
    if found.is_empty() {
        return Err(malformed("the host has no address".to_owned()));
    }
    Ok(found)
}
