//! Tasks behind a long one are taken back and run elsewhere.

use std::sync::Arc;

use bytes::Bytes;
use rpar_core::task::{TaskOptions, TaskStatus};
use rpar_core::wire::INLINE_LIMIT_BYTES;

use super::place::{PATIENCE, Place, await_engines, deadline, native};

#[test]
fn nothing_waits_behind_a_long_task_while_another_engine_is_idle() {
    let (place, directory) = (Place::tcp(), tempfile::tempdir().unwrap());
    let host = place.host("n1", 2);
    let client = place.client();
    await_engines(&client, 2);
    let options = Arc::new(TaskOptions::default());
    let path = |name: &str| Bytes::from(directory.path().join(name).to_str().unwrap().to_owned());
    // so that engines are given many such tasks ahead
    let (once, echo, known) = (native("once"), native("echo"), client.group());
    for number in 0..1000 {
        client.submit(&known, &once, &options, path(&format!("known-{number}")));
        client.submit(&known, &echo, &options, Bytes::new());
    }
    assert!(known.wait_all(deadline()), "{known:?}");
    let (long, short) = (client.group(), client.group());
    client.submit(&long, &native("gate"), &options, path("gate"));
    let arguments: Vec<Bytes> = (0..2000).map(|number| path(&format!("task-{number}"))).collect();
    let longer = Bytes::from(vec![7; INLINE_LIMIT_BYTES + 1]);
    for (number, argument) in arguments.iter().enumerate() {
        client.submit(&short, &once, &options, argument.clone());
        if number % 100 == 0 {
            client.submit(&short, &echo, &options, longer.clone());
        }
    }
    // the long one ends when the others have
    assert!(short.wait_all(deadline()), "{short:?}");
    assert_eq!(long.finished(), 0);
    std::fs::write(directory.path().join("gate"), "").unwrap();
    let outcome = long.wait(0, deadline()).unwrap();
    assert_eq!(outcome.status, TaskStatus::Ok);
    for index in 0..short.len() {
        let outcome = short.wait(index, None).unwrap();
        assert_eq!((outcome.status, outcome.attempts), (TaskStatus::Ok, 1), "task {index}");
    }
    client.stop_cluster(PATIENCE).unwrap();
    host.ended().unwrap();
    place.ended().1.unwrap();
}
