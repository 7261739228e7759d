//! Which addresses a controller tells others to dial.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

/// The most addresses that go into a connection file: every engine tries all of them at once.
const ADVERTISED_LIMIT: usize = 16;

/// Addresses under which `local` can be dialled, best first: those the site wants, or else all of this host's if it
/// listens on all, IPv4 before IPv6 and loopback last.
///
/// # Errors
/// When one of `wanted` is neither an interface, nor a network of this host, nor an address, nor a name that resolves.
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

/// A network in CIDR notation (RFC 4632, RFC 4291).
#[derive(Clone, Copy, Debug)]
struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    fn parse(text: &str) -> Option<Network> {
        let (address, prefix) = text.split_once('/')?;
        let (address, prefix): (IpAddr, u32) = (address.parse().ok()?, prefix.parse().ok()?);
        let bits = if address.is_ipv4() { 32 } else { 128 };
        (prefix <= bits).then_some(Network { address, prefix })
    }

    fn has(&self, ip: &IpAddr) -> bool {
        match (self.address, ip) {
            (IpAddr::V4(own), IpAddr::V4(ip)) => {
                (own.to_bits() ^ ip.to_bits()).checked_shr(32 - self.prefix).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(ip)) => {
                (own.to_bits() ^ ip.to_bits()).checked_shr(128 - self.prefix).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

fn interfaces() -> Result<Vec<(String, IpAddr)>, String> {
    let list =
        if_addrs::get_if_addrs().map_err(|error| format!("could not list network interfaces: {error}"))?;
    Ok(list.into_iter().map(|interface| (interface.name.clone(), interface.ip())).collect())
}

fn lookup(name: &str, port: u16, interfaces: &[(String, IpAddr)]) -> Result<Vec<SocketAddr>, String> {
    if let Some(network) = Network::parse(name) {
        let within = interfaces.iter().map(|(_, ip)| *ip).filter(|ip| network.has(ip));
        let found: Vec<SocketAddr> = within.map(|ip| SocketAddr::new(ip, port)).collect();
        let all: Vec<String> = interfaces.iter().map(|(_, ip)| ip.to_string()).collect();
        return match found.is_empty() {
            true => Err(format!(
                "no address of this host ({}) is in the network `{name}` of [transport] advertise",
                all.join(", ")
            )),
            false => Ok(found),
        };
    }
    let of_interface = interfaces.iter().filter(|(interface, _)| interface == name);
    let mut found: Vec<SocketAddr> = of_interface.map(|(_, ip)| SocketAddr::new(*ip, port)).collect();
    if found.is_empty() {
        found.extend((name, port).to_socket_addrs().into_iter().flatten());
    }
    if found.is_empty() {
        let mut known: Vec<&str> = Vec::new();
        for (interface, _) in interfaces {
            // the system lists one with several addresses several times, and not in a row
            if !known.contains(&interface.as_str()) {
                known.push(interface);
            }
        }
        return Err(format!(
            "`{name}` in [transport] advertise is neither an interface of this host ({}), nor a network such as 10.0.0.0/8, nor a name that resolves",
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
    fn networks_are_read_and_compared() {
        for (network, address, within) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("192.168.4.0/22", "192.168.7.9", true),
            ("192.168.4.0/22", "192.168.8.9", false),
            ("10.1.2.3/32", "10.1.2.3", true),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "::1", false),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe80::1", false),
            ("::/0", "::1", true),
        ] {
            let parsed = Network::parse(network).unwrap();
            assert_eq!(parsed.has(&address.parse().unwrap()), within, "{address} in {network}");
        }
        for wrong in ["10.0.0.0/33", "::/129", "10.0.0/8", "ib0/8", "10.0.0.0/"] {
            assert!(Network::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn what_is_advertised() {
        let all: SocketAddr = "0.0.0.0:70".parse().unwrap();
        let one: SocketAddr = "127.0.0.1:70".parse().unwrap();
        let local = [one];
        assert_eq!(advertised(one, &[]).unwrap(), local, "a bound address is the only one");
        assert_eq!(advertised(one, &["nowhere".into()]).unwrap(), local, "and needs no other");
        assert_eq!(advertised(all, &["lo".into(), "127.0.0.1".into()]).unwrap(), local, "each address once");
        assert_eq!(advertised(all, &[]).unwrap().last(), Some(&one), "loopback comes last");
        assert_eq!(
            advertised(all, &["127.0.0.0/8".into()]).unwrap(),
            local,
            "a network names the addresses in it"
        );
        let error = advertised(all, &["203.0.113.0/24".into()]).unwrap_err();
        assert!(error.contains("127.0.0.1") && error.contains("`203.0.113.0/24`"), "{error}");
        let error = advertised(all, &["no-such-interface.invalid".into()]).unwrap_err();
        assert!(error.contains("`no-such-interface.invalid`") && error.contains("lo"), "{error}");
    }

    #[test]
    fn an_interface_is_listed_once() {
        let listed = [("lo", "127.0.0.1"), ("eth0", "10.0.0.1"), ("lo", "::1"), ("eth0", "fe80::1")];
        let interfaces = listed.map(|(name, ip)| (name.to_owned(), ip.parse().unwrap()));
        let error = lookup("no-such-interface.invalid", 70, &interfaces).unwrap_err();
        assert!(error.contains("(lo, eth0)"), "{error}");
    }
}
