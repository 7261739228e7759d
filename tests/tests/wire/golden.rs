//! The bytes of version 1, pinned in `tests/fixtures/wire/v1.txt`: a line is a name and the frame in hexadecimal.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::BytesMut;
use rpar_core::wire::{FRAME_LIMIT_BYTES, PROTOCOL_VERSION, decode};

use crate::{encoded, examples};

const FIXTURE: &str = include_str!("../../fixtures/wire/v1.txt");

fn fixture() -> BTreeMap<&'static str, &'static str> {
    let lines = FIXTURE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once(' ').expect("a line is `name hex`")).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> BytesMut {
    assert!(text.len().is_multiple_of(2), "half a byte in {text}");
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex digits"))
        .collect()
}

/// Where two frames differ, in words.
fn difference(name: &str, pinned: &str, now: &str) -> String {
    let at = pinned.bytes().zip(now.bytes()).take_while(|(a, b)| a == b).count() / 2;
    format!(
        "{name} differs from byte {at} on:\n  pinned {pinned}\n  now    {now}\n         {:>width$}\n",
        "^",
        width = 2 * at + 1
    )
}

#[test]
fn the_bytes_of_every_message_are_pinned() {
    assert_eq!(
        PROTOCOL_VERSION, 1,
        "a new version needs a fixture of its own; keep the old one while it is spoken"
    );
    let mut pinned = fixture();
    let mut wrong = String::new();
    for (name, message) in examples::all() {
        let now = hex(&encoded(&message));
        match pinned.remove(name) {
            Some(line) if line == now => {}
            Some(line) => wrong += &difference(name, line, &now),
            None => {
                let _ = writeln!(wrong, "missing in the fixture:\n{name} {now}");
            }
        }
    }
    for name in pinned.keys() {
        let _ = writeln!(wrong, "{name} is in the fixture, but no example has that name");
    }
    assert!(
        wrong.is_empty(),
        "{wrong}\n\
         How to read this: byte 0 is the kind, 1 the number of segments, 2-3 the header's length, then 4 bytes for each \
         segment's length, the header in CBOR, the segments (docs/protocol.md). A difference in the header is usually a \
         changed field of a struct in core/src/wire; builds that speak version 1 would misread each other. Either undo \
         it, or raise PROTOCOL_VERSION and pin the new bytes beside the old ones."
    );
}

#[test]
fn pinned_bytes_are_read_as_the_messages_they_were() {
    let pinned = fixture();
    for (name, message) in examples::all() {
        let line = pinned.get(name).unwrap_or_else(|| panic!("{name} is not in the fixture"));
        let mut buffer = unhex(line);
        assert_eq!(decode(&mut buffer, FRAME_LIMIT_BYTES).unwrap(), Some(message), "{name}");
        assert!(buffer.is_empty(), "{name} leaves bytes behind");
    }
}
