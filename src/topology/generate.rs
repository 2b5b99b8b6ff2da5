//! The generators. Each gives the edges of a simple graph over nodes numbered from 0; whoever
//! calls has checked the parameters.

use rand::RngExt;
use rand::seq::{SliceRandom, index};
use rand_pcg::Pcg64Mcg;
use rustc_hash::FxHashSet;

/// Edges, in no particular order.
pub(super) type Edges = Vec<(u32, u32)>;

/// Preferential attachment: a star of `m` + 1 nodes grows node by node, and each new node links
/// to `m` others, chosen with a probability proportional to their degree.
/// (Barabási and Albert, Emergence of scaling in random networks, Science 286, 1999.)
pub(super) fn ba(n: u32, m: u32, rng: &mut Pcg64Mcg) -> Edges {
    let mut edges: Edges = (1..=m).map(|leaf| (0, leaf)).collect();
    edges.reserve(m as usize * (n - m - 1) as usize);
    // The newest node that chose each node, to choose it once only.
    let mut chosen_by = vec![0; n as usize];
    for node in m + 1..n {
        let old = edges.len();
        while edges.len() < old + m as usize {
            // An end of a random edge is a node drawn by its degree.
            let (a, b) = edges[rng.random_range(0..old)];
            let end = if rng.random() { a } else { b };
            if chosen_by[end as usize] != node {
                chosen_by[end as usize] = node;
                edges.push((node, end));
            }
        }
    }
    edges
}

/// All graphs with `n` nodes and `m` edges are equally likely.
/// (Erdős and Rényi, On random graphs I, Publicationes Mathematicae 6, 1959.)
pub(super) fn gnm(n: u32, m: u32, rng: &mut Pcg64Mcg) -> Edges {
    let all = pairs(n);
    if u64::from(m) <= all / 2 {
        return draw_pairs(n, m as usize, rng);
    }
    // Beyond half of all pairs it is quicker to draw the missing ones.
    let missing = usize::try_from(all - u64::from(m)).expect("fewer than m");
    complement(n, &draw_pairs(n, missing, rng))
}

/// Every node linked to its right and its lower neighbour.
pub(super) fn grid(w: u32, h: u32) -> Edges {
    let right = (0..h).flat_map(|y| (1..w).map(move |x| (w * y + x - 1, w * y + x)));
    let down = (1..h).flat_map(|y| (0..w).map(move |x| (w * (y - 1) + x, w * y + x)));
    right.chain(down).collect()
}

/// A power-law random graph: node `i`, counted from 1, has `max` / `i`^`exponent` stubs, 1 at
/// least, which are paired at random; loops and repeats are left out, so that the largest degrees
/// are somewhat smaller.
/// (Aiello, Chung and Lu, A random graph model for massive graphs, STOC 2000, with degrees by rank
/// as in Lv, Cao, Cohen, Li and Shenker, Search and replication in unstructured peer-to-peer
/// networks, ICS 2002.)
pub(super) fn plrg(n: u32, max: u32, exponent: f64, rng: &mut Pcg64Mcg) -> Edges {
    let mut stubs: Vec<u32> = (0..n)
        .flat_map(|node| (0..rank_degree(node, max, exponent)).map(move |_| node))
        .collect();
    stubs.shuffle(rng);
    let pairs = stubs.chunks_exact(2);
    pairs.map(|pair| ordered(pair[0], pair[1])).collect()
}

/// The degree of a node by its rank.
pub(super) fn rank_degree(node: u32, max: u32, exponent: f64) -> u32 {
    let degree = f64::from(max) / libm::pow(f64::from(node) + 1.0, exponent);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rounded down, between 0 and max"
    )]
    let degree = degree as u32;
    degree.max(1)
}

