//! The client against a controller of a few lines that gives each task its argument back.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rpar_core::connection::{ConnectionFile, Role, Secret};
use rpar_core::id::{EngineId, Incarnation};
use rpar_core::task::{Failure, Function, FunctionKind, TaskOptions, TaskStatus};
use rpar_core::transport::{Endpoint, Identity, Link, Listener, PeerKey, Transport, TransportError};
use rpar_core::wire::{
    Change, ClusterStatus, INLINE_LIMIT_BYTES, Message, Outcomes, Retirees, Runs, Transfer,
};
use tokio::sync::mpsc;

use super::*;
use crate::link::{Admission, LinkWriter, admit};

const SECRET: [u8; 32] = [3; 32];

/// What the controller of a test does with a message; false ends it.
type Answer = fn(&LinkWriter, Message) -> bool;

#[derive(Debug)]
struct ToThread(mpsc::UnboundedSender<Link>);

#[async_trait::async_trait]
impl Transport for ToThread {
    fn scheme(&self) -> String {
        "test".to_owned()
    }

    async fn bind(&self, _: &Identity, _: &Endpoint) -> Result<Box<dyn Listener>, TransportError> {
        unreachable!()
    }

    async fn dial(&self, _: &Identity, _: &Endpoint, peer: &PeerKey) -> Result<Link, TransportError> {
        let (here, there) = tokio::io::duplex(1 << 18);
        let own = PeerKey([2; 32]);
        self.0
            .send(Link { own: *peer, peer: own, address: "client".to_owned(), io: Box::new(there) })
            .unwrap();
        Ok(Link { own, peer: *peer, address: "controller".to_owned(), io: Box::new(here) })
    }
}

/// Links a client to a controller that answers with `answer`. The thread gives back the client's last word.
fn linked(answer: Answer) -> (Client, JoinHandle<Option<String>>) {
    let (sender, mut links) = mpsc::unbounded_channel();
    let controller = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let admission = Admission {
                cluster: "local/default".to_owned(),
                incarnation: Incarnation(1),
                client_secret: Secret::new(SECRET),
                engine_secret: Secret::new([0; 32]),
                heartbeat: Duration::from_secs(2),
                submit_window_bytes: 1 << 30,
            };
            let mut admitted = admit(links.recv().await.unwrap(), &admission).await.unwrap();
            while let Ok(messages) = admitted.reader.receive().await {
                for message in messages {
                    if let Message::Goodbye { reason } = message {
                        return Some(reason);
                    }
                    if !answer(&admitted.writer, message) {
                        admitted.writer.close().await;
                        return None;
                    }
                }
                admitted.writer.flush();
            }
            None
        })
    });
    let file = ConnectionFile {
        cluster: "local/default".to_owned(),
        role: Role::Client,
        incarnation: Incarnation(1),
        endpoints: vec![Endpoint("test://here".to_owned())],
        controller_key: PeerKey([1; 32]),
        secret: Secret::new(SECRET),
    };
    (Client::connect(&file, Arc::new(ToThread(sender))).unwrap(), controller)
}

fn echo(writer: &LinkWriter, message: Message) -> bool {
    match message {
        Message::Submit { base, batch, .. } => writer.push(&Message::Results(Outcomes {
            engine: Some(EngineId(4)),
            runs: Runs::one(base, batch.lengths.len() as u32),
            codes: Bytes::new(),
            ran: batch.lengths.iter().map(|_| 7).collect(),
            batch,
            ..Outcomes::default()
        })),
        Message::Ask { question, after } => {
            let version = after.map_or(0, |after| after + 1);
            writer.push(&Message::Status {
                question,
                status: Box::new(ClusterStatus { version, ..Default::default() }),
            });
        }
        Message::Retire { question, now: false, .. } => {
            writer.push(&Message::Agreed { question, request: None, engines: vec![EngineId(4)] });
        }
        Message::Retire { question, now: true, .. } => {
            writer.push(&Message::Declined { question, reason: "no such engine".to_owned() });
        }
        Message::Stop => {
            writer.push(&Message::Notice { text: "ending".to_owned() });
            writer.push(&Message::Goodbye { reason: "stopped".to_owned() });
        }
        Message::Grant { transfer: Transfer::Result(task), .. } => {
            let data = Bytes::from(vec![5; INLINE_LIMIT_BYTES + 1]);
            writer.push(&Message::Chunk { transfer: Transfer::Result(task), offset: 0, data });
        }
        _ => {}
    }
    true
}

fn silent(_: &LinkWriter, _: Message) -> bool {
    true
}

fn rude(_: &LinkWriter, message: Message) -> bool {
    !matches!(message, Message::Submit { .. })
}

fn function() -> Arc<Defined> {
    Defined::new(Function { kind: FunctionKind::Native, body: Bytes::from_static(b"echo") })
}

fn soon() -> Option<Instant> {
    Some(Instant::now() + Duration::from_secs(30))
}

#[test]
fn a_controller_that_does_not_read_holds_up_no_program_that_ends() {
    let (client, _controller) = linked(|_, _| {
        std::thread::sleep(Duration::from_secs(60));
        true
    });
    let (group, echo, options) = (client.group(), function(), Arc::new(TaskOptions::default()));
    for _ in 0..100 {
        client.submit(&group, &echo, &options, vec![0; 200 << 10].into());
    }
    // most likely long enough for the link to be full, without which a program may leave anyway
    std::thread::sleep(Duration::from_millis(300));
    let start = Instant::now();
    drop(client);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert!(group.wait_all(Some(Instant::now())), "{group:?}");
}

