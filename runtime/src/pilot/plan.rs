//! How many engines each node gets.

use rpar_core::launcher::Node;

/// A node and its engines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) node: Node,
    pub(super) engines: u32,
}

/// Fills the nodes in order with `ppn` engines each, but at first with no more than a node has slots, if that is told; the
/// last one used may get fewer, others none.
pub(super) fn divide(nodes: Vec<Node>, engines: u32, ppn: u32) -> Vec<Place> {
    let mut left = engines;
    let mut take = |most: u32| {
        let taken = left.min(most);
        left -= taken;
        taken
    };
    let first = nodes.into_iter().map(|node| {
        let room = if node.slots == 0 { ppn } else { node.slots.min(ppn) };
        Place { node, engines: take(room) }
    });
    let mut places: Vec<Place> = first.collect();
    // whoever asks for more engines than there are slots gets them
    places.iter_mut().for_each(|place| place.engines += take(ppn - place.engines));
    places.retain(|place| place.engines > 0);
    places
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

    #[test]
    fn slots_count_until_more_is_asked_for() {
        let divided = |engines, ppn| {
            let nodes = [4, 0, 2].map(|slots| Node { name: format!("n{slots}"), slots }).to_vec();
            divide(nodes, engines, ppn).into_iter().map(|place| place.engines).collect::<Vec<_>>()
        };
        assert_eq!(divided(10, 4), [4, 4, 2]);
        assert_eq!(divided(12, 4), [4, 4, 4]);
        assert_eq!(divided(9, 4), [4, 4, 1]);
        assert_eq!(divided(30, 8), [8, 8, 8]);
    }
}
