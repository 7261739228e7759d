//! A link for a client elsewhere, whom whoever carries the stream (ssh) has proven: it is greeted here, with the proof
//! that is here, and from then on bytes go through as they are.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rpar_core::connection::ConnectionFile;
use rpar_core::transport::{Duplex, Identity, Transport};
use rpar_core::wire::{HELLO_LIMIT_BYTES, Hello, Message, PROTOCOL_VERSION, encode};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::timeout;

use super::dial::{Greeted, reach};
use super::{BUILD, DialError, LINGER, LinkError, PATIENCE, first};
use crate::files::host_name;

/// How long the client's greeting may take: it was started before this process was, a few round trips away.
const CLIENT_PATIENCE: Duration = Duration::from_secs(30);

/// What is on its way in one direction at most: a usual socket buffer.
const BUFFER_BYTES: usize = 64 << 10;

/// A client could not be linked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RelayError {
    /// The client's greeting did not come, or made no sense.
    #[error("no greeting has come from the client: {reason}")]
    Client {
        /// What came instead.
        reason: String,
    },
    /// The controller was not reached.
    #[error(transparent)]
    Dial(#[from] DialError),
}

/// Greets a client, links to the controller that `file` names, and passes on what each of them says until one ends. A refusal,
/// by this build or by the controller, is told to the client, and is no error here.
///
/// # Errors
/// When no link was made and the client does not know why.
pub async fn relay(
    mut client: Box<dyn Duplex>,
    file: &ConnectionFile,
    transport: Arc<dyn Transport>,
    identity: Identity,
) -> Result<(), RelayError> {
    let no_greeting = |reason: String| RelayError::Client { reason };
    let mut came = BytesMut::new();
    let hello = match timeout(CLIENT_PATIENCE, first(&mut client, &mut came, HELLO_LIMIT_BYTES)).await {
        Ok(Ok(Message::Hello(hello))) => hello,
        Ok(Ok(_)) => return Err(no_greeting("its first word is none".to_owned())),
        Ok(Err(LinkError::Closed)) => return Ok(()),
        Ok(Err(error)) => return Err(no_greeting(error.to_string())),
        Err(_) => return Err(no_greeting(format!("nothing within {} s", CLIENT_PATIENCE.as_secs()))),
    };
    if let Some(refused) = judge(&hello) {
        tell(&mut client, &refused).await;
        return Ok(());
    }
    match reach(file, transport, identity, PATIENCE).await {
        Ok(Greeted { io, came: behind, welcome }) => {
            let mut said = BytesMut::new();
            encode(&Message::Welcome(welcome), &mut said);
            said.extend_from_slice(&behind);
            pass(client, said, io, came).await;
            Ok(())
        }
        Err(DialError::Refused { reason, supported, build }) => {
            tell(&mut client, &Message::Refused { reason, supported, build }).await;
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Why a client of another build is not linked.
fn judge(hello: &Hello) -> Option<Message> {
    if hello.build == BUILD && hello.versions.contains(&PROTOCOL_VERSION) {
        return None;
    }
    let reason = format!(
        "you run rpar {}, and on {} there is rpar {BUILD}: use the same rpar on both sides",
        hello.build.escape_debug(),
        host_name()
    );
    Some(Message::Refused { reason, supported: vec![PROTOCOL_VERSION], build: BUILD.to_owned() })
}

async fn tell(client: &mut Box<dyn Duplex>, message: &Message) {
    let mut said = BytesMut::new();
    encode(message, &mut said);
    // who has gone meanwhile need not be told
    let _ = client.write_all(&said).await;
    let _ = client.shutdown().await;
}

/// Passes bytes on in both directions until either end closes, which then ends the other.
async fn pass(client: Box<dyn Duplex>, to_client: BytesMut, link: Box<dyn Duplex>, to_controller: BytesMut) {
    let (from_client, client) = tokio::io::split(client);
    let (from_controller, controller) = tokio::io::split(link);
    let up = copy(to_controller, from_client, controller);
    let down = copy(to_client, from_controller, client);
    tokio::pin!(up, down);
    tokio::select! {
        () = &mut down => {}
        // the controller still has its goodbye to say, and to close
        () = &mut up => drop(timeout(LINGER, down).await),
    }
}

/// Copies what comes, after what has come, and closes behind it.
async fn copy(mut buffer: BytesMut, mut from: ReadHalf<Box<dyn Duplex>>, mut to: WriteHalf<Box<dyn Duplex>>) {
    // however it ends: there is nobody to tell
    let _ = copy_all(&mut buffer, &mut from, &mut to).await;
    let _ = timeout(LINGER, to.shutdown()).await;
}

async fn copy_all(
    buffer: &mut BytesMut,
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    loop {
        to.write_all_buf(buffer).await?;
        to.flush().await?;
        buffer.reserve(BUFFER_BYTES);
        if (&mut *from).take(BUFFER_BYTES as u64).read_buf(buffer).await? == 0 {
            return Ok(());
        }
    }
}
