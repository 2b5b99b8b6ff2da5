//! Many real servents on loopback addresses in one process: the main job with no network at all.
//!
//! A devnet plans first (`plan`: who has which file, who searches for which words, with every
//! holder at least three links away), then starts one node for each node of a graph, links them
//! as its edges say, searches, fetches, verifies, and tells the story. Where the servents are to
//! choose their roles and links themselves, it waits until they have settled (`settle`) instead. It starts nodes through
//! [`Node::builder`] only and keeps everything in a temporary directory.

mod files;
mod plan;
mod settle;
mod story;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures::future::{join_all, try_join_all};
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;
use thiserror::Error;

pub use plan::FAR;
pub use story::{FetchTold, SearchTold, Story};

use self::plan::{Placed, Quest};
use self::settle::Tiers;
use crate::node::state::Role;
use crate::node::{self, Builder, Node};
use crate::overlay::limits::Limits;
use crate::overlay::{Profile, Settings};
use crate::runtime;
use crate::topology::{self, Graph, Spec};
use crate::wire::Guid;

/// The fewest servents in which somebody is three links away however they are linked.
pub const FEWEST: u32 = 5;

/// The most servents: each takes sockets and threads' time of this one process.
pub const MOST: u32 = 1_000;

/// Files that a devnet may need open: a servent's own, and two for each link.
const FILES_A_SERVENT: u64 = 8;
const FILES_A_LINK: u64 = 2;

/// Nodes that start, or links that open, at the same time.
const AT_ONCE: usize = 32;

/// Far-reaching, and exact whichever copy of a query comes first: a guest whose queries have
/// just enough TTL for a holder finds it always, not mostly.
const RULES: Profile = Profile {
    raise: true,
    ..Profile::CLASSIC
};

/// How long servents that choose themselves may take to settle.
const SETTLING: Duration = Duration::from_secs(120);

/// How long a servent may take to hash what it shares.
const HASHING: Duration = Duration::from_secs(120);

/// Why there is no devnet.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// Too few or too many servents.
    #[error("a devnet has {FEWEST} to {MOST} servents, not {0}")]
    Size(u64),
    /// The topology is no graph.
    #[error(transparent)]
    Topology(#[from] topology::Error),
    /// The topology has another number of servents.
    #[error("the topology {spec} has {nodes} servents, not {wanted}: leave out one of the two")]
    TopologySize {
        /// The topology.
        spec: Spec,
        /// Its servents.
        nodes: usize,
        /// Those asked for.
        wanted: u32,
    },
    /// The graph falls apart.
    #[error("the topology {0} is not connected: some servents could reach nobody")]
    Apart(Spec),
    /// Its servents are equals.
    #[error("a devnet has one tier, not those of {0}")]
    Tiers(Spec),
    /// A servent would have too many neighbours.
    #[error("the topology {spec} gives one servent {hub} neighbours, where {most} are the limit")]
    Hub {
        /// The topology.
        spec: Spec,
        /// The most neighbours in it.
        hub: usize,
        /// The limit.
        most: usize,
    },
    /// What is to be shared cannot be read.
    #[error("cannot share {}: {cause}", path.display())]
    Share {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// No file is far enough from anybody.
    #[error(
        "no file can be searched: none has a name whose matches are all {FAR} links or more from \
         one servent; share other files or choose another topology"
    )]
    NothingToSearch,
    /// A topology leaves nothing to choose.
    #[error(
        "servents that choose their neighbours themselves have no topology and no profile: leave out one"
    )]
    NothingToChoose,
    /// The servents did not come to two tiers.
    #[error("the servents did not settle within {0:?}")]
    Unsettled(Duration),
    /// Too few files may be open.
    #[error("{wanted} files must be open at once, {allowed} are allowed: raise `ulimit -Hn`")]
    OpenFiles {
        /// What the devnet needs.
        wanted: u64,
        /// The hard limit.
        allowed: u64,
    },
    /// The temporary directory cannot be written.
    #[error("cannot write the temporary directory {}: {cause}", path.display())]
    Temporary {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// A servent did not start, or two did not link.
    #[error("a servent of the devnet failed: {0}")]
    Node(#[from] node::Error),
}

/// What a devnet is to be.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// How many servents; without it as many as the topology has, or 12.
    pub servents: Option<u32>,
    /// How they are linked.
    pub topology: Option<Spec>,
    /// Whether they choose their roles and neighbours themselves, each knowing only the first.
    pub auto: bool,
    /// What they share; without it the project's `docs` if that is here, or made-up files.
    pub shares: Vec<PathBuf>,
    /// Decides the graph.
    pub seed: u64,
    /// The rules by which queries travel among servents that are linked as a topology says;
    /// without it those by which a guest finds every holder within reach, always.
    pub profile: Option<Profile>,
}

