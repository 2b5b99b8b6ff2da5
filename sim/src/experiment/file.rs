//! The file of an experiment: what it may say, and what is wrong with it.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

use super::agreement::Reference;
use super::measure::Measure;
use super::network::{Engine, Network};
use super::strategy::Variant;
use super::workload::{Catalogue, Sharing};
use crate::attack;
use crate::latency::Latency;
use crate::living;
use crate::search::gia;
use crate::swarm;

/// An experiment as its file tells it. Keys that nobody knows are errors.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// What it is called.
    pub title: String,
    /// The seed of all random numbers, unless the command line has another.
    #[serde(default)]
    pub seed: u64,
    /// How often everything is done, each time with another graph, contents and askers.
    #[serde(default = "one")]
    pub replicas: u32,
    /// The network.
    #[serde(default)]
    pub network: Network,
    /// Files that are searched for. Where there are none, a query is answered by nobody.
    #[serde(default)]
    pub files: Vec<Content>,
    /// Many files that are searched for, each group as if it were one.
    #[serde(default, rename = "catalogue")]
    pub catalogues: Vec<Catalogue>,
    /// Who shares how much; of leaves, where there are two tiers.
    #[serde(default)]
    pub sharing: Sharing,
    /// Files that are only there.
    pub background: Option<Background>,
    /// Who searches, and how often.
    #[serde(default)]
    pub queries: Queries,
    /// By which rules: all of them for each query.
    #[serde(default, rename = "variant")]
    pub variants: Vec<Variant>,
    /// A swarm that fetches a file, instead of a network with queries.
    pub swarm: Option<swarm::Spec>,
    /// A network whose servents come and go by themselves, instead of either.
    pub living: Option<living::Spec>,
    /// Attackers, instead of queries that are made one after the other.
    pub attack: Option<attack::Spec>,
    /// How many searches servents bear that do as Gia does, instead of queries.
    pub gia: Option<gia::Spec>,
    /// What is to come of it.
    #[serde(default, rename = "claim")]
    pub claims: Vec<Claim>,
    /// A table of somebody else's that the figures are to agree with.
    pub reference: Option<Reference>,
    /// Settings with a list of values each: see [`points`](super::points).
    pub sweep: Option<toml::Table>,
}

/// A file that is searched for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// What it is called in rows and claims.
    pub name: String,
    /// How many servents hold it; of leaves, where there are two tiers.
    pub copies: Option<u32>,
    /// The share of these that hold it, instead.
    pub share: Option<f64>,
}

/// Files that are only there, so that routing tables have something in them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Background {
    /// Files of each servent that shares.
    pub files: u32,
    /// Words in the name of each.
    pub words: u32,
    /// How many words there are, the one of rank r as frequent as 1 / r.
    pub vocabulary: u32,
}

/// Who searches, and how often.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queries {
    /// Queries for each file in each replica.
    #[serde(default)]
    pub each: u32,
    /// Who asks.
    #[serde(default)]
    pub from: From,
    /// Recordings of live servents, whose searches are made instead: those of the first by node 0,
    /// and so on. Paths are beside the experiment's file.
    #[serde(default)]
    pub recorded: Vec<PathBuf>,
}

/// Who asks. Written `anyone`, `leaves`, `ultrapeers` or `node:N`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum From {
    /// Any servent.
    #[default]
    Anyone,
    /// A leaf.
    Leaves,
    /// An ultrapeer.
    Ultrapeers,
    /// The servent on this node, every time.
    Node(u32),
}

/// What is to come of an experiment: a bound for a mean, or for the ratio of two.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// In words.
    pub says: String,
    /// What is measured.
    pub measure: Measure,
    /// The variant by which the queries were made.
    pub variant: String,
    /// The file that they were for; nothing where there are no files. Of a living network, the phase.
    #[serde(default, alias = "phase")]
    pub file: String,
    /// What it is divided by, if by anything: the same measure of other queries.
    pub over: Option<Side>,
    /// The least that it may be.
    pub at_least: Option<f64>,
    /// The most that it may be.
    pub at_most: Option<f64>,
    /// Where the figure comes from.
    pub source: Option<String>,
    /// Whether the source was never opened, so that a figure that agrees proves nothing.
    #[serde(default)]
    pub unverified: bool,
}

/// Queries that a claim is about.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Side {
    /// The variant by which they were made.
    pub variant: String,
    /// The file that they were for; nothing where there are no files. Of a living network, the phase.
    #[serde(default, alias = "phase")]
    pub file: String,
}

