//! The nodes that Torque and PBS grant, from the file that `PBS_NODEFILE` names.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rpar_core::error::Retry;
use rpar_core::launcher::Node;

use crate::dialect::Refusal;

/// The file, where the site writes one.
pub(crate) fn nodefile(environment: &BTreeMap<String, String>) -> Option<PathBuf> {
    environment.get("PBS_NODEFILE").filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// The nodes of a nodefile, which names each as often as it has slots.
pub(crate) fn counted(nodefile: &str) -> Result<Vec<Node>, Refusal> {
    let mut nodes: Vec<Node> = Vec::new();
    for name in nodefile.lines().map(str::trim).filter(|name| !name.is_empty()) {
        match nodes.iter_mut().find(|node| node.name == name) {
            Some(node) => node.slots += 1,
            None => nodes.push(Node { name: name.to_owned(), slots: 1 }),
        }
    }
    if nodes.is_empty() { Err(Refusal::new(Retry::Never, "the nodefile names no nodes")) } else { Ok(nodes) }
}