/// A devnet that is up.
#[derive(Debug)]
pub struct Devnet {
    nodes: Vec<Node>,
    graph: Graph,
    files: Vec<Placed>,
    quests: Vec<Quest>,
    skipped: usize,
    ultrapeers: usize,
    /// How long the servents took to settle, where they chose themselves.
    settled: Option<Duration>,
    _directory: Directory,
}

/// The directory of a devnet, which goes with it.
#[derive(Debug)]
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        let name = format!("filbert-devnet-{}", Guid::random(&mut rand::rng()));
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            log::warn!("cannot remove {}: {error}", self.0.display());
        }
    }
}

impl Devnet {
    /// Plans, starts every servent and links them.
    ///
    /// # Errors
    /// When what was asked cannot be, or the machine refuses.
    pub async fn start(plan: Plan) -> Result<Self, Error> {
        if plan.auto {
            return Self::grow(plan).await;
        }
        let (spec, graph) = lay_out(&plan)?;
        let links = graph.edges() as u64;
        raise_file_limit(graph.nodes() as u64 * FILES_A_SERVENT + links * FILES_A_LINK + 64)?;
        let directory = Directory::new();
        let (files, skipped) = deal(plan.shares, graph.nodes(), &directory).await?;
        let reach = plan.profile.unwrap_or(Profile::PUBLIC).max_ttl;
        let quests = plan::quests(&graph, &files, FAR, reach.into())?;
        log::info!("starting {} servents as {spec}", graph.nodes());
        let rules = plan.profile.unwrap_or(RULES);
        let fixed = |builder: Builder| builder.profile(rules).role(Role::Ultrapeer);
        let nodes = launch(0..graph.nodes(), &directory, fixed).await?;
        // Before they are linked, so that they tell their tables once.
        hashed(&nodes).await;
        let edges: Vec<(u32, u32)> = graph
            .iter()
            .flat_map(|from| graph.neighbours(from).iter().map(move |to| (from, *to)))
            .filter(|(from, to)| from < to)
            .collect();
        for some in edges.chunks(AT_ONCE) {
            let link = |(from, to): &(u32, u32)| {
                let address = nodes[*to as usize].address();
                let node: Node = nodes[*from as usize].clone();
                async move { node.connect(address).await }
            };
            try_join_all(some.iter().map(link)).await?;
        }
        if !settle::linked(&nodes, &graph).await {
            log::warn!("not every link is there");
        }
        Ok(Self {
            ultrapeers: nodes.len(),
            settled: None,
            nodes,
            graph,
            files,
            quests,
            skipped,
            _directory: directory,
        })
    }

