//! Probes: the query goes to one servent after the other, each of which answers and passes nothing on.
//!
//! [`Probe`] asks anybody at random, which is what Cohen and Shenker (SIGCOMM 2002) reckon with.
//! [`Guess`] asks whom it has heard of (GUESS, 2002): its neighbours first, then those whose
//! addresses came along with the answers.

use rand::RngExt;
use rand::seq::index;
use rand_pcg::Pcg64Mcg;

use super::{Ground, Policy, Trace};

/// Probes of servents at random, the asker itself and those asked before included, so that each
/// finds a holder with the same probability.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// After how many it gives up.
    pub most: u32,
}

/// Probes of servents heard of, each of them once.
#[derive(Clone, Copy, Debug)]
pub struct Guess {
    /// After how many it gives up.
    pub most: u32,
    /// How many addresses come with an answer.
    pub addresses: u32,
}

impl Policy for Probe {
    fn search(&self, ground: &mut Ground<'_>, _: u32, rng: &mut Pcg64Mcg) -> Trace {
        let mut trace = Trace::default();
        ground.begin();
        let nodes = u32::try_from(ground.graph().nodes()).expect("nodes are numbered by u32");
        for number in 1..=u64::from(self.most) {
            let to = rng.random_range(0..nodes);
            ground.send(to, &mut trace);
            trace.reached += u64::from(ground.visit(to));
            if ground.holds(to) {
                trace.find(number);
                break;
            }
        }
        trace
    }
}

impl Policy for Guess {
    fn search(&self, ground: &mut Ground<'_>, source: u32, rng: &mut Pcg64Mcg) -> Trace {
        let mut trace = Trace::default();
        ground.begin();
        ground.visit(source);
        if ground.holds(source) {
            trace.find(0);
            return trace;
        }
        let graph = ground.graph();
        let mut known: Vec<u32> = Vec::new();
        for &node in graph.neighbours(source) {
            if ground.visit(node) {
                known.push(node);
            }
        }
        for number in 1..=u64::from(self.most) {
            if known.is_empty() {
                break;
            }
            let to = known.swap_remove(rng.random_range(0..known.len()));
            ground.send(to, &mut trace);
            trace.reached += 1;
            if ground.holds(to) {
                trace.find(number);
                break;
            }
            let around = graph.neighbours(to);
            let told = around.len().min(self.addresses as usize);
            for place in index::sample(rng, around.len(), told) {
                if ground.visit(around[place]) {
                    known.push(around[place]);
                }
            }
        }
        trace
    }
}

#[cfg(test)]
mod tests {
    use filbert::topology::Graph;
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn probes_find_a_tenth_after_ten() {
        let edges: Vec<(u64, u64)> = (0..99).map(|node| (node, node + 1)).collect();
        let graph = Graph::from_edges(&edges).unwrap();
        let mut ground = Ground::new(&graph);
        ground.hold(&(0..10).collect::<Vec<_>>());
        let rng = &mut Pcg64Mcg::seed_from_u64(1);
        let mut probes = |most| -> u64 {
            let searches = 0..10_000;
            let copies = searches.map(|_| Probe { most }.search(&mut ground, 50, rng).copies);
            copies.sum()
        };
        assert!((97_000..103_000).contains(&probes(1000)));
        assert_eq!(probes(1), 10_000);
    }

    #[test]
    fn addresses_lead_to_everybody_once() {
        let edges: Vec<(u64, u64)> = (0..99).map(|node| (node, node + 1)).collect();
        let graph = Graph::from_edges(&edges).unwrap();
        let mut ground = Ground::new(&graph);
        ground.hold(&[99]);
        let rng = &mut Pcg64Mcg::seed_from_u64(1);
        let mut guess = |addresses| {
            let most = 1000;
            Guess { most, addresses }.search(&mut ground, 0, rng)
        };
        let all = guess(10);
        assert_eq!(
            (all.copies, all.reached, all.first_hops),
            (99, 99, Some(99))
        );
        let none = guess(0);
        assert_eq!((none.copies, none.found), (1, 0));
    }
}
