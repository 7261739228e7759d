use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rpar_core::connection::{Claim, ConnectionFile, Role, Secret};
use rpar_core::id::{EngineId, Incarnation, TaskId};
use rpar_core::transport::{Endpoint, Identity, Link, Listener, PeerKey, Transport, TransportError};
use rpar_core::wire::{
    self, FRAME_LIMIT_BYTES, HELLO_LIMIT_BYTES, Hello, Message, Output, PROTOCOL_VERSION, Welcome,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::{Mutex, mpsc};

use super::*;

const OWN: PeerKey = PeerKey([1; 32]);
const PEER: PeerKey = PeerKey([2; 32]);

fn output(length: usize) -> Message {
    let data = Bytes::from(vec![9; length]);
    Message::Output(Output { engine: EngineId(1), task: TaskId(7), attempt: 1, stream: 1, data })
}

#[tokio::test]
async fn messages_of_all_lengths_arrive_in_order() {
    let (here, there) = duplex(1000);
    let (_, writer) = open(Box::new(here));
    let (mut reader, _writer) = open(Box::new(there));
    let sent: Vec<Message> = [0, 1, 100, 70_000, 3 << 20, 5].into_iter().map(output).collect();
    sent.iter().for_each(|message| writer.push(message));
    assert!(writer.queued() > 3 << 20);
    writer.flush();
    let mut received = Vec::new();
    while received.len() < sent.len() {
        received.extend(reader.receive().await.unwrap());
    }
    assert_eq!(received, sent);
    writer.ready().await;
    writer.close().await;
    assert_eq!(reader.receive().await.unwrap_err(), LinkError::Closed);
}

#[tokio::test]
async fn what_was_sent_before_a_drop_goes_out() {
    let (here, there) = duplex(1000);
    let (_reader, writer) = open(Box::new(here));
    writer.push(&output(100_000));
    drop(writer);
    let (mut reader, _writer) = open(Box::new(there));
    assert_eq!(reader.receive().await.unwrap(), [output(100_000)]);
}

#[tokio::test]
async fn messages_before_a_broken_one_are_delivered() {
    let (here, mut there) = duplex(1000);
    let (mut reader, _writer) = open(Box::new(here));
    let mut bytes = BytesMut::new();
    wire::encode(&Message::Heartbeat, &mut bytes);
    bytes.extend_from_slice(&[0xff; 4]);
    there.write_all(&bytes).await.unwrap();
    assert_eq!(reader.receive().await.unwrap(), [Message::Heartbeat]);
    for _ in 0..2 {
        assert!(matches!(reader.receive().await, Err(LinkError::Wire(_))));
    }
}

#[tokio::test]
async fn a_frame_over_the_limit_is_refused_before_it_has_come() {
    let (here, mut there) = duplex(1000);
    let (mut reader, _writer) = open(Box::new(here));
    let claimed = (FRAME_LIMIT_BYTES as u32).to_le_bytes();
    there.write_all(&[&[24, 1, 0, 0], &claimed[..]].concat()).await.unwrap();
    let error = reader.receive().await.unwrap_err().to_string();
    assert!(error.contains("over the limit"), "{error}");
}

#[tokio::test]
async fn a_failing_writer_wakes_the_reader() {
    let (here, there) = duplex(1000);
    let (read, write) = tokio::io::split(there);
    let (mut reader, writer) = open(Box::new(here));
    drop((read, write));
    writer.send(&output(10_000));
    assert!(reader.receive().await.is_err());
    writer.ready().await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_holds_up_a_close_for_a_bounded_time() {
    let (here, _there) = duplex(1000);
    let (_reader, writer) = open(Box::new(here));
    writer.send(&output(10_000));
    tokio::time::timeout(LINGER * 3, writer.close()).await.unwrap();
}

fn admission() -> Admission {
    Admission {
        cluster: "local/default".to_owned(),
        incarnation: Incarnation(5),
        client_secret: Secret::new([3; 32]),
        engine_secret: Secret::new([4; 32]),
        heartbeat: Duration::from_secs(2),
        submit_window_bytes: 1 << 20,
    }
}

fn claim<'a>(role: Role, cluster: &'a str, incarnation: u64) -> Claim<'a> {
    Claim { controller: &OWN, peer: &PEER, role, cluster, incarnation: Incarnation(incarnation) }
}

