//! What an experiment says of a living network, and its variants.

use serde::Deserialize;

use super::churn::{Length, micros};
use super::place::MOST_SERVENTS;
use crate::experiment::{Catalogue, Sharing, optional_text, text};
use crate::latency::Latency;

/// A living network as a file tells it: what holds for all variants unless one says otherwise. Times are
/// in seconds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Servents, those that are away included.
    pub servents: u32,
    /// How long it is watched, from its beginning.
    pub seconds: f64,
    /// So many of them are always there, as ultrapeers: those that newcomers know.
    #[serde(default = "three")]
    pub seeds: u32,
    /// The share of the others that are there at the beginning; the rest come when they were away once.
    #[serde(default = "whole")]
    pub present: f64,
    /// Time over which these come, one after the other.
    #[serde(default)]
    pub arrive: f64,
    /// How long one stays.
    #[serde(default, deserialize_with = "text")]
    pub session: Length,
    /// How long it is away then.
    #[serde(default = "an_hour", deserialize_with = "text")]
    pub absence: Length,
    /// The share of sessions that end without a word.
    #[serde(default)]
    pub crash: f64,
    /// The share of servents to which nobody can connect.
    #[serde(default)]
    pub firewalled: f64,
    /// How fast they send; nothing: as fast as they like.
    #[serde(default, rename = "capacity")]
    pub capacities: Vec<Capacity>,
    /// How long what is sent travels.
    #[serde(default = "log_normal", deserialize_with = "text")]
    pub latency: Latency,
    /// The share of datagrams that are lost.
    #[serde(default)]
    pub loss: f64,
    /// When all but the seeds go for good; nothing: never.
    pub depart: Option<f64>,
    /// Addresses that a servent remembers at most; nothing: as many as a live one.
    pub hosts: Option<usize>,
    /// Routes that it remembers at most in each of two generations, and ways of pushes, and queries that had
    /// hits; nothing: as many as a live one.
    pub routes: Option<usize>,
    /// Addresses that it knows from its last session.
    #[serde(default = "twenty")]
    pub remembered: usize,
    /// Searches of each servent in an hour of its presence.
    #[serde(default)]
    pub searches: f64,
    /// What is searched for; nothing: nobody shares anything.
    pub catalogue: Option<Catalogue>,
    /// Who shares how much.
    #[serde(default)]
    pub sharing: Sharing,
    /// How often the network is looked at.
    #[serde(default = "a_minute")]
    pub look: f64,
    /// What is told apart; nothing: all of it.
    #[serde(default, rename = "phase")]
    pub phases: Vec<Phase>,
    /// A time in which the network is in two.
    pub split: Option<Split>,
    /// Servents that fail all at once, without a word.
    pub failure: Option<Failure>,
    /// What is compared.
    #[serde(rename = "variant")]
    pub variants: Vec<Variant>,
}

/// A share of the servents that send so fast.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capacity {
    /// How many, beside the others.
    pub weight: f64,
    /// Bytes that one sends in a second.
    pub up: u32,
}

/// A stretch of time whose figures are told together.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// What it is called.
    pub name: String,
    /// When it begins.
    pub from: f64,
    /// When it ends.
    pub until: f64,
}

/// A time in which nothing passes between two parts of the network.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// When it begins.
    pub from: f64,
    /// When it ends.
    pub until: f64,
    /// The share of servents in the second part, by chance.
    pub share: f64,
}

/// Servents that fail all at once. They come back after an absence.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// When.
    pub at: f64,
    /// The share of those that are there.
    pub share: f64,
    /// Whether those with most neighbours fail, not any.
    #[serde(default)]
    pub highest: bool,
}

/// One of what is compared.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// What it is called in rows and claims.
    pub name: String,
    /// See [`Spec::session`].
    #[serde(default, deserialize_with = "optional_text")]
    pub session: Option<Length>,
    /// See [`Spec::absence`].
    #[serde(default, deserialize_with = "optional_text")]
    pub absence: Option<Length>,
    /// See [`Spec::crash`].
    pub crash: Option<f64>,
    /// See [`Spec::firewalled`].
    pub firewalled: Option<f64>,
    /// See [`Spec::capacities`].
    pub capacity: Option<Vec<Capacity>>,
    /// See [`Spec::split`].
    pub split: Option<Split>,
    /// See [`Spec::failure`].
    pub failure: Option<Failure>,
}

