//! What can be wrong with a graph's text or its specification.

use super::{MAX_EDGES, MAX_NODES};

/// Why there is no graph.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A line of an edge list is neither a comment nor an edge.
    #[error("line {line}: expected two node numbers, found {found:?}")]
    Line {
        /// Its number, counted from 1.
        line: usize,
        /// How it begins.
        found: String,
    },
    /// More than a graph may hold.
    #[error("a graph has at most {MAX_NODES} nodes and {MAX_EDGES} edges")]
    TooLarge,
    /// No such generator.
    #[error("unknown topology {0:?}: use regular, gnm, ba, ws, plrg, grid, tree or two-tier")]
    UnknownTopology(String),
    /// The generator takes other parameters.
    #[error("a {topology} topology is written {usage}: {problem}")]
    Parameters {
        /// The generator's name.
        topology: &'static str,
        /// How its specification is written.
        usage: &'static str,
        /// What is missing, unknown or repeated.
        problem: String,
    },
    /// The parameters are well written, but there is no such graph.
    #[error("there is no {spec}: {reason}")]
    Impossible {
        /// The specification.
        spec: String,
        /// The condition that it breaks.
        reason: &'static str,
    },
}
