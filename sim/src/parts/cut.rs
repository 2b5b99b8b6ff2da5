//! Which part has which nodes.

use std::ops::Range;
use std::sync::Arc;

use filbert::topology::Graph;

use crate::calendar::region_shift;

/// A graph cut into ranges of nodes that have about as many links each. A range holds whole
/// regions of the [`calendar`](crate::calendar): what comes out region by region then comes out
/// part by part.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    /// Where each part begins, and where the last one ends.
    starts: Arc<[u32]>,
    /// The part that has each region.
    owners: Arc<[u16]>,
    shift: u32,
}

impl Cut {
    /// Cuts a graph into so many parts, of which some have no nodes where there are few.
    pub(super) fn new(graph: &Graph, parts: usize) -> Self {
        let shift = region_shift(graph.nodes());
        let all = u32::try_from(graph.nodes()).expect("a graph numbers its nodes so");
        let parts = parts.clamp(1, usize::from(u16::MAX));
        let (mut starts, mut owners) = (vec![0], Vec::new());
        let links = 2 * graph.edges();
        for first in (0..all).step_by(1 << shift) {
            while starts.len() < parts && graph.slots_before(first) * parts >= links * starts.len()
            {
                starts.push(first);
            }
            let owner = u16::try_from(starts.len() - 1).expect("no more than are wanted");
            owners.push(owner);
        }
        starts.resize(parts + 1, all);
        Self {
            starts: starts.into(),
            owners: owners.into(),
            shift,
        }
    }

    /// How many parts there are.
    pub(super) fn parts(&self) -> usize {
        self.starts.len() - 1
    }

    /// The nodes of a part.
    pub(super) fn nodes(&self, part: usize) -> Range<u32> {
        self.starts[part]..self.starts[part + 1]
    }

    /// The part that has this node.
    #[inline]
    pub(super) fn owner(&self, node: u32) -> usize {
        self.owners[(node >> self.shift) as usize].into()
    }
}

#[cfg(test)]
mod tests {
    use filbert::topology::Spec;

    use super::*;
    use crate::random::{Purpose, generator};

    #[test]
    fn every_node_has_one_part_and_parts_have_about_as_many_links() {
        for (spec, parts) in [
            ("gnm:n=5000,m=12500", 4),
            ("ba:n=5000,m=3", 3),
            ("grid:w=2,h=2", 7),
            ("gnm:n=3,m=0", 2),
        ] {
            let spec: Spec = spec.parse().unwrap();
            let graph = spec.build(&mut generator(1, Purpose::Graph)).unwrap();
            let cut = Cut::new(&graph, parts);
            assert_eq!(cut.parts(), parts);
            let owned = (0..parts).flat_map(|part| cut.nodes(part).map(move |node| (node, part)));
            let expected = graph.iter().map(|node| (node, cut.owner(node)));
            assert!(owned.eq(expected), "{spec:?}");
            if graph.nodes() < 100 {
                continue;
            }
            for part in 0..parts {
                let links = cut
                    .nodes(part)
                    .map(|node| graph.degree(node))
                    .sum::<usize>();
                let share = links as f64 * parts as f64 / (2 * graph.edges()) as f64;
                assert!((0.9..1.1).contains(&share), "{spec:?}: {share}");
            }
        }
    }
}
