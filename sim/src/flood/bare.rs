//! Floods counted on the bare graph: no servents, no bytes, no events.
//!
//! Where every link takes the same time, a query first comes by a shortest path with the most TTL
//! left, so one search by distance tells what every TTL reaches and costs. A leaf gets what its
//! ultrapeers get, though their TTL ended, and relays nothing.

use std::hint;

use filbert::topology::Graph;

use super::Engine;
use crate::arguments::{Profile, Ttls};
use crate::outcome::Flood;

/// Counts floods on a graph.
#[derive(Clone, Debug)]
pub struct Bare<'a> {
    graph: &'a Graph,
    profile: Profile,
    /// Whom the query came to, a bit for each node.
    met: Vec<u64>,
    /// The same in the order in which it came, with one place to spare.
    order: Vec<u32>,
}

/// What happens at one distance from the source.
#[derive(Clone, Copy, Debug, Default)]
struct Ring {
    /// Ultrapeers, which all are in a graph without tiers.
    ultrapeers: u64,
    /// Leaves.
    leaves: u64,
    /// Copies that these ultrapeers send on while the TTL lasts.
    onward: u64,
    /// Those among them that go to leaves, whether it lasts or not.
    down: u64,
}

impl<'a> Bare<'a> {
    /// An engine over this graph that floods by these rules.
    #[must_use]
    pub fn new(graph: &'a Graph, profile: Profile) -> Self {
        Self {
            graph,
            profile,
            met: vec![0; graph.nodes().div_ceil(BITS)],
            order: vec![0; graph.nodes() + 1],
        }
    }

    /// How far the ultrapeers carry a query that begins with this TTL. Those that a leaf asks ask
    /// others in its stead, as far as the rules let them, and once at least.
    fn horizon(&self, source: u32, ttl: u8) -> usize {
        let most = self.profile.rules(ttl).max_ttl;
        let far = if self.graph.is_leaf(source) {
            most.max(2)
        } else {
            ttl.min(most)
        };
        far.into()
    }

    /// The rings at the distances 0 to `horizon`, and one of leaves behind.
    fn rings(&mut self, source: u32, horizon: usize) -> [Ring; RINGS] {
        let mut rings = [Ring::default(); RINGS];
        self.meet(source);
        self.order[0] = source;
        let (mut begin, mut end) = (0, 1);
        let tiers = self.graph.has_leaves();
        let mut rows: [&[u32]; AHEAD] = [&[]; AHEAD];
        for (distance, ring) in rings.iter_mut().enumerate().take(horizon + 2) {
            let mut next = end;
            // Behind the horizon nobody sends, and before it only leaves may.
            let last = distance == horizon;
            if distance < horizon || (last && tiers) {
                for first in (begin..end).step_by(AHEAD) {
                    let nodes = &self.order[first..end.min(first + AHEAD)];
                    for (row, &node) in rows.iter_mut().zip(nodes) {
                        let relays = distance == 0 || !tiers || !self.graph.is_leaf(node);
                        *row = if relays {
                            self.graph.neighbours(node)
                        } else {
                            &[]
                        };
                    }
                    let rows = &rows[..nodes.len()];
                    read_ahead(rows);
                    for &all in rows {
                        let down = if tiers { leaves(self.graph, all) } else { &[] };
                        ring.onward += all.len() as u64;
                        ring.down += down.len() as u64;
                        let ends = if last { down } else { all };
                        next = spread(&mut self.met, &mut self.order, next, ends);
                    }
                }
            }
            let met = &self.order[begin..end];
            let below = met
                .iter()
                .filter(|&&node| tiers && self.graph.is_leaf(node));
            ring.leaves = below.count() as u64;
            ring.ultrapeers = met.len() as u64 - ring.leaves;
            // Nobody sends back over the link that the query came from.
            if distance > 0 && distance < horizon {
                ring.onward -= ring.ultrapeers;
            }
            (begin, end) = (end, next);
        }
        self.forget(end);
        rings
    }

    fn meet(&mut self, node: u32) {
        self.met[node as usize / BITS] |= 1 << (node as usize % BITS);
    }

    /// Makes ready for the next flood.
    fn forget(&mut self, met: usize) {
        if met > self.met.len() {
            self.met.fill(0);
        } else {
            for &node in &self.order[..met] {
                self.met[node as usize / BITS] = 0;
            }
        }
    }
}

impl Engine for Bare<'_> {
    fn flood(&mut self, source: u32, ttls: Ttls) -> Vec<Flood> {
        let farthest = ttls.iter().map(|ttl| self.horizon(source, ttl)).max();
        let farthest = farthest.unwrap_or(0);
        let rings = self.rings(source, farthest);
        let one = |ttl| {
            let horizon = self.horizon(source, ttl);
            let ultrapeers = rings[1..=horizon].iter().map(|ring| ring.ultrapeers);
            let leaves = rings[1..=horizon + 1].iter().map(|ring| ring.leaves);
            let onward = rings[..horizon].iter().map(|ring| ring.onward);
            Flood {
                reached: ultrapeers.sum::<u64>() + leaves.sum::<u64>(),
                messages: onward.sum::<u64>() + rings[horizon].down,
            }
        };
        ttls.iter().map(one).collect()
    }
}

/// Reads where each row begins and ends, so that the processor waits for all of them at once
/// instead of row by row: where the graph does not fit its caches, waiting is most of the time.
fn read_ahead(rows: &[&[u32]]) {
    let ends = |row: &&[u32]| row.first().zip(row.last()).map_or(0, |(a, b)| a ^ b);
    hint::black_box(rows.iter().map(ends).fold(0, |all, one| all ^ one));
}

/// Puts those of `ends` that were not met behind the first `next` of `order`, and tells how many
/// there are then. Without a branch: whether somebody was met nobody can foretell, the processor
/// neither.
fn spread(met: &mut [u64], order: &mut [u32], mut next: usize, ends: &[u32]) -> usize {
    for &end in ends {
        let (word, bit) = (end as usize / BITS, end as usize % BITS);
        let known = met[word];
        order[next] = end;
        next += usize::from(known >> bit & 1 == 0);
        met[word] = known | 1 << bit;
    }
    next
}

/// The leaves among neighbours: they have the last numbers.
fn leaves<'a>(graph: &Graph, neighbours: &'a [u32]) -> &'a [u32] {
    let ultrapeers = neighbours.partition_point(|&end| !graph.is_leaf(end));
    &neighbours[ultrapeers..]
}

/// Rows that are read ahead.
const AHEAD: usize = 32;

/// Nodes that a word of bits is for.
const BITS: usize = u64::BITS as usize;

/// Distances from 0 to the largest TTL, and one behind.
const RINGS: usize = 17;
