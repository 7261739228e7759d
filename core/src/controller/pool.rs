//! What a node has, and what of it is taken by the tasks at its engines.

use std::collections::BTreeMap;

use super::needs::Needs;
use crate::resources::Resources;

/// What a task takes. Cores are counted in thousandths, so that the shares of a node's engines add up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Claim {
    cpu_thousandths: u64,
    gpus: u64,
    memory_bytes: u64,
    custom: BTreeMap<String, u64>,
    last_tries: u64,
}

/// A host's resources. What it does not tell of, it has none of; but a host that tells of no cores does not count them.
#[derive(Clone, Debug, Default)]
pub(super) struct Pool {
    has: Resources,
    engines: u64,
    taken: Claim,
}

impl Pool {
    pub(super) fn new(has: Resources, engines: u32) -> Self {
        Pool { has, engines: engines.max(1).into(), taken: Claim::default() }
    }

    /// What the host has.
    pub(super) fn has(&self) -> &Resources {
        &self.has
    }

    /// What is taken of it, in whole cores.
    pub(super) fn taken(&self) -> Resources {
        Resources {
            cpus: self.taken.cpu_thousandths.div_ceil(1000),
            gpus: self.taken.gpus,
            memory_bytes: self.taken.memory_bytes,
            custom: self.taken.custom.clone(),
        }
    }

    /// What a task takes here: without a number of cores, an engine's share of them.
    pub(super) fn claim(&self, needs: &Needs) -> Claim {
        let request = &needs.resources;
        let cpu_thousandths = match request.cpus {
            0 => self.has.cpus.saturating_mul(1000) / self.engines,
            _ if self.has.cpus == 0 => 0,
            cpus => cpus.saturating_mul(1000),
        };
        Claim {
            cpu_thousandths,
            gpus: request.gpus,
            memory_bytes: request.memory_bytes,
            custom: request.custom.clone(),
            last_tries: needs.last_try.into(),
        }
    }

    /// Whether what a task asks for fits when nothing is taken.
    pub(super) fn could_hold(&self, needs: &Needs) -> bool {
        let empty = || Pool { taken: Claim::default(), ..self.clone() };
        needs.resources.is_empty() || empty().fits(&self.claim(needs))
    }

    /// Whether there is room for a claim now.
    pub(super) fn fits(&self, claim: &Claim) -> bool {
        let taken = &self.taken;
        let within = |taken: u64, more: u64, has: u64| more == 0 || taken.saturating_add(more) <= has;
        within(taken.cpu_thousandths, claim.cpu_thousandths, self.has.cpus.saturating_mul(1000))
            && within(taken.gpus, claim.gpus, self.has.gpus)
            && within(taken.memory_bytes, claim.memory_bytes, self.has.memory_bytes)
            && within(taken.last_tries, claim.last_tries, 1)
            && claim.custom.iter().all(|(name, more)| {
                let count = |counts: &BTreeMap<String, u64>| counts.get(name).copied().unwrap_or(0);
                within(count(&taken.custom), *more, count(&self.has.custom))
            })
    }

    /// Whether cores are all that a task may lack here now: the one thing that every task takes.
    pub(super) fn lacks_cores_only(&self, needs: &Needs) -> bool {
        self.fits(&Claim { cpu_thousandths: 0, ..self.claim(needs) })
    }

    /// A task begins.
    pub(super) fn take(&mut self, claim: &Claim) {
        let taken = &mut self.taken;
        taken.cpu_thousandths += claim.cpu_thousandths;
        taken.gpus += claim.gpus;
        taken.memory_bytes += claim.memory_bytes;
        taken.last_tries += claim.last_tries;
        for (name, more) in &claim.custom {
            *taken.custom.entry(name.clone()).or_default() += more;
        }
    }

    /// A task has ended.
    pub(super) fn give_back(&mut self, claim: &Claim) {
        let taken = &mut self.taken;
        taken.cpu_thousandths -= claim.cpu_thousandths;
        taken.gpus -= claim.gpus;
        taken.memory_bytes -= claim.memory_bytes;
        taken.last_tries -= claim.last_tries;
        for (name, less) in &claim.custom {
            if let Some(count) = taken.custom.get_mut(name) {
                *count -= less;
            }
        }
        taken.custom.retain(|_, count| *count > 0);
    }

    /// Asserts that what is taken is what these claims add up to, and no more than there is.
    pub(super) fn check<'a>(&self, claims: impl Iterator<Item = &'a Claim>) {
        let mut counted = Pool { taken: Claim::default(), ..self.clone() };
        for claim in claims {
            assert!(counted.fits(claim), "more is taken than there is: {claim:?} beside {:?}", counted.taken);
            counted.take(claim);
        }
        assert_eq!(counted.taken, self.taken, "what is taken of a node");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> Pool {
        let custom = BTreeMap::from([("licence".to_owned(), 2)]);
        Pool::new(Resources { cpus: 4, gpus: 1, memory_bytes: 100, custom }, 3)
    }

    fn asking(resources: Resources) -> Needs {
        Needs { resources, ..Needs::default() }
    }

    fn request(cpus: u64, gpus: u64, memory_bytes: u64, licences: u64) -> Needs {
        let custom = Some(("licence".to_owned(), licences)).into_iter().filter(|(_, count)| *count > 0);
        asking(Resources { cpus, gpus, memory_bytes, custom: custom.collect() })
    }

    #[test]
    fn what_a_node_can_hold() {
        let cases = [
            (request(0, 0, 0, 0), true),
            (request(4, 1, 100, 2), true),
            (request(5, 0, 0, 0), false),
            (request(0, 2, 0, 0), false),
            (request(0, 0, 101, 0), false),
            (request(0, 0, 0, 3), false),
            (
                asking(Resources {
                    custom: BTreeMap::from([("unheard".to_owned(), 1)]),
                    ..Resources::default()
                }),
                false,
            ),
            (asking(Resources { cpus: u64::MAX, ..Resources::default() }), false),
        ];
        for (request, holds) in cases {
            assert_eq!(node().could_hold(&request), holds, "{request:?}");
        }
        let untold = Pool::new(Resources::default(), 2);
        assert!(untold.could_hold(&request(64, 0, 0, 0)), "cores are not counted there");
        assert!(!untold.could_hold(&request(0, 1, 0, 0)));
    }

    #[test]
    fn the_shares_of_all_engines_fit_and_what_is_given_back_can_be_taken_again() {
        let mut pool = node();
        let share = pool.claim(&Needs::default());
        for _ in 0..3 {
            assert!(pool.fits(&share));
            pool.take(&share);
        }
        assert!(!pool.fits(&pool.claim(&request(1, 0, 0, 0))));
        assert_eq!(pool.taken().cpus, 4);
        let one = pool.claim(&request(1, 1, 0, 1));
        pool.give_back(&share);
        assert!(pool.fits(&one));
        pool.take(&one);
        assert!(!pool.fits(&pool.claim(&request(0, 1, 0, 0))), "the one GPU is taken");
        let last_try = Needs { last_try: true, ..request(0, 0, 0, 0) };
        assert!(!pool.could_hold(&request(0, 2, 0, 0)) && pool.could_hold(&last_try));
        pool.check([&share, &share, &one].into_iter());
        for claim in [&one, &share, &share] {
            pool.give_back(claim);
        }
        assert_eq!(pool.taken(), Resources::default());
    }
}