#[test]
fn tasks_one_by_one_come_back_each_in_its_place() {
    let (client, controller) = linked(echo);
    let (function, options) = (function(), Arc::new(TaskOptions::default()));
    let (even, odd) = (client.group(), client.group());
    for number in 0..10_000u64 {
        let group = if number % 1000 < 500 { &even } else { &odd };
        client.submit(group, &function, &options, Bytes::copy_from_slice(&number.to_le_bytes()));
    }
    client.wait_ready(None);
    assert!(even.wait_all(soon()) && odd.wait_all(soon()));
    assert_eq!((even.len(), odd.len()), (5000, 5000));
    let outcome = odd.wait(500, None).unwrap();
    assert_eq!((outcome.status, outcome.engine), (TaskStatus::Ok, Some(EngineId(4))));
    assert_eq!(outcome.duration, Duration::from_micros(7));
    assert_eq!(outcome.payload, Bytes::copy_from_slice(&1500u64.to_le_bytes()));
    drop(client);
    assert_eq!(controller.join().unwrap().as_deref(), Some("the client has ended"));
}

#[test]
fn a_rejected_task_has_its_place_among_the_others() {
    let (client, controller) = linked(echo);
    let (group, function, options) = (client.group(), function(), Arc::new(TaskOptions::default()));
    for number in 0..100u8 {
        let index = match number % 10 {
            3 => client.reject(&group, &Failure::new("no form")),
            _ => client.submit(&group, &function, &options, Bytes::copy_from_slice(&[number])),
        };
        assert_eq!(index, number as usize);
    }
    for index in 0..100 {
        let outcome = group.wait(index, soon()).unwrap();
        match index % 10 {
            3 => {
                assert_eq!((outcome.status, outcome.engine), (TaskStatus::Failed, None));
                assert_eq!(Failure::decode(&outcome.payload).unwrap().message, "no form");
            }
            _ => assert_eq!(outcome.payload, Bytes::from(vec![index as u8])),
        }
    }
    drop(client);
    controller.join().unwrap();
}

#[test]
fn a_long_argument_is_announced_and_a_long_result_pulled() {
    let (client, controller) = linked(echo);
    let group = client.group();
    let long = Bytes::from(vec![5; INLINE_LIMIT_BYTES + 1]);
    client.submit(&group, &function(), &Arc::new(TaskOptions::default()), long.clone());
    assert_eq!(group.wait(0, soon()).unwrap().payload, long);
    drop(client);
    controller.join().unwrap();
}

#[test]
fn a_controller_that_is_gone_ends_every_task_with_the_reason() {
    let (client, controller) = linked(rude);
    let group = client.group();
    let (function, options) = (function(), Arc::new(TaskOptions::default()));
    for _ in 0..100 {
        client.submit(&group, &function, &options, Bytes::new());
    }
    assert!(group.wait_all(soon()));
    client.submit(&group, &function, &options, Bytes::new());
    assert!(group.wait_all(soon()));
    for index in [0, 99, 100] {
        let outcome = group.wait(index, soon()).unwrap();
        assert_eq!(outcome.status, TaskStatus::Lost);
        let message = Failure::decode(&outcome.payload).unwrap().message;
        assert!(message.contains("the peer closed the link") && message.contains("rpar status"), "{message}");
    }
    assert_eq!(client.lost().as_deref(), Some("the peer closed the link"));
    client.wait_ready(None);
    let error = client.status(None, Duration::from_secs(30)).unwrap_err();
    assert_eq!(error, ClientError::Lost { reason: "the peer closed the link".to_owned() });
    controller.join().unwrap();
}

#[test]
fn questions_are_answered_and_the_cluster_stops() {
    let (client, controller) = linked(echo);
    assert_eq!(client.status(Some(6), Duration::from_secs(30)).unwrap().version, 7);
    let retire = |now| {
        let change = Change::Retire { retirees: Retirees::Node("n1".to_owned()), now };
        client.change(change, Duration::from_secs(30))
    };
    assert_eq!(retire(false).unwrap().engines, [EngineId(4)]);
    assert_eq!(retire(true).unwrap_err().to_string(), "the controller declines: no such engine");
    client.stop_cluster(Duration::from_secs(30)).unwrap();
    assert_eq!(client.notices(), ["ending"]);
    assert_eq!(client.lost().as_deref(), Some("stopped"));
    drop(client);
    controller.join().unwrap();
}

#[test]
fn a_cluster_that_ends_without_a_goodbye_is_not_taken_for_stopped() {
    let (client, controller) = linked(|writer, message| {
        if let Message::Stop = message {
            writer.push(&Message::Notice { text: "something may be left".to_owned() });
            return false;
        }
        true
    });
    let error = client.stop_cluster(Duration::from_secs(30)).unwrap_err();
    assert!(matches!(error, ClientError::Lost { .. }), "{error}");
    assert_eq!(client.notices(), ["something may be left"]);
    drop(client);
    controller.join().unwrap();
}

#[test]
fn a_controller_that_does_not_answer_is_not_waited_for() {
    let (client, controller) = linked(silent);
    let patience = Duration::from_millis(20);
    assert_eq!(client.status(None, patience).unwrap_err(), ClientError::TimedOut(patience));
    assert_eq!(client.stop_cluster(patience).unwrap_err(), ClientError::TimedOut(patience));
    drop(client);
    controller.join().unwrap();
}

#[test]
fn an_engines_file_is_not_a_clients() {
    let file = ConnectionFile {
        cluster: "local/default".to_owned(),
        role: Role::Engine,
        incarnation: Incarnation(1),
        endpoints: Vec::new(),
        controller_key: PeerKey([1; 32]),
        secret: Secret::new(SECRET),
    };
    let (sender, _links) = mpsc::unbounded_channel();
    let error = Client::connect(&file, Arc::new(ToThread(sender))).unwrap_err().to_string();
    assert!(error.contains("client.toml"), "{error}");
}
