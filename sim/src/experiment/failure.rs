//! Servents that fail all at once.

use std::cmp::Reverse;

use filbert::topology::Graph;
use rand::seq::SliceRandom;
use serde::Deserialize;

use crate::random::{Purpose, generator};

/// So many servents fail just before the searches, and all their links with them.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// The share of all servents.
    pub share: f64,
    /// Which of them.
    #[serde(default)]
    pub first: First,
}

/// Who fails first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum First {
    /// Anybody.
    #[default]
    Random,
    /// Who has most links.
    HighestDegree,
}

/// What a failure leaves.
#[derive(Debug)]
pub(super) struct Damage {
    /// The graph without the links of those that failed.
    pub graph: Graph,
    gone: Vec<bool>,
}

impl Failure {
    /// What it leaves of a graph. Whoever fails in a small failure does in a larger one.
    pub(super) fn strike(self, graph: &Graph, seed: u64) -> Damage {
        let mut nodes: Vec<u32> = graph.iter().collect();
        nodes.shuffle(&mut generator(seed, Purpose::Failing));
        if self.first == First::HighestDegree {
            nodes.sort_by_key(|&node| Reverse(graph.degree(node)));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a count"
        )]
        nodes.truncate((nodes.len() as f64 * self.share).round() as usize);
        let mut gone = vec![false; graph.nodes()];
        for node in nodes {
            gone[node as usize] = true;
        }
        Damage {
            graph: graph.without_links_of(|node| gone[node as usize]),
            gone,
        }
    }
}

impl Damage {
    /// Whether a servent is still there.
    pub(super) fn stays(&self, node: u32) -> bool {
        !self.gone[node as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hub_fails_first_and_nodes_keep_their_numbers() {
        let edges = [(10, 11), (10, 12), (10, 13), (13, 14)];
        let graph = Graph::from_edges(&edges).unwrap();
        let fail = |share, first| Failure { share, first }.strike(&graph, 1);
        let hub = fail(0.2, First::HighestDegree);
        assert!(!hub.stays(0) && (1..5).all(|node| hub.stays(node)));
        assert_eq!((hub.graph.nodes(), hub.graph.edges()), (5, 1));
        assert_eq!((hub.graph.id(4), hub.graph.neighbours(4)), (14, &[3][..]));
        let failed = |share| {
            let damage = fail(share, First::Random);
            (0..5)
                .filter(move |&node| !damage.stays(node))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            (failed(0.0).len(), failed(0.4).len(), failed(1.0).len()),
            (0, 2, 5)
        );
        assert!(failed(0.4).iter().all(|node| failed(0.6).contains(node)));
    }
}
