//! Counters: what came, what was dropped and why.
//!
//! A driver hands one set in with every input; a live node keeps one, a simulation shares one
//! among all servents.

mod sample;
mod traffic;

use std::collections::BTreeMap;

pub use self::sample::{Sample, SampleKind};
pub use self::traffic::{Traffic, Way};
use super::dynamic_query::Outcomes;
use crate::wire::query_hit::Flaw;
use crate::wire::{Header, Kind};

/// Why a descriptor was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drop {
    /// A query seen before.
    Duplicate,
    /// It came over a link that is not, or no longer, a neighbour's.
    UnknownLink,
    /// A type nobody defined.
    UnknownKind,
    /// A type that this servent does not act on.
    Ignored,
    /// Hops at 255.
    HopsExhausted,
    /// TTL at 0 on arrival.
    TtlZero,
    /// TTL + hops above the hard limit.
    TtlTooHigh,
    /// A reply whose TTL ended here, before it was back.
    TtlExhausted,
    /// A link-local descriptor that claims to have travelled.
    Weird,
    /// A payload above our limit for its type.
    TooLarge,
    /// A payload that does not parse.
    Malformed,
    /// A reply to a query that we never saw, or forgot.
    NoRoute,
    /// A reply whose way back is closed.
    RouteLost,
    /// A hit with a blank servent GUID, our own, or the query's.
    BadServent,
    /// A query from a neighbour that does not take what we send it.
    Congested,
    /// A query that a leaf did not make itself.
    LeafRelayed,
    /// A query routing table that breaks the rules.
    BadTable,
    /// A ping or a pong that came too soon after the last.
    Throttled,
    /// A pong about nobody who could be reached, or about ourselves.
    Unusable,
    /// A query of our own that came back.
    OwnQuery,
    /// A query of less than two characters, for no content.
    TooShort,
    /// A query that nearly everybody could answer, from afar.
    TooGeneral,
    /// A query for one letter and an extension.
    Greedy,
    /// A query for a list of all files.
    Browse,
    /// A query whose answers would go out of band to nobody, or to ourselves.
    BadReturnAddress,
    /// A query whose GUID only counts up from the one before.
    CounterGuid,
    /// A query of a neighbour that sends too many.
    TooMany,
    /// A query that began where too many do.
    OriginTooMany,
    /// A query that a leaf repeats too soon.
    LeafRepeat,
    /// A query with the text, the hops and the TTL of one just relayed by the same neighbour.
    Repeat,
    /// A hit for a query that has had many.
    HitThrottled,
    /// A hit for a search of our own that nobody honest sends.
    Spam,
}

impl Drop {
    /// Every reason, in the order of the counters.
    pub const ALL: [Self; 32] = [
        Self::Duplicate,
        Self::UnknownLink,
        Self::UnknownKind,
        Self::Ignored,
        Self::HopsExhausted,
        Self::TtlZero,
        Self::TtlTooHigh,
        Self::TtlExhausted,
        Self::Weird,
        Self::TooLarge,
        Self::Malformed,
        Self::NoRoute,
        Self::RouteLost,
        Self::BadServent,
        Self::Congested,
        Self::LeafRelayed,
        Self::BadTable,
        Self::Throttled,
        Self::Unusable,
        Self::OwnQuery,
        Self::TooShort,
        Self::TooGeneral,
        Self::Greedy,
        Self::Browse,
        Self::BadReturnAddress,
        Self::CounterGuid,
        Self::TooMany,
        Self::OriginTooMany,
        Self::LeafRepeat,
        Self::Repeat,
        Self::HitThrottled,
        Self::Spam,
    ];

