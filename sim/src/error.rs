//! Why a command could not do what it was asked.

use std::io;
use std::path::PathBuf;

use filbert::topology;

/// Why a command failed; shown as one line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A graph file could not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The results could not be written.
    #[error("cannot write the results: {0}")]
    Output(#[from] io::Error),
    /// A file is no edge list.
    #[error("{path} is no graph: {source}")]
    Graph {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: topology::Error,
    },
    /// A file is no recording.
    #[error("{path} is no recording: {source}")]
    Recording {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: filbert::overlay::recording::Error,
    },
    /// There are more recordings than servents.
    #[error("{recordings} recordings are too many for a graph of {nodes} servents")]
    Recordings {
        /// The recordings.
        recordings: usize,
        /// The servents.
        nodes: usize,
    },
    /// A file is no experiment.
    #[error("{path} is no experiment: {problem}")]
    Experiment {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        problem: String,
    },
    /// A file is not what an experiment came to.
    #[error("{path} is no result of an experiment: {problem}")]
    Results {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A folder has no results in it.
    #[error("no file in {0} is a result: put some there by --out")]
    NoResults(PathBuf),
    /// A sweep has no such point.
    #[error("{experiment} has {points} points, numbered from 0: there is no point {point}")]
    NoPoint {
        /// The experiment.
        experiment: String,
        /// How many it has.
        points: usize,
        /// The one that was asked for.
        point: usize,
    },
    /// A folder has results of another experiment under the same name.
    #[error("{0} came of another file, seed or number of replicas: choose another folder")]
    OtherResults(PathBuf),
    /// A folder has no experiment in it.
    #[error("no file in {0} ends in .toml")]
    NoExperiment(PathBuf),
    /// Nobody can ask as an experiment wants.
    #[error("nobody in {graph} can ask: {from}")]
    NoAsker {
        /// The graph.
        graph: String,
        /// Who was to ask.
        from: String,
    },
    /// Simulated servents fell out with each other.
    #[error("a simulated servent closed a link: {0}")]
    LinkClosed(String),
    /// There is no graph of this specification.
    #[error(transparent)]
    Topology(#[from] topology::Error),
    /// The text does not name sources.
    #[error("use a list of node ids such as 5,17,3, or random:N with N >= 1")]
    Sources,
    /// The text is no TTL or range of them.
    #[error("use a TTL or a range A-B with 1 <= A <= B <= 15")]
    Ttls,
    /// The bare graph was asked for what only servents can tell.
    #[error(
        "--engine graph counts copies of unit latency: leave out {0}, or use --engine servents"
    )]
    BareGraph(&'static str),
    /// Parts of a network do nothing at the same time where copies take none.
    #[error(
        "--parts needs a latency that is never 0: a copy that takes no time may be anywhere at once"
    )]
    NoTime,
    /// A source is not in the graph.
    #[error("no node {0} in the graph")]
    NoSuchNode(u64),
    /// More random sources were asked for than there are.
    #[error("asked for {wanted} sources, but only {found} nodes have an edge")]
    TooFewNodes {
        /// So many were asked for.
        wanted: usize,
        /// So many there are.
        found: usize,
    },
}

impl Error {
    /// The exit code of a process that ends with this error: 2 for a wrong use, otherwise 1.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Read { .. }
            | Self::Write { .. }
            | Self::Output(_)
            | Self::Graph { .. }
            | Self::Recording { .. }
            | Self::Results { .. }
            | Self::NoResults(_)
            | Self::OtherResults(_)
            | Self::LinkClosed(_) => 1,
            Self::Experiment { .. }
            | Self::NoPoint { .. }
            | Self::Recordings { .. }
            | Self::NoExperiment(_)
            | Self::NoAsker { .. } => 2,
            Self::Topology(_)
            | Self::Sources
            | Self::Ttls
            | Self::BareGraph(_)
            | Self::NoTime
            | Self::NoSuchNode(_)
            | Self::TooFewNodes { .. } => 2,
        }
    }

    /// Whether the reader of our output went away, which is not our trouble.
    #[must_use]
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}
