//! What the neighbours of a node are like: linked to each other, of a like degree.

use rand::seq::index;
use rand_pcg::Pcg64Mcg;

use super::{Estimate, ratio};
use crate::topology::Graph;

/// How alike the degrees of neighbours are: the correlation of the degrees at both ends of an
/// edge, between -1 and 1; `None` where all degrees are the same. (Newman, Assortative mixing in
/// networks, Physical Review Letters 89, 2002.)
pub(super) fn assortativity(graph: &Graph) -> Option<f64> {
    // Sums over both directions of all edges: of degrees, their squares, and their products. They
    // are whole numbers, and so exact.
    let (mut ones, mut squares, mut products) = (0_u128, 0_u128, 0_u128);
    for node in graph.iter() {
        let ends = graph.neighbours(node);
        let degree = ends.len() as u128;
        ones += degree * degree;
        squares += degree * degree * degree;
        let around: u128 = ends.iter().map(|&end| graph.degree(end) as u128).sum();
        products += degree * around;
    }
    let directions = 2 * graph.edges() as u128;
    let spread = directions * squares - ones * ones;
    let common = (directions * products).cast_signed() - (ones * ones).cast_signed();
    (spread > 0).then(|| common as f64 / spread as f64)
}

/// Mean share of pairs of a node's neighbours that are linked, over all nodes or a sample.
pub(super) fn clustering(graph: &Graph, rng: &mut Pcg64Mcg) -> Estimate {
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

/// Steps along an edge that exact clustering may cost.
const CLUSTERING_WORK: u64 = 100_000_000;

/// Nodes that clustering is sampled from when that is too much.
const CLUSTERING_SAMPLE: usize = 10_000;
