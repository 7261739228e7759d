//! Which addresses a controller tells others to dial.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

/// The most addresses that go into a connection file: every engine tries all of them at once.
const ADVERTISED_LIMIT: usize = 16;

/// Addresses under which `local` can be dialled, best first: those the site wants, or else all of this host's if it
/// listens on all, IPv4 before IPv6 and loopback last.
///
/// # Errors
/// When one of `wanted` is neither an interface, nor an address, nor a name that resolves.
pub(super) fn advertised(local: SocketAddr, wanted: &[String]) -> Result<Vec<SocketAddr>, String> {
    let port = local.port();
    let mut found = Vec::new();
    if !local.ip().is_unspecified() {
        found.push(local);
    } else if wanted.is_empty() {
        let mut addresses: Vec<IpAddr> = interfaces()?.into_iter().map(|(_, ip)| ip).collect();
        addresses.sort_by_key(|ip| (ip.is_loopback(), ip.is_ipv6()));
        found.extend(
            addresses.into_iter().filter(|ip| reaches(&local, ip)).map(|ip| SocketAddr::new(ip, port)),
        );
    } else {
        let interfaces = interfaces()?;
        for name in wanted {
            found.extend(lookup(name, port, &interfaces)?);
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|address| reaches(&local, &address.ip()) && seen.insert(*address));
    found.truncate(ADVERTISED_LIMIT);
    Ok(found)
}

/// A socket bound to 0.0.0.0 has no IPv6 address, and link-local ones mean nothing on another host.
fn reaches(local: &SocketAddr, ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_link_local(),
        IpAddr::V6(ip) => local.is_ipv6() && !ip.is_unicast_link_local(),
    }
}

fn interfaces() -> Result<Vec<(String, IpAddr)>, String> {
    let list =
        if_addrs::get_if_addrs().map_err(|error| format!("could not list network interfaces: {error}"))?;
    Ok(list.into_iter().map(|interface| (interface.name.clone(), interface.ip())).collect())
}

fn lookup(name: &str, port: u16, interfaces: &[(String, IpAddr)]) -> Result<Vec<SocketAddr>, String> {
    let of_interface = interfaces.iter().filter(|(interface, _)| interface == name);
    let mut found: Vec<SocketAddr> = of_interface.map(|(_, ip)| SocketAddr::new(*ip, port)).collect();
    if found.is_empty() {
        found.extend((name, port).to_socket_addrs().into_iter().flatten());
    }
    if found.is_empty() {
        let mut known: Vec<&str> = interfaces.iter().map(|(interface, _)| interface.as_str()).collect();
        known.dedup();
        return Err(format!(
            "`{name}` in [transport] advertise is neither an interface of this host ({}) nor a name that resolves",
            known.join(", ")
        ));
    }
    found.sort_by_key(SocketAddr::is_ipv6);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_advertised() {
        let all: SocketAddr = "0.0.0.0:70".parse().unwrap();
        let one: SocketAddr = "127.0.0.1:70".parse().unwrap();
        let local = [one];
        assert_eq!(advertised(one, &[]).unwrap(), local, "a bound address is the only one");
        assert_eq!(advertised(one, &["nowhere".into()]).unwrap(), local, "and needs no other");
        assert_eq!(advertised(all, &["lo".into(), "127.0.0.1".into()]).unwrap(), local, "each address once");
        assert_eq!(advertised(all, &[]).unwrap().last(), Some(&one), "loopback comes last");
        let error = advertised(all, &["no-such-interface.invalid".into()]).unwrap_err();
        assert!(error.contains("`no-such-interface.invalid`") && error.contains("lo"), "{error}");
    }
}
