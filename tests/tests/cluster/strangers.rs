//! Who should not get in does not, is told why if he speaks our language, and harms nobody.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rpar_core::connection::{Claim, ConnectionFile, Secret};
use rpar_core::id::{Incarnation, TaskId};
use rpar_core::task::{TaskOptions, TaskStatus};
use rpar_core::transport::{Link, Transport};
use rpar_core::wire::{self, FRAME_LIMIT_BYTES, Hello, Message, PROTOCOL_VERSION, RESULT_WINDOW_BYTES};
use rpar_runtime::client::Client;
use rpar_runtime::link::{BUILD, dial, fresh_identity};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use super::place::{BIG_BYTES, PATIENCE, Place, await_engines, deadline, native};

/// Does its work after `attack` as it did before.
fn survives(attack: impl FnOnce(&Place)) {
    let place = Place::tcp();
    let host = place.host("n1", 2);
    let client = place.client();
    await_engines(&client, 2);
    attack(&place);
    let (group, echo, options) = (client.group(), native("echo"), Arc::new(TaskOptions::default()));
    for _ in 0..100 {
        client.submit(&group, &echo, &options, Bytes::new());
    }
    assert!(group.wait_all(deadline()), "{group:?}");
    assert_eq!(group.wait(99, None).unwrap().status, TaskStatus::Ok);
    client.stop_cluster(PATIENCE).unwrap();
    host.ended().unwrap();
    place.ended().1.unwrap();
}

fn refusal(place: &Place, file: &ConnectionFile) -> String {
    Client::connect(file, Arc::clone(&place.transport)).unwrap_err().to_string()
}

#[test]
fn a_wrong_secret_and_an_old_file_are_refused_each_with_its_reason() {
    survives(|place| {
        let right = place.connection();
        let wrong = ConnectionFile { secret: Secret::new([0; 32]), ..right.clone() };
        let error = refusal(place, &wrong);
        assert!(error.contains("proof of the role client is wrong"), "{error}");
        let old = ConnectionFile { incarnation: Incarnation(right.incarnation.0 ^ 1), ..right.clone() };
        let error = refusal(place, &old);
        assert!(error.contains("restarted"), "{error}");
        let other = ConnectionFile { cluster: "test/other".to_owned(), ..right };
        let error = refusal(place, &other);
        assert!(error.contains("`test/other`"), "{error}");
    });
}

/// A link whose greeting the test writes itself.
async fn raw_link(transport: &dyn Transport, file: &ConnectionFile) -> Link {
    let identity = fresh_identity().unwrap();
    transport.dial(&identity, &file.endpoints[0], &file.controller_key).await.unwrap()
}

fn hello(file: &ConnectionFile, link: &Link) -> Hello {
    let claim = Claim {
        controller: &link.peer,
        peer: &link.own,
        role: file.role,
        cluster: &file.cluster,
        incarnation: file.incarnation,
    };
    Hello {
        versions: vec![PROTOCOL_VERSION],
        build: BUILD.to_owned(),
        role: file.role,
        cluster: file.cluster.clone(),
        incarnation: file.incarnation,
        proof: claim.prove(&file.secret).to_vec(),
    }
}

/// Sends bytes, and gives back all that comes until the controller closes.
async fn talk(link: &mut Link, bytes: &[u8]) -> BytesMut {
    // the controller may close before it has read everything
    let _ = link.io.write_all(bytes).await;
    let _ = link.io.flush().await;
    let mut answer = BytesMut::new();
    while matches!(link.io.read_buf(&mut answer).await, Ok(count) if count > 0) {}
    answer
}

fn run<T>(talk: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, talk).await.unwrap() })
}

#[test]
fn an_old_version_is_told_what_is_spoken_here() {
    survives(|place| {
        let file = place.connection();
        let mut answer = run(async {
            let mut link = raw_link(&*place.transport, &file).await;
            let mut bytes = BytesMut::new();
            let old = Hello { versions: vec![0], build: "0.0.1".to_owned(), ..hello(&file, &link) };
            wire::encode(&Message::Hello(old), &mut bytes);
            talk(&mut link, &bytes).await
        });
        let Ok(Some(Message::Refused { reason, supported, build })) = wire::decode(&mut answer, 4096) else {
            panic!("{answer:?}")
        };
        assert_eq!((supported, build.as_str()), (vec![PROTOCOL_VERSION], BUILD));
        assert!(reason.contains("0.0.1") && reason.contains(BUILD), "{reason}");
    });
}

