//! Distances: components, the lengths of shortest paths, the diameter.

use rand::RngExt;
use rand::seq::index;
use rand_pcg::Pcg64Mcg;

use super::Estimate;
use crate::topology::Graph;

/// Lengths of the shortest paths between the pairs of a component.
#[derive(Clone, Debug, PartialEq)]
pub struct Paths {
    /// The mean.
    pub mean: Estimate,
    /// The share of pairs at most so many edges apart: the first number is that of neighbours.
    /// From the same nodes as the mean.
    pub within: Vec<f64>,
}

/// The longest shortest path of a component: exact where both bounds meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Diameter {
    /// It is this or more: somebody is that far from somebody.
    pub at_least: u32,
    /// It is this or less.
    pub at_most: u32,
}

/// Breadth-first searches over one graph, which share their memory.
pub(super) struct Search<'a> {
    graph: &'a Graph,
    /// The distance of each node that the last search met; [`UNMET`] for the others.
    distances: Vec<u32>,
    /// The nodes that the last search met, in order of distance.
    met: Vec<u32>,
}

impl<'a> Search<'a> {
    pub(super) fn new(graph: &'a Graph) -> Self {
        Self {
            graph,
            distances: vec![UNMET; graph.nodes()],
            met: Vec::new(),
        }
    }

    /// How many components there are, and the nodes of the largest (the first of equals).
    pub(super) fn components(&mut self) -> (usize, Vec<u32>) {
        let mut count = 0;
        let mut largest = Vec::new();
        for node in self.graph.iter() {
            if self.distances[node as usize] == UNMET {
                count += 1;
                self.met.clear();
                self.spread(node);
                if self.met.len() > largest.len() {
                    largest.clone_from(&self.met);
                }
            }
        }
        self.met = self.graph.iter().collect();
        (count, largest)
    }

    /// From all nodes where that costs little, otherwise from a sample.
    pub(super) fn paths(&mut self, component: &[u32], rng: &mut Pcg64Mcg) -> Paths {
        let others = component.len().saturating_sub(1);
        let affordable = PATH_WORK / self.work();
        let nodes = component.len().min(affordable.max(MIN_SAMPLE));
        let mut at: Vec<u64> = Vec::new();
        for place in index::sample(rng, component.len(), nodes) {
            self.run(component[place]);
            for &node in &self.met[1..] {
                let distance = self.distances[node as usize] as usize;
                if at.len() < distance {
                    at.push(0);
                }
                at[distance - 1] += 1;
            }
        }
        let total: u64 = (1..)
            .zip(&at)
            .map(|(distance, count)| distance * count)
            .sum();
        let pairs = (nodes * others).max(1) as f64;
        let mut so_far = 0;
        let within = at.iter().map(|count| {
            so_far += count;
            so_far as f64 / pairs
        });
        Paths {
            within: within.collect(),
            mean: Estimate {
                value: total as f64 / pairs,
                nodes,
                exact: nodes == component.len(),
            },
        }
    }

    /// First by double sweeps, each a search from a node and another from the farthest node it
    /// met. Then from the middle of the longest path found: whoever is at least `i` from there is
    /// searched from, farthest first, and no two of the others can be further apart than
    /// 2(`i` - 1). (Crescenzi, Grossi, Habib, Lanzi and Marino, On computing the diameter of
    /// real-world undirected graphs, Theoretical Computer Science 514, 2013.)
    pub(super) fn diameter(&mut self, component: &[u32], rng: &mut Pcg64Mcg) -> Diameter {
        let Some(&any) = component.first() else {
            return Diameter {
                at_least: 0,
                at_most: 0,
            };
        };
        let (mut at_least, mut middle) = (0, None);
        for _ in 0..DOUBLE_SWEEPS {
            self.run(component[rng.random_range(0..component.len())]);
            let (farthest, _) = self.last();
            self.run(farthest);
            let (end, length) = self.last();
            if length > at_least {
                at_least = length;
                middle = Some(self.half_way(end));
            }
        }
        self.run(middle.unwrap_or(any));
        let outwards: Vec<(u32, u32)> = self
            .met
            .iter()
            .map(|&node| (node, self.distances[node as usize]))
            .collect();
        let mut affordable = DIAMETER_WORK / self.work();
        for (node, distance) in outwards.into_iter().rev() {
            // All that are farther from the middle were searched from.
            let at_most = at_least.max(2 * distance);
            if at_most == at_least || affordable == 0 {
                return Diameter { at_least, at_most };
            }
            self.run(node);
            at_least = at_least.max(self.last().1);
            affordable -= 1;
        }
        Diameter {
            at_least,
            at_most: at_least,
        }
    }

    /// The node half way from the start of the last search to `end`.
    fn half_way(&self, end: u32) -> u32 {
        let distance = |node: u32| self.distances[node as usize];
        let mut node = end;
        for before in (distance(end) / 2..distance(end)).rev() {
            let ends = self.graph.neighbours(node).iter();
            let nearer = ends.copied().find(|&end| distance(end) == before);
            node = nearer.expect("whoever was met was met by somebody nearer");
        }
        node
    }

    /// The farthest node of the last search, and how far it is.
    fn last(&self) -> (u32, u32) {
        let last = *self.met.last().expect("a search meets its start");
        (last, self.distances[last as usize])
    }

    /// What a search costs.
    fn work(&self) -> usize {
        (self.graph.nodes() + 2 * self.graph.edges()).max(1)
    }

    /// Searches from `start`, forgetting the search before.
    fn run(&mut self, start: u32) {
        for node in self.met.drain(..) {
            self.distances[node as usize] = UNMET;
        }
        self.spread(start);
    }

    fn spread(&mut self, start: u32) {
        let mut next = self.met.len();
        self.distances[start as usize] = 0;
        self.met.push(start);
        while let Some(&node) = self.met.get(next) {
            next += 1;
            let distance = self.distances[node as usize] + 1;
            for &neighbour in self.graph.neighbours(node) {
                if self.distances[neighbour as usize] == UNMET {
                    self.distances[neighbour as usize] = distance;
                    self.met.push(neighbour);
                }
            }
        }
    }
}

/// The distance of a node that was not met.
const UNMET: u32 = u32::MAX;

/// Steps along an edge that path lengths may cost.
const PATH_WORK: usize = 100_000_000;

/// Searches that path lengths are taken from at least.
const MIN_SAMPLE: usize = 10;

/// Double sweeps that the diameter begins with.
const DOUBLE_SWEEPS: usize = 4;

/// Steps along an edge that the diameter may cost behind these.
const DIAMETER_WORK: usize = 300_000_000;
