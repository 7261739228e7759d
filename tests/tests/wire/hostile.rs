//! Bytes that no peer of ours would send.

use bytes::{BufMut, Bytes, BytesMut};
use proptest::prelude::*;
use rpar_core::id::{EngineId, FunctionHash, TaskId};
use rpar_core::task::{RunOptions, TaskOptions};
use rpar_core::wire::{
    BULK, Batch, BulkLength, Column, FRAME_LIMIT_BYTES, FrameError, HELLO_LIMIT_BYTES, Message, Outcomes,
    Runs, WireError, decode,
};

use crate::{encoded, examples, strategies};

/// Decodes until nothing comes any more, or what comes is refused.
fn drain(buffer: &mut BytesMut) -> Result<usize, WireError> {
    let mut count = 0;
    while decode(buffer, FRAME_LIMIT_BYTES)?.is_some() {
        count += 1;
    }
    Ok(count)
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = drain(&mut BytesMut::from(bytes.as_slice()));
    }

    /// A kind that exists, a few segments and a short header get further than random bytes.
    #[test]
    fn random_frames_never_panic(
        kind in 0u8..45,
        header in proptest::collection::vec(any::<u8>(), 0..40),
        segments in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..30), 0..6),
    ) {
        let _ = drain(&mut frame(kind, &header, &segments));
    }

    #[test]
    fn changed_frames_never_panic(
        message in strategies::message(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        shorten in any::<bool>(),
    ) {
        let mut buffer = encoded(&message);
        for (at, byte) in changes {
            let at = at.index(buffer.len());
            buffer[at] = byte;
        }
        if shorten {
            buffer.truncate(cut.index(buffer.len()));
        }
        let _ = drain(&mut buffer);
    }
}

fn frame(kind: u8, header: &[u8], segments: &[Vec<u8>]) -> BytesMut {
    let mut out = BytesMut::new();
    out.put_u8(kind);
    out.put_u8(segments.len() as u8);
    out.put_u16_le(header.len() as u16);
    segments.iter().for_each(|segment| out.put_u32_le(segment.len() as u32));
    out.put_slice(header);
    segments.iter().for_each(|segment| out.put_slice(segment));
    out
}

#[test]
fn lengths_are_refused_before_anything_is_kept_for_them() {
    let mut buffer = BytesMut::from(&[4, 1, 0, 0, 0xff, 0xff, 0xff, 0x7f][..]);
    let capacity = buffer.capacity();
    let error = decode(&mut buffer, FRAME_LIMIT_BYTES).unwrap_err();
    assert!(matches!(error, WireError::Frame(FrameError::TooLong { .. })), "{error}");
    assert_eq!(buffer.capacity(), capacity);

    let mut all_of_them = BytesMut::from(&[31, 8, 0, 0][..]);
    (0..8).for_each(|_| all_of_them.put_u32_le(u32::MAX));
    let error = decode(&mut all_of_them, FRAME_LIMIT_BYTES).unwrap_err();
    assert!(error.to_string().contains("over the limit of 4194304"), "{error}");
}

#[test]
fn a_frame_of_exactly_the_limit_passes_and_one_byte_more_does_not() {
    // an empty CBOR array, which names no kind of function: the frame is understood, its header is not
    let header = [0x80];
    for (more, understood) in [(0, true), (1, false)] {
        let body = vec![0; FRAME_LIMIT_BYTES - 4 - 4 - header.len() + more];
        let error = decode(&mut frame(10, &header, &[body]), FRAME_LIMIT_BYTES).unwrap_err();
        assert_eq!(matches!(error, WireError::Malformed { .. }), understood, "{error}");
    }
}

#[test]
fn before_the_proof_a_frame_is_short() {
    let mut buffer = encoded(&Message::Goodbye { reason: "x".repeat(HELLO_LIMIT_BYTES) });
    let error = decode(&mut buffer, HELLO_LIMIT_BYTES).unwrap_err();
    assert!(
        matches!(error, WireError::Frame(FrameError::TooLong { limit: HELLO_LIMIT_BYTES, .. })),
        "{error}"
    );
}

