//! What comes from outside takes no more memory than it has bytes. Alone in its file: it counts the whole process's
//! memory.

use bytes::{BufMut, BytesMut};
use peak_alloc::PeakAlloc;
use rpar_core::wire::{FRAME_LIMIT_BYTES, decode};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// More than any of the frames below has bytes, with room for a reader's own buffers; far below what they claim.
const ALLOWED_BYTES: usize = 2 << 20;

/// CBOR items that claim to be huge: arrays, texts, byte strings and maps of 2^62 and of 2^32 - 1 items.
fn claims() -> Vec<Vec<u8>> {
    let mut claims = Vec::new();
    for major in [0x40u8, 0x60, 0x80, 0xa0] {
        claims.push([&[major | 27][..], &(1u64 << 62).to_be_bytes()].concat());
        claims.push([&[major | 26][..], &u32::MAX.to_be_bytes()].concat());
    }
    claims
}

#[test]
fn claims_take_no_memory() {
    let mut worst = 0;
    for kind in 0..=45u8 {
        for claim in claims() {
            // the claim at the start, inside an array, inside nested ones, and inside a map whose keys are texts
            for wrap in [&[][..], &[0x82], &[0x83, 0x60], &[0x81, 0x81, 0x81], &[0xa1, 0x68], &[0x9f, 0x9f]] {
                let header = [wrap, &claim[..], &[0; 40][..]].concat();
                let mut buffer = BytesMut::with_capacity(256);
                buffer.put_slice(&[kind, 1, header.len() as u8, 0, 8, 0, 0, 0]);
                buffer.put_slice(&header);
                buffer.put_slice(&[0; 8]);
                MEMORY.reset_peak_usage();
                let before = MEMORY.current_usage();
                let _ = decode(&mut buffer, FRAME_LIMIT_BYTES);
                worst = worst.max(MEMORY.peak_usage() - before);
            }
        }
    }
    assert!(worst < ALLOWED_BYTES, "a frame of about 100 bytes made the reader take {worst} bytes");
}

#[test]
fn the_claims_of_a_frame_take_no_memory() {
    let mut buffer = BytesMut::with_capacity(64);
    buffer.put_slice(&[31, 1, 0, 0]);
    buffer.put_u32_le(FRAME_LIMIT_BYTES as u32 - 100);
    let capacity = buffer.capacity();
    assert_eq!(decode(&mut buffer, FRAME_LIMIT_BYTES), Ok(None));
    assert_eq!(buffer.capacity(), capacity, "the buffer grew for bytes that may never come");
}
