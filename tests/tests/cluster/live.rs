//! What running tasks write, through a whole cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rpar_core::id::EngineId;
use rpar_core::task::{Arguments, CommandOutcome, CommandSpec, Live, TaskOptions, TaskStatus};
use rpar_runtime::client::{Client, Defined, Event, Group, TaskOutput};

use super::place::{PATIENCE, Place, await_engines, deadline, native, until};

fn live() -> Arc<TaskOptions> {
    Arc::new(TaskOptions { live: Live::Yes, ..TaskOptions::default() })
}

fn command(script: &str) -> Arc<Defined> {
    let (script, workdir) = (script.to_owned(), "/".to_owned());
    Defined::new(CommandSpec { script, workdir, environment: BTreeMap::new() }.function())
}

fn argument(text: &str) -> Bytes {
    let mut payload = BytesMut::new();
    Arguments(vec![Bytes::copy_from_slice(text.as_bytes())]).encode(&mut payload);
    payload.freeze()
}

/// What was heard of a task.
#[derive(Debug, Default)]
struct Heard {
    out: Vec<u8>,
    err: Vec<u8>,
    outcome: Option<CommandOutcome>,
}

fn listen(group: &Group) -> Vec<Heard> {
    listen_on(group, Vec::new())
}

/// Takes all events after those that have come; nothing of a task comes after its end.
fn listen_on(group: &Group, begun: Vec<TaskOutput>) -> Vec<Heard> {
    let mut heard: Vec<Heard> = (0..group.len()).map(|_| Heard::default()).collect();
    let begun = begun.into_iter().map(|output| Some(Event::Output(output)));
    for event in begun.chain(std::iter::repeat_with(|| group.next_event(deadline()))) {
        match event {
            Some(Event::Output(output)) => {
                let task = &mut heard[output.index];
                assert_eq!(task.outcome, None, "task {} wrote after its end", output.index);
                let stream = if output.stream == 1 { &mut task.out } else { &mut task.err };
                stream.extend_from_slice(&output.data);
            }
            Some(Event::Ended(index, outcome)) => {
                heard[index].outcome = Some(CommandOutcome::decode(outcome.payload).unwrap());
            }
            None => break,
        }
    }
    assert!(heard.iter().all(|task| task.outcome.is_some()), "not all have ended in time");
    heard
}

fn submit(client: &Client, script: &str, arguments: &[&str]) -> Group {
    let (group, command, options) = (client.group(), command(script), live());
    for text in arguments {
        client.submit(&group, &command, &options, argument(text));
    }
    group
}

#[test]
fn every_line_comes_whole_and_before_the_end() {
    let place = Place::tcp();
    let host = place.host("n1", 2);
    let client = place.client();
    let arguments: Vec<String> = (0..300).map(|number| number.to_string()).collect();
    let texts: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let group = submit(&client, "echo out ${1}; echo err ${1} >&2; exit $((${1} % 3))", &texts);
    for (number, task) in listen(&group).into_iter().enumerate() {
        let outcome = task.outcome.unwrap();
        assert_eq!((outcome.exit, outcome.streamed), (Some(number as i32 % 3), true));
        assert_eq!(String::from_utf8(task.out).unwrap(), format!("out {number}\n"));
        assert_eq!(String::from_utf8(task.err).unwrap(), format!("err {number}\n"));
    }
    client.stop_cluster(PATIENCE).unwrap();
    host.ended().unwrap();
    place.ended().1.unwrap();
}

#[test]
fn floods_wait_for_a_program_that_does_not_read_and_others_go_on() {
    const WHOLE: usize = 24 << 20;
    let place = Place::tcp();
    let host = place.host("n1", 3);
    let (flooded, other) = (place.client(), place.client());
    await_engines(&flooded, 3);
    let script = format!("yes ${{1}} | head -c {WHOLE}");
    let group = submit(&flooded, &script, &["a", "b"]);
    let mut free: BTreeSet<EngineId> = (0..3).map(EngineId).collect();
    let mut begun = Vec::new();
    while free.len() > 1 {
        let Some(Event::Output(output)) = group.next_event(deadline()) else { panic!("it ended: {group:?}") };
        free.remove(&output.engine);
        begun.push(output);
    }
    // two engines are stuck; the third serves another client, and nobody is lost
    let (echoes, echo) = (other.group(), native("echo"));
    let options =
        Arc::new(TaskOptions { targets: Some(free.into_iter().collect()), ..TaskOptions::default() });
    for number in 0..3000u64 {
        other.submit(&echoes, &echo, &options, Bytes::copy_from_slice(&number.to_le_bytes()));
    }
    assert!(echoes.wait_all(deadline()), "{echoes:?}");
    assert_eq!(group.finished(), 0, "the window was larger than the flood");
    for (task, letter) in listen_on(&group, begun).into_iter().zip(["a\n", "b\n"]) {
        assert!(task.out == letter.repeat(WHOLE / 2).into_bytes(), "{} bytes", task.out.len());
        assert_eq!(task.outcome.unwrap().exit, Some(0));
    }
    assert_eq!(other.status(None, PATIENCE).unwrap().problems, [""; 0]);
    other.stop_cluster(PATIENCE).unwrap();
    host.ended().unwrap();
    place.ended().1.unwrap();
}

#[test]
fn a_client_that_leaves_unread_output_behind_holds_nobody_up() {
    let place = Place::tcp();
    let host = place.host("n1", 1);
    let leaves = place.client();
    await_engines(&leaves, 1);
    let group = submit(&leaves, "echo begun; cat /dev/zero", &["x"]);
    until("it writes", || group.next_event(deadline()).is_some());
    drop((group, leaves));
    let stays = place.client();
    let group = submit(&stays, "echo ${1}", &["next"]);
    let heard = listen(&group).remove(0);
    assert_eq!(heard.out, b"next\n");
    stays.stop_cluster(PATIENCE).unwrap();
    host.ended().unwrap();
    place.ended().1.unwrap();
}

#[test]
fn a_task_that_is_cancelled_while_nobody_reads_ends() {
    let place = Place::mem();
    let host = place.host("n1", 1);
    let client = place.client();
    let group = submit(&client, "cat /dev/zero", &["x"]);
    until("it writes", || group.next_event(deadline()).is_some());
    client.cancel(&group);
    let ended = std::iter::from_fn(|| group.next_event(deadline())).find_map(|event| match event {
        Event::Ended(_, outcome) => Some(outcome.status),
        Event::Output(_) => None,
    });
    assert_eq!(ended, Some(TaskStatus::Cancelled));
    client.stop_cluster(PATIENCE).unwrap();
    host.ended().unwrap();
    place.ended().1.unwrap();
}
