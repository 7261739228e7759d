//! What a client of the bare relay reaches.

use std::cell::Cell;
use std::io;
use std::time::Instant;

use bytes::{Buf, BytesMut};
use rpar_core::transport::Duplex;
use tokio::io::{AsyncReadExt, AsyncWriteExt, split};
use tokio::sync::Notify;

use crate::relay::{BUFFER_BYTES, LENGTH_BYTES, Relay, message_length, run};
use crate::row::{median, rate};

/// The length of a message.
const MESSAGE_BYTES: usize = 100;

/// How many messages are under way when there are many.
const WINDOW: u64 = 10_000;

impl Relay {
    /// Round trips a second over `count` messages of 100 bytes, 10,000 under way.
    ///
    /// # Errors
    /// When the link breaks.
    pub fn round_trips_per_second(&self, count: u64) -> io::Result<f64> {
        run(async {
            let link = self.dial().await?;
            let start = Instant::now();
            exchange(link.io, count).await?;
            Ok(rate(count, start.elapsed()))
        })
    }

    /// Microseconds from a message of 100 bytes to its echo, one under way: the median of `count`.
    ///
    /// # Errors
    /// When the link breaks.
    pub fn round_trip_micros(&self, count: usize) -> io::Result<f64> {
        run(async {
            let (mut reader, mut writer) = split(self.dial().await?.io);
            let (message, mut echo) = (message(), [0; MESSAGE_BYTES]);
            let mut took = Vec::with_capacity(count);
            while took.len() < count {
                let start = Instant::now();
                writer.write_all(&message).await?;
                writer.flush().await?;
                reader.read_exact(&mut echo).await?;
                took.push(start.elapsed().as_secs_f64() * 1e6);
            }
            Ok(median(took))
        })
    }

    /// Bytes a second that come from behind the relay, over `count` bytes.
    ///
    /// # Errors
    /// When the link breaks.
    pub fn bytes_per_second(&self, count: u64) -> io::Result<f64> {
        run(async {
            let (mut reader, mut writer) = split(self.dial().await?.io);
            let start = Instant::now();
            writer.write_u32_le((LENGTH_BYTES + size_of_val(&count)) as u32).await?;
            writer.write_u64_le(count).await?;
            writer.flush().await?;
            let (mut buffer, mut received) = (BytesMut::with_capacity(BUFFER_BYTES), 0);
            while received < count {
                received += read(&mut reader, &mut buffer).await? as u64;
                buffer.clear();
            }
            Ok(rate(received, start.elapsed()))
        })
    }
}

fn message() -> [u8; MESSAGE_BYTES] {
    let mut message = [7; MESSAGE_BYTES];
    message[..LENGTH_BYTES].copy_from_slice(&(MESSAGE_BYTES as u32).to_le_bytes());
    message
}

async fn read(reader: &mut (impl AsyncReadExt + Unpin), buffer: &mut BytesMut) -> io::Result<usize> {
    buffer.reserve(BUFFER_BYTES);
    match reader.read_buf(buffer).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        count => Ok(count),
    }
}

async fn exchange(io: Box<dyn Duplex>, count: u64) -> io::Result<()> {
    let (mut reader, mut writer) = split(io);
    let (received, moved) = (Cell::new(0), Notify::new());
    let message = message();
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
            read(&mut reader, &mut buffer).await?;
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
