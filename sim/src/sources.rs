//! Which nodes floods begin at.

use std::str::FromStr;

use filbert::topology::Graph;
use rand::RngExt;

use crate::Error;
use crate::random::{Purpose, generator};

/// The sources of floods. Read from a list of node ids, `5,17,3`, or from `random:N`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sources {
    /// These nodes, by their ids, in this order.
    Listed(Vec<u64>),
    /// So many distinct nodes that have an edge.
    Random(usize),
}

impl Sources {
    /// The numbers of the nodes in `graph`. Fewer random sources are the first of more.
    ///
    /// # Errors
    /// When there is no such node, or there are too few with an edge.
    pub fn choose(&self, graph: &Graph, seed: u64) -> Result<Vec<u32>, Error> {
        match self {
            Self::Listed(ids) => ids
                .iter()
                .map(|&id| graph.node(id).ok_or(Error::NoSuchNode(id)))
                .collect(),
            &Self::Random(wanted) => {
                let mut linked: Vec<u32> = graph
                    .iter()
                    .filter(|&node| graph.degree(node) > 0)
                    .collect();
                if wanted > linked.len() {
                    return Err(Error::TooFewNodes {
                        wanted,
                        found: linked.len(),
                    });
                }
                let mut rng = generator(seed, Purpose::Sources);
                for place in 0..wanted {
                    let drawn = rng.random_range(place..linked.len());
                    linked.swap(place, drawn);
                }
                linked.truncate(wanted);
                Ok(linked)
            }
        }
    }
}

impl FromStr for Sources {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let sources = match text.strip_prefix("random:") {
            Some(number) => number
                .parse()
                .ok()
                .filter(|&number| number > 0)
                .map(Self::Random),
            None => text
                .split(',')
                .map(|id| id.trim().parse().ok())
                .collect::<Option<_>>()
                .map(Self::Listed),
        };
        sources.ok_or(Error::Sources)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph() -> Graph {
        Graph::from_edges(&[(1, 2), (2, 3), (3, 9), (4, 4)]).unwrap()
    }

    #[test]
    fn listed_sources_are_ids() {
        let sources: Sources = "9, 1".parse().unwrap();
        assert_eq!(sources.choose(&graph(), 0).unwrap(), [4, 0]);
        let error = "7"
            .parse::<Sources>()
            .unwrap()
            .choose(&graph(), 0)
            .unwrap_err();
        assert_eq!(error.to_string(), "no node 7 in the graph");
    }

    #[test]
    fn random_sources_are_distinct_linked_and_a_prefix_of_more() {
        let all = Sources::Random(4).choose(&graph(), 5).unwrap();
        let mut sorted = all.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [0, 1, 2, 4], "node 3 has no edge");
        assert_eq!(Sources::Random(2).choose(&graph(), 5).unwrap(), all[..2]);
        assert!(Sources::Random(5).choose(&graph(), 5).is_err());
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "random:0", "random:x", "1,,2", "1;2"] {
            assert!(text.parse::<Sources>().is_err(), "{text}");
        }
    }
}
