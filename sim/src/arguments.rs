//! The command line.

use std::fs;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};
use filbert::overlay;
use filbert::topology::{Graph, Spec, parse_edge_list};
use serde::Deserialize;

use crate::Error;
use crate::latency::Latency;
use crate::random::{Purpose, generator};
use crate::sources::Sources;

/// Thousands to millions of Filbert servents in one process
#[derive(Clone, Debug, Parser)]
#[command(name = "filbert-sim", version)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Flood queries through real servents; count whom they reach and what they cost
    Reach(Reach),
    /// Run experiments that files describe; measure, and judge what the files claim
    Run(Run),
    /// Tell the points of an experiment's sweep and what they would cost
    Plan(Plan),
    /// Run all points of an experiment's sweep, or those that are not done yet
    Sweep(Sweep),
    /// Make a page of the results in a folder
    Report(Report),
    /// Run again what the results in a folder came of, and compare byte for byte
    Verify(Verify),
    /// Make, import and describe graphs
    Topology(Topology),
}

/// Arguments of `reach`.
#[derive(Args, Clone, Debug)]
pub struct Reach {
    /// Where the graph comes from.
    #[command(flatten)]
    pub origin: Origin,
    /// TTLs that queries begin with: one, or a range A-B, within 1 to 15
    #[arg(long, value_name = "A-B")]
    pub ttl: Ttls,
    /// Nodes that search: ids such as 5,17,3, or random:N for N distinct nodes with an edge
    #[arg(long, value_name = "LIST|random:N", default_value = "random:10")]
    pub sources: Sources,
    /// How long a descriptor travels over a link: unit, uniform:A-B or lognormal:MEDIAN,SIGMA in
    /// milliseconds, or matrix:FILE of measured round trips
    #[arg(long, value_name = "MODEL", default_value = "unit")]
    pub latency: Latency,
    /// Seed of all random numbers
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub seed: u64,
    /// Threads to share out the sources among, each with its own network
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: u16,
    /// Parts to cut each network into, with a thread each: for few floods of many servents
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub parts: u16,
    /// What floods: whole servents, or counts on the bare graph, which know unit latency only
    #[arg(long, value_enum, default_value_t)]
    pub engine: Engine,
    /// Rules of flooding
    #[arg(long, value_enum, default_value_t)]
    pub profile: Profile,
    /// Send every descriptor through the encoder and the frame decoder
    #[arg(long)]
    pub wire: bool,
    /// How to print the rows
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Arguments of `run`.
#[derive(Args, Clone, Debug)]
pub struct Run {
    /// Files of experiments, or folders with some
    #[arg(value_name = "FILE.toml", required = true)]
    pub files: Vec<PathBuf>,
    /// Run this point of the sweep alone; plan tells them
    #[arg(long, value_name = "K")]
    pub point: Option<usize>,
    /// Put the rows (NAME.csv) and all findings (NAME.json) into this folder
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Seed of all random numbers, instead of the files'
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
    /// How often everything is done, instead of what the files say
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub replicas: Option<u32>,
    /// Threads to share out the replicas among, each with its own network
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: u16,
    /// How to print: findings and verdicts as a table, rows as CSV, or all as JSON
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Arguments of `plan`.
#[derive(Args, Clone, Debug)]
pub struct Plan {
    /// File of an experiment
    #[arg(value_name = "FILE.toml")]
    pub file: PathBuf,
}

/// Arguments of `sweep`.
#[derive(Args, Clone, Debug)]
pub struct Sweep {
    /// File of an experiment
    #[arg(value_name = "FILE.toml")]
    pub file: PathBuf,
    /// The folder for the results; points that it has are not run again
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub out: PathBuf,
    /// How many points to run at a time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: u16,
    /// Seed of all random numbers, instead of the file's
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
    /// How often everything is done, instead of what the file says
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub replicas: Option<u32>,
}

/// Arguments of `report`.
#[derive(Args, Clone, Debug)]
pub struct Report {
    /// A folder with results
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Where the page goes; report.html in the folder unless told
    #[arg(short, long, value_name = "FILE.html")]
    pub output: Option<PathBuf>,
}

/// Arguments of `verify`.
#[derive(Args, Clone, Debug)]
pub struct Verify {
    /// A folder with results
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Where graphs and tables are that the experiments name
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub files: PathBuf,
    /// Threads to share out the replicas among, each with its own network
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: u16,
}

/// Arguments of `topology`.
#[derive(Args, Clone, Debug)]
pub struct Topology {
    /// The graph to make, such as gnm:n=10000,m=25000 (also: regular, ba, ws, plrg, grid, tree, two-tier)
    #[arg(
        value_name = "SPEC",
        required_unless_present = "graph",
        conflicts_with = "graph"
    )]
    pub spec: Option<Spec>,
    /// Read the graph from an edge list instead
    #[arg(long, value_name = "FILE")]
    pub graph: Option<PathBuf>,
    /// Print statistics; otherwise, without -o, the edge list is printed
    #[arg(long)]
    pub stats: bool,
    /// Write the graph as an edge list to this file
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Seed of all random numbers
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub seed: u64,
    /// Print the statistics as JSON
    #[arg(long, requires = "stats")]
    pub json: bool,
}

