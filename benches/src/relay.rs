//! The limit of passing messages: a client, a relay and a far end, three processes, each one thread, TLS 1.3 on both hops,
//! reads and writes of up to 64 KiB. Each process looks at each message's length and copies it to its next write: the
//! least that anything can do which passes messages rather than bytes.

use std::io::{self, Write};

use bytes::{Buf, BytesMut};
use rpar_core::transport::{Endpoint, Identity, Link, Listener, PeerKey, Transport};
use rpar_transports::{Tcp, TcpConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt, split};

use crate::role::Part;

/// A message begins with its own length, these bytes included.
pub(crate) const LENGTH_BYTES: usize = 4;

/// The length of reads and writes, and of a message at most.
pub(crate) const BUFFER_BYTES: usize = 64 << 10;

/// The relay and what is behind it, ready for clients.
#[derive(Debug)]
pub struct Relay {
    endpoint: Endpoint,
    key: PeerKey,
    _parts: [Part; 2],
}

/// What is behind the relay, by its role.
#[derive(Clone, Copy, Debug)]
pub enum Far {
    /// Sends back whatever comes.
    Echo,
    /// Sends as many bytes as a message asks for.
    Source,
}

impl Relay {
    /// Starts both processes.
    ///
    /// # Errors
    /// When one does not come up.
    pub fn start(far: Far) -> io::Result<Relay> {
        let role = match far {
            Far::Echo => "echo",
            Far::Source => "source",
        };
        let mut far = Part::start(role, &[])?;
        let address = far.line()?;
        let mut relay = Part::start("relay", &[&address])?;
        let (endpoint, key) = parse(&relay.line()?)?;
        Ok(Relay { endpoint, key, _parts: [far, relay] })
    }

    /// A link to it.
    pub(crate) async fn dial(&self) -> io::Result<Link> {
        dial(&self.endpoint, &self.key, 3).await
    }
}

/// Plays the echo: sends back whatever comes.
///
/// # Errors
/// When it cannot listen.
pub fn echo() -> io::Result<()> {
    run(async {
        let mut listener = listen(1).await?;
        loop {
            let (mut reader, mut writer) = split(listener.accept().await.map_err(io::Error::other)?.io);
            let _ = pass(&mut reader, &mut writer).await;
        }
    })
}

/// Plays the source: sends as many bytes as the first message of a link asks for, in messages as long as they can be.
///
/// # Errors
/// When it cannot listen.
pub fn source() -> io::Result<()> {
    run(async {
        let mut listener = listen(1).await?;
        loop {
            let (mut reader, mut writer) = split(listener.accept().await.map_err(io::Error::other)?.io);
            let _ = send(&mut reader, &mut writer).await;
        }
    })
}

async fn send(
    reader: &mut (impl AsyncReadExt + Unpin),
    writer: &mut (impl AsyncWriteExt + Unpin),
) -> io::Result<()> {
    reader.read_exact(&mut [0; LENGTH_BYTES]).await?;
    let mut left = reader.read_u64_le().await?;
    let mut message = vec![7; BUFFER_BYTES];
    message[..LENGTH_BYTES].copy_from_slice(&(BUFFER_BYTES as u32).to_le_bytes());
    while left > 0 {
        writer.write_all(&message).await?;
        left = left.saturating_sub(BUFFER_BYTES as u64);
    }
    writer.flush().await
}

/// Plays the relay: passes everything on to the far end, and back.
///
/// # Errors
/// When it cannot listen, or not reach the far end.
pub fn relay(far: &str) -> io::Result<()> {
    run(async {
        let (endpoint, key) = parse(far)?;
        let mut listener = listen(2).await?;
        loop {
            let near = listener.accept().await.map_err(io::Error::other)?;
            let far = dial(&endpoint, &key, 2).await?;
            let (mut from_near, mut to_near) = split(near.io);
            let (mut from_far, mut to_far) = split(far.io);
            let there = pass(&mut from_near, &mut to_far);
            let back = pass(&mut from_far, &mut to_near);
            tokio::select! {
                _ = there => (),
                _ = back => (),
            }
        }
    })
}

async fn pass(
    reader: &mut (impl AsyncReadExt + Unpin),
    writer: &mut (impl AsyncWriteExt + Unpin),
) -> io::Result<()> {
    let mut buffer = BytesMut::with_capacity(BUFFER_BYTES);
    let mut out = Vec::with_capacity(BUFFER_BYTES);
    loop {
        buffer.reserve(BUFFER_BYTES);
        if reader.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
        while let Some(length) = message_length(&buffer) {
            out.extend_from_slice(&buffer[..length]);
            buffer.advance(length);
            if out.len() + length > BUFFER_BYTES {
                writer.write_all(&out).await?;
                out.clear();
            }
        }
        writer.write_all(&out).await?;
        writer.flush().await?;
        out.clear();
    }
}

/// The length of the first message, if it is there whole.
pub(crate) fn message_length(buffer: &BytesMut) -> Option<usize> {
    let prefix = buffer.get(..LENGTH_BYTES)?.try_into().ok()?;
    let length = u32::from_le_bytes(prefix) as usize;
    (buffer.len() >= length).then_some(length)
}

pub(crate) async fn listen(seed: u8) -> io::Result<Box<dyn Listener>> {
    let tcp = Tcp::new(TcpConfig::default());
    let at = Endpoint("tcp://127.0.0.1:0".to_owned());
    let listener = tcp.bind(&Identity::from_seed([seed; 32]), &at).await.map_err(io::Error::other)?;
    let key: String = listener.key().0.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut out = io::stdout().lock();
    writeln!(out, "{} {key}", listener.endpoints()[0])?;
    out.flush()?;
    Ok(listener)
}

pub(crate) async fn dial(endpoint: &Endpoint, key: &PeerKey, seed: u8) -> io::Result<Link> {
    let tcp = Tcp::new(TcpConfig::default());
    tcp.dial(&Identity::from_seed([seed; 32]), endpoint, key).await.map_err(io::Error::other)
}

pub(crate) fn parse(line: &str) -> io::Result<(Endpoint, PeerKey)> {
    let malformed = || io::Error::other(format!("not an address: {line}"));
    let (endpoint, digits) = line.split_once(' ').ok_or_else(malformed)?;
    let mut key = [0; 32];
    for (index, byte) in key.iter_mut().enumerate() {
        let pair = digits.get(index * 2..index * 2 + 2).ok_or_else(malformed)?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| malformed())?;
    }
    Ok((Endpoint(endpoint.to_owned()), PeerKey(key)))
}

pub(crate) fn run<T>(future: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}
