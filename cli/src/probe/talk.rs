//! What a probe and its checker say to each other on a link: a proof, then questions of one byte and what belongs to them.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rpar_core::connection::{Claim, ConnectionFile};
use rpar_core::transport::{Duplex, PeerKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Told;

/// Sent each way to measure: long against a round trip, short against a minute on a slow network.
const BULK_BYTES: usize = 4 << 20;

/// The longest report: a node's takes some kilobytes.
const TOLD_LIMIT_BYTES: u32 = 1 << 20;

/// How often a byte goes to and fro.
const ROUND_TRIPS: usize = 5;

const ECHO: u8 = b'E';
const CLOCK: u8 = b'C';
const BULK: u8 = b'B';
const FILE: u8 = b'F';
const TELL: u8 = b'T';

/// The checker's file, by the name that the node looks for.
pub(super) const SEEN_FILE: &str = "seen";

/// The node's side.
pub(super) struct Asking {
    io: Box<dyn Duplex>,
}

impl Asking {
    /// Proves to whoever holds the connection file's secret that this is no stranger.
    pub(super) async fn begin(
        mut io: Box<dyn Duplex>,
        file: &ConnectionFile,
        own: &PeerKey,
        peer: &PeerKey,
    ) -> io::Result<Asking> {
        io.write_all(&claim(file, peer, own).prove(&file.secret)).await?;
        let mut asking = Asking { io };
        asking.round_trip().await?;
        Ok(asking)
    }

    /// The shortest of a few round trips.
    pub(super) async fn round_trip(&mut self) -> io::Result<Duration> {
        let mut shortest = Duration::MAX;
        for _ in 0..ROUND_TRIPS {
            let begun = Instant::now();
            self.ask(ECHO).await?;
            self.io.read_u8().await?;
            shortest = shortest.min(begun.elapsed());
        }
        Ok(shortest)
    }

    /// Sends and receives a few megabytes; tells the rate of both together.
    pub(super) async fn bytes_per_second(&mut self) -> io::Result<u64> {
        let mut bulk = vec![0; BULK_BYTES];
        let begun = Instant::now();
        self.io.write_u8(BULK).await?;
        self.io.write_all(&bulk).await?;
        self.io.flush().await?;
        self.io.read_exact(&mut bulk).await?;
        Ok((2.0 * BULK_BYTES as f64 / begun.elapsed().as_secs_f64()) as u64)
    }

    /// How far this host's clock is ahead of the checker's, but for half a round trip.
    pub(super) async fn clock_ahead_micros(&mut self) -> io::Result<i64> {
        let before = micros();
        self.ask(CLOCK).await?;
        let theirs = self.io.read_i64().await?;
        Ok((before + micros()) / 2 - theirs)
    }

    /// Has the checker make a file in the probe's directory; it is there when this returns.
    pub(super) async fn make_file(&mut self) -> io::Result<()> {
        self.ask(FILE).await?;
        match self.io.read_u8().await? {
            1 => Ok(()),
            _ => Err(ErrorKind::Other.into()),
        }
    }

    /// Hands over a report.
    pub(super) async fn tell(&mut self, told: &Told) -> io::Result<()> {
        let text = serde_json::to_vec(told)?;
        self.io.write_u8(TELL).await?;
        self.io.write_u32(u32::try_from(text.len()).unwrap_or(u32::MAX)).await?;
        self.io.write_all(&text).await?;
        self.io.flush().await?;
        self.io.read_u8().await.map(drop)
    }

    async fn ask(&mut self, what: u8) -> io::Result<()> {
        self.io.write_u8(what).await?;
        self.io.flush().await
    }
}

/// The checker's side: answers until the peer goes, and hands every report to `hear`.
///
/// # Errors
/// When the peer cannot prove itself, asks nonsense, or is gone.
pub(super) async fn answer(
    mut io: Box<dyn Duplex>,
    file: &ConnectionFile,
    own: &PeerKey,
    peer: &PeerKey,
    directory: &Path,
    hear: &(dyn Fn(Told) + Send + Sync),
) -> io::Result<()> {
    let mut proof = [0; 32];
    io.read_exact(&mut proof).await?;
    if !claim(file, own, peer).verify(&file.secret, &proof) {
        return Err(ErrorKind::PermissionDenied.into());
    }
    loop {
        match io.read_u8().await? {
            ECHO => io.write_u8(0).await?,
            CLOCK => io.write_i64(micros()).await?,
            BULK => {
                let mut bulk = vec![0; BULK_BYTES];
                io.read_exact(&mut bulk).await?;
                io.write_all(&bulk).await?;
            }
            FILE => {
                let made = std::fs::write(directory.join(SEEN_FILE), b"");
                io.write_u8(u8::from(made.is_ok())).await?;
            }
            TELL => {
                let length = io.read_u32().await?;
                if length > TOLD_LIMIT_BYTES {
                    return Err(ErrorKind::InvalidData.into());
                }
                let mut text = vec![0; length as usize];
                io.read_exact(&mut text).await?;
                hear(serde_json::from_slice(&text)?);
                io.write_u8(1).await?;
            }
            _ => return Err(ErrorKind::InvalidData.into()),
        }
        io.flush().await?;
    }
}

fn claim<'a>(file: &'a ConnectionFile, controller: &'a PeerKey, peer: &'a PeerKey) -> Claim<'a> {
    Claim { controller, peer, role: file.role, cluster: &file.cluster, incarnation: file.incarnation }
}

