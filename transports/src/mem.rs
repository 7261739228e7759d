//! Links within one process, for tests: no sockets, no encryption, the same contract.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rpar_core::transport::{Endpoint, Identity, Link, Listener, PeerKey, Transport, TransportError};
use sha2::{Digest, Sha256};
use tokio::io::duplex;
use tokio::sync::mpsc;

/// Bytes that a link holds in each direction before its writer waits: as much as a socket's usual buffer.
const LINK_BYTES: usize = 256 << 10;

/// Links that wait to be accepted before diallers wait: as a listening socket's usual backlog.
const BACKLOG: usize = 128;

/// An in-process network of its own: only clones of one `Mem` reach each other.
#[derive(Clone, Debug, Default)]
pub struct Mem {
    network: Arc<Mutex<Network>>,
}

#[derive(Debug, Default)]
struct Network {
    listeners: BTreeMap<String, Bound>,
    bound: u64,
}

#[derive(Clone, Debug)]
struct Bound {
    key: PeerKey,
    links: mpsc::Sender<Link>,
}

impl Mem {
    /// A network with nobody on it.
    pub fn new() -> Self {
        Self::default()
    }

    fn with<T>(&self, f: impl FnOnce(&mut Network) -> T) -> T {
        f(&mut self.network.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Transport for Mem {
    fn scheme(&self) -> String {
        "mem".to_owned()
    }

    async fn bind(&self, identity: &Identity, at: &Endpoint) -> Result<Box<dyn Listener>, TransportError> {
        let place = place(at)?;
        let (sender, links) = mpsc::channel(BACKLOG);
        let key = public_key(identity);
        let name = self.with(|network| {
            let name = if place == "0" {
                network.bound += 1;
                format!("#{}", network.bound)
            } else {
                place.to_owned()
            };
            if network.listeners.get(&name).is_some_and(|bound| !bound.links.is_closed()) {
                return Err(TransportError::Bind { endpoint: at.to_string(), reason: "in use".to_owned() });
            }
            network.listeners.insert(name.clone(), Bound { key, links: sender });
            Ok(name)
        })?;
        Ok(Box::new(MemListener { endpoint: Endpoint(format!("mem://{name}")), key, links }))
    }

    async fn dial(&self, identity: &Identity, to: &Endpoint, peer: &PeerKey) -> Result<Link, TransportError> {
        let place = place(to)?;
        let nobody =
            || TransportError::Unreachable { endpoint: to.to_string(), reason: "nobody listens".to_owned() };
        let bound = self.with(|network| network.listeners.get(place).cloned()).ok_or_else(nobody)?;
        if bound.key != *peer {
            let reason = format!("it has key {:?}, not {peer:?}", bound.key);
            return Err(TransportError::Stranger { endpoint: to.to_string(), reason });
        }
        let (here, there) = duplex(LINK_BYTES);
        let own = public_key(identity);
        let address = "mem".to_owned();
        let far = Link { own: bound.key, peer: own, address, io: Box::new(there) };
        bound.links.send(far).await.map_err(|_| nobody())?;
        Ok(Link { own, peer: *peer, address: to.to_string(), io: Box::new(here) })
    }
}

fn place(at: &Endpoint) -> Result<&str, TransportError> {
    at.strip("mem").filter(|place| !place.is_empty()).ok_or_else(|| TransportError::Endpoint {
        scheme: "mem".to_owned(),
        endpoint: at.to_string(),
        reason: "expected mem://NAME, or mem://0 for a new name".to_owned(),
    })
}

/// No key pair is needed where nobody can listen in: a hash of the seed names its holder.
fn public_key(identity: &Identity) -> PeerKey {
    PeerKey(Sha256::digest(identity.seed()).into())
}

#[derive(Debug)]
struct MemListener {
    endpoint: Endpoint,
    key: PeerKey,
    links: mpsc::Receiver<Link>,
}

#[async_trait]
impl Listener for MemListener {
    fn endpoints(&self) -> Vec<Endpoint> {
        vec![self.endpoint.clone()]
    }

    fn key(&self) -> PeerKey {
        self.key
    }

    async fn accept(&mut self) -> Result<Link, TransportError> {
        let closed = || TransportError::Closed { reason: "its network is gone".to_owned() };
        self.links.recv().await.ok_or_else(closed)
    }

    fn refused(&mut self) -> u64 {
        0
    }
}