/// A random graph in which every node has degree `d`: the stubs of all nodes are paired at
/// random, then self-loops and repeats are repaired by exchanging ends with random other edges.
/// (Pairing: Bollobás, A probabilistic proof of an asymptotic formula for the number of labelled
/// regular graphs, European Journal of Combinatorics 1, 1980. Exchange: McKay and Wormald, Uniform
/// generation of random regular graphs of moderate degree, Journal of Algorithms 11, 1990, here
/// without its rejections, so that the choice is nearly, not exactly, uniform.)
pub(super) fn regular(n: u32, d: u32, rng: &mut Pcg64Mcg) -> Edges {
    // Repairs need room: a dense graph is made by what it lacks.
    if d > (n - 1) / 2 {
        return complement(n, &regular(n, n - 1 - d, rng));
    }
    loop {
        let mut stubs: Vec<u32> = (0..n).flat_map(|node| (0..d).map(move |_| node)).collect();
        stubs.shuffle(rng);
        let pairing = stubs
            .chunks_exact(2)
            .map(|pair| ordered(pair[0], pair[1]))
            .collect();
        if let Some(edges) = repaired(pairing, rng) {
            return edges;
        }
    }
}

/// The tree whose inner nodes all have this degree, numbered level by level; first the number of
/// its nodes.
pub(super) fn tree(degree: u32, depth: u32) -> (u32, Edges) {
    let mut edges = Edges::new();
    let mut nodes = 1;
    let mut level = 0..1;
    for _ in 0..depth {
        let begin = nodes;
        for parent in level {
            let children = if parent == 0 { degree } else { degree - 1 };
            edges.extend((nodes..nodes + children).map(|child| (parent, child)));
            nodes += children;
        }
        level = begin..nodes;
    }
    (nodes, edges)
}

/// Two tiers: the nodes below `first_leaf` are ultrapeers, each linked to `degree` others of them
/// at random; every later node is a leaf, linked to `parents` ultrapeers at random.
/// (The overlay of Stutzbach, Rejaie and Sen, Characterizing unstructured overlay topologies in
/// modern P2P file-sharing systems, IMC 2005, without its growth.)
pub(super) fn two_tier(
    n: u32,
    first_leaf: u32,
    degree: u32,
    parents: u32,
    rng: &mut Pcg64Mcg,
) -> Edges {
    let mut edges = regular(first_leaf, degree, rng);
    for leaf in first_leaf..n {
        let chosen = index::sample(rng, first_leaf as usize, parents as usize);
        let number = |parent| u32::try_from(parent).expect("below the number of ultrapeers");
        edges.extend(chosen.into_iter().map(|parent| (number(parent), leaf)));
    }
    edges
}

/// A ring in which every node is linked to its `k` nearest; then each edge, lap by lap, keeps its
/// first end and with probability `p` gets a random other end that makes no loop and no repeat.
/// (Watts and Strogatz, Collective dynamics of 'small-world' networks, Nature 393, 1998.)
pub(super) fn ws(n: u32, k: u32, p: f64, rng: &mut Pcg64Mcg) -> Edges {
    let ring = |node: u32, step: u32| (node + step) % n;
    let mut edges: Edges = (1..=k / 2)
        .flat_map(|step| (0..n).map(move |node| (node, ring(node, step))))
        .collect();
    let mut known: FxHashSet<_> = edges.iter().map(|&(a, b)| ordered(a, b)).collect();
    let mut degrees = vec![k; n as usize];
    for edge in &mut edges {
        let (node, old) = *edge;
        if !rng.random_bool(p) || degrees[node as usize] == n - 1 {
            continue;
        }
        let new = loop {
            let new = rng.random_range(0..n);
            if new != node && !known.contains(&ordered(node, new)) {
                break new;
            }
        };
        known.remove(&ordered(node, old));
        known.insert(ordered(node, new));
        degrees[old as usize] -= 1;
        degrees[new as usize] += 1;
        *edge = (node, new);
    }
    edges
}

/// How many edges `n` nodes can have.
pub(super) fn pairs(n: u32) -> u64 {
    u64::from(n) * u64::from(n.saturating_sub(1)) / 2
}

/// `m` distinct pairs, ascending; for `m` up to half of all pairs.
fn draw_pairs(n: u32, m: usize, rng: &mut Pcg64Mcg) -> Edges {
    let mut edges = Edges::with_capacity(m);
    while edges.len() < m {
        // Repeats of a round are drawn anew in the next, as if they had never been.
        for _ in edges.len()..m {
            let a = rng.random_range(0..n);
            let b = rng.random_range(0..n - 1);
            edges.push(ordered(a, if b < a { b } else { b + 1 }));
        }
        edges.sort_unstable();
        edges.dedup();
    }
    edges
}