    /// Starts servents that know only the first of them, and waits until they have settled.
    async fn grow(plan: Plan) -> Result<Self, Error> {
        if plan.topology.is_some() || plan.profile.is_some() {
            return Err(Error::NothingToChoose);
        }
        let servents = plan.servents.unwrap_or(12);
        if !(FEWEST..=MOST).contains(&servents) {
            return Err(Error::Size(servents.into()));
        }
        let most = Limits::default();
        let links = u64::from(servents) * most.neighbours as u64;
        raise_file_limit(u64::from(servents) * FILES_A_SERVENT + links + 64)?;
        let directory = Directory::new();
        let count = servents as usize;
        let (files, skipped) = deal(plan.shares, count, &directory).await?;
        log::info!("starting {servents} servents that choose their places");
        let begun = Instant::now();
        let mut nodes = launch(0..1, &directory, |builder| builder).await?;
        let entry = nodes[0].address();
        nodes.extend(launch(1..count, &directory, |builder| builder.peer(entry)).await?);
        hashed(&nodes).await;
        let Some(Tiers { graph, ultrapeers }) = settle::wait(&nodes, SETTLING).await else {
            join_all(nodes.iter().map(Node::stop)).await;
            return Err(Error::Unsettled(SETTLING));
        };
        let reach = u32::from(Profile::PUBLIC.max_ttl);
        let quests = plan::quests(&graph, &files, plan::NEAR, reach)?;
        Ok(Self {
            nodes,
            graph,
            files,
            quests,
            skipped,
            ultrapeers,
            settled: Some(begun.elapsed()),
            _directory: directory,
        })
    }

    /// Its servents, in the order of the graph.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// How they are linked.
    #[must_use]
    pub const fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The files that are shared, by name, each with the servent that holds it.
    pub fn files(&self) -> impl Iterator<Item = (&str, usize)> {
        let files = self.files.iter();
        files.map(|file| (file.name.as_str(), file.holder as usize))
    }

    /// The servent that searches first: what it looks for lies within reach of a newcomer that
    /// links to it.
    #[must_use]
    pub fn entry(&self) -> &Node {
        &self.nodes[self.quests[0].searcher as usize]
    }

    /// The words that the entry searches first.
    #[must_use]
    pub fn words(&self) -> &str {
        &self.quests[0].words
    }

    /// Which servents hold a file that the entry's words match.
    #[must_use]
    pub fn holders(&self) -> Vec<usize> {
        let expected = &self.quests[0].expected;
        expected
            .iter()
            .map(|file| self.files[*file].holder as usize)
            .collect()
    }

    /// Searches, fetches and verifies as planned.
    pub async fn run(&self) -> Story {
        story::tell(self).await
    }

    /// Ends every servent.
    pub async fn stop(&self) {
        join_all(self.nodes.iter().map(Node::stop)).await;
    }
}

/// The graph that was asked for, or one in which somebody is far from somebody else and no
/// single servent holds it together.
fn lay_out(plan: &Plan) -> Result<(Spec, Graph), Error> {
    let spec = match (plan.topology, plan.servents) {
        (Some(spec), _) => spec,
        (None, servents) => standard(servents.unwrap_or(12)),
    };
    let (nodes, _) = spec.size();
    for size in [plan.servents.map_or(nodes, u64::from), nodes] {
        if !(u64::from(FEWEST)..=u64::from(MOST)).contains(&size) {
            return Err(Error::Size(size));
        }
    }
    if matches!(spec, Spec::TwoTier { .. }) {
        return Err(Error::Tiers(spec));
    }
    let graph = spec.build(&mut Pcg64Mcg::seed_from_u64(plan.seed))?;
    if let Some(wanted) = plan
        .servents
        .filter(|wanted| *wanted as usize != graph.nodes())
    {
        return Err(Error::TopologySize {
            spec,
            nodes: graph.nodes(),
            wanted,
        });
    }
    let most = Settings::new(RULES).limits.neighbours;
    if let Some(hub) = graph
        .iter()
        .map(|node| graph.degree(node))
        .max()
        .filter(|hub| *hub > most)
    {
        return Err(Error::Hub { spec, hub, most });
    }
    if !plan::is_connected(&graph) {
        return Err(Error::Apart(spec));
    }
    Ok((spec, graph))
}

