//! Where a listener listens: a port, one of the system's choice, or the first free one of a range.

use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;

use rpar_core::transport::{Endpoint, TransportError};
use tokio::net::{TcpListener, TcpSocket};

use super::resolve;

/// How many connections wait in the system until they are accepted: a thousand nodes may start in the same second.
const BACKLOG: u32 = 1024;

/// Listens at `tcp://HOST:PORT`, or at the first free port of `tcp://HOST:FIRST-LAST`.
///
/// # Errors
/// When that is no place, or not to be had.
pub(super) async fn listen(at: &Endpoint) -> Result<TcpListener, TransportError> {
    let failed = |reason: String| TransportError::Bind { endpoint: at.to_string(), reason };
    let (first, ports) = split(at).ok_or_else(|| TransportError::Endpoint {
        scheme: "tcp".to_owned(),
        endpoint: at.to_string(),
        reason: "expected tcp://HOST:PORT, or tcp://HOST:FIRST-LAST for the first free port of these"
            .to_owned(),
    })?;
    let address = resolve(&first).await?[0];
    let many = ports.start() < ports.end();
    for port in ports.clone() {
        match open(SocketAddr::new(address.ip(), port)) {
            Err(error) if many && error.kind() == io::ErrorKind::AddrInUse => {}
            opened => return opened.map_err(|error| failed(error.to_string())),
        }
    }
    Err(failed(format!("all ports from {} to {} are in use", ports.start(), ports.end())))
}

/// The endpoint with the first port alone, and all ports to try.
fn split(at: &Endpoint) -> Option<(Endpoint, RangeInclusive<u16>)> {
    let (host, ports) = at.0.rsplit_once(':')?;
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
    // 0 is the system's choice, and no part of a range
    let sound = first == last || (first > 0 && first < last);
    sound.then(|| (Endpoint(format!("{host}:{first}")), first..=last))
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // a port whose last owner's connections still fade away is free
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    // two may have bound the same port by now: the second to listen is told that it is in use
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_two_ports_in_order() {
        let of = |place: &str| {
            let split = split(&Endpoint(format!("tcp://{place}")));
            split.map(|(first, ports)| format!("{first} {}-{}", ports.start(), ports.end()))
        };
        assert_eq!(of("0.0.0.0:5000-5010").as_deref(), Some("tcp://0.0.0.0:5000 5000-5010"));
        assert_eq!(of("[::1]:7000").as_deref(), Some("tcp://[::1]:7000 7000-7000"));
        assert_eq!(of("host:0").as_deref(), Some("tcp://host:0 0-0"));
        for wrong in ["host", "host:", "host:0-10", "host:10-9", "host:1-65536", "host:1-2-3", "host:a-b"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }

    #[tokio::test]
    async fn the_first_free_port_is_taken_and_a_full_range_is_told() {
        let first = open("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = first.local_addr().unwrap().port();
        let last = port.saturating_add(20);
        let range = Endpoint(format!("tcp://127.0.0.1:{port}-{last}"));
        let second = listen(&range).await.unwrap();
        assert!((port + 1..=last).contains(&second.local_addr().unwrap().port()));
        let full = Endpoint(format!("tcp://127.0.0.1:{port}-{}", port + 1));
        // whoever else has it, it is not free
        let _next = open(SocketAddr::from(([127, 0, 0, 1], port + 1)));
        let error = listen(&full).await.unwrap_err().to_string();
        assert!(error.ends_with(&format!("all ports from {port} to {} are in use", port + 1)), "{error}");
    }
}
