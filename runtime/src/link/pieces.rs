//! Messages on their way out: frames one behind the other, long segments left where they are.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};
use rpar_core::wire::{self, Message};

/// A segment of this length is passed on as it is; to copy a shorter one costs less than to keep account of it.
const APART_BYTES: usize = 32 << 10;

/// Encoded messages, read from the front as a [`Buf`].
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// Everything but the segments that stay apart.
    copied: BytesMut,
    /// How much of it was read.
    read: usize,
    /// Segments that stay where they are, with the length that `copied` had when they came.
    apart: VecDeque<(usize, Bytes)>,
    apart_bytes: usize,
}

impl Pieces {
    /// Adds a message's frame.
    pub(super) fn push(&mut self, message: &Message) {
        wire::encode_around(message, APART_BYTES, &mut self.copied, |at, segment| {
            self.apart_bytes += segment.len();
            self.apart.push_back((at, segment));
        });
    }

    /// Drops everything; memory for more than `keep_bytes` is given back.
    pub(super) fn clear(&mut self, keep_bytes: usize) {
        self.copied.clear();
        if self.copied.capacity() > keep_bytes {
            self.copied = BytesMut::new();
        }
        self.apart.clear();
        (self.read, self.apart_bytes) = (0, 0);
    }

    /// The bytes that were copied up to the next segment that was not.
    fn copied_ahead(&self) -> &[u8] {
        let end = self.apart.front().map_or(self.copied.len(), |(at, _)| *at);
        &self.copied[self.read..end]
    }
}

impl Buf for Pieces {
    fn remaining(&self) -> usize {
        self.copied.len() - self.read + self.apart_bytes
    }

    fn chunk(&self) -> &[u8] {
        match (self.copied_ahead(), self.apart.front()) {
            ([], Some((_, segment))) => segment,
            (copied, _) => copied,
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let ends = self.apart.iter().map(|(at, segment)| (*at, &segment[..]));
        let (mut start, mut filled) = (self.read, 0);
        for (end, segment) in ends.chain([(self.copied.len(), &[][..])]) {
            for piece in [&self.copied[start..end], segment] {
                if filled == slices.len() {
                    return filled;
                }
                if !piece.is_empty() {
                    slices[filled] = IoSlice::new(piece);
                    filled += 1;
                }
            }
            start = end;
        }
        filled
    }

    fn advance(&mut self, mut count: usize) {
        while count > 0 {
            let copied = self.copied_ahead().len().min(count);
            self.read += copied;
            count -= copied;
            let Some((_, segment)) = self.apart.front_mut().filter(|_| count > 0) else {
                assert!(count == 0, "advanced beyond the end");
                return;
            };
            let taken = segment.len().min(count);
            segment.advance(taken);
            count -= taken;
            self.apart_bytes -= taken;
            if segment.is_empty() {
                self.apart.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rpar_core::id::TaskId;
    use rpar_core::wire::{Transfer, encode};

    fn messages() -> Vec<Message> {
        let chunk = |bytes: usize, offset| {
            let data = (0..bytes).map(|at| (at % 251) as u8).collect::<Vec<_>>().into();
            Message::Chunk { transfer: Transfer::Result(TaskId(7)), offset, data }
        };
        let lengths = [1, APART_BYTES, 0, APART_BYTES - 1, 2 * APART_BYTES, APART_BYTES];
        let chunks = lengths.iter().map(|bytes| chunk(*bytes, 5));
        [Message::Heartbeat].into_iter().chain(chunks).chain([Message::Heartbeat]).collect()
    }

    #[test]
    fn what_is_read_is_what_would_have_been_encoded() {
        let mut encoded = BytesMut::new();
        messages().iter().for_each(|message| encode(message, &mut encoded));
        for step in [1, 7, 1000, APART_BYTES, encoded.len()] {
            let mut pieces = Pieces::default();
            messages().iter().for_each(|message| pieces.push(message));
            let (mut singly, mut left) = (Vec::new(), encoded.len());
            while pieces.has_remaining() {
                assert_eq!(pieces.remaining(), left);
                let mut slices = [IoSlice::new(&[]); 64];
                let filled = pieces.chunks_vectored(&mut slices);
                let all: usize = slices[..filled].iter().map(|slice| slice.len()).sum();
                assert_eq!(all, left, "so few pieces fit");
                assert_eq!(slices[0][..], *pieces.chunk());
                let count = pieces.chunk().len().min(step);
                singly.extend_from_slice(&pieces.chunk()[..count]);
                pieces.advance(count);
                left -= count;
            }
            assert_eq!(singly, encoded, "in steps of {step}");
        }
    }

    #[test]
    fn many_pieces_are_skipped_at_once_and_memory_comes_back() {
        let mut pieces = Pieces::default();
        messages().iter().for_each(|message| pieces.push(message));
        let all = pieces.remaining();
        pieces.advance(all);
        assert!(!pieces.has_remaining() && pieces.chunk().is_empty());
        pieces.clear(16);
        assert_eq!(pieces.copied.capacity(), 0);
        pieces.push(&Message::Heartbeat);
        pieces.clear(1 << 20);
        assert!(pieces.copied.capacity() > 0 && !pieces.has_remaining());
    }

    #[test]
    fn slices_that_are_few_are_filled_from_the_front() {
        let mut pieces = Pieces::default();
        messages().iter().for_each(|message| pieces.push(message));
        let mut slices = [IoSlice::new(&[]); 2];
        assert_eq!(pieces.chunks_vectored(&mut slices), 2);
        assert_eq!(slices[1].len(), APART_BYTES);
    }
}
