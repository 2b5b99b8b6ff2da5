//! Floods through real servents.

use filbert::topology::Graph;

use super::Engine;
use crate::arguments::Ttls;
use crate::network::{Behaviour, Network};
use crate::outcome::Flood;
use crate::random::{Purpose, generator};

/// A servent on every node, linked along the edges.
#[derive(Debug)]
pub struct Servents<'a> {
    graph: &'a Graph,
    network: Network<'a>,
    seed: u64,
}

impl<'a> Servents<'a> {
    /// Sets them up; `seed` decides their identifiers and what floods draw.
    #[must_use]
    pub fn new(graph: &'a Graph, behaviour: Behaviour, seed: u64) -> Self {
        let mut rng = generator(seed, Purpose::Servents);
        Self {
            graph,
            network: Network::new(graph, None, behaviour, &mut rng),
            seed,
        }
    }
}

impl Engine for Servents<'_> {
    fn flood(&mut self, source: u32, ttls: Ttls) -> Vec<Flood> {
        let id = self.graph.id(source);
        let one = |ttl| {
            let purpose = Purpose::Flood { source: id, ttl };
            let mut rng = generator(self.seed, purpose);
            self.network.flood(source, ttl, &mut rng)
        };
        ttls.iter().map(one).collect()
    }
}