fn standard(n: u32) -> Spec {
    match n {
        0..=5 => Spec::Grid { w: n, h: 1 },
        6..=11 => Spec::Ws { n, k: 2, p: 0.0 },
        12..=19 => Spec::Ws { n, k: 4, p: 0.0 },
        _ => Spec::Regular { n, d: 4 },
    }
}

/// Starts servents of these numbers, a few at a time, each as `shape` makes it.
async fn launch(
    numbers: Range<usize>,
    directory: &Directory,
    shape: impl Fn(Builder) -> Builder,
) -> Result<Vec<Node>, Error> {
    let addresses = Addresses::probe();
    let start = |number: &usize| {
        let home = directory.0.join(format!("servent-{number}"));
        let builder = Node::builder()
            .share_forced(home.join("shared"))
            .home(home)
            .listen(SocketAddrV4::new(addresses.of(*number), 0));
        shape(builder).start()
    };
    let mut nodes = Vec::with_capacity(numbers.len());
    let all: Vec<usize> = numbers.collect();
    for some in all.chunks(AT_ONCE) {
        nodes.extend(try_join_all(some.iter().map(start)).await?);
    }
    Ok(nodes)
}

/// Waits until everything can be found.
async fn hashed(nodes: &[Node]) {
    let hashing = join_all(nodes.iter().map(Node::shared));
    if runtime::timeout(HASHING, hashing).await.is_err() {
        log::warn!("not everything is hashed after {HASHING:?}");
    }
}

/// Deals the files out to so many servents and writes each one's shared directory. Also says how
/// many files were left out.
async fn deal(
    shares: Vec<PathBuf>,
    servents: usize,
    directory: &Directory,
) -> Result<(Vec<Placed>, usize), Error> {
    let root = directory.0.clone();
    runtime::spawn_blocking(move || write_shares(shares, servents, &root)).await
}

fn write_shares(
    mut shares: Vec<PathBuf>,
    servents: usize,
    root: &std::path::Path,
) -> Result<(Vec<Placed>, usize), Error> {
    let failed = |cause| Error::Temporary {
        path: root.to_owned(),
        cause,
    };
    std::fs::create_dir_all(root).map_err(failed)?;
    if shares.is_empty() {
        let docs = PathBuf::from("docs");
        let made_up = root.join("made-up");
        if docs.is_dir() && PathBuf::from("Cargo.toml").is_file() {
            shares.push(docs);
        } else {
            files::make_up(&made_up).map_err(failed)?;
            shares.push(made_up);
        }
    }
    let collected = files::collect(&shares)?;
    let number = u32::try_from(servents).expect("a devnet is small");
    let placed = plan::place(number, collected.files);
    for number in 0..servents {
        std::fs::create_dir_all(root.join(format!("servent-{number}")).join("shared"))
            .map_err(failed)?;
    }
    for (number, file) in placed.iter().enumerate() {
        let shared = root.join(format!("servent-{}", file.holder)).join("shared");
        files::hand_out(&file.path, &file.name, &shared.join(number.to_string()))
            .map_err(failed)?;
    }
    Ok((placed, collected.skipped))
}

/// Lets the process open as many files as a devnet needs, up to the hard limit.
fn raise_file_limit(wanted: u64) -> Result<(), Error> {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(allowed) if allowed < wanted => Err(Error::OpenFiles { wanted, allowed }),
        // Where the limit cannot be read there is none to keep.
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Loopback addresses, one a servent where the system has them all.
#[derive(Clone, Copy, Debug)]
enum Addresses {
    Many,
    One,
}

impl Addresses {
    fn probe() -> Self {
        let second = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), 0));
        if TcpListener::bind(second).is_ok() {
            Self::Many
        } else {
            Self::One
        }
    }

    fn of(self, number: usize) -> Ipv4Addr {
        let number = u32::try_from(number).expect("a devnet is small");
        match self {
            Self::Many => Ipv4Addr::from(Ipv4Addr::LOCALHOST.to_bits() + number),
            Self::One => Ipv4Addr::LOCALHOST,
        }
    }
}