/// What an experiment is about.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// Searches that are made one after the other.
    Searches,
    /// A swarm.
    Swarm(&'a swarm::Spec),
    /// A living network.
    Living(&'a living::Spec),
    /// Attackers.
    Attack(&'a attack::Spec),
    /// How many searches servents bear.
    Gia(&'a gia::Spec),
}

impl File {
    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong, with its line and a mark below it where a line is at fault.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        file.check()?;
        Ok(file)
    }

    /// The names of the files that are searched for, a catalogue's being one; one without a name where there are none.
    /// Of a living network, the names of its phases.
    #[must_use]
    pub fn file_names(&self) -> Vec<&str> {
        if let Some(living) = &self.living {
            return living.phase_names();
        }
        let files = self.files.iter().map(|file| file.name.as_str());
        let catalogues = self.catalogues.iter().map(|all| all.name.as_str());
        let names: Vec<&str> = files.chain(catalogues).collect();
        if names.is_empty() { vec![""] } else { names }
    }

    /// What it is about.
    #[must_use]
    pub fn subject(&self) -> Subject<'_> {
        if let Some(swarm) = &self.swarm {
            Subject::Swarm(swarm)
        } else if let Some(living) = &self.living {
            Subject::Living(living)
        } else if let Some(attack) = &self.attack {
            Subject::Attack(attack)
        } else if let Some(gia) = &self.gia {
            Subject::Gia(gia)
        } else {
            Subject::Searches
        }
    }

    /// The names of the variants, in order.
    #[must_use]
    pub fn variant_names(&self) -> Vec<&str> {
        match self.subject() {
            Subject::Swarm(swarm) => swarm.variants.iter().map(|v| v.name.as_str()).collect(),
            Subject::Living(living) => living.variants.iter().map(|v| v.name.as_str()).collect(),
            Subject::Attack(attack) => attack.variant_names(),
            Subject::Gia(gia) => gia.variants.iter().map(|v| v.name.as_str()).collect(),
            Subject::Searches => self.variants.iter().map(|v| v.name.as_str()).collect(),
        }
    }

    /// How long descriptors travel under a variant.
    #[must_use]
    pub fn latency<'a>(&'a self, variant: &'a Variant) -> &'a Latency {
        variant.latency.as_ref().unwrap_or(&self.network.latency)
    }

    /// Whether its parts fit each other.
    ///
    /// # Errors
    /// What does not.
    pub(super) fn check(&self) -> Result<(), String> {
        let demand = |condition: bool, problem: &str| {
            condition.then_some(()).ok_or_else(|| problem.to_owned())
        };
        demand(self.replicas > 0, "replicas is at least 1")?;
        let kinds = [
            self.swarm.is_some(),
            self.living.is_some(),
            self.attack.is_some(),
            self.gia.is_some(),
        ];
        demand(
            kinds.into_iter().filter(|&given| given).count() <= 1,
            "only one of swarm, living, attack and gia has room in an experiment",
        )?;
        match self.subject() {
            Subject::Swarm(swarm) => {
                demand(
                    self.variants.is_empty() && self.file_names() == [""],
                    "a swarm has variants of its own, [[swarm.variant]], and no files",
                )?;
                swarm.check()?;
            }
            Subject::Living(living) => {
                demand(
                    self.variants.is_empty() && self.files.is_empty() && self.catalogues.is_empty(),
                    "a living network has variants of its own, [[living.variant]], and no files",
                )?;
                living.check()?;
            }
            Subject::Attack(attack) => {
                demand(
                    self.variants.is_empty() && self.file_names() == [""],
                    "an attack has variants and files of its own",
                )?;
                attack.check()?;
                if attack.has_network() {
                    self.network.check()?;
                }
            }
            Subject::Gia(gia) => {
                demand(
                    self.variants.is_empty() && self.file_names() == [""],
                    "gia has variants of its own, [[gia.variant]], and no files",
                )?;
                demand(
                    self.network.engine == Engine::Graph,
                    "no servent does as gia does: use engine = \"graph\"",
                )?;
                self.network.check()?;
                gia.check()?;
            }
            Subject::Searches => {
                self.queries.check(&self.file_names())?;
                demand(!self.variants.is_empty(), "there is no [[variant]]")?;
                self.network.check()?;
            }
        }
        let variants: BTreeSet<&str> = self.variant_names().into_iter().collect();
        let files: BTreeSet<&str> = self.file_names().into_iter().collect();
        demand(
            variants.len() == self.variant_names().len(),
            "two variants have the same name",
        )?;
        demand(
            files.len() == self.file_names().len(),
            "two files have the same name",
        )?;
        for variant in &self.variants {
            variant.check(self.network.engine)?;
        }
        for catalogue in &self.catalogues {
            catalogue.check()?;
        }
        for Content {
            name,
            copies,
            share,
        } in &self.files
        {
            demand(
                copies.is_some() != share.is_some(),
                &format!("file {name:?} needs either copies or share"),
            )?;
            demand(
                share.is_none_or(|share| (0.0..=1.0).contains(&share)),
                &format!("the share of file {name:?} is between 0 and 1"),
            )?;
        }
        if let Some(Background {
            words, vocabulary, ..
        }) = self.background
        {
            demand(
                words > 0 && vocabulary > 0,
                "background words and vocabulary are at least 1",
            )?;
        }
        for claim in &self.claims {
            for Side { variant, file } in std::iter::once(&claim.of()).chain(&claim.over) {
                demand(
                    variants.contains(variant.as_str()) && files.contains(file.as_str()),
                    &format!(
                        "the claim {:?} is about {variant:?} and {file:?}, which are no variant and file",
                        claim.says
                    ),
                )?;
            }
            demand(
                claim.at_least.is_some() || claim.at_most.is_some(),
                &format!("the claim {:?} has no bound", claim.says),
            )?;
        }
        Ok(())
    }
}

impl Queries {
    /// Whether they are settled once: by numbers, or by what was recorded.
    fn check(&self, files: &[&str]) -> Result<(), String> {
        if self.recorded.is_empty() {
            let some = self.each > 0;
            return some
                .then_some(())
                .ok_or_else(|| "queries.each is at least 1".to_owned());
        }
        let alone = self.each == 0 && files == [""];
        let problem = "recorded queries have their own files and number: leave out each, files and catalogues";
        alone.then_some(()).ok_or_else(|| problem.to_owned())
    }
}

impl Claim {
    /// The queries that it is about.
    #[must_use]
    pub fn of(&self) -> Side {
        Side {
            variant: self.variant.clone(),
            file: self.file.clone(),
        }
    }
}

impl FromStr for From {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let node = |text: &str| text.strip_prefix("node:")?.parse().ok();
        match text {
            "anyone" => Ok(Self::Anyone),
            "leaves" => Ok(Self::Leaves),
            "ultrapeers" => Ok(Self::Ultrapeers),
            other => node(other)
                .map(Self::Node)
                .ok_or("use anyone, leaves, ultrapeers or node:N"),
        }
    }
}

