//! What a graph looks like, in the numbers that papers compare overlays by.
//!
//! Small graphs are measured exactly, large ones by samples; each [`Estimate`] says which.

use std::collections::BTreeMap;

use rand::RngExt;
use rand::seq::index;
use rand_pcg::Pcg64Mcg;

use super::Graph;

/// A graph in numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// Nodes, those without an edge included.
    pub nodes: usize,
    /// Edges.
    pub edges: usize,
    /// Degrees of all nodes.
    pub degrees: Degrees,
    /// What the tiers are like, where there are two.
    pub tiers: Option<Tiers>,
    /// Connected components; a node without an edge is one.
    pub components: usize,
    /// Nodes in the largest component.
    pub largest_component: usize,
    /// Mean over all nodes of the share of a node's neighbours that are linked to each other
    /// (Watts and Strogatz), zero for a node with fewer than two.
    pub clustering: Estimate,
    /// The diameter of the largest component is this or more: the longest shortest path that
    /// double sweeps found, each a search from a node and another from the farthest node it met.
    pub diameter_at_least: u32,
    /// Mean length of the shortest paths between the pairs of the largest component.
    pub path_length: Estimate,
}

/// The two tiers of a graph in numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tiers {
    /// Nodes that are ultrapeers.
    pub ultrapeers: usize,
    /// Nodes that are leaves.
    pub leaves: usize,
    /// Edges between ultrapeers.
    pub top_edges: usize,
    /// Mean of the ultrapeers that an ultrapeer is linked to.
    pub degree: f64,
    /// Mean of the ultrapeers that a leaf is linked to.
    pub parents: f64,
    /// Mean of the leaves that an ultrapeer has.
    pub leaves_each: f64,
    /// The most leaves that an ultrapeer has.
    pub leaves_most: usize,
    /// Mean length of the shortest paths between ultrapeers, over ultrapeers alone.
    pub path_length: Estimate,
}

/// The degrees of a graph's nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct Degrees {
    /// The smallest.
    pub min: usize,
    /// The mean.
    pub mean: f64,
    /// The largest.
    pub max: usize,
    /// Each degree that occurs and how many nodes have it, ascending.
    pub distribution: Vec<(usize, usize)>,
}

/// A mean, over everything or over a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The mean.
    pub value: f64,
    /// How many nodes it was taken from.
    pub nodes: usize,
    /// Whether these were all, so that the value is exact.
    pub exact: bool,
}

impl Statistics {
    /// Measures a graph; `rng` draws the samples.
    #[must_use]
    pub fn of(graph: &Graph, rng: &mut Pcg64Mcg) -> Self {
        let mut search = Search::new(graph);
        let (components, largest) = search.components();
        let path_length = search.path_length(&largest, rng);
        Self {
            nodes: graph.nodes(),
            edges: graph.edges(),
            degrees: Degrees::of(graph),
            tiers: Tiers::of(graph, rng),
            components,
            largest_component: largest.len(),
            clustering: clustering(graph, rng),
            diameter_at_least: search.diameter_at_least(&largest, rng),
            path_length,
        }
    }
}

impl Tiers {
    fn of(graph: &Graph, rng: &mut Pcg64Mcg) -> Option<Self> {
        let tops = || graph.iter().filter(|&node| !graph.is_leaf(node));
        let ultrapeers = tops().count();
        let leaves = graph.nodes() - ultrapeers;
        if leaves == 0 {
            return None;
        }
        let of = |node| {
            let ends = graph.neighbours(node).iter();
            ends.filter(|&&end| graph.is_leaf(end)).count()
        };
        let between: usize = tops().map(|node| graph.degree(node) - of(node)).sum();
        let top_edges = between / 2;
        // A leaf relays nothing, so a way between ultrapeers leads over ultrapeers.
        let top = graph.without_leaves();
        let mut search = Search::new(&top);
        let (_, largest) = search.components();
        Some(Self {
            ultrapeers,
            leaves,
            top_edges,
            degree: ratio(2 * top_edges, ultrapeers),
            parents: ratio(graph.edges() - top_edges, leaves),
            leaves_each: ratio(graph.edges() - top_edges, ultrapeers),
            leaves_most: tops().map(of).max().unwrap_or(0),
            path_length: search.path_length(&largest, rng),
        })
    }
}

