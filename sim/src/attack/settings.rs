//! What an experiment says of attackers.

use std::collections::BTreeSet;

use serde::Deserialize;

/// A stage, and the variants of what happens on it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spec {
    /// Attackers among the servents of a network.
    Overlay(Overlay),
    /// One attacker who calls a servent under many identities.
    Sybil(Sybil),
}

/// Servents that search while some attack.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overlay {
    /// Files that are searched for.
    pub files: u32,
    /// Servents that hold each; leaves, where there are some. No attacker of any variant is one of them.
    pub copies: u32,
    /// Seconds between two searches of an honest servent, in the mean.
    pub every: f64,
    /// Seconds before the first search that counts; attackers begin at once.
    #[serde(default = "ten")]
    pub warm_up: u64,
    /// Seconds in which searches begin that count.
    pub seconds: u64,
    /// Seconds for which a search is waited for.
    #[serde(default = "thirty")]
    pub patience: u64,
    /// Bytes a second that a servent sends at most, over all its links.
    pub up: u64,
    /// The same of an attacker, where it is another.
    pub attackers_up: Option<u64>,
    /// The variants.
    #[serde(rename = "variant")]
    pub variants: Vec<OverlayVariant>,
}

/// Who attacks how, and whether anything stands against it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverlayVariant {
    /// What it is called in rows and claims.
    pub name: String,
    /// The share of ultrapeers that attack, or of leaves where these do.
    #[serde(default)]
    pub attackers: f64,
    /// Whether attackers are leaves.
    #[serde(default)]
    pub leaves: bool,
    /// What they do; without it they share and ask nothing but are honest otherwise: the baseline.
    pub does: Option<Deed>,
    /// Whether servents hold their neighbours to the rules, as live ones do.
    #[serde(default = "yes")]
    pub defence: bool,
    /// Whether honest servents number the GUIDs of their searches, which ours never do.
    #[serde(default)]
    pub counted: bool,
    /// GUIDs that a generation of the route table holds, where not a servent's default.
    pub routes: Option<usize>,
}

/// What an attacker on the overlay does.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Deed {
    /// It sends queries to all its neighbours, for words that nobody has.
    Flood {
        /// How many in a minute.
        per_minute: u32,
        /// Hops that they claim to have travelled, as if they were others'.
        #[serde(default)]
        hops: u8,
        /// Whether their GUIDs only count up.
        #[serde(default)]
        counted: bool,
        /// Whether they are for the files that others search for, one after the other, so that these
        /// searches look like repeated ones.
        #[serde(default)]
        for_files: bool,
    },
    /// It answers every query with files that are not there.
    Spam {
        /// How many to each.
        results: u32,
        /// Whether all are called just what was searched for.
        #[serde(default)]
        echo: bool,
    },
    /// Of each query that comes it asks under the GUID that is next by counting, so that the answers to
    /// the next search of the asker come to itself.
    Guess,
    /// It passes on each query that comes as if it had not travelled at all, and keeps the answers.
    Swallow,
}

/// A servent whose places are called for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sybil {
    /// Virtual minutes; the second half counts.
    pub minutes: u64,
    /// Honest ultrapeers that are there to be dialled, each in a /16 of its own chance.
    pub honest: u32,
    /// Calls of honest ultrapeers in a minute.
    pub calls: f64,
    /// Minutes for which an honest neighbour stays, in the mean.
    pub session: f64,
    /// The share of honest ultrapeers that have a place free when they are dialled.
    pub free: f64,
    /// The variants.
    #[serde(rename = "variant")]
    pub variants: Vec<SybilVariant>,
}

/// How an attacker calls.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SybilVariant {
    /// What it is called in rows and claims.
    pub name: String,
    /// How many servents it pretends to be.
    #[serde(default)]
    pub identities: u32,
    /// Bits that all its addresses have in common: 8, 16, 24 or 32. Where there are fewer addresses than
    /// identities, several share one.
    #[serde(default = "slash_24")]
    pub prefix: u8,
    /// How often each calls in a minute while it has no place.
    #[serde(default = "one")]
    pub calls: u32,
    /// Whether the rules for addresses hold.
    #[serde(default = "yes")]
    pub defence: bool,
}