/// All pairs of `n` nodes but these.
fn complement(n: u32, edges: &[(u32, u32)]) -> Edges {
    let present: FxHashSet<_> = edges.iter().map(|&(a, b)| ordered(a, b)).collect();
    let all = (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b)));
    all.filter(|pair| !present.contains(pair)).collect()
}

/// Exchanges the ends of every self-loop and repeat with those of a random other edge, where that
/// makes neither. Gives up after many vain trials: a small graph may be stuck.
fn repaired(mut edges: Edges, rng: &mut Pcg64Mcg) -> Option<Edges> {
    let mut known = FxHashSet::default();
    let mut wrong: Vec<usize> = Vec::new();
    for (place, &(a, b)) in edges.iter().enumerate() {
        if a == b || !known.insert((a, b)) {
            wrong.push(place);
        }
    }
    let mut is_wrong: FxHashSet<usize> = wrong.iter().copied().collect();
    let mut trials = 0;
    while let Some(&place) = wrong.last() {
        trials += 1;
        if trials > 100 * (edges.len() + 10) {
            return None;
        }
        let other = rng.random_range(0..edges.len());
        if is_wrong.contains(&other) {
            continue;
        }
        let ((a, b), (c, d)) = (edges[place], edges[other]);
        let (c, d) = if rng.random() { (c, d) } else { (d, c) };
        let (first, second) = (ordered(a, c), ordered(b, d));
        let loops = a == c || b == d;
        if loops || first == second || known.contains(&first) || known.contains(&second) {
            continue;
        }
        known.remove(&edges[other]);
        known.extend([first, second]);
        (edges[place], edges[other]) = (first, second);
        is_wrong.remove(&place);
        wrong.pop();
    }
    Some(edges)
}

