//! The network of an experiment: what its file says of it, and the graph that comes of that.

use std::fs;
use std::path::PathBuf;

use filbert::topology::{Graph, Spec, largest_component, parse_edge_list};
use serde::Deserialize;

use super::file::{optional_text, text};
use crate::Error;
use crate::arguments::Profile;
use crate::latency::Latency;
use crate::random::{Purpose, generator};

/// A network of servents.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Its graph, by the specifications of `filbert-sim topology`.
    #[serde(default, deserialize_with = "optional_text")]
    pub topology: Option<Spec>,
    /// The file of its graph, instead: an edge list, beside the experiment's file.
    pub graph: Option<String>,
    /// Whether only the largest component is taken.
    #[serde(default)]
    pub largest_component: bool,
    /// What carries queries.
    #[serde(default)]
    pub engine: Engine,
    /// How long descriptors travel.
    #[serde(default, deserialize_with = "text")]
    pub latency: Latency,
    /// The rules of flooding.
    #[serde(default)]
    pub profile: Profile,
    /// Where files that the experiment names are.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// What carries queries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// Servents, with all that they do.
    #[default]
    Servents,
    /// Nobody: what a strategy does on the bare graph is counted.
    Graph,
}

/// The graph of an experiment: a file's, read once, or another for each replica.
#[derive(Debug)]
pub struct Land {
    spec: Option<Spec>,
    read: Option<Graph>,
    largest_component: bool,
}

impl Network {
    /// Whether it makes sense.
    ///
    /// # Errors
    /// When it does not.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.topology.is_some() == self.graph.is_some() {
            return Err("a network needs either topology or graph".to_owned());
        }
        let plain = self.latency == Latency::default() && self.profile == Profile::Classic;
        if self.engine == Engine::Graph && !plain {
            return Err("on the bare graph, latency is unit and the profile classic".to_owned());
        }
        if self.engine == Engine::Graph && matches!(self.topology, Some(Spec::TwoTier { .. })) {
            return Err("two tiers need servents, not the bare graph".to_owned());
        }
        Ok(())
    }

    /// The file of its graph, if that is not there.
    #[must_use]
    pub fn absent(&self) -> Option<PathBuf> {
        let path = self.folder.join(self.graph.as_ref()?);
        (!path.exists()).then_some(path)
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> String {
        let file = self.graph.clone().unwrap_or_default();
        self.topology.map_or(file, |spec| spec.to_string())
    }
}

impl Land {
    /// The graph that a network says.
    ///
    /// # Errors
    /// When its file cannot be read, or is no edge list.
    pub fn of(network: &Network) -> Result<Self, Error> {
        let read = network.graph.as_ref().map(|name| {
            let path = network.folder.join(name);
            let text = fs::read_to_string(&path).map_err(|source| Error::Read {
                path: path.clone(),
                source,
            })?;
            let graph = parse_edge_list(&text).map_err(|source| Error::Graph { path, source })?;
            if network.largest_component {
                return Ok(largest(&graph)?);
            }
            Ok::<Graph, Error>(graph)
        });
        Ok(Self {
            spec: network.topology,
            read: read.transpose()?,
            largest_component: network.largest_component,
        })
    }

    /// The graph of the replica with this seed, if it is not the same for all.
    ///
    /// # Errors
    /// When there is no such graph.
    pub fn made(&self, seed: u64) -> Result<Option<Graph>, Error> {
        let Some(spec) = &self.spec else {
            return Ok(None);
        };
        let graph = spec.build(&mut generator(seed, Purpose::Graph))?;
        Ok(Some(if self.largest_component {
            largest(&graph)?
        } else {
            graph
        }))
    }

    /// The graph that is the same for all replicas.
    #[must_use]
    pub const fn read(&self) -> Option<&Graph> {
        self.read.as_ref()
    }

    /// Nodes and (about) edges of a graph.
    #[must_use]
    pub fn size(&self) -> (u64, u64) {
        let read = self.read.as_ref();
        let size = read.map(|graph| (graph.nodes() as u64, graph.edges() as u64));
        size.or_else(|| Some(self.spec?.size())).unwrap_or_default()
    }
}

/// The largest component of a graph, the first of equals; ids are kept.
fn largest(graph: &Graph) -> Result<Graph, filbert::topology::Error> {
    let best = largest_component(graph);
    let ends = best.iter().flat_map(|&node| {
        let onward = graph.neighbours(node).iter().filter(move |&&to| to > node);
        onward.map(move |&to| (graph.id(node), graph.id(to)))
    });
    Graph::from_edges(&ends.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_component_is_what_is_left() {
        let graph = Graph::from_edges(&[(1, 2), (5, 6), (6, 7), (9, 10)]).unwrap();
        let largest = largest(&graph).unwrap();
        assert_eq!((largest.nodes(), largest.edges()), (3, 2));
        assert_eq!((largest.id(0), largest.id(2)), (5, 7));
    }
}