impl<'de> Deserialize<'de> for From {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer)
    }
}

/// Reads what is written in a text of its own form, where there is one.
pub(crate) fn optional_text<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    text(deserializer).map(Some)
}

/// Reads what is written in a text of its own form.
pub(crate) fn text<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

const fn one() -> u32 {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"
        title = "small"
        [network]
        topology = "grid:w=3,h=3"
        [queries]
        each = 2
        from = "anyone"
        [[variant]]
        name = "flood"
        strategy = "flood"
        ttl = 7
    "#;

    #[test]
    fn a_small_file_is_enough() {
        let file = File::parse(SMALL).unwrap();
        assert_eq!((file.replicas, file.variants[0].wanted), (1, 50));
        assert_eq!(file.file_names(), [""]);
    }

    #[test]
    fn a_swarm_takes_the_place_of_network_and_queries() {
        let text = "title = \"s\"\n[swarm]\nsize = 100000\nseed_up = 1000\nup = 1000\n\
                    down = 1000\n[[swarm.variant]]\nname = \"a\"\ndownloaders = 3\n";
        let file = File::parse(text).unwrap();
        assert_eq!(file.variant_names(), ["a"]);
        for (old, new, complaint) in [
            ("size = 100000", "size = 0", "at least 1"),
            (
                "downloaders = 3",
                "downloaders = 0",
                "variant \"a\" has 1 to",
            ),
            (
                "downloaders = 3",
                "leechers = 1.5",
                "leechers and attackers of variant",
            ),
            (
                "downloaders = 3",
                "policy = \"none\"",
                "unknown variant `none`",
            ),
            ("up = 1000\ndown", "upp = 1000\ndown", "upp = 1000"),
            (
                "[swarm]",
                "[[files]]\nname = \"f\"\ncopies = 1\n[swarm]",
                "and no files",
            ),
        ] {
            let error = File::parse(&text.replace(old, new)).unwrap_err();
            assert!(error.contains(complaint), "{error}");
        }
    }

    #[test]
    fn every_mistake_is_shown_where_it_is() {
        for (old, new, complaint) in [
            ("each = 2", "each = 2\n        eech = 3", "eech = 3"),
            ("grid:w=3,h=3", "grid:w=3", "h is missing"),
            (
                "\"anyone\"",
                "\"somebody\"",
                "use anyone, leaves, ultrapeers or node:N",
            ),
            ("ttl = 7", "ttl = 99", "between 1 and 14"),
            ("each = 2", "each = 0", "queries.each is at least 1"),
            (
                "[network]",
                "sharing = \"free-riders:2\"\n[network]",
                "use all, free-riders:SHARE or adar2000",
            ),
            (
                "[queries]",
                "[[catalogue]]\nname = \"a\"\nfiles = 0\npopularity = 1.0\ncopies = 9\n\
                 replication = \"zipf:0.5\"\n[queries]",
                "catalogue \"a\" has 1 to",
            ),
            (
                "ttl = 7",
                "ttl = 7\nfailure = { share = 1.5 }",
                "the share that fails before variant \"flood\" is between 0 and 1",
            ),
            (
                "[queries]",
                "[[files]]\n        name = \"a\"\n        [queries]",
                "file \"a\" needs either copies or share",
            ),
            (
                "ttl = 7",
                "ttl = 7\n[[claim]]\nsays = \"x\"\nmeasure = \"recall\"\nvariant = \"y\"\nat_most = 1.0",
                "which are no variant",
            ),
        ] {
            let error = File::parse(&SMALL.replace(old, new)).unwrap_err();
            assert!(error.contains(complaint), "{error}");
        }
        let error = File::parse(&SMALL.replace("each", "eech")).unwrap_err();
        assert!(error.contains("line 6") && error.contains('^'), "{error}");
    }
}
