//! What an experiment says of a swarm.

use std::time::Duration;

use filbert::swarm::{credit, download};
use filbert::wire::tiger_tree::kept_node_len;
use serde::Deserialize;

/// A swarm as a file tells it: what holds for all variants unless one says otherwise.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Bytes of the file.
    pub size: u64,
    /// Bytes of a tile, which is verified as a whole; a servent's, where nothing is said.
    pub tile: Option<u64>,
    /// Bytes a second that the seed sends at most.
    pub seed_up: u64,
    /// Bytes a second that everybody else sends at most.
    pub up: u64,
    /// Bytes a second that each takes at most.
    pub down: u64,
    /// Milliseconds that a message takes, at least and at most; each pair has its own.
    #[serde(default = "latency")]
    pub latency_ms: [u64; 2],
    /// Upload slots of each.
    #[serde(default = "slots")]
    pub slots: usize,
    /// Sources that each knows at once.
    #[serde(default = "sources")]
    pub sources: usize,
    /// Virtual seconds after which it is over for those who are not done.
    #[serde(default = "day")]
    pub seconds: u64,
    /// How many fetch the file.
    #[serde(default = "one")]
    pub downloaders: u32,
    /// The share of them that give nothing.
    #[serde(default)]
    pub leechers: f64,
    /// Members that want nothing and attack, for each that fetches.
    #[serde(default)]
    pub attackers: f64,
    /// What these do.
    #[serde(default)]
    pub attack: Attack,
    /// What all do against that.
    #[serde(default)]
    pub defence: Defence,
    /// Whom an upload queue prefers.
    #[serde(default)]
    pub policy: Policy,
    /// The variants.
    #[serde(rename = "variant")]
    pub variants: Vec<Variant>,
}

/// A variant: a name, and what is different.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// What it is called in rows and claims.
    pub name: String,
    /// How many fetch the file.
    pub downloaders: Option<u32>,
    /// The share of them that give nothing.
    pub leechers: Option<f64>,
    /// Members that attack, for each that fetches.
    pub attackers: Option<f64>,
    /// What these do.
    pub attack: Option<Attack>,
    /// What all do against that.
    pub defence: Option<Defence>,
    /// Whom an upload queue prefers.
    pub policy: Option<Policy>,
}

/// What holds in one variant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// How many fetch the file.
    pub downloaders: u32,
    /// How many of them give nothing.
    pub leechers: u32,
    /// How many attack.
    pub attackers: u32,
    /// What these do.
    pub attack: Attack,
    /// What all do against that.
    pub defence: Defence,
    /// Whom an upload queue prefers.
    pub policy: Policy,
}

/// What an attacker does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attack {
    /// It says that it has the whole file, and sends wrong bytes.
    #[default]
    Poison,
    /// It says that it has the whole file, and is always busy.
    Claim,
    /// It says that it has the whole file, gives everybody a slot, and sends nothing.
    Stall,
}

/// What all do against those who attack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Defence {
    /// What a servent does that has the file's tree.
    #[default]
    Live,
    /// What one does that has none: the whole tells, and who lied is found by fetching again.
    Whole,
    /// Nothing: all that comes is taken for right, nobody is given up, however silent or busy, and
    /// nobody else is asked for what one was asked for.
    None,
}

impl Defence {
    /// How a download goes about it that knows so many sources at once.
    #[must_use]
    pub fn settings(self, sources: usize) -> download::Settings {
        let live = download::Settings {
            sources,
            ..download::Settings::default()
        };
        match self {
            Self::Live | Self::Whole => live,
            Self::None => download::Settings {
                silence: Duration::from_secs(MOST_SECONDS),
                attempts: u32::MAX,
                refusals: u32::MAX / 4,
                copies: 1,
                // So nobody is too slow either; or else it says how much is asked for at once.
                span: Duration::from_secs(MOST_SECONDS),
                longest_range: live.first_range * 4,
                ..live
            },
        }
    }
}

/// Whom an upload queue prefers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// Who gave much in relation to what it took: the servent's default.
    #[default]
    GiveAndTake,
    /// Nobody: who comes first is served first.
    Equal,
    /// Who gave at least as much as it took is worth the most, everybody else as little as can be.
    EvenOrNothing,
    /// Whom chance prefers, anew with each request.
    Random,
}

