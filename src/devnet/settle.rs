//! Servents that choose roles and neighbours themselves: when they have settled to two tiers, and
//! what graph that makes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::plan;
use crate::node::state::{Role, Status};
use crate::node::{Node, Sample};
use crate::overlay::limits::Limits;
use crate::runtime;
use crate::topology::Graph;

/// How often it is looked whether they have.
const LOOK: Duration = Duration::from_millis(100);

/// Two tiers.
#[derive(Debug)]
pub(super) struct Tiers {
    /// Who is linked to whom, by the order of the servents.
    pub(super) graph: Graph,
    /// How many of them are ultrapeers.
    pub(super) ultrapeers: usize,
}

/// How long the end that was dialled may take to know of a link.
const LINKING: Duration = Duration::from_secs(10);

/// Waits until both ends of every link of a graph know of it: the end that was dialled is the later
/// one. Says whether they do.
pub(super) async fn linked(nodes: &[Node], graph: &Graph) -> bool {
    let lacks = |(number, node): (u32, &Node)| node.peers().len() < graph.neighbours(number).len();
    let begun = Instant::now();
    while (0..).zip(nodes).any(lacks) {
        if begun.elapsed() > LINKING {
            return false;
        }
        runtime::sleep(LOOK / 10).await;
    }
    true
}

/// Waits until servents have settled, at most for `limit`.
pub(super) async fn wait(nodes: &[Node], limit: Duration) -> Option<Tiers> {
    let begun = Instant::now();
    loop {
        let settled = look(nodes);
        if settled.is_some() || begun.elapsed() > limit {
            return settled;
        }
        runtime::sleep(LOOK).await;
    }
}

/// The tiers, if that is what they are: every leaf hangs on enough ultrapeers, which know what it
/// has, and there is a way from everybody to everybody.
fn look(nodes: &[Node]) -> Option<Tiers> {
    let numbers: HashMap<_, _> = nodes.iter().map(Node::guid).zip(0_u32..).collect();
    let states: Vec<Status> = nodes.iter().map(Node::status).collect();
    let roles: Vec<Role> = states.iter().map(|state| state.role).collect();
    let is_ultrapeer = |role: &&Role| **role == Role::Ultrapeer;
    let ultrapeers = roles.iter().filter(is_ultrapeer).count();
    let limits = Limits::default();
    // Where ultrapeers carry many leaves there are to be more of them.
    let crowded =
        |state: &Status| state.leaves >= limits.leaves_before_help * (state.ultrapeers + 1);
    let enough = match states.iter().any(crowded) {
        true => limits.leaf_ultrapeers,
        false => limits.leaf_ultrapeers.min(ultrapeers),
    };
    let mut edges = Vec::new();
    for (number, (node, role)) in (0_u32..).zip(nodes.iter().zip(&roles)) {
        let peers = node.peers();
        let leaves = peers.iter().filter(|peer| peer.role == Role::Leaf).count();
        let settled = match role {
            Role::Leaf => leaves == 0 && peers.len() >= enough,
            Role::Ultrapeer => told(node) == leaves,
        };
        if !settled {
            return None;
        }
        for peer in peers {
            let other = *numbers.get(&peer.servent?)?;
            // The other end agrees what this one is.
            if roles[other as usize] != peer.role {
                return None;
            }
            edges.push((u64::from(number), u64::from(other)));
        }
    }
    let graph = Graph::from_edges(&edges).ok()?;
    // Whoever has no link is missing.
    (graph.nodes() == nodes.len() && plan::is_connected(&graph))
        .then_some(Tiers { graph, ultrapeers })
}

/// How many of its leaves told an ultrapeer what they share.
fn told(node: &Node) -> usize {
    let of_leaves = |sample: &&Sample| {
        let leaves = sample.labels.iter().any(|(_, value)| value == "leaves");
        sample.name == "routing_tables" && leaves
    };
    let gauges = node.counters().gauges;
    let tables = gauges
        .iter()
        .find(of_leaves)
        .map_or(0, |sample| sample.value);
    usize::try_from(tables).unwrap_or(usize::MAX)
}
