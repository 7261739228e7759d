//! What every transport must do. Run all of it with [`suite`].

use std::sync::Arc;
use std::time::Duration;

use rpar_core::transport::{Endpoint, Identity, Link, Listener, PeerKey, Transport, TransportError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// No case takes a second; one that takes this long hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// More than any transport buffers, so that both directions must flow at once.
const LONG_BYTES: usize = 8 << 20;

/// Runs every case against a transport that listens at `at` (with a port, or a name, of the system's choice).
///
/// # Panics
/// When the transport breaks its contract; the message names the case.
pub async fn suite(transport: Arc<dyn Transport>, at: Endpoint) {
    let suite = Suite { transport, at };
    within("both ends know each other", suite.keys()).await;
    within("bytes arrive whole and in order", suite.bytes()).await;
    within("the end of one direction is seen", suite.end()).await;
    within("a wrong key is refused", suite.stranger()).await;
    within("nobody listens", suite.nobody()).await;
    within("endpoints of others are refused", suite.malformed()).await;
    within("a dropped accept loses nothing", suite.dropped_accept()).await;
    within("many links at once", suite.many()).await;
}

async fn within(case: &str, future: impl Future<Output = ()>) {
    assert!(timeout(PATIENCE, future).await.is_ok(), "{case}: not over within {PATIENCE:?}");
}

struct Suite {
    transport: Arc<dyn Transport>,
    at: Endpoint,
}

fn identity(number: u8) -> Identity {
    Identity::from_seed([number; 32])
}

impl Suite {
    async fn listen(&self) -> (Box<dyn Listener>, Endpoint, PeerKey) {
        let listener = self.transport.bind(&identity(1), &self.at).await.expect("bind");
        let endpoint = listener.endpoints().first().expect("a listener has an endpoint").clone();
        assert!(endpoint.strip(&self.transport.scheme()).is_some(), "{endpoint} has the transport's scheme");
        let key = listener.key();
        (listener, endpoint, key)
    }

    async fn pair(&self) -> (Link, Link) {
        let (mut listener, endpoint, key) = self.listen().await;
        let dialler = identity(2);
        let (near, far) = tokio::join!(self.transport.dial(&dialler, &endpoint, &key), listener.accept());
        (near.expect("dial"), far.expect("accept"))
    }

    async fn keys(&self) {
        let (near, far) = self.pair().await;
        assert_eq!(near.peer, far.own, "the dialler knows whom it dialled");
        assert_eq!(near.own, far.peer, "the listener knows who dialled");
        assert_ne!(near.own, near.peer);
    }

    async fn bytes(&self) {
        let (mut near, mut far) = self.pair().await;
        let data: Arc<Vec<u8>> = Arc::new((0..LONG_BYTES).map(|i| (i * 31 % 251) as u8).collect());
        let sent = data.clone();
        let echo = tokio::spawn(async move {
            let mut buffer = vec![0; 64 << 10];
            loop {
                match far.io.read(&mut buffer).await.expect("read") {
                    0 => break,
                    n => far.io.write_all(&buffer[..n]).await.expect("write"),
                }
            }
            far.io.shutdown().await.expect("shutdown");
        });
        let (mut reader, mut writer) = tokio::io::split(near.io.as_mut());
        let send = async {
            writer.write_all(&sent).await.expect("write");
            writer.shutdown().await.expect("shutdown");
        };
        let mut back = Vec::new();
        let receive = reader.read_to_end(&mut back);
        let (_, received) = tokio::join!(send, receive);
        received.expect("read to the end");
        assert!(back == *data, "{} bytes came back, not the same {}", back.len(), data.len());
        echo.await.expect("echo");
    }

    async fn end(&self) {
        let (near, mut far) = self.pair().await;
        drop(near);
        let mut rest = Vec::new();
        // an abrupt end may show as an error, but it must show
        let _ = far.io.read_to_end(&mut rest).await;
        assert!(rest.is_empty());
    }

    async fn stranger(&self) {
        let (mut listener, endpoint, key) = self.listen().await;
        let wrong = PeerKey([9; 32]);
        let (dialler, other) = (identity(2), identity(3));
        let dial = async {
            let error = self
                .transport
                .dial(&dialler, &endpoint, &wrong)
                .await
                .expect_err("a wrong key must not link");
            assert!(matches!(error, TransportError::Stranger { .. }), "{error}");
            self.transport.dial(&other, &endpoint, &key).await.expect("the right key links afterwards")
        };
        let (near, far) = tokio::join!(dial, listener.accept());
        assert_eq!(far.expect("accept").peer, near.own, "only the right link is accepted");
    }

    async fn nobody(&self) {
        let (listener, endpoint, key) = self.listen().await;
        drop(listener);
        let error = self.transport.dial(&identity(2), &endpoint, &key).await.expect_err("nobody is there");
        assert!(
            matches!(error, TransportError::Unreachable { .. } | TransportError::Deserted { .. }),
            "{error}"
        );
        assert!(error.to_string().contains(&endpoint.0), "{error}: names the endpoint");
    }

    async fn malformed(&self) {
        let scheme = self.transport.scheme();
        for text in ["", "nonsense", "other://127.0.0.1:1", &format!("{scheme}://")] {
            let endpoint = Endpoint(text.to_owned());
            let dialled = self.transport.dial(&identity(2), &endpoint, &PeerKey([9; 32])).await;
            let bound = self.transport.bind(&identity(1), &endpoint).await;
            for error in [dialled.expect_err(text), bound.expect_err(text)] {
                assert!(matches!(error, TransportError::Endpoint { .. }), "`{text}`: {error}");
            }
        }
    }

    async fn dropped_accept(&self) {
        let (mut listener, endpoint, key) = self.listen().await;
        let dialler = identity(2);
        let dial = self.transport.dial(&dialler, &endpoint, &key);
        let accept = async {
            loop {
                // each round drops an accept that may be in the middle of a handshake
                if let Ok(link) = timeout(Duration::from_micros(200), listener.accept()).await {
                    return link.expect("accept");
                }
            }
        };
        let (near, far) = tokio::join!(dial, accept);
        assert_eq!(near.expect("dial").own, far.peer);
    }

    async fn many(&self) {
        const LINKS: u8 = 50;
        let (mut listener, endpoint, key) = self.listen().await;
        let mut dialled = tokio::task::JoinSet::new();
        for number in 0..LINKS {
            let (transport, endpoint) = (self.transport.clone(), endpoint.clone());
            dialled.spawn(async move {
                let mut link = transport.dial(&identity(100 + number), &endpoint, &key).await.expect("dial");
                link.io.write_all(&link.own.0).await.expect("write");
                link.io.flush().await.expect("flush");
                link
            });
        }
        for _ in 0..LINKS {
            let mut link = listener.accept().await.expect("accept");
            let mut said = [0; 32];
            link.io.read_exact(&mut said).await.expect("read");
            assert_eq!(PeerKey(said), link.peer, "each stream belongs to the key that was proven on it");
        }
        assert_eq!(dialled.join_all().await.len(), LINKS as usize);
    }
}
