//! How many engines each node gets.

use rpar_core::launcher::Node;

/// A node and its engines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) node: Node,
    pub(super) engines: u32,
}

/// Fills the nodes in order with `ppn` engines each; the last one used may get fewer, others none.
pub(super) fn divide(nodes: Vec<Node>, engines: u32, ppn: u32) -> Vec<Place> {
    let mut left = engines;
    let places = nodes.into_iter().map(|node| {
        let engines = left.min(ppn);
        left -= engines;
        Place { node, engines }
    });
    places.filter(|place| place.engines > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(nodes: u32, engines: u32, ppn: u32) -> Vec<u32> {
        let nodes = (0..nodes).map(|number| Node { name: format!("n{number}"), slots: 0 }).collect();
        divide(nodes, engines, ppn).into_iter().map(|place| place.engines).collect()
    }

    #[test]
    fn the_last_node_may_be_short() {
        assert_eq!(counts(2, 16, 8), [8, 8]);
        assert_eq!(counts(3, 17, 8), [8, 8, 1]);
        assert_eq!(counts(3, 8, 8), [8]);
        assert_eq!(counts(1, 16, 8), [8]);
        assert_eq!(counts(0, 4, 2), [0; 0]);
    }
}
