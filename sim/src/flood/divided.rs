//! Floods through real servents, each flood on several threads.

use std::iter;

use filbert::topology::Graph;

use super::Engine;
use crate::arguments::Ttls;
use crate::network::Behaviour;
use crate::outcome::Flood;
use crate::parts::{Order, Parts};
use crate::random::{Purpose, generator};

/// A servent on every node, linked along the edges, in parts that flood at the same time. What
/// comes of a flood is what [`Servents`](super::Servents) make of it.
#[derive(Debug)]
pub struct Divided<'a> {
    graph: &'a Graph,
    parts: Parts<'a>,
    seed: u64,
}

impl<'a> Divided<'a> {
    /// Sets them up in so many parts; `seed` decides their identifiers and what floods draw.
    /// `None` where a copy may take no time at all.
    #[must_use]
    pub fn new(graph: &'a Graph, behaviour: &Behaviour, parts: usize, seed: u64) -> Option<Self> {
        let rng = generator(seed, Purpose::Servents);
        let parts = Parts::new(graph, behaviour, parts, &rng)?;
        Some(Self { graph, parts, seed })
    }
}

impl Engine for Divided<'_> {
    fn flood(&mut self, source: u32, ttls: Ttls) -> Vec<Flood> {
        let mut once = iter::once((0, source));
        let floods = self.flood_each(&mut once, ttls);
        floods.into_iter().flat_map(|(_, floods)| floods).collect()
    }

    fn flood_each(
        &mut self,
        sources: &mut (dyn Iterator<Item = (usize, u32)> + Send),
        ttls: Ttls,
    ) -> Vec<(usize, Vec<Flood>)> {
        let (graph, seed) = (self.graph, self.seed);
        let order = |(place, source): (usize, u32), ttl| {
            let id = graph.id(source);
            let purpose = Purpose::Flood { source: id, ttl };
            let rng = generator(seed, purpose);
            (place, Order { source, ttl, rng })
        };
        let orders = sources.flat_map(|one| ttls.iter().map(move |ttl| order(one, ttl)));
        let mut floods: Vec<(usize, Vec<Flood>)> = Vec::new();
        for (place, flood) in self.parts.flood(orders) {
            match floods.last_mut() {
                Some((last, floods)) if *last == place => floods.push(flood),
                _ => floods.push((place, vec![flood])),
            }
        }
        floods
    }

    fn threads(&self) -> usize {
        self.parts.count()
    }
}
