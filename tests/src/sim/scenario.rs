//! What a seed decides before anything happens.

use std::time::Duration;

use rpar_core::controller::ControllerConfig;
use rpar_core::id::ClusterTag;
use rpar_core::profile::Policy;
use rpar_core::scheduler::AllocationRequest;
use rpar_core::wire::ControllerStatus;

use super::rng::Rng;

pub(super) const HEARTBEAT: Duration = Duration::from_secs(1);
pub(super) const LOST_AFTER: Duration = Duration::from_secs(5);
pub(super) const GIVE_UP_AFTER: Duration = Duration::from_secs(40);

/// How the run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Every task has ended, then a client stops the cluster.
    Drained,
    /// A client stops the cluster at some moment.
    Stopped,
    /// The controller gets a signal at some moment.
    Interrupted,
    /// The cluster is a throw-away one: it ends with its client.
    Ephemeral,
}

#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) config: ControllerConfig,
    pub(super) ending: Ending,
    pub(super) clients: usize,
    /// Whether nothing goes wrong, and everything is to be perfect.
    pub(super) calm: bool,
    /// How often each client wants the cluster to grow or shrink.
    pub(super) changes: usize,
    pub(super) tasks: u64,
    /// Things that go wrong, and until when.
    pub(super) faults: u64,
    pub(super) trouble: Duration,
    /// How likely it is that the scheduler's answer is a bad one, in hundredths.
    pub(super) site_trouble: u64,
    /// How likely it is that a task has a flaw, in hundredths.
    pub(super) task_trouble: u64,
    pub(super) longest_task: Duration,
    /// How likely it is that a task takes a thousand times as long, in hundredths.
    pub(super) endless_tasks: u64,
    /// How likely it is that a host is slow from its start, in hundredths.
    pub(super) slow_hosts: u64,
    pub(super) longest_delay: Duration,
}

impl Scenario {
    pub(super) fn new(rng: &mut Rng) -> Self {
        let requests: Vec<AllocationRequest> = if rng.percent(20) {
            each(rng)
        } else {
            (0..rng.pick(&[1, 1, 1, 2, 3])).map(|_| request(rng)).collect()
        };
        let ending = rng.pick(&[
            Ending::Drained,
            Ending::Drained,
            Ending::Drained,
            Ending::Stopped,
            Ending::Interrupted,
            Ending::Ephemeral,
        ]);
        // a quarter of all runs is without any trouble, and expects everything to be perfect
        let calm = rng.percent(25);
        let trouble = |rng: &mut Rng, limit| if calm { 0 } else { rng.below(limit) };
        Scenario {
            ending,
            clients: if ending == Ending::Ephemeral { 1 } else { rng.between(1, 3) as usize },
            calm,
            changes: rng.pick(&[0, 0, 1, 3, 6]),
            tasks: rng.pick(&[0, 5, 20, 60, 120]),
            faults: trouble(rng, 7),
            trouble: rng.duration(Duration::from_secs(5), Duration::from_secs(90)),
            site_trouble: if rng.percent(50) { trouble(rng, 40) } else { 0 },
            task_trouble: if rng.percent(50) { trouble(rng, 30) } else { 0 },
            endless_tasks: rng.pick(&[0, 0, 4]),
            slow_hosts: if rng.percent(25) { trouble(rng, 60) } else { 0 },
            longest_task: rng.pick(&[1, 50, 2_000]) * Duration::from_millis(1),
            longest_delay: rng.pick(&[1, 20, 300]) * Duration::from_millis(1),
            config: config(rng, requests, ending == Ending::Ephemeral),
        }
    }
}

fn config(rng: &mut Rng, requests: Vec<AllocationRequest>, ephemeral: bool) -> ControllerConfig {
    ControllerConfig {
        epoch_micros: 0,
        identity: ControllerStatus {
            cluster: "sim/default".into(),
            host: "login".into(),
            ..Default::default()
        },
        tag: ClusterTag::from("rpar-sim"),
        engines_wanted: requests.iter().map(|request| request.nodes * request.ppn).sum(),
        requests,
        heartbeat: HEARTBEAT,
        lost_after: LOST_AFTER,
        poll_every: Duration::from_secs(5),
        queue_ahead: rng.pick(&[1, 10, 100]) * Duration::from_millis(1),
        policy: rng.pick(&[
            Policy::Leastload,
            Policy::Lru,
            Policy::Plainrandom,
            Policy::Twobin,
            Policy::Weighted,
        ]),
        seed: rng.next(),
        attempts_limit: rng.between(2, 4) as u16,
        submit_window_bytes: rng.pick(&[16 << 10, 256 << 10, 64 << 20]),
        result_window_bytes: rng.pick(&[16 << 10, 256 << 10, 64 << 20]),
        result_bytes: 256 << 20,
        ephemeral,
    }
}

/// Several allocations of one node.
fn each(rng: &mut Rng) -> Vec<AllocationRequest> {
    let request = AllocationRequest { nodes: 1, array: false, ..request(rng) };
    vec![request; rng.between(2, 6) as usize]
}

pub(super) fn request(rng: &mut Rng) -> AllocationRequest {
    AllocationRequest {
        tag: ClusterTag::from("rpar-sim"),
        nodes: rng.between(1, 3) as u32,
        array: rng.percent(25),
        ppn: rng.between(1, 4) as u32,
        walltime: rng.percent(30).then(|| Duration::from_secs(rng.between(20, 200))),
        queue: None,
        account: None,
        pilot: vec!["/opt/rpar".into(), "pilot".into()],
        setup: vec![],
        directory: "/home/u/rpar".into(),
        script: None,
    }
}
