//! The limit of passing messages: a client, a relay and an echo, three processes, each one thread, TLS 1.3 on both hops,
//! messages of 100 bytes, 10,000 under way, reads and writes of up to 64 KiB. Each process looks at each message's length
//! and copies it to its next write: the least that anything can do which passes messages rather than bytes.

use std::cell::Cell;
use std::io::{self, Write};
use std::time::Instant;

use bytes::{Buf, BytesMut};
use rpar_core::transport::{Duplex, Endpoint, Identity, Link, PeerKey, Transport};
use rpar_transports::{Tcp, TcpConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt, split};
use tokio::sync::Notify;

use crate::pairs::rate;
use crate::role::Part;

/// The length of a message.
const MESSAGE_BYTES: usize = 100;

/// A message begins with its own length.
const LENGTH_BYTES: usize = 4;

/// How many messages are under way.
const WINDOW: u64 = 10_000;

/// The length of reads and writes.
const BUFFER_BYTES: usize = 64 << 10;

/// The relay and the echo, ready for clients.
#[derive(Debug)]
pub struct Relay {
    endpoint: Endpoint,
    key: PeerKey,
    _parts: [Part; 2],
}

impl Relay {
    /// Starts both processes.
    ///
    /// # Errors
    /// When one does not come up.
    pub fn start() -> io::Result<Relay> {
        let mut echo = Part::start("echo", &[])?;
        let address = echo.line()?;
        let mut relay = Part::start("relay", &[&address])?;
        let (endpoint, key) = parse(&relay.line()?)?;
        Ok(Relay { endpoint, key, _parts: [echo, relay] })
    }

    /// Round trips a second over `count` messages.
    ///
    /// # Errors
    /// When the link breaks.
    pub fn round_trips_per_second(&self, count: u64) -> io::Result<f64> {
        run(async {
            let link = dial(&self.endpoint, &self.key, 3).await?;
            let start = Instant::now();
            exchange(link.io, count).await?;
            Ok(rate(count, start.elapsed()))
        })
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

/// Plays the relay: passes everything on to the echo, and back.
///
/// # Errors
/// When it cannot listen, or not reach the echo.
pub fn relay(echo: &str) -> io::Result<()> {
    run(async {
        let (endpoint, key) = parse(echo)?;
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

async fn exchange(io: Box<dyn Duplex>, count: u64) -> io::Result<()> {
    let (mut reader, mut writer) = split(io);
    let (received, moved) = (Cell::new(0), Notify::new());
    let mut message = [7; MESSAGE_BYTES];
    message[..LENGTH_BYTES].copy_from_slice(&(MESSAGE_BYTES as u32).to_le_bytes());
    let send = async {
        let mut out = Vec::with_capacity(BUFFER_BYTES);
        let mut sent = 0;
        while sent < count {
            let room = (received.get() + WINDOW).min(count) - sent;
            if room == 0 {
                moved.notified().await;
                continue;
            }
            let messages = room.min((BUFFER_BYTES / MESSAGE_BYTES) as u64);
            (0..messages).for_each(|_| out.extend_from_slice(&message));
            writer.write_all(&out).await?;
            writer.flush().await?;
            out.clear();
            sent += messages;
        }
        io::Result::Ok(())
    };
    let receive = async {
        let mut buffer = BytesMut::with_capacity(BUFFER_BYTES);
        while received.get() < count {
            buffer.reserve(BUFFER_BYTES);
            if reader.read_buf(&mut buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            while let Some(length) = message_length(&buffer) {
                buffer.advance(length);
                received.set(received.get() + 1);
            }
            moved.notify_one();
        }
        Ok(())
    };
    tokio::try_join!(send, receive).map(|_| ())
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
fn message_length(buffer: &BytesMut) -> Option<usize> {
    let prefix = buffer.get(..LENGTH_BYTES)?.try_into().ok()?;
    let length = u32::from_le_bytes(prefix) as usize;
    (buffer.len() >= length).then_some(length)
}

async fn listen(seed: u8) -> io::Result<Box<dyn rpar_core::transport::Listener>> {
    let tcp = Tcp::new(TcpConfig::default());
    let at = Endpoint("tcp://127.0.0.1:0".to_owned());
    let listener = tcp.bind(&Identity::from_seed([seed; 32]), &at).await.map_err(io::Error::other)?;
    let key: String = listener.key().0.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut out = io::stdout().lock();
    writeln!(out, "{} {key}", listener.endpoints()[0])?;
    out.flush()?;
    Ok(listener)
}

async fn dial(endpoint: &Endpoint, key: &PeerKey, seed: u8) -> io::Result<Link> {
    let tcp = Tcp::new(TcpConfig::default());
    tcp.dial(&Identity::from_seed([seed; 32]), endpoint, key).await.map_err(io::Error::other)
}

fn parse(line: &str) -> io::Result<(Endpoint, PeerKey)> {
    let malformed = || io::Error::other(format!("not an address: {line}"));
    let (endpoint, digits) = line.split_once(' ').ok_or_else(malformed)?;
    let mut key = [0; 32];
    for (index, byte) in key.iter_mut().enumerate() {
        let pair = digits.get(index * 2..index * 2 + 2).ok_or_else(malformed)?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| malformed())?;
    }
    Ok((Endpoint(endpoint.to_owned()), PeerKey(key)))
}

fn run<T>(future: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}
