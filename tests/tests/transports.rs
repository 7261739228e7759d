//! The transports against their contract, and tcp against strangers.

use std::sync::Arc;
use std::time::Duration;

use rpar_core::transport::{Endpoint, Identity, Transport};
use rpar_testkit::conformance;
use rpar_transports::{Mem, Tcp, TcpConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn anywhere(text: &str) -> Endpoint {
    Endpoint(text.to_owned())
}

#[tokio::test]
async fn mem_conforms() {
    conformance::transport::suite(Arc::new(Mem::new()), anywhere("mem://0")).await;
}

#[tokio::test]
async fn tcp_conforms() {
    conformance::transport::suite(Arc::new(Tcp::new(TcpConfig::default())), anywhere("tcp://127.0.0.1:0"))
        .await;
}

#[tokio::test]
async fn tcp_ipv6_conforms() {
    conformance::transport::suite(Arc::new(Tcp::new(TcpConfig::default())), anywhere("tcp://[::1]:0")).await;
}

/// Strangers who talk nonsense, or nothing, hold up nobody and are counted.
#[tokio::test]
async fn tcp_shrugs_off_strangers() {
    let tcp = Tcp::new(TcpConfig::default());
    let identity = Identity::from_seed([1; 32]);
    let mut listener = tcp.bind(&identity, &anywhere("tcp://127.0.0.1:0")).await.unwrap();
    let endpoint = listener.endpoints()[0].clone();
    let key = listener.key();
    let accepting = tokio::spawn(async move {
        let link = listener.accept().await.unwrap();
        (listener, link)
    });

    let place = endpoint.strip("tcp").unwrap();
    let silent = tokio::net::TcpStream::connect(place).await.unwrap();
    let mut chatty = tokio::net::TcpStream::connect(place).await.unwrap();
    chatty.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // the listener hangs up on nonsense, perhaps after an alert
    let _ = tokio::time::timeout(Duration::from_secs(30), chatty.read_to_end(&mut answer))
        .await
        .expect("hung up");
    assert!(answer.len() < 100, "a stranger learns nothing");

    tcp.dial(&Identity::from_seed([2; 32]), &endpoint, &key).await.expect("an honest peer links meanwhile");
    let (mut listener, _link) = accepting.await.unwrap();
    assert_eq!(listener.refused(), 1);
    assert_eq!(listener.refused(), 0, "each is counted once");
    drop(silent);
}
