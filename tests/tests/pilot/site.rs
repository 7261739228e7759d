//! A controller whose site grants one allocation at once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rpar_core::controller::ControllerConfig;
use rpar_core::profile::Policy;
use rpar_core::scheduler::{
    AllocationPhase, AllocationRequest, AllocationState, MockScheduler, Scheduler, SchedulerInfo,
};
use rpar_core::transport::Endpoint;
use rpar_core::wire::{ControllerStatus, RESULT_WINDOW_BYTES};
use rpar_runtime::controller::ControllerSetup;
use rpar_transports::Mem;

pub(super) const ALLOCATION: &str = "1.site";

pub(super) fn setup(directory: &Path, transport: Arc<Mem>) -> ControllerSetup {
    ControllerSetup {
        config: config(directory),
        cluster: "test/default".to_owned(),
        scheduler: Arc::new(scheduler()),
        transport,
        listen: vec![Endpoint("mem://0".to_owned())],
        directory: directory.to_owned(),
    }
}

fn scheduler() -> impl Scheduler {
    let mut site = MockScheduler::new();
    let cancelled = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen = Arc::clone(&cancelled);
    site.expect_info().returning(|| SchedulerInfo {
        name: "granting".to_owned(),
        queued: false,
        remote_pilot: false,
        walltime: false,
        arrays: false,
    });
    site.expect_submit().returning(|_| Ok(ALLOCATION.into()));
    site.expect_find().returning(|_| Ok(Vec::new()));
    site.expect_cancel().returning(move |_| {
        cancelled.store(true, std::sync::atomic::Ordering::Relaxed);
        Ok(())
    });
    site.expect_poll().returning(move |ids| {
        let ended = seen.load(std::sync::atomic::Ordering::Relaxed);
        let phase = if ended { AllocationPhase::Ended } else { AllocationPhase::Running };
        Ok(ids.iter().map(|id| (id.clone(), AllocationState::new(phase.clone()))).collect::<BTreeMap<_, _>>())
    });
    site
}

fn config(directory: &Path) -> ControllerConfig {
    ControllerConfig {
        epoch_micros: 0,
        identity: ControllerStatus { cluster: "test/default".to_owned(), ..Default::default() },
        tag: "rpar-test".into(),
        requests: vec![AllocationRequest {
            tag: "rpar-test".into(),
            nodes: 3,
            array: false,
            ppn: 2,
            walltime: None,
            queue: None,
            account: None,
            pilot: Vec::new(),
            setup: Vec::new(),
            directory: directory.to_owned(),
            script: None,
        }],
        engines_wanted: 6,
        heartbeat: Duration::from_secs(1),
        lost_after: Duration::from_secs(20),
        poll_every: Duration::from_millis(100),
        queue_ahead: Duration::from_millis(20),
        policy: Policy::default(),
        seed: 1,
        attempts_limit: 5,
        submit_window_bytes: 64 << 20,
        result_window_bytes: RESULT_WINDOW_BYTES,
        result_bytes: 256 << 20,
        ephemeral: false,
    }
}
