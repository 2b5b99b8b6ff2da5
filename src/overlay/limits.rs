//! Every cap of the overlay in one place, with the source of its default.

use super::time::Duration;

/// The caps of one servent. Each is reached by what strangers send; none grows with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most neighbours at once that are ultrapeers; of a leaf, see [`ultrapeers`](Self::ultrapeers).
    pub neighbours: usize,
    /// Most leaves of an ultrapeer at once (protocol §8.1).
    pub leaves: usize,
    /// Most ultrapeers of a leaf at once (protocol §8.1).
    pub ultrapeers: usize,
    /// How long between two tellings of our query routing table, at least.
    pub routing_pause: Duration,
    /// Most GUIDs that one generation of the route table remembers. Two generations are kept.
    pub routes: usize,
    /// How long a generation of the route table lives: a GUID is remembered for at least this
    /// long (protocol §1.5), unless [`routes`](Self::routes) turns the table earlier.
    pub route_life: Duration,
    /// Largest payload of a query that is looked at, in bytes (protocol §1.3).
    pub query_bytes: usize,
    /// Largest payload of a query hit that is looked at, in bytes (protocol §1.3).
    pub hit_bytes: usize,
    /// Most results in one query hit that we send (protocol §1.3).
    pub results_per_hit: usize,
    /// Payload of a query hit, in bytes, after which we begin another (protocol §5.4).
    pub hit_target_bytes: usize,
    /// Most results that we give to one query (protocol §5.4).
    pub results_per_query: usize,
    /// Most searches of our own at once; the oldest makes room.
    pub searches: usize,
    /// How long a search of our own is still sent to a new neighbour.
    pub search_life: Duration,
    /// Bytes that wait for one neighbour (protocol §1.8).
    pub queue_bytes: usize,
    /// Descriptors beyond the hard TTL limit that a neighbour may send (protocol §17.1).
    pub hard_ttl_strikes: u8,
    /// Link-local descriptors with travelled hops that a neighbour may send (protocol §17.1).
    pub weird_strikes: u8,
    /// Most slots of a query routing table that a neighbour may announce, at most 2^21 (protocol
    /// §7.2).
    pub table_slots: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            neighbours: 64,
            leaves: 300,
            ultrapeers: 4,
            routing_pause: Duration::from_secs(10),
            routes: 200_000,
            route_life: Duration::from_secs(30 * 60),
            query_bytes: 256,
            hit_bytes: 16_384,
            results_per_hit: 10,
            hit_target_bytes: 2_016,
            results_per_query: 50,
            searches: 64,
            search_life: Duration::from_secs(60),
            queue_bytes: 98_304,
            hard_ttl_strikes: 10,
            weird_strikes: 5,
            table_slots: 1 << 21,
        }
    }
}