impl Spec {
    /// The names of the variants, in order.
    #[must_use]
    pub fn variant_names(&self) -> Vec<&str> {
        match self {
            Self::Overlay(overlay) => overlay.variants.iter().map(|v| v.name.as_str()).collect(),
            Self::Sybil(sybil) => sybil.variants.iter().map(|v| v.name.as_str()).collect(),
        }
    }

    /// Whether it needs a network.
    #[must_use]
    pub const fn has_network(&self) -> bool {
        matches!(self, Self::Overlay(_))
    }

    /// Whether it makes sense.
    ///
    /// # Errors
    /// What does not.
    pub fn check(&self) -> Result<(), String> {
        let names: BTreeSet<&str> = self.variant_names().into_iter().collect();
        demand(!names.is_empty(), "an attack has no variant")?;
        match self {
            Self::Overlay(overlay) => overlay.check(),
            Self::Sybil(sybil) => sybil.check(),
        }
    }
}

impl Overlay {
    /// Bytes a second that an attacker sends at most.
    pub(super) fn attackers_up(&self) -> u64 {
        self.attackers_up.unwrap_or(self.up)
    }

    fn check(&self) -> Result<(), String> {
        demand(
            self.files > 0
                && self.copies > 0
                && self.seconds > 0
                && self.up.min(self.attackers_up()) > 0,
            "all numbers of an attack are at least 1",
        )?;
        demand(
            self.every > 0.0 && self.every.is_finite(),
            "every is more than 0",
        )?;
        demand(
            self.warm_up + self.seconds + self.patience <= MOST_SECONDS,
            "an attack lasts at most 100000 seconds",
        )?;
        for variant in &self.variants {
            let name = &variant.name;
            demand(
                (0.0..=1.0).contains(&variant.attackers),
                &format!("the attackers of variant {name:?} are between 0 and 1"),
            )?;
            demand(
                variant.does.is_none() || variant.attackers > 0.0,
                &format!("nobody does what variant {name:?} says: it has no attackers"),
            )?;
            let (least, most) = (10, 1 << 26);
            demand(
                variant.routes.is_none_or(|n| (least..=most).contains(&n)),
                &format!("routes of variant {name:?} are between {least} and {most}"),
            )?;
            let sensible = match variant.does {
                Some(Deed::Flood {
                    per_minute, hops, ..
                }) => per_minute > 0 && hops < 15,
                Some(Deed::Spam { results, .. }) => (1..=MOST_RESULTS).contains(&results),
                Some(Deed::Guess | Deed::Swallow) | None => true,
            };
            demand(
                sensible,
                &format!("numbers of what variant {name:?} does are out of bounds"),
            )?;
        }
        Ok(())
    }
}

impl Sybil {
    fn check(&self) -> Result<(), String> {
        let (calls, session) = (self.calls, self.session);
        demand(
            self.minutes > 1 && self.honest > 0 && calls > 0.0 && session > 0.0,
            "minutes, honest, calls and session of a sybil are more than 0",
        )?;
        demand(
            calls.is_finite() && session.is_finite() && (0.0..=1.0).contains(&self.free),
            "free is between 0 and 1",
        )?;
        demand(
            self.minutes <= MOST_SECONDS / 60,
            "a sybil calls for at most 1666 minutes",
        )?;
        for SybilVariant {
            name,
            identities,
            prefix,
            calls,
            ..
        } in &self.variants
        {
            demand(
                matches!(prefix, 8 | 16 | 24 | 32),
                &format!("the prefix of variant {name:?} is 8, 16, 24 or 32"),
            )?;
            demand(
                *identities <= MOST_IDENTITIES && (1..=60).contains(calls),
                &format!(
                    "variant {name:?} has at most {MOST_IDENTITIES} identities and 1 to 60 calls"
                ),
            )?;
        }
        Ok(())
    }
}

fn demand(condition: bool, problem: &str) -> Result<(), String> {
    condition.then_some(()).ok_or_else(|| problem.to_owned())
}

/// The longest that an attack may last.
const MOST_SECONDS: u64 = 100_000;
/// The most results of one spammer to one query.
const MOST_RESULTS: u32 = 10_000;
/// The most identities of one attacker.
const MOST_IDENTITIES: u32 = 20_000;

const fn yes() -> bool {
    true
}

const fn one() -> u32 {
    1
}

const fn ten() -> u64 {
    10
}

const fn thirty() -> u64 {
    30
}

const fn slash_24() -> u8 {
    24
}