impl Spec {
    /// What a variant is: all of it, with what it says otherwise.
    #[must_use]
    pub fn of(&self, variant: &Variant) -> Self {
        let variant = variant.clone();
        let all = self.clone();
        Self {
            session: variant.session.unwrap_or(all.session),
            absence: variant.absence.unwrap_or(all.absence),
            crash: variant.crash.unwrap_or(all.crash),
            firewalled: variant.firewalled.unwrap_or(all.firewalled),
            capacities: variant.capacity.unwrap_or(all.capacities),
            split: variant.split.or(all.split),
            failure: variant.failure.or(all.failure),
            ..all
        }
    }

    /// The stretches of time that are told apart: all of it where it says none.
    #[must_use]
    pub fn stretches(&self) -> Vec<Phase> {
        if self.phases.is_empty() {
            return vec![Phase {
                name: String::new(),
                from: 0.0,
                until: self.seconds,
            }];
        }
        self.phases.clone()
    }

    /// The names of these.
    #[must_use]
    pub fn phase_names(&self) -> Vec<&str> {
        match &self.phases[..] {
            [] => vec![""],
            phases => phases.iter().map(|phase| phase.name.as_str()).collect(),
        }
    }

    /// About how many searches there are in all variants, were everybody there all the time.
    #[must_use]
    pub fn searches_expected(&self) -> u64 {
        let hours = micros(self.seconds * self.searches * f64::from(self.servents)) / 3_600_000_000;
        hours * self.variants.len() as u64
    }

    /// When it ends, in microseconds.
    pub(super) fn end(&self) -> u64 {
        micros(self.seconds)
    }

    /// Whether it makes sense.
    ///
    /// # Errors
    /// When it does not.
    pub fn check(&self) -> Result<(), String> {
        let demand = |condition: bool, problem: &str| {
            condition.then_some(()).ok_or_else(|| problem.to_owned())
        };
        demand(
            self.seeds > 0 && self.seeds < self.servents && self.servents <= MOST_SERVENTS,
            &format!(
                "servents are more than seeds, of which there is one, and at most {MOST_SERVENTS}"
            ),
        )?;
        demand(
            self.seconds > 0.0 && self.look > 0.0,
            "seconds and look are above 0",
        )?;
        demand(!self.variants.is_empty(), "there is no [[living.variant]]")?;
        if let Some(catalogue) = &self.catalogue {
            catalogue.check()?;
        }
        demand(
            self.searches == 0.0 || self.catalogue.is_some(),
            "searches are for something: give it a [living.catalogue]",
        )?;
        for phase in &self.phases {
            demand(
                phase.from < phase.until && phase.until <= self.seconds,
                &format!(
                    "phase {:?} begins before it ends, within the seconds",
                    phase.name
                ),
            )?;
        }
        for variant in &self.variants {
            let whole = self.of(variant);
            let split = whole.split.map_or(0.0, |split| split.share);
            let failure = whole.failure.map_or(0.0, |failure| failure.share);
            let shares = [
                whole.present,
                whole.crash,
                whole.firewalled,
                whole.loss,
                split,
                failure,
            ];
            demand(
                shares.iter().all(|share| (0.0..=1.0).contains(share)),
                &format!(
                    "the shares of variant {:?} are between 0 and 1",
                    variant.name
                ),
            )?;
            demand(
                whole
                    .capacities
                    .iter()
                    .all(|one| one.weight > 0.0 && one.up > 0),
                &format!("the capacities of variant {:?} are above 0", variant.name),
            )?;
        }
        Ok(())
    }
}

const fn three() -> u32 {
    3
}

const fn whole() -> f64 {
    1.0
}

const fn an_hour() -> Length {
    Length::Exponential { mean: 3_600.0 }
}

const fn log_normal() -> Latency {
    Latency::LogNormal {
        median: 40_000,
        sigma: 0.5,
    }
}

const fn twenty() -> usize {
    20
}

const fn a_minute() -> f64 {
    60.0
}
