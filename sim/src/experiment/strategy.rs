//! By which rules an experiment searches.

use serde::Deserialize;

use super::failure::Failure;
use super::file::optional_text;
use super::network::Engine;
use crate::latency::Latency;
use crate::search::{Choice, Flood, Guess, LightFlood, Policy, Probe, Ring, Walk};

/// A variant of the rules.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// What it is called in rows and claims.
    pub name: String,
    /// How a search spends its budget.
    pub strategy: Strategy,
    /// How far a query goes at most; walkers go by `steps`.
    #[serde(default = "seven")]
    pub ttl: u8,
    /// Whether servents tell each other routing tables and go by them.
    #[serde(default)]
    pub routing: bool,
    /// How long descriptors travel, where not as the network says.
    #[serde(default, deserialize_with = "optional_text")]
    pub latency: Option<Latency>,
    /// Who fails before it, if anybody.
    pub failure: Option<Failure>,
    /// Results that a dynamic query wants, and of which the time is told.
    #[serde(default = "fifty")]
    pub wanted: u32,
    /// How many hops a light flood goes to all neighbours.
    #[serde(default = "four_hops")]
    pub flood_hops: u8,
    /// How many addresses come with the answer to a guess.
    #[serde(default = "ten")]
    pub addresses: u32,
    /// How many walkers there are.
    #[serde(default = "sixteen")]
    pub walkers: u32,
    /// After how many steps a walker gives up, and after how many probes an asker.
    #[serde(default = "thousand")]
    pub steps: u32,
    /// After how many steps walkers ask whether to go on.
    #[serde(default = "four")]
    pub check_every: u32,
    /// Whether a servent that a walker comes to answers for its neighbours, too.
    #[serde(default)]
    pub knows_neighbours: bool,
}

/// How a search spends its budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// To everybody at once (protocol §1.6).
    Flood,
    /// From neighbour to neighbour until there is enough (protocol §8.4).
    Dynamic,
    /// By floods of TTL 1, 3, 5 and so on until something is found.
    Ring,
    /// By walkers at random.
    Walk,
    /// By walkers that go where most links are.
    DegreeWalk,
    /// To everybody for a few hops, then along trees.
    LightFlood,
    /// By asking anybody at random.
    Probe,
    /// By asking whom it has heard of.
    Guess,
}

impl Variant {
    /// Whether it makes sense.
    ///
    /// # Errors
    /// When it does not, or the engine knows no such strategy.
    pub(super) fn check(&self, engine: Engine) -> Result<(), String> {
        let name = &self.name;
        match engine {
            Engine::Servents if !(1..=MAX_TTL).contains(&self.ttl) => {
                return Err("the ttl of a variant is between 1 and 14".to_owned());
            }
            Engine::Servents if !matches!(self.strategy, Strategy::Flood | Strategy::Dynamic) => {
                return Err(format!(
                    "no servent searches as variant {name:?} does: use engine = \"graph\""
                ));
            }
            Engine::Graph
                if self.strategy == Strategy::Dynamic || self.routing || self.latency.is_some() =>
            {
                return Err(format!(
                    "variant {name:?} needs servents, not the bare graph"
                ));
            }
            _ => {}
        }
        if self.ttl == 0 || self.walkers == 0 || self.steps == 0 || self.check_every == 0 {
            return Err(format!("all numbers of variant {name:?} are at least 1"));
        }
        if let Some(failure) = self.failure
            && !(0.0..=1.0).contains(&failure.share)
        {
            return Err(format!(
                "the share that fails before variant {name:?} is between 0 and 1"
            ));
        }
        if self.walkers > MOST_WALKERS {
            return Err(format!(
                "variant {name:?} has more than {MOST_WALKERS} walkers"
            ));
        }
        Ok(())
    }

    /// How it searches on the bare graph.
    #[must_use]
    pub fn policy(&self) -> Box<dyn Policy> {
        let walk = |choice| {
            Box::new(Walk {
                walkers: self.walkers,
                check_every: self.check_every,
                steps: self.steps,
                choice,
                knows_neighbours: self.knows_neighbours,
            })
        };
        match self.strategy {
            Strategy::Flood | Strategy::Dynamic => Box::new(Flood { ttl: self.ttl }),
            Strategy::Ring => Box::new(Ring {
                first: 1,
                step: 2,
                last: self.ttl,
            }),
            Strategy::Walk => walk(Choice::Random),
            Strategy::DegreeWalk => walk(Choice::HighestDegree),
            Strategy::LightFlood => Box::new(LightFlood {
                flood_hops: self.flood_hops,
                ttl: self.ttl,
            }),
            Strategy::Probe => Box::new(Probe { most: self.steps }),
            Strategy::Guess => Box::new(Guess {
                most: self.steps,
                addresses: self.addresses,
            }),
        }
    }
}

const fn seven() -> u8 {
    7
}

const fn fifty() -> u32 {
    50
}

const fn sixteen() -> u32 {
    16
}

const fn thousand() -> u32 {
    1024
}

const fn four_hops() -> u8 {
    4
}

const fn ten() -> u32 {
    10
}

const fn four() -> u32 {
    4
}

/// The largest TTL with which a servent's query still gets home.
const MAX_TTL: u8 = 14;

/// The most walkers of a search.
const MOST_WALKERS: u32 = 100_000;