impl Policy {
    /// The policy as the servent knows it, unless it is chance.
    #[must_use]
    pub fn rule(self) -> Option<&'static dyn credit::Policy> {
        match self {
            Self::GiveAndTake => Some(&credit::GiveAndTake),
            Self::Equal => Some(&credit::Equal),
            Self::EvenOrNothing => Some(&EvenOrNothing),
            Self::Random => None,
        }
    }
}

/// See [`Policy::EvenOrNothing`].
#[derive(Debug)]
struct EvenOrNothing;

impl credit::Policy for EvenOrNothing {
    fn weight(&self, credit::Meter { given, taken }: credit::Meter) -> u32 {
        if given > 0 && given >= taken {
            MOST_WEIGHT
        } else {
            1
        }
    }
}

/// The most that a policy of the simulator's own thinks of anybody: as much as the servent's.
pub(super) const MOST_WEIGHT: u32 = 8;

impl Spec {
    /// What holds in a variant.
    #[must_use]
    pub fn plan(&self, variant: &Variant) -> Plan {
        let downloaders = variant.downloaders.unwrap_or(self.downloaders);
        let count = |share: f64| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a checked share of a count"
            )]
            let count = (f64::from(downloaders) * share).round() as u32;
            count
        };
        Plan {
            downloaders,
            leechers: count(variant.leechers.unwrap_or(self.leechers)),
            attackers: count(variant.attackers.unwrap_or(self.attackers)),
            attack: variant.attack.unwrap_or(self.attack),
            defence: variant.defence.unwrap_or(self.defence),
            policy: variant.policy.unwrap_or(self.policy),
        }
    }

    /// Bytes of a tile.
    #[must_use]
    pub fn tile(&self) -> u64 {
        self.tile.unwrap_or_else(|| kept_node_len(self.size))
    }

    /// Whether it makes sense.
    ///
    /// # Errors
    /// What does not.
    pub fn check(&self) -> Result<(), String> {
        let demand = |condition: bool, problem: &str| {
            condition.then_some(()).ok_or_else(|| problem.to_owned())
        };
        let rates = [self.seed_up, self.up, self.down];
        let numbers = rates
            .into_iter()
            .chain([self.size, self.tile(), self.seconds]);
        demand(
            numbers.min() > Some(0) && self.slots > 0 && self.sources > 0,
            "all numbers of a swarm are at least 1",
        )?;
        demand(
            self.size.div_ceil(self.tile()) <= MOST_TILES,
            "a swarm's file has at most 65536 tiles",
        )?;
        let [least, most] = self.latency_ms;
        demand(
            least <= most && most <= 60_000,
            "latency_ms is the least and the most, up to 60000",
        )?;
        demand(
            self.seconds <= MOST_SECONDS,
            "a swarm lasts at most 1000000 seconds",
        )?;
        demand(!self.variants.is_empty(), "there is no [[swarm.variant]]")?;
        for variant in &self.variants {
            let name = &variant.name;
            let leechers = variant.leechers.unwrap_or(self.leechers);
            let attackers = variant.attackers.unwrap_or(self.attackers);
            demand(
                (0.0..=1.0).contains(&leechers) && (0.0..=1.0).contains(&attackers),
                &format!("leechers and attackers of variant {name:?} are between 0 and 1"),
            )?;
            let plan = self.plan(variant);
            demand(
                (1..=MOST_DOWNLOADERS).contains(&plan.downloaders),
                &format!("variant {name:?} has 1 to {MOST_DOWNLOADERS} downloaders"),
            )?;
        }
        Ok(())
    }
}

/// The most that fetch at once.
const MOST_DOWNLOADERS: u32 = 100_000;
/// The most tiles of a file.
const MOST_TILES: u64 = 65_536;
/// The longest that one may last.
const MOST_SECONDS: u64 = 1_000_000;

const fn one() -> u32 {
    1
}

const fn latency() -> [u64; 2] {
    [20, 100]
}

const fn slots() -> usize {
    20
}

fn sources() -> usize {
    download::Settings::default().sources
}

const fn day() -> u64 {
    86_400
}
