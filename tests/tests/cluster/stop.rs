//! How a cluster ends, and what is left then.

use std::sync::Arc;

use bytes::Bytes;
use rpar_core::task::{Failure, TaskOptions, TaskStatus};
use rpar_runtime::client::Client;
use rpar_runtime::files::{CLIENT_FILE, CONTROLLER_FILE, ENGINE_FILE, Liveness, read_controller};

use super::place::{PATIENCE, Place, await_engines, deadline, native};

#[test]
fn a_stopped_cluster_leaves_nothing_behind() {
    let place = Place::tcp();
    let host = place.host("n1", 2);
    let (client, other) = (place.client(), place.client());
    await_engines(&client, 2);
    let record = read_controller(place.file("").as_path()).unwrap().unwrap();
    assert_eq!((record.pid, record.process().liveness()), (std::process::id(), Liveness::Alive));
    let group = other.group();
    for _ in 0..10_000 {
        other.submit(&group, &native("nap"), &Arc::new(TaskOptions::default()), Bytes::new());
    }
    let file = place.connection();
    client.stop_cluster(PATIENCE).unwrap();
    host.ended().unwrap();
    assert!(group.wait_all(deadline()), "{group:?}");
    let last = group.wait(9_999, None).unwrap();
    assert!(matches!(last.status, TaskStatus::Lost | TaskStatus::Cancelled), "{:?}", last.status);
    assert!(!Failure::decode(&last.payload).unwrap().message.is_empty());
    let transport = Arc::clone(&place.transport);
    let (directory, ended) = place.ended();
    ended.unwrap();
    for name in [CLIENT_FILE, ENGINE_FILE, CONTROLLER_FILE] {
        assert!(!directory.path().join(name).exists(), "{name}");
    }
    let error = Client::connect(&file, transport).unwrap_err().to_string();
    assert!(error.contains("could not reach the controller of `test/default`"), "{error}");
}

#[test]
fn a_throw_away_cluster_ends_with_its_client() {
    let place = Place::ephemeral();
    let host = place.host("n1", 2);
    let client = place.client();
    await_engines(&client, 2);
    let group = client.group();
    for _ in 0..10_000 {
        client.submit(&group, &native("nap"), &Arc::new(TaskOptions::default()), Bytes::new());
    }
    drop(client);
    assert_eq!(group.wait(9_999, deadline()).unwrap().status, TaskStatus::Lost);
    host.ended().unwrap();
    place.ended().1.unwrap();
}

#[test]
fn connection_files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::mem();
    for name in [CLIENT_FILE, ENGINE_FILE, CONTROLLER_FILE] {
        let mode = std::fs::metadata(place.file(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    place.client().stop_cluster(PATIENCE).unwrap();
    place.ended().1.unwrap();
}
