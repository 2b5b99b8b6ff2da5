//! Walkers: a query in a few copies, each of which goes to one neighbour at a time.
//!
//! At random with checks, so that walkers end soon after one has found something, and with nodes
//! that remember over which links they sent the query: Lv, Cao, Cohen, Li and Shenker (ICS 2002).
//! To the neighbour of highest degree that has not been visited, where nodes may know what their
//! neighbours hold: Adamic, Lukose, Puniyani and Huberman (Physical Review E, 2001).

use std::collections::BTreeSet;

use filbert::topology::Graph;
use rand::RngExt;
use rand_pcg::Pcg64Mcg;

use super::{Ground, Policy, Trace};

/// A search by walkers, all of which take their steps at the same time.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    /// How many there are.
    pub walkers: u32,
    /// After how many steps each asks the source whether to go on.
    pub check_every: u32,
    /// After how many it gives up.
    pub steps: u32,
    /// Where a walker goes.
    pub choice: Choice,
    /// Whether each node answers for its neighbours, too.
    pub knows_neighbours: bool,
}

/// Where a walker goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Over any link but the one it came by, one that its node has not used if there is such.
    Random,
    /// To the neighbour with most links of those not visited; over any link where all are.
    HighestDegree,
}

/// A walker: where it is, and where it was before.
#[derive(Clone, Copy, Debug)]
struct Walker {
    at: u32,
    from: u32,
}

impl Policy for Walk {
    fn search(&self, ground: &mut Ground<'_>, source: u32, rng: &mut Pcg64Mcg) -> Trace {
        let mut trace = Trace::default();
        ground.begin();
        ground.visit(source);
        let mut found = BTreeSet::new();
        if self.look(ground, source, &mut found) {
            trace.find(0);
            return trace;
        }
        let graph = ground.graph();
        // Links over which a node has sent the query, by the number of their slot.
        let mut used = BTreeSet::new();
        let start = Walker {
            at: source,
            from: source,
        };
        let mut walkers = vec![start; self.walkers as usize];
        for step in 1..=self.steps {
            walkers.retain_mut(|walker| {
                let Some(slot) = self.choose(ground, *walker, &used, rng) else {
                    return false;
                };
                used.insert(graph.slots_before(walker.at) + slot);
                let to = graph.neighbours(walker.at)[slot];
                *walker = Walker {
                    at: to,
                    from: walker.at,
                };
                ground.send(to, &mut trace);
                if ground.visit(to) {
                    trace.reach(step.into(), false);
                }
                let finds = self.look(ground, to, &mut found);
                if finds {
                    trace.first_hops.get_or_insert_with(|| step.into());
                }
                if finds {
                    return false;
                }
                // Each asks as soon as it has taken its steps: what another finds in the same
                // instant, but after it in turn, the source does not know yet.
                let asks = step % self.check_every == 0;
                trace.checks += u64::from(asks);
                !asks || found.is_empty()
            });
            if walkers.is_empty() {
                break;
            }
        }
        trace.found = found.len() as u64;
        trace
    }
}

impl Walk {
    /// Whether there is something to be found at a node. Holders are gathered.
    fn look(&self, ground: &Ground<'_>, node: u32, found: &mut BTreeSet<u32>) -> bool {
        let neighbours = ground.graph().neighbours(node).iter();
        let around = neighbours.take_while(|_| self.knows_neighbours);
        let holders = std::iter::once(&node).chain(around);
        let mut any = false;
        for &holder in holders.filter(|&&node| ground.holds(node)) {
            found.insert(holder);
            any = true;
        }
        any
    }

    /// The neighbour, by its place, that a walker goes to; none where there is no neighbour.
    fn choose(
        &self,
        ground: &Ground<'_>,
        Walker { at, from }: Walker,
        used: &BTreeSet<usize>,
        rng: &mut Pcg64Mcg,
    ) -> Option<usize> {
        let graph: &Graph = ground.graph();
        let neighbours = graph.neighbours(at);
        let first = graph.slots_before(at);
        let onward = |&slot: &usize| at == from || neighbours[slot] != from;
        if self.choice == Choice::HighestDegree {
            let fresh = (0..neighbours.len()).filter(|&slot| !ground.visited(neighbours[slot]));
            // Of equals the first.
            let best =
                fresh.max_by_key(|&slot| (graph.degree(neighbours[slot]), usize::MAX - slot));
            if best.is_some() {
                return best;
            }
        } else {
            let unused = |slot: &usize| onward(slot) && !used.contains(&(first + slot));
            let chosen = one_of(neighbours.len(), unused, rng);
            if chosen.is_some() {
                return chosen;
            }
        }
        one_of(neighbours.len(), onward, rng).or_else(|| one_of(neighbours.len(), |_| true, rng))
    }
}

/// One of so many places that are allowed, at random.
fn one_of(places: usize, allowed: impl Fn(&usize) -> bool, rng: &mut Pcg64Mcg) -> Option<usize> {
    let count = (0..places).filter(&allowed).count();
    if count == 0 {
        return None;
    }
    let chosen = rng.random_range(0..count);
    (0..places).filter(allowed).nth(chosen)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn walk(choice: Choice) -> Walk {
        Walk {
            walkers: 1,
            check_every: 4,
            steps: 100,
            choice,
            knows_neighbours: false,
        }
    }

    #[test]
    fn a_walker_on_a_line_never_turns_before_its_end() {
        let edges: Vec<(u64, u64)> = (0..10).map(|node| (node, node + 1)).collect();
        let graph = Graph::from_edges(&edges).unwrap();
        let mut ground = Ground::new(&graph);
        ground.hold(&[10]);
        let rng = &mut Pcg64Mcg::seed_from_u64(1);
        let trace = walk(Choice::Random).search(&mut ground, 0, rng);
        assert_eq!((trace.copies, trace.first_hops), (10, Some(10)));
        assert_eq!((trace.found, trace.checks), (1, 2));
    }

    #[test]
    fn others_end_at_the_next_check() {
        // A star with long arms: each walker finds its own end, one of them after a single step.
        let mut edges = vec![(0, 1)];
        edges.extend((10..40).map(|node| (if node == 10 { 0 } else { node - 1 }, node)));
        let graph = Graph::from_edges(&edges).unwrap();
        let mut ground = Ground::new(&graph);
        ground.hold(&[1]);
        let rng = &mut Pcg64Mcg::seed_from_u64(1);
        let two = Walk {
            walkers: 2,
            ..walk(Choice::Random)
        };
        // The second is sent over the link that the first has not used.
        let trace = two.search(&mut ground, 0, rng);
        assert_eq!((trace.copies, trace.first_hops), (1 + 4, Some(1)));
    }

    #[test]
    fn the_highest_degree_is_gone_to_first_and_neighbours_are_known() {
        // 0 - 1, 0 - 2, and 2 has neighbours 3, 4, 5.
        let graph = Graph::from_edges(&[(0, 1), (0, 2), (2, 3), (2, 4), (2, 5)]).unwrap();
        let mut ground = Ground::new(&graph);
        ground.hold(&[5]);
        let rng = &mut Pcg64Mcg::seed_from_u64(1);
        let knowing = Walk {
            knows_neighbours: true,
            ..walk(Choice::HighestDegree)
        };
        let trace = knowing.search(&mut ground, 0, rng);
        assert_eq!((trace.copies, trace.first_hops), (1, Some(1)));
    }
}