/// Where a graph comes from: exactly one of the two.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub struct Origin {
    /// Read the graph from an edge list: two node ids a line, comments behind #
    #[arg(long, value_name = "FILE")]
    pub graph: Option<PathBuf>,
    /// Make the graph: gnm:n=10000,m=25000 (also: regular, ba, ws, plrg, grid, tree, two-tier)
    #[arg(long, value_name = "SPEC")]
    pub topology: Option<Spec>,
}

/// What floods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// A whole servent on every node
    #[default]
    Servents,
    /// Counts on the bare graph
    Graph,
}

/// Rules of flooding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Every duplicate is dropped, and TTLs are as asked
    #[default]
    Classic,
    /// TTL + hops at most 4, and a duplicate that reaches further goes on
    Public,
}

/// How rows are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns, and means where there are several sources
    #[default]
    Table,
    /// Comma-separated values with a header
    Csv,
    /// One object with the rows and the run
    Json,
}

/// A range of TTLs. Read from `A` or `A-B`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ttls {
    first: u8,
    last: u8,
}

impl Profile {
    /// The rules, with queries that go so far at most where these leave it open.
    #[must_use]
    pub const fn rules(self, max_ttl: u8) -> overlay::Profile {
        match self {
            Self::Classic => overlay::Profile {
                max_ttl,
                ..overlay::Profile::CLASSIC
            },
            Self::Public => overlay::Profile::PUBLIC,
        }
    }
}

impl Ttls {
    /// The largest TTL.
    #[must_use]
    pub const fn last(self) -> u8 {
        self.last
    }

    /// The TTLs in order.
    pub fn iter(self) -> impl Iterator<Item = u8> + Clone {
        self.first..=self.last
    }
}

impl FromStr for Ttls {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (first.parse(), last.parse()) {
            (Ok(first), Ok(last)) if 1 <= first && first <= last && last <= MAX_TTL => {
                Ok(Self { first, last })
            }
            _ => Err(Error::Ttls),
        }
    }
}

impl Origin {
    /// Reads or makes the graph; gives also the name by which outputs call it: the file's stem or
    /// the specification.
    ///
    /// # Errors
    /// When the file cannot be read or is no edge list, or there is no such graph.
    pub fn load(&self, seed: u64) -> Result<(String, Graph), Error> {
        if let Some(path) = &self.graph {
            let text = fs::read(path).map_err(|source| Error::Read {
                path: path.clone(),
                source,
            })?;
            let graph = parse_edge_list(&String::from_utf8_lossy(&text)).map_err(|source| {
                Error::Graph {
                    path: path.clone(),
                    source,
                }
            })?;
            let stem = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            return Ok((stem, graph));
        }
        let spec = self
            .topology
            .expect("the command line demands one of the two");
        Ok((
            spec.to_string(),
            spec.build(&mut generator(seed, Purpose::Graph))?,
        ))
    }
}

impl Topology {
    /// Where the graph comes from.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin {
            graph: self.graph.clone(),
            topology: self.spec,
        }
    }
}

/// The largest TTL that the protocol lets through.
const MAX_TTL: u8 = 15;

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn ttls_are_one_or_a_range() {
        let ttls = |text: &str| {
            text.parse::<Ttls>()
                .map(|ttls| ttls.iter().collect::<Vec<_>>())
        };
        assert_eq!(ttls("7").unwrap(), [7]);
        assert_eq!(ttls("2-4").unwrap(), [2, 3, 4]);
        for text in ["", "0", "16", "5-3", "0-3", "1-", "-2", "1-2-3"] {
            assert!(ttls(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_graph_has_one_origin() {
        let parse = |words: &str| Arguments::try_parse_from(words.split(' ')).is_ok();
        assert!(parse("filbert-sim reach --ttl 7 --graph a.txt"));
        assert!(parse("filbert-sim reach --ttl 7 --topology grid:w=2,h=2"));
        assert!(!parse("filbert-sim reach --ttl 7"));
        assert!(!parse(
            "filbert-sim reach --ttl 7 --graph a --topology grid:w=2,h=2"
        ));
        assert!(!parse("filbert-sim topology"));
        assert!(!parse("filbert-sim topology grid:w=2,h=2 --graph a"));
        assert!(!parse("filbert-sim topology grid:w=2,h=2 --json"));
    }
}
