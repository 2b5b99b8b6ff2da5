//! What an experiment says of Gia.
//!
//! Where a default is from: *text* is the paper as two other simulators that cite it built it, OverSim
//! (`src/overlay/gia`) and PeerfactSim.KOM (`heterogeneous/gia`, whose acceptance of a neighbour is
//! named after the paper's first algorithm); *memory* is the paper as remembered, never opened here;
//! *ours* is what neither tells.

use serde::Deserialize;

/// Gia as a file tells it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The share of servents that hold what a query is for; at least one does.
    pub replication: f64,
    /// Queries a second that a servent can process, and the share of servents that can (memory).
    #[serde(default = "capacities")]
    pub capacities: Vec<(u32, f64)>,
    /// Neighbours without which a servent is not satisfied (text).
    #[serde(default = "three")]
    pub min_neighbours: u32,
    /// Neighbours that nobody has more of, at most 128 (text).
    #[serde(default = "most_neighbours")]
    pub max_neighbours: u32,
    /// Queries a second that each neighbour is to get at least: a servent has no more neighbours than
    /// its capacity has room for, but may always have `min_neighbours` (text).
    #[serde(default = "four")]
    pub min_share: u32,
    /// How many more neighbours one that is dropped has than one that comes for it (text).
    #[serde(default = "five")]
    pub hysteresis: u32,
    /// Seconds between the looks around of a satisfied servent (text).
    #[serde(default = "ten")]
    pub interval: f64,
    /// How many times more often one looks that is not satisfied at all (memory; 64 in PeerfactSim.KOM).
    #[serde(default = "eagerness")]
    pub eagerness: f64,
    /// How many servents it draws, to link to the best of them (ours).
    #[serde(default = "candidates")]
    pub candidates: u32,
    /// Virtual seconds that links have to settle (ours).
    #[serde(default = "minute")]
    pub settle: f64,
    /// Tokens that a servent gives a neighbour ahead of use (ours: links take no time, so one keeps
    /// everybody busy).
    #[serde(default = "one")]
    pub tokens: u32,
    /// How far a flood goes (memory).
    #[serde(default = "flood_ttl")]
    pub ttl: u8,
    /// After how many hops a walker ends (ours: so many that hardly any does).
    #[serde(default = "steps")]
    pub steps: u32,
    /// How long a query may take: so many times what one takes in the mean where there is no other
    /// (ours).
    #[serde(default = "patience")]
    pub patience: f64,
    /// How many seconds it may take at least (ours).
    #[serde(default = "ten")]
    pub patience_seconds: f64,
    /// Queries that are measured at each rate, at least (ours).
    #[serde(default = "queries")]
    pub queries: u32,
    /// The variants.
    #[serde(rename = "variant")]
    pub variants: Vec<Variant>,
}

/// A variant: how queries go, and which of Gia's mechanisms there are.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// What it is called in rows and claims.
    pub name: String,
    /// How queries go.
    #[serde(default)]
    pub search: Search,
    /// The mechanisms; none where nothing is said.
    #[serde(default)]
    pub mechanisms: Vec<Mechanism>,
}

/// How queries go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Search {
    /// To one neighbour at a time.
    #[default]
    Walk,
    /// To everybody at once.
    Flood,
}

/// What makes Gia of a random walk on a random graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    /// Servents choose their neighbours by capacity. Without it the network's graph is kept.
    Adaptation,
    /// Walkers go to the neighbour of highest capacity. Without it to any.
    Bias,
    /// Servents answer for their neighbours.
    Replication,
    /// Servents send only to whom they have a token of.
    Tokens,
}

impl Variant {
    /// Whether there is this mechanism.
    #[must_use]
    pub fn has(&self, mechanism: Mechanism) -> bool {
        self.mechanisms.contains(&mechanism)
    }
}

impl Spec {
    /// Whether it makes sense.
    ///
    /// # Errors
    /// What does not.
    pub fn check(&self) -> Result<(), String> {
        let demand = |condition: bool, problem: &str| {
            condition.then_some(()).ok_or_else(|| problem.to_owned())
        };
        demand(
            self.replication > 0.0 && self.replication <= 1.0,
            "the replication of gia is above 0 and at most 1",
        )?;
        let shares: f64 = self.capacities.iter().map(|&(_, share)| share).sum();
        let sound = |&(capacity, share): &(u32, f64)| {
            (1..=MOST_CAPACITY).contains(&capacity) && (0.0..=1.0).contains(&share)
        };
        demand(
            self.capacities.iter().all(sound) && (shares - 1.0).abs() < 1e-6,
            "the capacities of gia are 1 to 1000000, and their shares make 1",
        )?;
        demand(
            (1..=self.max_neighbours).contains(&self.min_neighbours)
                && self.max_neighbours <= MOST_NEIGHBOURS,
            "min_neighbours of gia is at least 1, max_neighbours no less and at most 128",
        )?;
        let counts = [self.min_share, self.candidates, self.steps, self.queries];
        demand(
            counts.iter().all(|&count| count > 0) && (1..=255).contains(&self.tokens),
            "all numbers of gia are at least 1, tokens at most 255",
        )?;
        demand((1..=15).contains(&self.ttl), "the ttl of gia is 1 to 15")?;
        let times = [
            self.interval,
            self.settle,
            self.patience,
            self.patience_seconds,
        ];
        demand(
            times.iter().all(|time| (1e-3..=1e6).contains(time)),
            "times and the patience of gia are 0.001 to 1000000",
        )?;
        demand(
            (1.0..=1e6).contains(&self.eagerness),
            "the eagerness of gia is 1 to 1000000",
        )?;
        demand(!self.variants.is_empty(), "there is no [[gia.variant]]")?;
        for variant in &self.variants {
            let walks = [Mechanism::Bias, Mechanism::Tokens];
            demand(
                variant.search == Search::Walk || !walks.iter().any(|&of| variant.has(of)),
                &format!(
                    "a flood goes everywhere: variant {:?} has no use for bias or tokens",
                    variant.name
                ),
            )?;
        }
        Ok(())
    }
}

/// The most neighbours that a servent can have here: as many as there are bits in the mark of a
/// query.
pub(super) const MOST_NEIGHBOURS: u32 = 128;

/// The highest capacity: a query takes a microsecond.
const MOST_CAPACITY: u32 = 1_000_000;

fn capacities() -> Vec<(u32, f64)> {
    vec![
        (1, 0.2),
        (10, 0.45),
        (100, 0.3),
        (1_000, 0.049),
        (10_000, 0.001),
    ]
}

const fn one() -> u32 {
    1
}

const fn three() -> u32 {
    3
}

const fn four() -> u32 {
    4
}

const fn five() -> u32 {
    5
}

const fn most_neighbours() -> u32 {
    MOST_NEIGHBOURS
}

const fn candidates() -> u32 {
    10
}

const fn ten() -> f64 {
    10.0
}

const fn eagerness() -> f64 {
    256.0
}

const fn minute() -> f64 {
    60.0
}

const fn flood_ttl() -> u8 {
    10
}

const fn steps() -> u32 {
    100_000
}

const fn patience() -> f64 {
    5.0
}

const fn queries() -> u32 {
    300
}
