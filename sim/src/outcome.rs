//! What came of a search.

use std::collections::BTreeSet;

use filbert::overlay::Instant;
use filbert::wire::query_hit::QueryHit;
use filbert::wire::{Guid, Kind};

/// What one flood did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flood {
    /// Servents that got the query, without the source.
    pub reached: u64,
    /// Copies of the query that were sent.
    pub messages: u64,
}

/// What one search did: of two numbers the first is of ultrapeers, the second of leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Copies of the query that were sent to servents of each tier.
    pub copies: [u64; 2],
    /// Servents that got the query, without the source.
    pub reached: [u64; 2],
    /// The same by the hops of the copy that came first, a direct neighbour's being 1.
    pub by_hops: [u64; 16],
    /// Bytes of all that was sent, headers included.
    pub bytes: u64,
    /// Those of the query.
    pub query_bytes: u64,
    /// Query hits that were sent, over each link on their way.
    pub hits: u64,
    /// Their bytes.
    pub hit_bytes: u64,
    /// Results that came back.
    pub results: u64,
    /// Who sent them.
    pub holders: BTreeSet<Guid>,
    /// Microseconds to the first result.
    pub first: Option<u64>,
    /// Microseconds until there were as many as were wanted.
    pub satisfied: Option<u64>,
    /// When it began.
    pub(crate) begun: Instant,
    /// How many results are wanted.
    pub(crate) wanted: u32,
}

impl Outcome {
    /// So many copies of a descriptor are sent, and so many of these to leaves.
    pub(crate) fn count_sent(&mut self, kind: Kind, bytes: usize, copies: u64, leaves: u64) {
        let bytes = bytes as u64 * copies;
        match kind {
            Kind::Query => {
                self.copies[0] += copies - leaves;
                self.copies[1] += leaves;
                self.query_bytes += bytes;
            }
            Kind::QueryHit => {
                self.hits += copies;
                self.hit_bytes += bytes;
            }
            _ => {}
        }
        self.bytes += bytes;
    }

    /// Somebody got the query for the first time, after so many hops.
    pub(crate) fn count_reached(&mut self, hops: u8) {
        let place = usize::from(hops).min(self.by_hops.len() - 1);
        self.by_hops[place] += 1;
    }

    /// A hit came back.
    pub(crate) fn count_hit(&mut self, now: Instant, hit: &QueryHit) {
        let age = now.since(self.begun).as_micros();
        self.results += hit.results.len() as u64;
        self.holders.insert(hit.servent);
        self.first.get_or_insert(age);
        if self.results >= u64::from(self.wanted) {
            self.satisfied.get_or_insert(age);
        }
    }
}