#[test]
fn garbage_on_the_port_is_nobodys_business() {
    survives(|place| {
        let file = place.connection();
        let address = file.endpoints[0].strip("tcp").unwrap().to_owned();
        for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x16\x03\x01\xff\xff", &[0; 10_000], b""] {
            let mut stream = TcpStream::connect(&address).unwrap();
            // the controller may close before it has read everything
            let _ = stream.write_all(garbage);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = stream.read_to_end(&mut Vec::new());
        }
        // a stranger who can do TLS, and nothing else
        for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 10_000], b"\x01\x00\xff\xff"] {
            let answer = run(async { talk(&mut raw_link(&*place.transport, &file).await, garbage).await });
            assert_eq!(answer, Bytes::new());
        }
    });
}

#[test]
fn a_frame_over_the_limit_ends_its_link_and_no_other() {
    survives(|place| {
        let file = place.connection();
        let mut answer = run(async {
            let mut link = raw_link(&*place.transport, &file).await;
            let mut bytes = BytesMut::new();
            wire::encode(&Message::Hello(hello(&file, &link)), &mut bytes);
            link.io.write_all(&bytes).await.unwrap();
            let oversized = [&[24, 1, 0, 0][..], &(FRAME_LIMIT_BYTES as u32 + 1).to_le_bytes()].concat();
            talk(&mut link, &oversized).await
        });
        let welcome = wire::decode(&mut answer, FRAME_LIMIT_BYTES);
        assert!(matches!(welcome, Ok(Some(Message::Welcome(_)))), "{welcome:?}");
    });
}

#[test]
fn hundreds_of_nodes_may_link_in_the_same_moment() {
    let place = Place::tcp();
    let file = Arc::new(place.connection());
    run(async {
        let mut dials = JoinSet::new();
        for _ in 0..800 {
            let (file, transport) = (Arc::clone(&file), Arc::clone(&place.transport));
            dials.spawn(async move { dial(&file, transport, fresh_identity().unwrap()).await.map(|_| ()) });
        }
        while let Some(dialled) = dials.join_next().await {
            dialled.unwrap().unwrap();
        }
    });
    place.client().stop_cluster(PATIENCE).unwrap();
    place.ended().1.unwrap();
}

#[test]
fn a_client_that_does_not_read_fills_nobodys_memory_and_holds_up_nobody() {
    survives(|place| {
        let file = place.connection();
        let client = place.client();
        let (tasks, big) = (2000, native("big"));
        let done = |client: &Client| client.status(None, PATIENCE).unwrap().tasks.succeeded;
        run(async {
            let identity = fresh_identity().unwrap();
            let (_unread, writer, _) = dial(&file, Arc::clone(&place.transport), identity).await.unwrap();
            writer.push(&Message::Define(big.function().clone()));
            writer.send(&Message::Submit {
                base: TaskId(0),
                function: big.hash(),
                options: TaskOptions::default(),
                batch: (0..tasks).map(|_| Bytes::new()).collect(),
            });
            // until the engines have come to rest
            let (mut before, mut now) = (0, 0);
            while now == 0 || now != before {
                (before, now) = (now, done(&client));
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            // what may be on its way to that client and what is held for it, and as much again at the engines
            let bound = 3 * RESULT_WINDOW_BYTES / BIG_BYTES as u64;
            assert!(now < bound && bound < tasks, "{now} of {tasks} tasks have left their results somewhere");
        });
    });
}

#[test]
fn many_silent_links_keep_nobody_out() {
    survives(|place| {
        let file = place.connection();
        let address = file.endpoints[0].strip("tcp").unwrap().to_owned();
        let silent: Vec<TcpStream> = (0..900).map(|_| TcpStream::connect(&address).unwrap()).collect();
        let client = place.client();
        client.status(None, PATIENCE).unwrap();
        drop(silent);
    });
}
