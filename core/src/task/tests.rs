//! Payloads, there and back.

use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn arguments_survive(list in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..5)) {
        let arguments = Arguments(list.into_iter().map(Bytes::from).collect());
        let mut out = BytesMut::new();
        arguments.encode(&mut out);
        prop_assert_eq!(Arguments::decode(out.freeze()).unwrap(), arguments);
    }

    #[test]
    fn outcomes_survive(exit in any::<i32>(), tag in 0u8..4, stdout in ".*", stderr in ".*") {
        let (exit, signal) = if tag & 1 == 1 { (None, Some(exit)) } else { (Some(exit), None) };
        let streamed = tag & 2 == 2;
        let outcome = CommandOutcome { exit, signal, streamed, stdout: stdout.into(), stderr: stderr.into() };
        let mut out = BytesMut::new();
        outcome.encode(&mut out);
        prop_assert_eq!(CommandOutcome::decode(out.freeze()).unwrap(), outcome.clone());
        let failure = Failure { detail: "why".into(), exit, signal, ..Failure::new("what") };
        let both = failure.encode_with(&outcome);
        prop_assert_eq!(Failure::decode(&both).unwrap(), failure.clone());
        prop_assert_eq!(Failure::decode_with(both).unwrap(), (failure.clone(), Some(outcome)));
        prop_assert_eq!(Failure::decode_with(failure.encode()).unwrap(), (failure, None));
    }

    #[test]
    fn random_payloads_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = Arguments::decode(bytes.clone().into());
        let _ = CommandOutcome::decode(bytes.clone().into());
        let _ = Failure::decode_with(bytes.into());
    }
}

#[test]
fn a_hash_tells_kinds_apart() {
    let body = Bytes::from_static(b"count");
    let native = Function { kind: FunctionKind::Native, body: body.clone() };
    let python = Function { kind: FunctionKind::Python, body };
    assert_ne!(native.hash(), python.hash());
}
