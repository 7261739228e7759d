//! The checker listens as a controller would.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rpar_core::connection::{ConnectionFile, Role, Secret};
use rpar_core::id::Incarnation;
use rpar_core::transport::{Endpoint, Listener, Transport, TransportError};
use rpar_runtime::link::fresh_identity;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Told, talk};

/// Links at a time: a node dials each address once, of which there are at most 16, and strangers get no further.
const LINKS: usize = 32;

/// How long one link may last: a probe's minute.
const LINK_TIME: Duration = Duration::from_secs(90);

/// Listeners, and what came in over their links.
pub(super) struct Listening {
    /// What a node needs to find and trust this process.
    pub(super) file: ConnectionFile,
    /// What was told so far.
    pub(super) told: mpsc::Receiver<Told>,
    #[expect(dead_code, reason = "kept for its drop, which ends the tasks")]
    doors: JoinSet<()>,
}

/// Listens at each endpoint of the profile.
///
/// # Errors
/// When none can be listened at, or the system has no randomness.
pub(super) async fn listen(
    transport: &Arc<dyn Transport>,
    at: &[Endpoint],
    cluster: String,
    directory: &Path,
) -> Result<Listening, TransportError> {
    let closed = |error: io::Error| TransportError::Closed { reason: error.to_string() };
    let identity = fresh_identity().map_err(closed)?;
    let mut listeners = Vec::new();
    for endpoint in at {
        listeners.push(transport.bind(&identity, endpoint).await?);
    }
    let Some(first) = listeners.first() else {
        return Err(TransportError::Closed { reason: "the profile listens nowhere".to_owned() });
    };
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| closed(io::Error::other(error)))?;
    let file = ConnectionFile {
        cluster,
        role: Role::Engine,
        incarnation: Incarnation(u64::from(std::process::id())),
        endpoints: listeners.iter().flat_map(|listener| listener.endpoints()).collect(),
        controller_key: first.key(),
        secret: Secret::new(secret),
    };
    // reports are few, and whoever is late waits
    let (tell, told) = mpsc::channel(LINKS);
    let mut doors = JoinSet::new();
    for listener in listeners {
        doors.spawn(serve(listener, file.clone(), directory.to_owned(), tell.clone()));
    }
    Ok(Listening { file, told, doors })
}

async fn serve(
    mut listener: Box<dyn Listener>,
    file: ConnectionFile,
    directory: std::path::PathBuf,
    tell: mpsc::Sender<Told>,
) {
    let mut links = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = links.join_next() => {}
            accepted = listener.accept(), if links.len() < LINKS => {
                let Ok(link) = accepted else { return };
                let (file, directory, tell) = (file.clone(), directory.clone(), tell.clone());
                links.spawn(async move {
                    let hear = move |told| drop(tell.try_send(told));
                    let talk = talk::answer(link.io, &file, &link.own, &link.peer, &directory, &hear);
                    // how it ends is the node's to tell
                    let _ = timeout(LINK_TIME, talk).await;
                });
            }
        }
    }
}
