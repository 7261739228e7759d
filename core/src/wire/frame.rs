//! Frames: kind (u8), number of segments (u8), header length (u16), segment lengths (u32 each), header, segments.
//! Numbers are little-endian. Every length is checked against its limit before anything is kept for it.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use thiserror::Error;

use super::{FRAME_LIMIT_BYTES, HEADER_LIMIT_BYTES};

/// The most segments that a message has.
const SEGMENT_LIMIT: usize = 8;

/// The fixed first part of a frame.
const PREFIX_BYTES: usize = 4;

/// One message on a link, before its header is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) header: Bytes,
    pub(super) segments: Vec<Bytes>,
}

/// What came cannot be a frame. The link cannot be used any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// Longer than allowed.
    #[error("a frame of {bytes} bytes is over the limit of {limit}")]
    TooLong {
        /// What the frame claims.
        bytes: usize,
        /// What is allowed.
        limit: usize,
    },
    /// More segments than any message has.
    #[error("a frame with {count} segments is over the limit of {SEGMENT_LIMIT}")]
    TooManySegments {
        /// What the frame claims.
        count: usize,
    },
}

impl Frame {
    /// Appends all that stands before the segments.
    pub(super) fn put_head(&self, out: &mut BytesMut) {
        debug_assert!(self.header.len() <= HEADER_LIMIT_BYTES && self.segments.len() <= SEGMENT_LIMIT);
        let body_bytes: usize = self.segments.iter().map(Bytes::len).sum();
        debug_assert!(self.header.len() + body_bytes + PREFIX_BYTES + 4 * SEGMENT_LIMIT <= FRAME_LIMIT_BYTES);
        out.put_u8(self.kind);
        out.put_u8(self.segments.len() as u8);
        out.put_u16_le(self.header.len() as u16);
        self.segments.iter().for_each(|segment| out.put_u32_le(segment.len() as u32));
        out.put_slice(&self.header);
    }
}

/// What the first bytes of a frame say of it.
struct Prefix {
    kind: u8,
    start: usize,
    header: usize,
    lengths: [usize; SEGMENT_LIMIT],
    segments: usize,
}

impl Prefix {
    /// `None` while it is incomplete.
    fn of(buffer: &[u8]) -> Result<Option<Self>, FrameError> {
        let Some(&[kind, count, low, high]) = buffer.first_chunk::<PREFIX_BYTES>() else { return Ok(None) };
        let segments = count as usize;
        if segments > SEGMENT_LIMIT {
            return Err(FrameError::TooManySegments { count: segments });
        }
        let start = PREFIX_BYTES + 4 * segments;
        let Some(lengths_bytes) = buffer.get(PREFIX_BYTES..start) else { return Ok(None) };
        let mut lengths = [0; SEGMENT_LIMIT];
        for (length, bytes) in lengths.iter_mut().zip(lengths_bytes.chunks_exact(4)) {
            *length = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize;
        }
        Ok(Some(Prefix { kind, start, header: u16::from_le_bytes([low, high]) as usize, lengths, segments }))
    }

    /// The length of the whole frame.
    fn bytes(&self) -> usize {
        self.start + self.header + self.lengths.iter().sum::<usize>()
    }
}

/// How many bytes the frame at the front of `buffer` still lacks, as far as its first bytes are there to tell, and within
/// `limit`.
pub fn missing_bytes(buffer: &[u8], limit: usize) -> usize {
    match Prefix::of(buffer) {
        Ok(Some(prefix)) => prefix.bytes().min(limit).saturating_sub(buffer.len()),
        _ => 0,
    }
}

/// Takes one frame off the front of `buffer`, whose segments then share its memory; `None` while it is incomplete.
///
/// # Errors
/// When the frame claims more than `limit` bytes: the buffer then has not grown for it.
pub(super) fn take(buffer: &mut BytesMut, limit: usize) -> Result<Option<Frame>, FrameError> {
    let Some(prefix) = Prefix::of(buffer)? else { return Ok(None) };
    let bytes = prefix.bytes();
    if bytes > limit {
        return Err(FrameError::TooLong { bytes, limit });
    }
    if buffer.len() < bytes {
        return Ok(None);
    }
    let mut frame = buffer.split_to(bytes).freeze();
    frame.advance(prefix.start);
    let header = frame.split_to(prefix.header);
    let segments = prefix.lengths[..prefix.segments].iter().map(|length| frame.split_to(*length)).collect();
    Ok(Some(Frame { kind: prefix.kind, header, segments }))
}
