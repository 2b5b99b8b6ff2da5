//! Graphs of servents: read from edge lists or generated from a specification, and described.
//!
//! Pure: text and a random generator come in, a [`Graph`] or its [`Statistics`] go out. The same
//! generator state gives the same graph on every machine, and no output depends on the order of a
//! hash map.

mod edge_list;
mod error;
mod generate;
mod graph;
mod spec;
mod statistics;

pub use edge_list::{parse_edge_list, write_edge_list};
pub use error::Error;
pub use graph::{Graph, MAX_EDGES, MAX_NODES};
pub use spec::Spec;
pub use statistics::{
    Degrees, Diameter, Estimate, Paths, PowerLaw, Statistics, Tiers, largest_component,
};