fn micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rpar_core::connection::{Role, Secret};
    use rpar_core::id::Incarnation;
    use std::sync::Mutex;

    const HERE: PeerKey = PeerKey([1; 32]);
    const THERE: PeerKey = PeerKey([2; 32]);

    fn file(secret: u8) -> ConnectionFile {
        ConnectionFile {
            cluster: "ours/probe".to_owned(),
            role: Role::Engine,
            incarnation: Incarnation(1),
            endpoints: Vec::new(),
            controller_key: HERE,
            secret: Secret::new([secret; 32]),
        }
    }

    #[tokio::test]
    async fn a_node_measures_and_tells() {
        let directory = tempfile::tempdir().unwrap();
        let (near, far) = tokio::io::duplex(64 << 10);
        let heard = Mutex::new(Vec::new());
        let hear = |told| heard.lock().unwrap().push(told);
        let told = Told::First(super::super::FirstReport::default());
        let node = async {
            let mut asking = Asking::begin(Box::new(near), &file(7), &THERE, &HERE).await?;
            assert!(asking.bytes_per_second().await? > 0);
            assert!(asking.clock_ahead_micros().await?.abs() < 60_000_000);
            asking.make_file().await?;
            assert!(directory.path().join(SEEN_FILE).exists());
            asking.tell(&told).await
        };
        let own = file(7);
        let checker = answer(Box::new(far), &own, &HERE, &THERE, directory.path(), &hear);
        let (asked, answered) = tokio::join!(node, checker);
        asked.unwrap();
        assert_eq!(answered.unwrap_err().kind(), ErrorKind::UnexpectedEof);
        assert_eq!(*heard.lock().unwrap(), [told]);
    }

    #[tokio::test]
    async fn a_stranger_gets_no_answer() {
        let directory = tempfile::tempdir().unwrap();
        let (near, far) = tokio::io::duplex(64 << 10);
        let (own, theirs) = (file(7), file(8));
        let node = Asking::begin(Box::new(near), &theirs, &THERE, &HERE);
        let checker = answer(Box::new(far), &own, &HERE, &THERE, directory.path(), &|_| panic!("heard it"));
        let (asked, answered) = tokio::join!(node, checker);
        assert!(asked.is_err());
        assert_eq!(answered.unwrap_err().kind(), ErrorKind::PermissionDenied);
    }
}
