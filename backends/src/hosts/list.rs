//! Hosts as people write them down: `node1,node2:16`, or a file with one a line.

use rpar_core::launcher::Node;

/// Reads a list separated by commas or blanks.
///
/// # Errors
/// Which word is no host.
pub(super) fn words(text: &str) -> Result<Vec<Node>, String> {
    let mut hosts = Vec::new();
    for word in text.split([',', ' ', '\t', '\n']).filter(|word| !word.is_empty()) {
        add(&mut hosts, host(word)?);
    }
    Ok(hosts)
}

/// Reads a file: `node1`, `node1:16`, or `node1 slots=16`, as Open MPI has it, on each line; what follows `#` is a remark.
/// A host that is there again has that many more cores, as in the files that PBS gives to its jobs.
///
/// # Errors
/// Which line is wrong, and how.
pub(super) fn file(text: &str) -> Result<Vec<Node>, String> {
    let mut hosts = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let wrong = |reason: String| format!("line {}: {reason}", number + 1);
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(first) = words.next() else { continue };
        let mut node = host(first).map_err(wrong)?;
        for word in words {
            let slots = word.strip_prefix("slots=").and_then(|slots| slots.parse().ok());
            node.slots = slots.filter(|slots| *slots > 0).ok_or_else(|| {
                wrong(format!(
                    "`{word}` is not understood: expected a host's name, and `slots=` with its cores"
                ))
            })?;
        }
        add(&mut hosts, node);
    }
    Ok(hosts)
}

/// As [`words`] reads it.
pub(super) fn write(hosts: &[Node]) -> String {
    let word = |node: &Node| match node.slots {
        0 => node.name.clone(),
        slots => format!("{}:{slots}", node.name),
    };
    hosts.iter().map(word).collect::<Vec<_>>().join(",")
}

fn add(hosts: &mut Vec<Node>, node: Node) {
    match hosts.iter_mut().find(|host| host.name == node.name) {
        Some(host) => host.slots = host.slots.max(1).saturating_add(node.slots.max(1)),
        None => hosts.push(node),
    }
}

fn host(word: &str) -> Result<Node, String> {
    let (name, slots) = match word.split_once(':') {
        None => (word, Some(0)),
        Some((name, slots)) => (name, slots.parse().ok().filter(|slots| *slots > 0)),
    };
    // what begins with a dash would be an option of ssh
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    match slots {
        Some(slots) if !name.is_empty() && !name.starts_with('-') && name.chars().all(plain) => {
            Ok(Node { name: name.to_owned(), slots })
        }
        _ => Err(format!(
            "`{}` is no host: expected a name that ssh knows, as node1, or one with its cores, as node1:16",
            word.escape_debug()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_in_their_order() {
        for (text, hosts) in [
            ("node1,node2:16", "node1,node2:16"),
            (" a.example.org  ann@b:2 ,", "a.example.org,ann@b:2"),
            ("a,b,a", "a:2,b"),
            ("10.0.0.7:4", "10.0.0.7:4"),
            ("", ""),
        ] {
            assert_eq!(words(text).map(|hosts| write(&hosts)), Ok(hosts.to_owned()), "{text}");
        }
        for wrong in ["-oProxyCommand=x", "a:", "a:0", "a:b", "a;b", ":4", "a:1:2"] {
            assert!(words(wrong).is_err_and(|reason| reason.contains(&format!("`{wrong}`"))), "{wrong}");
        }
    }

    #[test]
    fn files_are_read_as_open_mpi_and_pbs_write_them() {
        let text = "# ours\nnode1 slots=4\n\nnode2:8   # the new one\nnode3\nnode4\nnode4\n";
        assert_eq!(file(text).map(|hosts| write(&hosts)), Ok("node1:4,node2:8,node3,node4:2".to_owned()));
        assert!(file("a\nb slotz=4\n").unwrap_err().starts_with("line 2: `slotz=4`"));
        assert!(file("a slots=0\n").is_err());
    }
}
