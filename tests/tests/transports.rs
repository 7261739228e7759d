//! The transports against their contract, and tcp against strangers.

use std::sync::Arc;
use std::time::Duration;

use rpar_core::transport::{Endpoint, Identity, Transport};
use rpar_testkit::conformance;
use rpar_tests::binary::Home;
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

/// Somebody else under the first address, and nobody who answers under the second.
#[tokio::test]
async fn addresses_that_lead_elsewhere_are_passed_over() {
    let tcp = Tcp::new(TcpConfig::default());
    let other = Identity::from_seed([7; 32]);
    let mut other = tcp.bind(&other, &anywhere("tcp://127.0.0.1:0")).await.unwrap();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let first = [other.endpoints()[0].to_string(), format!("tcp://{}", silent.local_addr().unwrap())];
    let answering = tokio::spawn(async move { other.accept().await });
    let linked = tokio::task::spawn_blocking(move || {
        let home = Home::new();
        assert!(home.run(&["start", "-n", "1"]).status.success());
        let file = std::fs::read_to_string(home.state().join("local/default/client.toml")).unwrap();
        let first = first.map(|endpoint| format!("\"{endpoint}\", ")).concat();
        let file = file.replace("endpoints = [", &format!("endpoints = [{first}"));
        assert!(file.contains(&first), "{file}");
        let path = home.path().join("client.toml");
        std::fs::write(&path, file).unwrap();
        let client = rpar::raw::connect_file(&path).unwrap();
        client.status(None, Duration::from_secs(60)).unwrap().engines.len()
    });
    assert_eq!(linked.await.unwrap(), 1);
    answering.abort();
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