    /// The name of the reason in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::UnknownLink => "unknown_link",
            Self::UnknownKind => "unknown_kind",
            Self::Ignored => "ignored",
            Self::HopsExhausted => "hops_exhausted",
            Self::TtlZero => "ttl_zero",
            Self::TtlTooHigh => "ttl_too_high",
            Self::TtlExhausted => "ttl_exhausted",
            Self::Weird => "weird",
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::NoRoute => "no_route",
            Self::RouteLost => "route_lost",
            Self::BadServent => "bad_servent",
            Self::Congested => "congested",
            Self::LeafRelayed => "leaf_relayed",
            Self::BadTable => "bad_table",
            Self::Throttled => "throttled",
            Self::Unusable => "unusable",
            Self::OwnQuery => "own_query",
            Self::TooShort => "too_short",
            Self::TooGeneral => "too_general",
            Self::Greedy => "greedy",
            Self::Browse => "browse",
            Self::BadReturnAddress => "bad_return_address",
            Self::CounterGuid => "counter_guid",
            Self::TooMany => "too_many",
            Self::OriginTooMany => "origin_too_many",
            Self::LeafRepeat => "leaf_repeat",
            Self::Repeat => "repeat",
            Self::HitThrottled => "hit_throttled",
            Self::Spam => "spam",
        }
    }
}

/// What a servent counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    received: [u64; Self::KINDS.len()],
    drops: [u64; Drop::ALL.len()],
    /// Queries that were answered from what we share.
    pub answered: u64,
    /// Hits passed on towards whoever asked.
    pub routed: u64,
    /// Datagrams that came; what they were is counted with what came over links.
    pub datagrams: u64,
    /// Pushes passed on towards whom they are for.
    pub pushed: u64,
    /// Copies of queries that a neighbour's routing table spared it.
    pub spared: u64,
    /// Routing tables of neighbours that were taken.
    pub tables: u64,
    /// Hits for searches of our own that were dropped, by what was wrong with them.
    spam: BTreeMap<&'static str, u64>,
    /// What became of dynamic queries.
    pub dynamic: Outcomes,
    /// What came and went in detail, where somebody wants to know.
    pub traffic: Option<Box<Traffic>>,
}

impl Stats {
    /// The names by which kinds are counted.
    pub const KINDS: [&'static str; 10] = [
        "ping",
        "pong",
        "bye",
        "route_table_update",
        "vendor",
        "push",
        "dht",
        "query",
        "query_hit",
        "other",
    ];

    /// Nothing counted yet, and [`traffic`](Self::traffic) to be.
    #[must_use]
    pub fn detailed() -> Self {
        Self {
            traffic: Some(Box::default()),
            ..Self::default()
        }
    }

    /// How many descriptors of each kind came, with the kind's name.
    pub fn received(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Self::KINDS.into_iter().zip(self.received)
    }

    /// How many descriptors of this kind came.
    #[must_use]
    pub fn received_of(&self, kind: Kind) -> u64 {
        self.received[slot(kind)]
    }

    /// How many descriptors were dropped for each reason.
    pub fn drops(&self) -> impl Iterator<Item = (Drop, u64)> {
        Drop::ALL.into_iter().zip(self.drops)
    }

    /// How many descriptors were dropped for this reason.
    #[must_use]
    pub const fn dropped(&self, why: Drop) -> u64 {
        self.drops[why as usize]
    }

    /// How many hits for searches of our own were dropped for each [flaw](Flaw::name) found.
    pub fn spam(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.spam.iter().map(|(flaw, count)| (*flaw, *count))
    }

    pub(super) fn flawed(&mut self, flaw: Flaw) {
        *self.spam.entry(flaw.name()).or_default() += 1;
    }

    #[inline]
    pub(super) fn receive(&mut self, header: &Header, payload: usize) {
        self.received[slot(header.kind)] += 1;
        if let Some(traffic) = &mut self.traffic {
            traffic.count(Way::In, (header.kind, header.hops), payload, 1);
        }
    }

    #[inline]
    pub(super) const fn drop(&mut self, why: Drop) {
        self.drops[why as usize] += 1;
    }
}

#[inline]
const fn slot(kind: Kind) -> usize {
    match kind {
        Kind::Ping => 0,
        Kind::Pong => 1,
        Kind::Bye => 2,
        Kind::RouteTableUpdate => 3,
        Kind::Vendor { .. } => 4,
        Kind::Push => 5,
        Kind::Dht => 6,
        Kind::Query => 7,
        Kind::QueryHit => 8,
        Kind::Other(_) => 9,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_counts_in_its_own_place() {
        for (place, why) in Drop::ALL.into_iter().enumerate() {
            assert_eq!(why as usize, place, "{}", why.name());
        }
    }
}