#[test]
fn more_segments_than_any_message_has_are_refused() {
    let mut buffer = BytesMut::from(&[4, 9, 0, 0][..]);
    let error = decode(&mut buffer, FRAME_LIMIT_BYTES).unwrap_err();
    assert!(matches!(error, WireError::Frame(FrameError::TooManySegments { count: 9 })), "{error}");
}

#[test]
fn unknown_kinds_are_named() {
    for kind in [0, 6, 19, 99, 255] {
        let error = decode(&mut frame(kind, &[], &[]), FRAME_LIMIT_BYTES).unwrap_err();
        assert_eq!(error, WireError::Kind { kind });
    }
}

/// What an encoder would write for content that contradicts itself.
fn refused(message: Message, expected: &str) {
    let error = decode(&mut encoded(&message), FRAME_LIMIT_BYTES).unwrap_err();
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn columns_that_contradict_each_other_are_refused() {
    let batch = |lengths: &[u32], payload: &'static [u8], bulk: Vec<BulkLength>| Batch {
        lengths: lengths.iter().copied().collect::<Column>(),
        payload: Bytes::from_static(payload),
        bulk,
    };
    let submit = |base, batch| Message::Submit {
        base: TaskId(base),
        function: FunctionHash([0; 32]),
        options: TaskOptions::default(),
        batch,
    };
    refused(submit(0, batch(&[3, 1], b"abc", vec![])), "do not add up");
    refused(submit(0, batch(&[3, BULK], b"abc", vec![])), "not announced");
    refused(submit(0, batch(&[3, 0], b"abc", vec![BulkLength { index: 1, bytes: 9 }])), "not announced");
    refused(submit(0, batch(&[BULK], b"", vec![BulkLength { index: 7, bytes: 9 }])), "not announced");
    refused(submit(u64::MAX, batch(&[1, 1], b"ab", vec![])), "past the last");
    refused(Message::Cancel { runs: Runs::one(TaskId(u64::MAX), 2), running: true }, "overflowing ids");

    let run = |runs, batch| Message::Run {
        engine: EngineId(0),
        function: FunctionHash([0; 32]),
        options: RunOptions::default(),
        runs,
        batch,
    };
    refused(run(Runs::one(TaskId(0), u32::MAX), batch(&[1], b"a", vec![])), "differ in number");

    let outcomes = |codes: &'static [u8], micros: &[u32]| {
        Message::Done(Outcomes {
            engine: None,
            runs: Runs::one(TaskId(0), 1),
            codes: Bytes::from_static(codes),
            ran: micros.iter().copied().collect(),
            batch: batch(&[1], b"a", vec![]),
            ..Outcomes::default()
        })
    };
    refused(outcomes(&[0, 0], &[1]), "differ in length");
    refused(outcomes(&[0], &[]), "differ in length");
}

#[test]
fn missing_segments_and_torn_columns_are_refused() {
    for (_, message) in examples::all() {
        let whole = encoded(&message);
        let segments = whole[1] as usize;
        let header = u16::from_le_bytes([whole[2], whole[3]]) as usize;
        if segments == 0 {
            continue;
        }
        let start = 4 + 4 * segments;
        let short = frame(whole[0], &whole[start..start + header], &[]);
        let error = decode(&mut { short }, FRAME_LIMIT_BYTES).unwrap_err();
        assert!(error.to_string().contains("segment is missing"), "{}: {error}", message.name());
    }
    let error = decode(&mut frame(12, &[0xf5], &[vec![0; 11]]), FRAME_LIMIT_BYTES).unwrap_err();
    assert!(error.to_string().contains("torn"), "{error}");
}

#[test]
fn headers_that_are_no_cbor_are_refused() {
    for (_, message) in examples::all() {
        let whole = encoded(&message);
        let segments = whole[1] as usize;
        let header = u16::from_le_bytes([whole[2], whole[3]]) as usize;
        let start = 4 + 4 * segments;
        let mut broken = whole.clone();
        broken[start..start + header].fill(0xff);
        if header > 0 {
            let error = decode(&mut broken, FRAME_LIMIT_BYTES).unwrap_err();
            assert!(matches!(error, WireError::Malformed { .. }), "{}: {error}", message.name());
        }
    }
}
