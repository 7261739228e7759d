//! The wire protocol: its bytes are pinned, every message survives, and nothing that comes from outside breaks it.

mod examples;
mod golden;
mod hostile;
mod size;
mod strategies;
mod why;

use bytes::BytesMut;
use proptest::prelude::*;
use rpar_core::wire::{FRAME_LIMIT_BYTES, Message, PilotInfo, decode, encode};

fn encoded(message: &Message) -> BytesMut {
    let mut out = BytesMut::new();
    encode(message, &mut out);
    out
}

#[test]
fn every_kind_of_message_has_an_example() {
    let names: std::collections::BTreeSet<&str> =
        examples::all().iter().map(|(_, message)| message.name()).collect();
    assert_eq!(names.len(), examples::KINDS, "{names:?}");
}

proptest! {
    #[test]
    fn every_message_survives(message in strategies::message()) {
        let mut buffer = encoded(&message);
        let back = decode(&mut buffer, FRAME_LIMIT_BYTES).unwrap();
        prop_assert_eq!(back, Some(message));
        prop_assert!(buffer.is_empty());
    }

    #[test]
    fn messages_follow_one_another_however_they_are_cut(
        messages in proptest::collection::vec(strategies::message(), 1..5),
        step in 1usize..200,
    ) {
        let mut all = BytesMut::new();
        messages.iter().for_each(|message| encode(message, &mut all));
        let (mut buffer, mut back) = (BytesMut::new(), Vec::new());
        for part in all.chunks(step) {
            buffer.extend_from_slice(part);
            while let Some(message) = decode(&mut buffer, FRAME_LIMIT_BYTES).unwrap() {
                back.push(message);
            }
        }
        prop_assert_eq!(back, messages);
        prop_assert!(buffer.is_empty());
    }
}

#[test]
fn a_pilot_may_name_as_many_nodes_as_any_machine_has() {
    let nodes = (0..16_384).map(|number| format!("a-node-with-a-long-name-{number:05}.cluster.example.org"));
    let info = PilotInfo { node: "n1".to_owned(), pid: 1, nodes: nodes.collect(), ..PilotInfo::default() };
    let message = Message::Pilot(info);
    assert_eq!(decode(&mut encoded(&message), FRAME_LIMIT_BYTES), Ok(Some(message)));
}

#[test]
fn a_message_is_there_with_its_last_byte_and_not_before() {
    for (name, message) in examples::all() {
        let whole = encoded(&message);
        let mut buffer = BytesMut::new();
        for (index, byte) in whole.iter().enumerate() {
            assert_eq!(decode(&mut buffer, FRAME_LIMIT_BYTES).unwrap(), None, "{name}: {index} bytes");
            buffer.extend_from_slice(&[*byte]);
        }
        assert_eq!(decode(&mut buffer, FRAME_LIMIT_BYTES).unwrap(), Some(message), "{name}");
    }
}
