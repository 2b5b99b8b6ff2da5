//! LightFlood: a few hops to all neighbours, the others along trees, over which hardly anybody hears
//! twice (Jiang, Guo and Zhang, ICPP 2003).
//!
//! Each node's favourite is its neighbour of highest degree; the links between nodes and their
//! favourites make the trees.

use rand_pcg::Pcg64Mcg;

use super::flood::spread;
use super::{Ground, Policy, Trace};

/// A flood that thins out.
#[derive(Clone, Copy, Debug)]
pub struct LightFlood {
    /// How many hops it goes to all neighbours.
    pub flood_hops: u8,
    /// How many hops it goes at all.
    pub ttl: u8,
}

impl Policy for LightFlood {
    fn search(&self, ground: &mut Ground<'_>, source: u32, _: &mut Pcg64Mcg) -> Trace {
        spread(ground, source, self.ttl, |ground, hops, node, to| {
            hops <= self.flood_hops || ground.in_tree(node, to)
        })
    }
}

#[cfg(test)]
mod tests {
    use filbert::topology::Graph;
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn after_the_flood_only_links_to_favourites_are_gone_over() {
        // 0 - 1, and a ring 1 - 2 - 3 - 4 - 1. 3 has two more neighbours and is the favourite of all
        // its own; 2 is that of 1.
        let edges = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 1), (3, 5), (3, 6)];
        let graph = Graph::from_edges(&edges).unwrap();
        let mut ground = Ground::new(&graph);
        ground.hold(&[6]);
        let rng = &mut Pcg64Mcg::seed_from_u64(1);
        let mut light = |flood_hops| LightFlood { flood_hops, ttl: 7 }.search(&mut ground, 0, rng);
        // One copy over each link, and one more: 3 hears it from 2 and from 4.
        let flood = light(7);
        assert_eq!((flood.copies, flood.reached, flood.found), (8, 6, 1));
        // After one hop: 1 to 2, its favourite, on to 3, and from there to 4, 5 and 6.
        let light = light(1);
        assert_eq!((light.copies, light.reached, light.found), (6, 6, 1));
    }
}
