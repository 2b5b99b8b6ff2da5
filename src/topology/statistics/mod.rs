//! What a graph looks like, in the numbers that papers compare overlays by.
//!
//! Small graphs are measured exactly, large ones by samples; each [`Estimate`] says which.

mod neighbourhood;
mod paths;
mod power_law;

use std::collections::BTreeMap;

use rand_pcg::Pcg64Mcg;

use self::neighbourhood::{assortativity, clustering};
use self::paths::Search;
pub use self::paths::{Diameter, Paths};
pub use self::power_law::PowerLaw;
use super::Graph;

/// The nodes of the largest component of a graph; of equals, of the one with the first node.
#[must_use]
pub fn largest_component(graph: &Graph) -> Vec<u32> {
    Search::new(graph).components().1
}

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
    /// How alike the degrees of neighbours are: the correlation over all edges (Newman), from -1
    /// to 1; `None` where all degrees are the same.
    pub assortativity: Option<f64>,
    /// The diameter of the largest component.
    pub diameter: Diameter,
    /// The shortest paths between the pairs of the largest component.
    pub paths: Paths,
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
    /// The power law that is closest to them, if there are enough to tell.
    pub power_law: Option<PowerLaw>,
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
        let paths = search.paths(&largest, rng);
        Self {
            nodes: graph.nodes(),
            edges: graph.edges(),
            degrees: Degrees::of(graph),
            tiers: Tiers::of(graph, rng),
            components,
            largest_component: largest.len(),
            clustering: clustering(graph, rng),
            assortativity: assortativity(graph),
            diameter: search.diameter(&largest, rng),
            paths,
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
            path_length: search.paths(&largest, rng).mean,
        })
    }
}

impl Degrees {
    fn of(graph: &Graph) -> Self {
        let mut distribution = BTreeMap::new();
        for node in graph.iter() {
            *distribution.entry(graph.degree(node)).or_insert(0) += 1;
        }
        let (min, max) = (
            distribution.keys().next().copied().unwrap_or(0),
            distribution.keys().next_back().copied().unwrap_or(0),
        );
        let distribution: Vec<_> = distribution.into_iter().collect();
        Self {
            min,
            mean: ratio(2 * graph.edges(), graph.nodes()),
            max,
            power_law: PowerLaw::fit(&distribution),
            distribution,
        }
    }
}

fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::topology::Spec;

    fn statistics(graph: &Graph) -> Statistics {
        Statistics::of(graph, &mut Pcg64Mcg::seed_from_u64(1))
    }

    fn law_of(spec: &str) -> PowerLaw {
        let spec: Spec = spec.parse().unwrap();
        let graph = spec.build(&mut Pcg64Mcg::seed_from_u64(1)).unwrap();
        Degrees::of(&graph).power_law.unwrap()
    }

    fn of(spec: &str) -> Statistics {
        let spec: Spec = spec.parse().unwrap();
        statistics(&spec.build(&mut Pcg64Mcg::seed_from_u64(1)).unwrap())
    }

    fn exactly(length: u32) -> Diameter {
        Diameter {
            at_least: length,
            at_most: length,
        }
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
        assert_eq!(found.diameter, exactly(3));
        assert!(found.paths.mean.exact && (found.paths.mean.value - 1.7).abs() < 1e-12);
        assert_eq!(found.paths.within, [0.5, 0.8, 1.0]);
        assert!(
            (found.assortativity.unwrap() - 1.0 / 3.0).abs() < 1e-12,
            "{found:?}"
        );
    }

    #[test]
    fn grid_tree_and_ring_are_known() {
        let grid = of("grid:w=20,h=20");
        assert_eq!((grid.diameter, grid.components), (exactly(38), 1));
        // Mean distance on a line of 20 is 20/3 - 1/60 over ordered pairs that may be equal.
        let mean = 2.0 * (400.0 - 1.0) / 60.0 * 400.0 / 399.0;
        assert!(
            (grid.paths.mean.value - mean).abs() < 1e-9,
            "{}",
            grid.paths.mean.value
        );
        assert_eq!(of("tree:degree=4,depth=5").diameter, exactly(10));
        let ring = of("ws:n=100,k=4,p=0");
        assert!((ring.clustering.value - 0.5).abs() < 1e-12);
        assert_eq!((ring.diameter, ring.assortativity), (exactly(25), None));
    }

    #[test]
    fn stars_and_growth_are_known() {
        // In a star every end of an edge is as unlike the other as can be.
        let star: Vec<(u64, u64)> = (1..50).map(|leaf| (0, leaf)).collect();
        let star = statistics(&Graph::from_edges(&star).unwrap());
        assert_eq!(
            (star.assortativity, star.diameter),
            (Some(-1.0), exactly(2))
        );
        // The exponent of preferential attachment is 3 in the limit.
        let law = law_of("ba:n=20000,m=3");
        assert!((2.6..3.2).contains(&law.exponent), "{law:?}");
        // Degrees of rank i are 1746/i^0.8, so that the exponent is 1 + 1/0.8 less what loops cost.
        let law = law_of("plrg:n=9230,max=1746,exponent=0.8");
        assert!((2.0..2.4).contains(&law.exponent), "{law:?}");
        // Where all degrees are near the mean there is none.
        let law = law_of("gnm:n=20000,m=50000");
        assert!(law.exponent > 4.0 || law.distance > law.chance(), "{law:?}");
    }

    #[test]
    fn no_node_is_no_trouble() {
        let found = statistics(&Graph::from_edges(&[]).unwrap());
        assert_eq!((found.components, found.diameter), (0, exactly(0)));
        assert!(found.paths.mean.value.abs() < f64::EPSILON);
        assert_eq!(of("gnm:n=3,m=0").components, 3);
    }
}
