//! What a site's own CI does: a cluster is started, fails half-way and is stopped on mocks of the three traits, without
//! any site. Each case checks what the user is told, and that nothing is left.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rpar::Site;
use rpar::cluster::{self, ClusterState, WaitError, controller_setup, wait_for_engines};
use rpar::paths::ClusterDir;
use rpar::profile::{Profiles, Resolved, Surroundings};
use rpar_core::error::{Action, BackendError, CommandTrace, Retry};
use rpar_core::id::AllocationId;
use rpar_core::launcher::MockLauncher;
use rpar_core::scheduler::{AllocationEnd, AllocationPhase, AllocationState, MockScheduler, SchedulerInfo};
use rpar_core::transport::{Endpoint, MockTransport, Transport};
use rpar_runtime::client::Client;
use rpar_transports::Mem;

/// Far more than anything here takes; the machine's own pauses are a few seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster on mocks, its controller on a thread of this process.
struct Mocked {
    directory: ClusterDir,
    site: Site,
    controller: Option<JoinHandle<()>>,
    _home: tempfile::TempDir,
}

/// Torque's profile, in a home of its own, asking often.
fn profile(home: &tempfile::TempDir) -> (Resolved, Surroundings) {
    let surroundings = Surroundings {
        variables: BTreeMap::new(),
        home: home.path().to_owned(),
        user: "ada".into(),
        directory: home.path().to_owned(),
        system_profiles: home.path().join("none"),
        programs: None,
        cores: 4,
    };
    let profile = Profiles::new(surroundings.clone()).load("torque").expect("a shipped profile");
    let values = [("nodes".to_owned(), "2".to_owned()), ("ppn".to_owned(), "8".to_owned())].into();
    let mut resolved = profile.resolve(&values, None).expect("allowed values");
    resolved.listen = vec![Endpoint("mem://login1".into())];
    resolved.controller.poll_every = Duration::from_millis(20);
    (resolved, surroundings)
}

/// A transport whose every call goes to memory.
fn transport() -> MockTransport {
    let mem = Mem::new();
    let network = mem.clone();
    let mut mock = MockTransport::new();
    mock.expect_scheme().returning(|| "mem".into());
    mock.expect_bind().times(1).returning(move |identity, at| at_once(mem.bind(identity, at)));
    mock.expect_dial().returning(move |identity, to, peer| at_once(network.dial(identity, to, peer)));
    mock
}

/// The memory transport is ready at once, so its answer can be had without waiting.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("the memory transport waits"),
    }
}

fn scheduler() -> MockScheduler {
    let mut mock = MockScheduler::new();
    let info = SchedulerInfo {
        name: "torque".into(),
        queued: true,
        remote_pilot: true,
        walltime: true,
        arrays: false,
    };
    mock.expect_info().return_const(info);
    mock
}

fn error(action: Action, retry: Retry, reason: &str) -> BackendError {
    let argv = vec!["qsub".to_owned(), "job.sh".to_owned()];
    let command = Some(CommandTrace { argv, exit: Some(170), output: reason.into() });
    BackendError { backend: "torque".into(), action, retry, reason: reason.into(), command, hint: None }
}

fn state(phase: AllocationPhase, reason: &str) -> AllocationState {
    AllocationState { reason: Some(reason.into()), ..AllocationState::new(phase) }
}

/// The same state for whatever is asked.
fn polled(
    ids: &[AllocationId],
    state: AllocationState,
) -> Result<BTreeMap<AllocationId, AllocationState>, BackendError> {
    Ok(ids.iter().map(|id| (id.clone(), state.clone())).collect())
}

