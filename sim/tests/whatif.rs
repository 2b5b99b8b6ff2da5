//! What an ultrapeer foretells, against what queries do: 100 of the 3,000 ultrapeers of an overlay
//! of 20,000 servents each see the hops of 5,000 queries of random askers, and foretell reach and
//! cost.

use filbert::overlay::whatif::{HOPS, Sight, foretell};
use filbert::topology::{Graph, Spec};
use filbert_sim::arguments::{Profile, Ttls};
use filbert_sim::flood::{Bare, Engine};
use filbert_sim::random::{Purpose, generator};
use rand::RngExt;
use rand::seq::index;
use rand_pcg::Pcg64Mcg;

const QUERIES: usize = 5_000;

/// What an ultrapeer sees when so many servents ask, each any with the same chance. Every link
/// takes the same time, so a query comes first by a shortest path.
fn watch(graph: &Graph, node: u32, rng: &mut Pcg64Mcg) -> Sight {
    let hops = hops(graph, node);
    let (leaves, ultrapeers): (Vec<u32>, Vec<u32>) = graph
        .neighbours(node)
        .iter()
        .partition(|&&end| graph.is_leaf(end));
    let degree = |of: u32| {
        let ends = graph.neighbours(of).iter();
        ends.filter(|&&end| !graph.is_leaf(end)).count()
    };
    let parents: usize = leaves.iter().map(|&leaf| degree(leaf)).sum();
    let mut queries = [0; HOPS];
    for _ in 0..QUERIES {
        let asker = rng.random_range(0..graph.nodes());
        if asker != node as usize {
            queries[hops[asker]] += 1;
        }
    }
    Sight {
        degrees: ultrapeers
            .iter()
            .map(|&one| u16::try_from(degree(one)).ok())
            .collect(),
        parents: parents as f64 / leaves.len().max(1) as f64,
        leaves: leaves.len(),
        queries,
        horizon: 7,
    }
}

/// The hops with which the query of each servent comes to this one.
fn hops(graph: &Graph, node: u32) -> Vec<usize> {
    let mut hops = vec![HOPS - 1; graph.nodes()];
    let mut met = vec![false; graph.nodes()];
    met[node as usize] = true;
    let mut ring = vec![node];
    for distance in 0..HOPS {
        let mut next = Vec::new();
        for &from in &ring {
            if graph.is_leaf(from) {
                continue;
            }
            for &to in graph.neighbours(from) {
                if !std::mem::replace(&mut met[to as usize], true) {
                    hops[to as usize] = distance;
                    next.push(to);
                }
            }
        }
        ring = next;
    }
    hops
}

#[test]
fn nine_in_ten_forecasts_are_within_a_fifth() {
    let spec: Spec = "two-tier:n=20000,ultrapeers=0.15,degree=30,parents=3"
        .parse()
        .unwrap();
    let graph = spec.build(&mut generator(1, Purpose::Graph)).unwrap();
    let rng = &mut generator(1, Purpose::Sources);
    let ultrapeers: Vec<u32> = graph.iter().filter(|&node| !graph.is_leaf(node)).collect();
    let mut bare = Bare::new(&graph, Profile::Classic);
    let ttls: Ttls = "1-5".parse().unwrap();
    let (mut cases, mut near, mut covered) = (0, [0, 0], [0, 0]);
    let mut by_ttl = [[0; 2]; 6];
    let mut worst: f64 = 0.0;
    for place in index::sample(rng, ultrapeers.len(), 100) {
        let node = ultrapeers[place];
        let sight = watch(&graph, node, rng);
        let told = foretell(&sight, ttls.iter()).unwrap();
        for (flood, forecast) in bare.flood(node, ttls).into_iter().zip(told) {
            cases += 1;
            let pairs = [
                (flood.reached, forecast.reach),
                (flood.messages, forecast.cost),
            ];
            for (which, (truth, estimate)) in pairs.into_iter().enumerate() {
                let truth = truth as f64;
                let off = (estimate.mean / truth - 1.0).abs();
                worst = worst.max(off);
                near[which] += u32::from(off <= 0.2);
                by_ttl[usize::from(forecast.ttl)][which] += u32::from(off <= 0.2);
                let inside = estimate.low <= truth * 1.005 && truth * 0.995 <= estimate.high;
                covered[which] += u32::from(inside);
            }
        }
    }
    eprintln!(
        "{cases} cases; within a fifth {near:?}, within the interval {covered:?}, worst {worst:.3}; of \
         100 with each TTL {:?}",
        &by_ttl[1..]
    );
    for which in 0..2 {
        assert!(near[which] * 10 >= cases * 9, "{near:?} of {cases}");
    }
}