fn hello(claim: &Claim<'_>, secret: [u8; 32]) -> Hello {
    Hello {
        versions: vec![PROTOCOL_VERSION],
        build: BUILD.to_owned(),
        role: claim.role,
        cluster: claim.cluster.to_owned(),
        incarnation: claim.incarnation,
        proof: claim.prove(&Secret::new(secret)).to_vec(),
    }
}

fn ends() -> (DuplexStream, Link) {
    let (here, there) = duplex(100_000);
    (here, Link { own: OWN, peer: PEER, address: "peer".to_owned(), io: Box::new(there) })
}

async fn answer(hello: Hello) -> (Message, Result<Admitted, Rejection>) {
    let (here, link) = ends();
    let (mut reader, writer) = open(Box::new(here));
    writer.send(&Message::Hello(hello));
    let admission = admission();
    let (admitted, answer) = tokio::join!(admit(link, &admission), reader.first(HELLO_LIMIT_BYTES));
    (answer.unwrap(), admitted)
}

#[tokio::test]
async fn a_right_proof_is_welcomed() {
    for (role, secret) in [(Role::Client, [3; 32]), (Role::Engine, [4; 32])] {
        let (answer, admitted) = answer(hello(&claim(role, "local/default", 5), secret)).await;
        let Message::Welcome(welcome) = answer else { panic!("{answer:?}") };
        assert_eq!((welcome.heartbeat_ms, welcome.window_bytes), (2000, 1 << 20));
        assert_eq!(admitted.unwrap().role, role);
    }
}

#[tokio::test]
async fn each_wrong_hello_is_refused_with_its_own_reason() {
    let right = hello(&claim(Role::Client, "local/default", 5), [3; 32]);
    let cases = [
        ("protocol [9]", Hello { versions: vec![9], ..right.clone() }),
        ("cluster `local/other`", hello(&claim(Role::Client, "local/other", 5), [3; 32])),
        ("was restarted", hello(&claim(Role::Client, "local/default", 4), [3; 32])),
        ("role client is wrong", hello(&claim(Role::Client, "local/default", 5), [4; 32])),
        ("role engine is wrong", Hello { role: Role::Engine, ..right.clone() }),
        ("it is rpar 0.0.7, the controller is rpar", Hello { build: "0.0.7".to_owned(), ..right }),
    ];
    for (expected, hello) in cases {
        let (answer, admitted) = answer(hello).await;
        let Message::Refused { reason, supported, build } = answer else { panic!("{answer:?}") };
        assert!(reason.contains(expected), "{reason}");
        assert_eq!((supported, build.as_str()), (vec![PROTOCOL_VERSION], BUILD));
        assert_eq!(admitted.unwrap_err(), Rejection::Refused { reason });
    }
}