impl Mocked {
    /// Starts a controller over this scheduler, as `rpar start` has one started.
    fn start(scheduler: MockScheduler) -> (Mocked, Client) {
        let home = tempfile::tempdir().expect("a directory");
        let (resolved, surroundings) = profile(&home);
        // no node is ever granted, so nothing may be launched
        let launcher = Arc::new(MockLauncher::new());
        let site = Site { scheduler: Arc::new(scheduler), launcher, transport: Arc::new(transport()) };
        let directory = ClusterDir::new(&resolved, "default", &surroundings).expect("an id");
        let _lock = directory.lock().expect("nobody else holds it");
        directory.create().expect("a new directory");
        let program = std::path::Path::new("/opt/rpar");
        let setup = controller_setup(&resolved, &site, &directory, program, false).expect("a setup");
        assert_eq!(setup.config.requests[0].nodes, 2);
        let controller = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(rpar_runtime::controller::serve(setup)).expect("it ends in good order");
        });
        let deadline = Instant::now() + PATIENCE;
        while !directory.client_file().exists() {
            assert!(!controller.is_finished() && Instant::now() < deadline, "the controller did not come up");
            std::thread::sleep(Duration::from_millis(2));
        }
        let client = cluster::connect(&directory, site.transport.clone()).expect("a link");
        (Mocked { directory, site, controller: Some(controller), _home: home }, client)
    }

    /// Stops it as a failed `rpar start` and `rpar stop` do; nothing may be left.
    fn stop(mut self, client: &Client) {
        assert!(matches!(self.directory.state(), Ok(ClusterState::Alive(_))));
        client.stop_cluster(PATIENCE).expect("it says goodbye");
        self.controller.take().expect("it runs").join().expect("it has not panicked");
        let tags = [self.directory.tag("rpar")];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let discarded = cluster::discard_stopped(&self.directory, &*self.site.scheduler, &tags);
        runtime.block_on(discarded).expect("nothing holds it back");
        assert_eq!(self.directory.state().expect("a state"), ClusterState::Absent);
    }
}

fn wait(client: &Client, patience: Duration) -> (String, Vec<String>) {
    let mut told = Vec::new();
    let error: WaitError = wait_for_engines(client, Some(patience), &mut |status| {
        let text = cluster::waiting(status);
        if told.last() != Some(&text) {
            told.push(text);
        }
    })
    .expect_err("no engine can come");
    (error.to_string(), told)
}

#[test]
fn a_refused_submission_ends_the_start() {
    let mut mock = scheduler();
    let refusal = "qsub: Unknown queue MSG=cannot locate queue fast";
    mock.expect_submit().times(1).returning(move |_| Err(error(Action::Submit, Retry::Never, refusal)));
    mock.expect_find().times(1).returning(|_| Ok(vec![]));
    let (mocked, client) = Mocked::start(mock);
    let (said, _) = wait(&client, PATIENCE);
    assert_eq!(
        said,
        "0 of 16 engines came, and no more will: the request for 2 nodes failed: torque could not submit an \
         allocation: qsub: Unknown queue MSG=cannot locate queue fast"
    );
    mocked.stop(&client);
}

#[test]
fn an_unsure_submission_is_looked_for_and_never_made_twice() {
    let mut mock = scheduler();
    let unsure = "no answer from the server within 60 s";
    mock.expect_submit().times(1).returning(move |_| Err(error(Action::Submit, Retry::Unsure, unsure)));
    let cancelled = Arc::new(AtomicU32::new(0));
    let (seen, asked) = (cancelled.clone(), cancelled.clone());
    mock.expect_find().withf(|tag| tag.0.starts_with("rpar-")).returning(move |_| {
        Ok(if seen.load(Ordering::SeqCst) == 0 { vec!["77.login1".into()] } else { vec![] })
    });
    mock.expect_poll().returning(move |ids| match asked.load(Ordering::SeqCst) {
        0 => polled(ids, state(AllocationPhase::Queued, "Not enough of the right type of nodes")),
        _ => polled(ids, AllocationState::new(AllocationPhase::Ended)),
    });
    mock.expect_cancel().withf(|ids| ids == [AllocationId::from("77.login1")]).times(1).returning(
        move |_| {
            cancelled.fetch_add(1, Ordering::SeqCst);
            Ok(())
        },
    );
    let (mocked, client) = Mocked::start(mock);
    let (said, told) = wait(&client, Duration::from_secs(2));
    let queued = "allocation 77.login1 is queued: Not enough of the right type of nodes";
    assert_eq!(said, format!("after 2 s the cluster is not complete: 0 of 16 engines; {queued}"));
    assert!(told.iter().any(|text| text.ends_with(queued)), "{told:?}");
    mocked.stop(&client);
}

