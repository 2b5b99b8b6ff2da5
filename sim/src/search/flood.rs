//! Flooding: to all neighbours at once, who pass the first copy on (protocol §1.6). Unlike
//! [`crate::flood::Bare`], which only counts, it says who holds what it looks for.

use std::mem;

use rand_pcg::Pcg64Mcg;

use super::{Ground, Policy, Trace};

/// A flood.
#[derive(Clone, Copy, Debug)]
pub struct Flood {
    /// How many hops it goes.
    pub ttl: u8,
}

impl Policy for Flood {
    fn search(&self, ground: &mut Ground<'_>, source: u32, _: &mut Pcg64Mcg) -> Trace {
        spread(ground, source, self.ttl, |_, _, _, _| true)
    }
}

/// Passes a query on for `ttl` hops, over those links that `goes` allows at a hop from one node to
/// another, but never back over the one that it came by.
pub(super) fn spread(
    ground: &mut Ground<'_>,
    source: u32,
    ttl: u8,
    goes: impl Fn(&mut Ground<'_>, u8, u32, u32) -> bool,
) -> Trace {
    let mut trace = Trace::default();
    ground.begin();
    ground.visit(source);
    if ground.holds(source) {
        trace.find(0);
    }
    let graph = ground.graph();
    let (mut front, mut next) = (mem::take(&mut ground.front), mem::take(&mut ground.next));
    front.clear();
    // A node comes with the one that it heard from; the source heard from nobody.
    front.push((source, source));
    for hops in 1..=ttl {
        for &(node, from) in &front {
            for &to in graph.neighbours(node) {
                if to == from || !goes(ground, hops, node, to) {
                    continue;
                }
                ground.send(to, &mut trace);
                if ground.visit(to) {
                    trace.reach(hops.into(), ground.holds(to));
                    next.push((to, node));
                }
            }
        }
        mem::swap(&mut front, &mut next);
        next.clear();
        if front.is_empty() {
            break;
        }
    }
    (ground.front, ground.next) = (front, next);
    trace
}