#[tokio::test]
async fn a_stranger_writes_no_lines_of_the_log() {
    let right = hello(&claim(Role::Client, "local/default", 5), [3; 32]);
    let feigned = "x\n2026-01-01 INFO \x1b[2Jthe cluster has ended".to_owned();
    let cases = [
        Hello { versions: vec![9], build: feigned.clone(), ..right.clone() },
        Hello { cluster: feigned, ..right },
    ];
    for hello in cases {
        let (_, admitted) = answer(hello).await;
        let rejection = admitted.unwrap_err().to_string();
        assert!(rejection.contains("the cluster has ended"), "{rejection}");
        assert!(!rejection.contains(char::is_control), "{rejection:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn strangers_are_told_nothing() {
    let admission = admission();
    let cases: [(&[u8], &str); 4] = [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "could not be read"),
        (&[1, 0, 0xff, 0xff], "over the limit"),
        (&[4, 0, 0, 0], "did not greet"),
        (&[1, 0], "no greeting within 5 s"),
    ];
    for (bytes, expected) in cases {
        let (mut here, link) = ends();
        here.write_all(bytes).await.unwrap();
        let rejection = admit(link, &admission).await.unwrap_err().to_string();
        assert!(rejection.contains(expected), "{rejection}");
        let mut told = Vec::new();
        here.read_to_end(&mut told).await.unwrap();
        assert_eq!(told, b"");
    }
}

/// Hands out prepared links, by endpoint; an endpoint without one does not answer.
#[derive(Debug, Clone)]
struct Prepared(Arc<Mutex<Links>>);

type Links = Vec<(Endpoint, Option<Link>)>;

#[async_trait::async_trait]
impl Transport for Prepared {
    fn scheme(&self) -> String {
        "prepared".to_owned()
    }

    async fn bind(&self, _: &Identity, _: &Endpoint) -> Result<Box<dyn Listener>, TransportError> {
        unreachable!()
    }

    async fn dial(&self, _: &Identity, to: &Endpoint, _: &PeerKey) -> Result<Link, TransportError> {
        let link = self.0.lock().await.iter_mut().find(|(at, _)| at == to).map(|(_, link)| link.take());
        match link {
            None => std::future::pending().await,
            Some(Some(link)) => Ok(link),
            Some(None) => Err(TransportError::Unreachable {
                endpoint: to.to_string(),
                reason: "connection refused".to_owned(),
            }),
        }
    }
}

fn file(secret: [u8; 32]) -> ConnectionFile {
    let endpoints = ["slow", "gone", "right"].map(|name| Endpoint(format!("prepared://{name}")));
    ConnectionFile {
        cluster: "local/default".to_owned(),
        role: Role::Client,
        incarnation: Incarnation(5),
        endpoints: endpoints.to_vec(),
        controller_key: OWN,
        secret: Secret::new(secret),
    }
}

async fn dialled(file: &ConnectionFile, serve: bool) -> Result<(LinkReader, LinkWriter, Welcome), DialError> {
    let (here, far) = ends();
    let near = Link { own: PEER, peer: OWN, address: "right".to_owned(), io: Box::new(here) };
    let links = vec![(file.endpoints[1].clone(), None), (file.endpoints[2].clone(), Some(near))];
    let transport: Arc<dyn Transport> = Arc::new(Prepared(Arc::new(Mutex::new(links))));
    let (done, mut end) = mpsc::channel::<()>(1);
    let served = tokio::spawn(async move {
        let admission = admission();
        let admitted = if serve { Some(admit(far, &admission).await) } else { None };
        // stays open until the dialler has its answer
        end.recv().await;
        drop(admitted);
    });
    let dialled = dial(file, transport, fresh_identity().unwrap()).await;
    drop(done);
    served.await.unwrap();
    dialled
}

#[tokio::test]
async fn the_endpoint_that_answers_is_used_at_once() {
    let (_, _, welcome) = dialled(&file([3; 32]), true).await.unwrap();
    assert_eq!(welcome.version, PROTOCOL_VERSION);
}

/// A path on which the handshake works and nothing more.
#[tokio::test(start_paused = true)]
async fn an_endpoint_that_does_not_answer_the_greeting_costs_half_a_second() {
    let file = file([3; 32]);
    let (stuck, _held) = duplex(1 << 16);
    let stuck = Link { own: PEER, peer: OWN, address: "stuck".to_owned(), io: Box::new(stuck) };
    let (here, far) = ends();
    let near = Link { own: PEER, peer: OWN, address: "right".to_owned(), io: Box::new(here) };
    let links = vec![(file.endpoints[0].clone(), Some(stuck)), (file.endpoints[1].clone(), Some(near))];
    let served = tokio::spawn(async move { admit(far, &admission()).await });
    let begun = tokio::time::Instant::now();
    let dialled =
        dial(&file, Arc::new(Prepared(Arc::new(Mutex::new(links)))), fresh_identity().unwrap()).await;
    // virtual time
    assert!(dialled.is_ok() && begun.elapsed() <= Duration::from_millis(600), "{:?}", begun.elapsed());
    drop(served.await.unwrap());
}

#[tokio::test]
async fn a_refusal_ends_the_dialling() {
    let error = dialled(&file([9; 32]), true).await.unwrap_err();
    assert!(matches!(&error, DialError::Refused { .. }));
    assert!(error.to_string().contains("proof of the role client is wrong"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_happened_at_each_endpoint_is_told() {
    let error = dialled(&file([3; 32]), false).await.unwrap_err().to_string();
    for expected in
        ["`local/default`", "gone: connection refused", "slow: no answer", "right: no answer to the greeting"]
    {
        assert!(error.contains(expected), "{expected} in {error}");
    }
}

/// What a client without a secret is answered when it greets through a relay with this file; and what the relay says.
async fn relayed(hello: Hello, file: &ConnectionFile) -> (DuplexStream, Message, Result<(), RelayError>) {
    let (here, far) = ends();
    let near = Link { own: PEER, peer: OWN, address: "right".to_owned(), io: Box::new(here) };
    let links = vec![(file.endpoints[1].clone(), None), (file.endpoints[2].clone(), Some(near))];
    let transport: Arc<dyn Transport> = Arc::new(Prepared(Arc::new(Mutex::new(links))));
    tokio::spawn(async move {
        // the controller: welcomes, and sends back what it is sent
        let Ok(Admitted { mut reader, writer, .. }) = admit(far, &admission()).await else { return };
        while let Ok(messages) = reader.receive().await {
            messages.iter().for_each(|message| writer.push(message));
            writer.flush();
        }
    });
    let (mut client, inner) = duplex(1000);
    let mut bytes = BytesMut::new();
    wire::encode(&Message::Hello(hello), &mut bytes);
    client.write_all(&bytes).await.unwrap();
    let identity = fresh_identity().unwrap();
    let relayed = relay(Box::new(inner), file, transport, identity);
    let talk = async {
        let mut came = BytesMut::new();
        let answer = first(&mut client, &mut came, FRAME_LIMIT_BYTES).await.unwrap();
        if matches!(answer, Message::Welcome(_)) {
            for sent in [Message::Heartbeat, output(100_000)] {
                let mut bytes = BytesMut::new();
                wire::encode(&sent, &mut bytes);
                let (mut read, mut write) = tokio::io::split(&mut client);
                let echoed = first(&mut read, &mut came, FRAME_LIMIT_BYTES);
                let (written, echoed) = tokio::join!(write.write_all(&bytes), echoed);
                written.unwrap();
                assert_eq!(echoed.unwrap(), sent);
            }
        }
        client.shutdown().await.unwrap();
        answer
    };
    let (ended, answer) = tokio::join!(relayed, talk);
    (client, answer, ended)
}

#[tokio::test]
async fn a_relay_proves_the_role_for_a_client_that_has_no_secret() {
    let unproven = hello(&claim(Role::Client, "there", 0), [0; 32]);
    let (mut client, answer, ended) = relayed(unproven, &file([3; 32])).await;
    let Message::Welcome(welcome) = answer else { panic!("{answer:?}") };
    assert_eq!((welcome.window_bytes, ended), (1 << 20, Ok(())));
    assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0, "one end's end is the other's");
}

#[tokio::test]
async fn a_relay_passes_refusals_on_and_has_its_own_for_another_build() {
    let unproven = hello(&claim(Role::Client, "there", 0), [0; 32]);
    let (_, answer, ended) = relayed(unproven.clone(), &file([9; 32])).await;
    let Message::Refused { reason, .. } = answer else { panic!("{answer:?}") };
    assert!(reason.contains("proof of the role client is wrong") && ended.is_ok(), "{reason}");
    let (_, answer, ended) = relayed(Hello { build: "0.0.7".to_owned(), ..unproven }, &file([3; 32])).await;
    let Message::Refused { reason, build, .. } = answer else { panic!("{answer:?}") };
    assert!(reason.contains("you run rpar 0.0.7") && reason.contains(&format!("rpar {BUILD}")), "{reason}");
    assert_eq!((build.as_str(), ended), (BUILD, Ok(())));
}

#[tokio::test(start_paused = true)]
async fn a_relay_without_a_controller_says_so_itself() {
    let (mut client, inner) = duplex(1000);
    let file = ConnectionFile { endpoints: Vec::new(), ..file([3; 32]) };
    let mut bytes = BytesMut::new();
    wire::encode(&Message::Hello(hello(&claim(Role::Client, "there", 0), [0; 32])), &mut bytes);
    client.write_all(&bytes).await.unwrap();
    let transport = || Arc::new(Prepared(Arc::default()));
    let relayed = relay(Box::new(inner), &file, transport(), fresh_identity().unwrap()).await;
    assert!(matches!(relayed, Err(RelayError::Dial(DialError::Unreachable { .. }))), "{relayed:?}");
    let (_client, inner) = duplex(1000);
    let silent = relay(Box::new(inner), &file, transport(), fresh_identity().unwrap()).await;
    assert!(silent.unwrap_err().to_string().contains("nothing within 30 s"));
}