#[test]
fn engines_that_never_register_run_into_the_callers_patience() {
    let mut mock = scheduler();
    mock.expect_submit().times(1).returning(|_| Ok("12.login1".into()));
    let cancelled = Arc::new(AtomicU32::new(0));
    let asked = cancelled.clone();
    mock.expect_poll().returning(move |ids| match asked.load(Ordering::SeqCst) {
        0 => polled(ids, AllocationState::new(AllocationPhase::Running)),
        _ => polled(ids, AllocationState::new(AllocationPhase::Ended)),
    });
    mock.expect_cancel().withf(|ids| ids == [AllocationId::from("12.login1")]).times(1).returning(
        move |_| {
            cancelled.fetch_add(1, Ordering::SeqCst);
            Ok(())
        },
    );
    mock.expect_find().returning(|_| Ok(vec![]));
    let (mocked, client) = Mocked::start(mock);
    let (said, told) = wait(&client, Duration::from_secs(1));
    assert_eq!(said, "after 1 s the cluster is not complete: 0 of 16 engines; allocation 12.login1 runs");
    assert_eq!(told.last().map(String::as_str), Some("0 of 16 engines; allocation 12.login1 runs"));
    mocked.stop(&client);
}

#[test]
fn an_allocation_that_reaches_its_walltime_ends_the_start() {
    let mut mock = scheduler();
    mock.expect_submit().times(1).returning(|_| Ok("12.login1".into()));
    let polls = AtomicU32::new(0);
    mock.expect_poll().returning(move |ids| match polls.fetch_add(1, Ordering::SeqCst) {
        0 => polled(ids, state(AllocationPhase::Queued, "Resources")),
        1 => polled(ids, AllocationState::new(AllocationPhase::Running)),
        _ => polled(
            ids,
            AllocationState {
                end: Some(AllocationEnd::Walltime),
                ..state(AllocationPhase::Ended, "walltime 1800 exceeded limit 1800")
            },
        ),
    });
    mock.expect_find().returning(|_| Ok(vec![]));
    let (mocked, client) = Mocked::start(mock);
    let (said, _) = wait(&client, PATIENCE);
    assert!(
        said.starts_with(
            "0 of 16 engines came, and no more will: allocation 12.login1 ended before its engines"
        ),
        "{said}"
    );
    assert!(said.contains("walltime 1800 exceeded limit 1800"), "{said}");
    mocked.stop(&client);
}

#[test]
fn a_dead_controllers_allocations_are_found_and_given_back() {
    let home = tempfile::tempdir().expect("a directory");
    let (resolved, surroundings) = profile(&home);
    let directory = ClusterDir::new(&resolved, "default", &surroundings).expect("an id");
    let _lock = directory.lock().expect("nobody else holds it");
    directory.create().expect("a new directory");
    let mut mock = scheduler();
    let searches = AtomicU32::new(0);
    mock.expect_find().times(3).returning(move |_| match searches.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => Ok(vec!["12.login1".into()]),
        _ => Ok(vec![]),
    });
    mock.expect_cancel().withf(|ids| ids == [AllocationId::from("12.login1")]).times(1).returning(|_| Ok(()));
    let tag = directory.tag(&resolved.request.name);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(cluster::discard(&directory, &mock, &[tag])).expect("all is given back");
    assert_eq!(directory.state().expect("a state"), ClusterState::Absent);
}

#[test]
fn a_site_that_does_not_answer_keeps_a_dead_clusters_directory() {
    let home = tempfile::tempdir().expect("a directory");
    let (resolved, surroundings) = profile(&home);
    let directory = ClusterDir::new(&resolved, "default", &surroundings).expect("an id");
    let _lock = directory.lock().expect("nobody else holds it");
    directory.create().expect("a new directory");
    let mut mock = scheduler();
    mock.expect_find()
        .times(1)
        .returning(|_| Err(error(Action::Find, Retry::Later, "qstat: cannot connect to server")));
    let tag = directory.tag(&resolved.request.name);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let failed = runtime.block_on(cluster::discard(&directory, &mock, &[tag])).expect_err("nobody answers");
    assert_eq!(
        failed.to_string(),
        "torque could not find the cluster's allocations: qstat: cannot connect to server"
    );
    assert_eq!(directory.state().expect("a state"), ClusterState::Dead);
}