fn ordered(a: u32, b: u32) -> (u32, u32) {
    (a.min(b), a.max(b))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::topology::{Graph, Spec};

    fn build(spec: &str, seed: u64) -> Graph {
        spec.parse::<Spec>()
            .unwrap()
            .build(&mut Pcg64Mcg::seed_from_u64(seed))
            .unwrap()
    }

    fn degrees(graph: &Graph) -> Vec<usize> {
        graph.iter().map(|node| graph.degree(node)).collect()
    }

    #[test]
    fn regular_graphs_are_simple_and_regular_at_every_small_size() {
        for n in 1..14_u32 {
            for d in (0..n).filter(|d| n * d % 2 == 0) {
                for seed in 0..5 {
                    let graph = build(&format!("regular:n={n},d={d}"), seed);
                    assert_eq!(degrees(&graph), vec![d as usize; n as usize], "n={n} d={d}");
                }
            }
        }
        assert!(
            degrees(&build("regular:n=1000,d=32", 1))
                .iter()
                .all(|&degree| degree == 32)
        );
    }

    #[test]
    fn gnm_has_exactly_its_edges_and_chooses_all_graphs_alike() {
        for (n, m) in [(1, 0), (2, 1), (10, 20), (10, 25), (10, 45), (1000, 2500)] {
            let graph = build(&format!("gnm:n={n},m={m}"), 3);
            assert_eq!((graph.nodes(), graph.edges()), (n, m));
        }
        // Four nodes, two edges: 15 graphs, 3 of them perfect matchings.
        let matchings = (0..3000)
            .filter(|&seed| degrees(&build("gnm:n=4,m=2", seed)).iter().all(|&d| d == 1))
            .count();
        assert!(
            (520..680).contains(&matchings),
            "{matchings} of 3000, expected 600"
        );
    }

    #[test]
    fn attachment_is_preferential() {
        let graph = build("ba:n=5000,m=3", 1);
        assert_eq!((graph.nodes(), graph.edges()), (5000, (5000 - 3) * 3));
        let degrees = degrees(&graph);
        assert!(degrees[4..].iter().all(|&degree| degree >= 3));
        // In a uniform random graph of this mean degree, 30 is never seen.
        assert!(degrees.iter().filter(|&&degree| degree > 30).count() > 20);
    }

    #[test]
    fn degrees_go_by_rank() {
        let graph = build("plrg:n=9230,max=1746,exponent=0.8037", 1);
        let degrees = degrees(&graph);
        assert_eq!(degrees.len(), 9230);
        // The graph of the paper has 20,599 links; loops and repeats cost some of them.
        assert!(
            (18_000..20_700).contains(&graph.edges()),
            "{}",
            graph.edges()
        );
        assert!((900..1_746).contains(&degrees[0]), "{}", degrees[0]);
        assert!((80..=133).contains(&degrees[23]), "{}", degrees[23]);
        let ones = degrees.iter().filter(|&&degree| degree <= 1).count();
        assert!(ones > 4_500, "{ones}: the median is 1");
    }

    #[test]
    fn the_ring_is_rewired_as_often_as_asked() {
        let still = build("ws:n=100,k=4,p=0", 1);
        assert_eq!(still.neighbours(0), [1, 2, 98, 99]);
        let graph = build("ws:n=1000,k=4,p=0.1", 1);
        assert_eq!(graph.edges(), 2000);
        let near = |a: u32, b: u32| a.abs_diff(b) <= 2 || a.abs_diff(b) >= 998;
        let far = graph
            .iter()
            .flat_map(|node| {
                graph
                    .neighbours(node)
                    .iter()
                    .map(move |&other| (node, other))
            })
            .filter(|&(a, b)| a < b && !near(a, b))
            .count();
        assert!((150..250).contains(&far), "{far} of 2000, expected 200");
        assert_eq!(build("ws:n=5,k=4,p=1", 1).edges(), 10);
    }

    #[test]
    fn grid_and_tree_are_the_books_own() {
        let grid = build("grid:w=100,h=100", 1);
        assert_eq!((grid.nodes(), grid.edges()), (10_000, 19_800));
        assert_eq!(grid.neighbours(101), [1, 100, 102, 201]);
        let tree = build("tree:degree=4,depth=7", 1);
        assert_eq!((tree.nodes(), tree.edges()), (4373, 4372));
        let degrees = degrees(&tree);
        assert!(degrees[..1457].iter().all(|&degree| degree == 4));
        assert!(degrees[1457..].iter().all(|&degree| degree == 1));
        assert_eq!(build("tree:degree=2,depth=0", 1).nodes(), 1);
    }

    #[test]
    fn ultrapeers_are_regular_and_leaves_hang_on_them_alone() {
        let graph = build("two-tier:n=400,ultrapeers=0.15,degree=10,parents=3", 1);
        assert_eq!((graph.nodes(), graph.edges()), (400, 60 * 5 + 340 * 3));
        let leaves = |node: u32| graph.is_leaf(node);
        assert_eq!(graph.iter().filter(|&node| leaves(node)).count(), 340);
        for node in graph.iter() {
            let (below, above): (Vec<u32>, Vec<u32>) =
                graph.neighbours(node).iter().partition(|&&end| leaves(end));
            let expected = if leaves(node) { 3 } else { 10 };
            assert_eq!(above.len(), expected, "node {node}");
            assert!(!leaves(node) || below.is_empty());
        }
        let flat = build("two-tier:n=60,ultrapeers=1,degree=10,parents=3", 1);
        assert!(flat.iter().all(|node| !flat.is_leaf(node)));
    }

    #[test]
    fn the_seed_decides_the_graph() {
        for spec in [
            "two-tier:n=500,ultrapeers=0.2,degree=5,parents=2",
            "regular:n=500,d=4",
            "gnm:n=500,m=900",
            "ba:n=500,m=2",
            "ws:n=500,k=4,p=0.2",
            "plrg:n=500,max=50,exponent=0.8",
        ] {
            assert_eq!(build(spec, 7), build(spec, 7));
            assert_ne!(build(spec, 7), build(spec, 8));
        }
    }
}
