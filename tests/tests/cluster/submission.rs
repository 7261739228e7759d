//! Work that outlives the program that submitted it.

use std::sync::Arc;

use bytes::Bytes;
use rpar_core::id::TaskId;
use rpar_core::task::{TaskOptions, TaskStatus};
use rpar_core::wire::TaskState;

use super::place::{HUGE_BYTES, PATIENCE, Place, await_engines, deadline, native, until};

#[test]
fn results_wait_for_whoever_asks_long_ones_too() {
    let place = Place::tcp();
    let _host = place.host("n1", 2);
    let client = place.client();
    await_engines(&client, 2);
    let submission = client.open_submission("sweep", PATIENCE).unwrap();
    let options = Arc::new(TaskOptions::default());
    let group = client.group();
    for number in 0..500u32 {
        let argument = Bytes::copy_from_slice(&number.to_le_bytes());
        client.submit(&group, &native("echo"), &options, argument);
    }
    client.submit(&group, &native("huge"), &options, Bytes::new());
    assert_eq!(client.close_submission(PATIENCE).unwrap(), 501);
    drop(client);

    for _ in 0..2 {
        let reader = place.client();
        let reading = reader.read_submission(submission, PATIENCE).unwrap();
        assert!(!reading.is_open());
        assert!(reading.group().wait_all(deadline()));
        for number in 0..500u32 {
            let outcome = reading.group().wait(number as usize, deadline()).unwrap();
            assert_eq!(outcome.payload.as_ref(), number.to_le_bytes());
            assert_eq!((outcome.node.as_deref(), outcome.attempts), (Some("n1"), 1));
            assert!(outcome.submitted <= outcome.ended, "{outcome:?}");
        }
        let huge = reading.group().wait(500, deadline()).unwrap().payload;
        assert_eq!(huge.len(), HUGE_BYTES);
        assert!(huge.iter().all(|byte| *byte == 7));
    }

    let reader = place.client();
    let page = reader.list_tasks(submission, TaskId(499), PATIENCE).unwrap();
    assert_eq!(page.tasks.len(), 2);
    assert_eq!(page.tasks[0].state, TaskState::Ended(TaskStatus::Ok));
    let reading = reader.read_submission(submission, PATIENCE).unwrap();
    assert!(reading.group().wait_all(deadline()));
    reader.forget_results(&reading, 501);
    drop(reader);
    let last = place.client();
    until("the submission is gone", || last.status(None, PATIENCE).unwrap().submissions.is_empty());
    last.stop_cluster(PATIENCE).unwrap();
}
