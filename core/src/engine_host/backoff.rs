//! How long to wait before the controller is dialled again.

use std::time::Duration;

use crate::wire::Registration;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// Waits that double from 0.1 s to 5 s, a quarter more or less, so that the hosts of a cluster whose network
/// hiccuped do not all come back at the same moment. Where between is told by who the host is: the machine draws no
/// random numbers.
#[derive(Debug)]
pub(super) struct Backoff {
    own: u64,
    tries: u32,
}

impl Backoff {
    pub(super) fn new(who: &Registration) -> Self {
        let name = who.node.bytes().chain(who.pid.to_le_bytes());
        Backoff { own: name.fold(0xcbf2_9ce4_8422_2325, fnv), tries: 0 }
    }

    pub(super) fn next(&mut self) -> Duration {
        let base = FIRST.saturating_mul(1 << self.tries.min(16)).min(LONGEST);
        self.tries = self.tries.saturating_add(1);
        self.own = fnv(self.own, self.tries as u8);
        // 750 to 1249 thousandths
        let thousandths = 750 + (self.own >> 32) % 500;
        base * thousandths as u32 / 1000
    }

    pub(super) fn reset(&mut self) {
        self.tries = 0;
    }
}

/// One step of FNV-1a, which spreads names well enough here.
fn fnv(hash: u64, byte: u8) -> u64 {
    (hash ^ byte as u64).wrapping_mul(0x0000_0100_0000_01b3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_differ_between_hosts() {
        let who = |pid| Registration {
            node: "n1".into(),
            engines: 1,
            pid,
            allocation: None,
            ..Registration::default()
        };
        let waits = |pid| {
            let mut backoff = Backoff::new(&who(pid));
            (0..8).map(|_| backoff.next().as_millis()).collect::<Vec<_>>()
        };
        let (one, other) = (waits(1), waits(2));
        assert_ne!(one, other);
        assert!((75..125).contains(&one[0]), "{one:?}");
        assert!((3750..6250).contains(&one[7]), "{one:?}");
        assert!(one.windows(2).take(4).all(|pair| pair[0] < pair[1]), "{one:?}");
    }
}
