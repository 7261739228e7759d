//! What a simulated task does. Its argument says it, so that the engine host needs to know nothing else, and its result
//! says whose it is, so that a mix-up shows.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use rpar_core::task::{Failure, TaskStatus};

/// What an argument begins with.
const HEAD_BYTES: usize = 28;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Work {
    pub(super) client: u32,
    pub(super) task: u64,
    /// How often its own code fails before it does not.
    pub(super) failures: u16,
    /// Whether it ends the process of its engine host.
    pub(super) fatal: bool,
    /// Whether its result travels by itself.
    pub(super) long: bool,
    pub(super) result_bytes: u32,
    pub(super) micros: u64,
}

impl Work {
    pub(super) fn argument(&self, bytes: usize) -> Bytes {
        let mut out = BytesMut::with_capacity(bytes.max(HEAD_BYTES));
        out.put_u32_le(self.client);
        out.put_u64_le(self.task);
        out.put_u16_le(self.failures);
        out.put_u8(self.fatal as u8);
        out.put_u8(self.long as u8);
        out.put_u32_le(self.result_bytes);
        out.put_u64_le(self.micros);
        fill(&mut out, self.client, self.task, bytes);
        out.freeze()
    }

    /// Reads an argument, all of which must be as it was made.
    pub(super) fn read(argument: &Bytes) -> Work {
        let mut head = argument.clone();
        assert!(head.len() >= HEAD_BYTES, "an argument of {} bytes", head.len());
        use bytes::Buf;
        let work = Work {
            client: head.get_u32_le(),
            task: head.get_u64_le(),
            failures: head.get_u16_le(),
            fatal: head.get_u8() == 1,
            long: head.get_u8() == 1,
            result_bytes: head.get_u32_le(),
            micros: head.get_u64_le(),
        };
        assert_eq!(work.argument(argument.len()), argument, "an argument was changed on its way");
        work
    }

    pub(super) fn duration(&self) -> Duration {
        Duration::from_micros(self.micros)
    }

    pub(super) fn result(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u32_le(self.client);
        out.put_u64_le(self.task);
        fill(&mut out, self.client, self.task, self.result_bytes as usize);
        out.freeze()
    }

    /// The payload of an end that is none of the good ones.
    pub(super) fn failure(&self, status: TaskStatus) -> Bytes {
        Failure::new(format!("{status:?} {}/{}", self.client, self.task)).encode()
    }
}

/// Appends a pattern that tells tasks apart, up to `bytes`.
fn fill(out: &mut BytesMut, client: u32, task: u64, bytes: usize) {
    let seed = (client as u64).wrapping_mul(31).wrapping_add(task).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    // the block's length is prime, so that a chunk that is out of place shows
    let block: Vec<u8> = (0..4099u64).map(|at| (seed.rotate_left((at % 61) as u32) ^ at) as u8).collect();
    while out.len() < bytes {
        let more = (bytes - out.len()).min(block.len());
        out.extend_from_slice(&block[..more]);
    }
}
