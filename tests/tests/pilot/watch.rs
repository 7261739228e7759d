//! What a pilot does about its engine hosts, and what the user gets to know.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rpar_core::launcher::{Node, Signal};
use rpar_core::wire::{Change, Retirees};
use rpar_runtime::client::Client;
use rpar_runtime::controller::{self, ControllerError};
use rpar_runtime::files::{CLIENT_FILE, CONTROLLER_FILE, ENGINE_FILE, read_connection, write_private};
use rpar_runtime::pilot::{PilotError, PilotSetup, serve};
use rpar_transports::Mem;
use tempfile::TempDir;

use super::fleet::{Fleet, PATIENCE};
use super::site;

struct Place {
    directory: TempDir,
    transport: Arc<Mem>,
    controller: JoinHandle<Result<(), ControllerError>>,
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

impl Place {
    fn start() -> Self {
        let (directory, transport) = (TempDir::new().unwrap(), Arc::new(Mem::new()));
        let setup = site::setup(directory.path(), transport.clone());
        let controller = std::thread::spawn(move || block_on(controller::serve(setup)));
        let record = directory.path().join(CONTROLLER_FILE);
        until("the controller listens", || record.exists() || controller.is_finished());
        Place { directory, transport, controller }
    }

    fn connection(&self) -> PathBuf {
        self.directory.path().join(ENGINE_FILE)
    }

    fn client(&self) -> Client {
        let file = read_connection(&self.directory.path().join(CLIENT_FILE)).unwrap();
        Client::connect(&file, self.transport.clone()).unwrap()
    }

    fn pilot(&self, fleet: &Arc<Fleet>, engines: u32) -> JoinHandle<Result<(), PilotError>> {
        self.pilot_with(self.connection(), fleet, engines)
    }

    /// A pilot of three nodes with at most two engines each.
    fn pilot_with(
        &self,
        connection: PathBuf,
        fleet: &Arc<Fleet>,
        engines: u32,
    ) -> JoinHandle<Result<(), PilotError>> {
        let setup = PilotSetup {
            connection,
            transport: self.transport.clone(),
            launcher: fleet.clone(),
            nodes: ["n1", "n2", "n3"].map(|name| Node { name: name.into(), slots: 2 }).to_vec(),
            allocation: Some(site::ALLOCATION.into()),
            element: None,
            ends: None,
            engines,
            ppn: 2,
            program: vec!["/bin/rpar".to_owned(), "engine".to_owned()],
            setup: Vec::new(),
            logs: self.directory.path().to_owned(),
            apart: None,
            restarts: 5,
            lost_after: Duration::from_secs(20),
            give_up_after: Duration::from_secs(20),
        };
        std::thread::spawn(move || block_on(serve(setup)))
    }

    /// Waits until the user sees a problem that says all of `words`.
    fn await_problem(&self, client: &Client, words: &[&str]) {
        until(&format!("a problem with {words:?}"), || {
            let status = client.status(None, PATIENCE).unwrap();
            status.problems.iter().any(|problem| words.iter().all(|word| problem.contains(word)))
        });
    }

    /// Ends the first of `running` hosts, and waits until the user knows of it and another one runs in its place: a pilot
    /// that has not linked yet would not hear of a stop.
    fn replace_first(&self, client: &Client, fleet: &Fleet, running: usize) {
        fleet.end(0, Some(1), None, "to see that the pilot is linked");
        self.await_problem(client, &["to see that the pilot is linked"]);
        fleet.await_processes(running + 1);
    }