impl Degrees {
    fn of(graph: &Graph) -> Self {
        let mut distribution = BTreeMap::new();
        for node in graph.iter() {
            *distribution.entry(graph.degree(node)).or_insert(0) += 1;
        }
        Self {
            min: distribution.keys().next().copied().unwrap_or(0),
            mean: ratio(2 * graph.edges(), graph.nodes()),
            max: distribution.keys().next_back().copied().unwrap_or(0),
            distribution: distribution.into_iter().collect(),
        }
    }
}

/// Breadth-first searches over one graph, which share their memory.
struct Search<'a> {
    graph: &'a Graph,
    /// The distance of each node that the last search met; [`UNMET`] for the others.
    distances: Vec<u32>,
    /// The nodes that the last search met, in order of distance.
    met: Vec<u32>,
}

impl<'a> Search<'a> {
    fn new(graph: &'a Graph) -> Self {
        Self {
            graph,
            distances: vec![UNMET; graph.nodes()],
            met: Vec::new(),
        }
    }

    /// How many components there are, and the nodes of the largest (the first of equals).
    fn components(&mut self) -> (usize, Vec<u32>) {
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

    fn path_length(&mut self, component: &[u32], rng: &mut Pcg64Mcg) -> Estimate {
        let pairs = component.len().saturating_sub(1);
        let affordable = PATH_WORK / (self.graph.nodes() + 2 * self.graph.edges()).max(1);
        let nodes = component.len().min(affordable.max(MIN_SAMPLE));
        let mut total = 0;
        for place in index::sample(rng, component.len(), nodes) {
            self.run(component[place]);
            let lengths = self
                .met
                .iter()
                .map(|&node| u64::from(self.distances[node as usize]));
            total += lengths.sum::<u64>();
        }
        let value = if pairs == 0 {
            0.0
        } else {
            total as f64 / (nodes * pairs) as f64
        };
        Estimate {
            value,
            nodes,
            exact: nodes == component.len(),
        }
    }

    fn diameter_at_least(&mut self, component: &[u32], rng: &mut Pcg64Mcg) -> u32 {
        let mut longest = 0;
        for _ in 0..DOUBLE_SWEEPS.min(component.len()) {
            self.run(component[rng.random_range(0..component.len())]);
            let farthest = *self.met.last().expect("a search meets its start");
            self.run(farthest);
            let end = *self.met.last().expect("a search meets its start");
            longest = longest.max(self.distances[end as usize]);
        }
        longest
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

fn clustering(graph: &Graph, rng: &mut Pcg64Mcg) -> Estimate {
    let work: u64 = graph
        .iter()
        .map(|node| (graph.degree(node) as u64).pow(2))
        .sum();
    let exact = work <= CLUSTERING_WORK || graph.nodes() <= CLUSTERING_SAMPLE;
    let mut linked_to = vec![u32::MAX; graph.nodes()];
    let mut of = |node| local_clustering(graph, node, &mut linked_to);
    if exact {
        let value = graph.iter().map(&mut of).sum::<f64>() / graph.nodes().max(1) as f64;
        return Estimate {
            value,
            nodes: graph.nodes(),
            exact,
        };
    }
    let sample = index::sample(rng, graph.nodes(), CLUSTERING_SAMPLE);
    let nodes = sample
        .into_iter()
        .map(|node| u32::try_from(node).expect("MAX_NODES fits"));
    let value = nodes.map(of).sum::<f64>() / CLUSTERING_SAMPLE as f64;
    Estimate {
        value,
        nodes: CLUSTERING_SAMPLE,
        exact,
    }
}

/// `linked_to[v] == node` marks the neighbours of `node`; the marks of other nodes do not matter.
fn local_clustering(graph: &Graph, node: u32, linked_to: &mut [u32]) -> f64 {
    let neighbours = graph.neighbours(node);
    for &neighbour in neighbours {
        linked_to[neighbour as usize] = node;
    }
    let ends = neighbours
        .iter()
        .flat_map(|&neighbour| graph.neighbours(neighbour));
    let linked = ends.filter(|&&end| linked_to[end as usize] == node).count();
    let degree = neighbours.len();
    ratio(linked, degree * degree.saturating_sub(1))
}

fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

/// The distance of a node that was not met.
const UNMET: u32 = u32::MAX;

/// Steps along an edge that the path length may cost.
const PATH_WORK: usize = 100_000_000;

/// Searches that the path length is taken from at least.
const MIN_SAMPLE: usize = 10;

/// Double sweeps that the diameter is taken from.
const DOUBLE_SWEEPS: usize = 4;

/// Steps along an edge that exact clustering may cost.
const CLUSTERING_WORK: u64 = 100_000_000;

/// Nodes that clustering is sampled from when that is too much.
const CLUSTERING_SAMPLE: usize = 10_000;

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::topology::Spec;

    fn statistics(graph: &Graph) -> Statistics {
        Statistics::of(graph, &mut Pcg64Mcg::seed_from_u64(1))
    }

    fn of(spec: &str) -> Statistics {
        let spec: Spec = spec.parse().unwrap();
        statistics(&spec.build(&mut Pcg64Mcg::seed_from_u64(1)).unwrap())
    }

    #[test]
    fn tiers_are_told_apart() {
        assert_eq!(of("grid:w=3,h=3").tiers, None);
        let tiers = of("two-tier:n=200,ultrapeers=0.1,degree=19,parents=2").tiers;
        let tiers = tiers.unwrap();
        assert_eq!((tiers.ultrapeers, tiers.leaves), (20, 180));
        assert_eq!(
            (tiers.top_edges, tiers.degree, tiers.parents),
            (190, 19.0, 2.0)
        );
        assert_eq!(tiers.leaves_each, 18.0);
        assert!(tiers.leaves_most >= 18);
        assert_eq!(
            (tiers.path_length.value, tiers.path_length.exact),
            (1.0, true)
        );
    }

    #[test]
    fn a_small_graph_by_hand() {
        // A triangle with a tail of two, and a pair apart: clustering 1, 1 and 1/3 of seven.
        let graph = Graph::from_edges(&[(0, 1), (1, 2), (2, 0), (2, 3), (3, 4), (8, 9)]).unwrap();
        let found = statistics(&graph);
        assert_eq!((found.nodes, found.edges), (7, 6));
        assert_eq!((found.components, found.largest_component), (2, 5));
        assert_eq!(found.degrees.distribution, [(1, 3), (2, 3), (3, 1)]);
        assert_eq!((found.degrees.min, found.degrees.max), (1, 3));
        assert!((found.clustering.value - (1.0 + 1.0 + 1.0 / 3.0) / 7.0).abs() < 1e-12);
        assert_eq!(found.diameter_at_least, 3);
        assert!(found.path_length.exact && (found.path_length.value - 1.7).abs() < 1e-12);
    }

    #[test]
    fn grid_tree_and_ring_are_known() {
        let grid = of("grid:w=20,h=20");
        assert_eq!((grid.diameter_at_least, grid.components), (38, 1));
        // Mean distance on a line of 20 is 20/3 - 1/60 over ordered pairs that may be equal.
        let mean = 2.0 * (400.0 - 1.0) / 60.0 * 400.0 / 399.0;
        assert!(
            (grid.path_length.value - mean).abs() < 1e-9,
            "{}",
            grid.path_length.value
        );
        assert_eq!(of("tree:degree=4,depth=5").diameter_at_least, 10);
        let ring = of("ws:n=100,k=4,p=0");
        assert!((ring.clustering.value - 0.5).abs() < 1e-12);
        assert_eq!(ring.diameter_at_least, 25);
    }

    #[test]
    fn no_node_is_no_trouble() {
        let found = statistics(&Graph::from_edges(&[]).unwrap());
        assert_eq!((found.components, found.diameter_at_least), (0, 0));
        assert!(found.path_length.value.abs() < f64::EPSILON);
        assert_eq!(of("gnm:n=3,m=0").components, 3);
    }
}