    fn stop(self, client: &Client) {
        client.stop_cluster(PATIENCE).unwrap();
        until("the controller ends", || self.controller.is_finished());
        self.controller.join().unwrap().unwrap();
    }
}

fn ended(pilot: JoinHandle<Result<(), PilotError>>) -> Result<(), PilotError> {
    until("the pilot ends", || pilot.is_finished());
    pilot.join().unwrap()
}

#[test]
fn nodes_with_as_many_engines_are_started_together_and_stopped_with_the_cluster() {
    let place = Place::start();
    let fleet = Arc::new(Fleet::default());
    let pilot = place.pilot(&fleet, 5);
    let processes = fleet.await_processes(3);
    let mut calls = fleet.calls();
    calls.sort();
    assert_eq!(calls, [vec!["n1", "n2"], vec!["n3"]]);
    let engines = |node| {
        let process = processes.iter().find(|process| process.node == node).unwrap();
        process.argv.join(" ")
    };
    assert_eq!(engines("n1"), "/bin/rpar engine --engines 2");
    assert_eq!(engines("n3"), "/bin/rpar engine --engines 1");
    let client = place.client();
    place.replace_first(&client, &fleet, 3);
    place.stop(&client);
    ended(pilot).unwrap();
    let left = &fleet.processes()[1..];
    assert!(left.iter().all(|process| process.signals == [Signal::Terminate]));
}

#[test]
fn a_dead_host_is_reported_and_started_again() {
    let place = Place::start();
    let (fleet, client) = (Arc::new(Fleet::default()), place.client());
    let pilot = place.pilot(&fleet, 4);
    fleet.await_processes(2);
    fleet.end(1, None, Some(9), "out of memory");
    let processes = fleet.await_processes(3);
    assert_eq!((processes[2].node.as_str(), processes[2].argv[3].as_str()), ("n2", "2"));
    place.await_problem(&client, &["n2", "signal 9", "out of memory", "started again"]);
    fleet.end(0, Some(110), None, "no space left");
    fleet.await_processes(4);
    place.await_problem(&client, &["n1", "exit status 110", "no space left"]);
    place.stop(&client);
    ended(pilot).unwrap();
}

#[test]
fn what_can_never_start_is_given_up_at_once_with_its_reason() {
    let place = Place::start();
    let fleet = Arc::new(Fleet { refuses: Some("no such launcher here".to_owned()), ..Fleet::default() });
    let client = place.client();
    let error = ended(place.pilot(&fleet, 6)).unwrap_err();
    assert!(matches!(&error, PilotError::GaveUp { .. }), "{error}");
    assert!(error.to_string().contains("no such launcher here"), "{error}");
    assert_eq!(fleet.calls().len(), 1);
    place.await_problem(&client, &["n3", "no such launcher here", "not started again"]);
    place.stop(&client);
}

#[test]
fn a_host_that_does_not_heed_is_killed() {
    let place = Place::start();
    let fleet = Arc::new(Fleet { stubborn: Some("n2".to_owned()), ..Fleet::default() });
    let client = place.client();
    let pilot = place.pilot(&fleet, 6);
    fleet.await_processes(3);
    place.replace_first(&client, &fleet, 3);
    place.stop(&client);
    ended(pilot).unwrap();
    let signals: Vec<_> = fleet.processes().into_iter().skip(1).map(|process| process.signals).collect();
    assert_eq!(
        signals,
        [vec![Signal::Terminate, Signal::Kill], vec![Signal::Terminate], vec![Signal::Terminate]]
    );
}

#[test]
fn a_pilot_that_is_refused_ends_its_hosts() {
    let place = Place::start();
    let (fleet, client) = (Arc::new(Fleet::default()), place.client());
    let right = std::fs::read_to_string(place.connection()).unwrap();
    let guess = format!("secret = \"{}\"", "09".repeat(32));
    let lines = right.lines().map(|line| if line.starts_with("secret") { &guess } else { line });
    let wrong = lines.collect::<Vec<_>>().join("\n");
    assert_ne!(wrong, right.trim_end());
    let path = place.directory.path().join("wrong.toml");
    write_private(&path, wrong.as_bytes()).unwrap();
    let error = ended(place.pilot_with(path, &fleet, 2)).unwrap_err();
    assert!(matches!(error, PilotError::Alone { .. }), "{error}");
    assert!(fleet.processes().iter().all(|process| process.signals == [Signal::Terminate]));
    place.stop(&client);
}

#[test]
fn without_engines_there_is_nothing_to_do() {
    let place = Place::start();
    let (fleet, client) = (Arc::new(Fleet::default()), place.client());
    let error = ended(place.pilot(&fleet, 0)).unwrap_err();
    assert!(matches!(error, PilotError::Nothing { nodes: 3, engines: 0, ppn: 2 }), "{error}");
    place.stop(&client);
}

#[test]
fn hosts_of_nodes_that_are_given_back_are_not_started_again() {
    let place = Place::start();
    let (fleet, client) = (Arc::new(Fleet::default()), place.client());
    let pilot = place.pilot(&fleet, 6);
    fleet.await_processes(3);
    place.replace_first(&client, &fleet, 3);
    let retirees = Retirees::Allocation(site::ALLOCATION.into());
    client.change(Change::Retire { retirees, now: false }, PATIENCE).unwrap();
    // each leaves in its own way
    fleet.end(1, Some(0), None, "");
    fleet.end(2, Some(1), None, "killed while it left");
    fleet.end(3, None, Some(9), "killed while it left");
    ended(pilot).unwrap();
    assert_eq!(fleet.processes().len(), 4, "none was started again");
    let problems = client.status(None, PATIENCE).unwrap().problems;
    assert!(!problems.iter().any(|problem| problem.contains("while it left")), "{problems:?}");
    place.stop(&client);
}
