//! Every cap of the overlay in one place, with the source of its default.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::time::Duration;

/// The caps of one servent. Each is reached by what strangers send; none grows with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
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
    /// Descriptors a minute that are read of one neighbour, 0 for any number; each 1,024 bytes
    /// of a payload count as another. What comes in a tenth of a second at that rate may come at
    /// once; beyond that its connection holds it back.
    pub descriptors_per_minute: u32,
    /// How long a neighbour may be held back for that without a break before its link ends.
    pub held_back: Duration,
    /// Queries beyond its rate that a leaf, or the user of an ultrapeer, on the public network may ask
    /// without pausing for a minute before its link ends; 0 for any number.
    pub excess_strikes: u32,
    /// Queries a minute that an ultrapeer of the public network may send, 0 for any number; what
    /// comes in 20 s at that rate may come at once, but no more than 2,000.
    pub queries_per_minute: u32,
    /// The same for a leaf.
    pub leaf_queries_per_minute: u32,
    /// The same for queries of an ultrapeer that have not travelled: those of its own user.
    pub own_queries_per_minute: u32,
    /// The same for those that have travelled once: those of its leaves, and of users of its neighbours.
    pub near_queries_per_minute: u32,
    /// The same for anybody on private ground.
    pub private_queries_per_minute: u32,
    /// The same for all queries of the public network that want their answers at one address.
    pub origin_queries_per_minute: u32,
    /// Such addresses that are remembered; a newer one takes the place of an older.
    pub origins: usize,
    /// How soon a leaf of the public network may ask the same again (protocol §4.2).
    pub leaf_repeat: Duration,
    /// Texts that are remembered of a leaf.
    pub leaf_texts: usize,
    /// How soon an ultrapeer of the public network may relay another query of the same text, hops
    /// and TTL (protocol §4.2).
    pub relay_repeat: Duration,
    /// Texts that are remembered of an ultrapeer.
    pub relay_texts: usize,
    /// Queries that a neighbour may send twice, while they are few of all that it sends (protocol
    /// §1.5).
    pub duplicate_strikes: u32,
    /// Results that are passed on for one query (protocol §1.7).
    pub hit_results_per_query: u32,
    /// Bytes of hits that are passed on for one query from more than two links away; twice as many
    /// with TTL 2, four times with TTL 1 (protocol §1.7).
    pub hit_bytes_per_query: usize,
    /// The part of these results and bytes that one neighbour may bring, as one in so many.
    pub hit_share: u32,
    /// Queries of which it is known how many hits were passed on, in each of two generations.
    pub hit_queries: usize,
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

    /// Ultrapeers that a leaf looks for (protocol §8.1).
    pub leaf_ultrapeers: usize,
    /// Ultrapeers that an ultrapeer looks for; the places above that are for those that come by
    /// themselves.
    pub ultrapeers_wanted: usize,
    /// Dials under way at once.
    pub dials: usize,
    /// Neighbours in one /24 on the public network (protocol §8.3).
    pub per_subnet: usize,
    /// The share of the places of one role that neighbours in one /16 of the public network may have, as
    /// one in so many, but never fewer than [`per_subnet`](Self::per_subnet); 0 for any number.
    pub wide_subnet_share: usize,
    /// Ultrapeers that an ultrapeer of the public network must keep, for us to be its leaf
    /// (protocol §2.5).
    pub least_degree: u32,
    /// How long a leaf may be useless before it makes room for another (protocol §8.2).
    pub leaf_grace: Duration,
    /// Leaves for each ultrapeer of an overlay from which on it needs another ultrapeer.
    pub leaves_before_help: usize,
    /// Handshakes that one address of the public network may begin in a minute (protocol §2.5).
    pub handshakes_per_minute: usize,
    /// Handshakes of the last minute that are remembered; the oldest go first.
    pub callers: usize,
    /// How often one address may crawl us on the public network (protocol §2.7).
    pub crawl_interval: Duration,
    /// Addresses that crawled us and are remembered; when there are more, none may for a while.
    pub crawlers: usize,

    /// How long a servent of the public network that hears no ultrapeer waits for one before it
    /// becomes one.
    pub cold_start: Duration,
    /// The same on private ground.
    pub private_cold_start: Duration,
    /// How long a leaf with too few ultrapeers, in an overlay that needs more of them, waits
    /// before it becomes one; a random time up to three times as long comes on top.
    pub hunger: Duration,
    /// The same on private ground.
    pub private_hunger: Duration,
    /// How long it counts that an ultrapeer said that more are needed.
    pub need_life: Duration,
    /// Ultrapeers with places for leaves, neighbours included, above which they are plentiful.
    pub plentiful: usize,
    /// Shortest time from one change of role to the next; it doubles with each change. Only the
    /// promotion of a servent without any ultrapeer does not wait for it.
    pub role_hold: Duration,
    /// The same between changes that merit or idleness alone asks for (protocol §8.2).
    pub merit_hold: Duration,
    /// The longest that either grows to (protocol §8.2).
    pub role_hold_most: Duration,
    /// How long a servent must be up to become an ultrapeer by merit (protocol §8.2).
    pub merit_uptime: Duration,
    /// How long it must be up on average (protocol §8.2).
    pub merit_average: Duration,
    /// Upload bandwidth in KiB/s, where it is known, below which nobody becomes an ultrapeer
    /// (protocol §8.2).
    pub merit_bandwidth: u32,
    /// File descriptors that must be free for becoming an ultrapeer.
    pub role_descriptors: usize,
    /// How long an ultrapeer keeps its role without leaves (protocol §8.2).
    pub leafless: Duration,

    /// Addresses of servents remembered (protocol §12.4).
    pub hosts: usize,
    /// Addresses marked as bad (protocol §12.4).
    pub bad_hosts: usize,
    /// How long such a mark holds (protocol §12.4).
    pub bad_life: Duration,
    /// Addresses below which those in query hits are remembered too (protocol §12.4).
    pub starved_hosts: usize,
    /// Pause after an attempt to reach a servent of the public network (protocol §8.3).
    pub retry_tried: Duration,
    /// Pause after one that failed (protocol §8.3).
    pub retry_failed: Duration,
    /// Pause after one that was refused because the servent is full (protocol §2.6).
    pub retry_busy: Duration,
    /// Pause on private ground after any attempt; it doubles with each failure.
    pub private_retry: Duration,
    /// The longest that it grows to.
    pub private_retry_most: Duration,
    /// Failures in a row after which a servent of the public network is given up.
    pub failures: u8,
    /// How long ago a servent may have been heard of to be recommended to others.
    pub recommended_age: Duration,
    /// UDP host caches that are remembered.
    pub udp_caches: usize,
    /// How long the answer of one is waited for; only then another is asked (protocol §12.2).
    pub cache_patience: Duration,
    /// Pause before one that answered, or was asked three times in vain, is asked again (protocol
    /// §12.2); it doubles as long as nothing new comes of it.
    pub cache_retry: Duration,
    /// The longest that it grows to.
    pub cache_retry_most: Duration,

    /// Pongs remembered for each distance (protocol §18).
    pub pongs_per_hop: usize,
    /// Pongs that answer one ping (protocol §3.3).
    pub pongs_per_ping: u8,
    /// Largest pong that is remembered, in bytes (protocol §18).
    pub pong_bytes: usize,
    /// Pongs taken from one neighbour in one life of the cache.
    pub pongs_per_link: u16,
    /// How long a pong is remembered by an ultrapeer (protocol §3.3).
    pub pong_life: Duration,
    /// How often a leaf, which remembers none, asks anew for pongs.
    pub leaf_pong_life: Duration,
    /// Least time between two pings from an ultrapeer that are answered with cached pongs, and
    /// between two of our own as one (protocol §3.3); twice as long over a link that is not
    /// compressed.
    pub ping_throttle: Duration,
    /// The same for a leaf.
    pub leaf_ping_throttle: Duration,
    /// Least time between two of our pings to a neighbour that does not cache pongs
    /// (protocol §3.3).
    pub old_ping_interval: Duration,
    /// Fewest neighbours that a refresh of the pong cache asks (protocol §3.3).
    pub refresh_least: usize,

    /// Names of vendor messages, and of features, that are remembered of one neighbour.
    pub messages_kept: usize,
    /// How long an ultrapeer that is one too may be too slow for what it is sent (protocol §1.8).
    pub congestion: Duration,
    /// Servents and pushes that one generation of the table of pushes remembers. Two are kept.
    pub push_routes: usize,
    /// How often we connect to one address because of pushes, in [`push_window`](Self::push_window)
    /// (protocol §6.2).
    pub pushes_per_host: u8,
    /// See [`pushes_per_host`](Self::pushes_per_host).
    pub push_window: Duration,
    /// Pushes that are handed on for one address of the public network which asks for it by HTTP, in
    /// [`push_window`](Self::push_window) (protocol §6.4).
    pub push_requests_per_host: u8,
    /// How often we try to reach one address for somebody, in
    /// [`connect_back_window`](Self::connect_back_window) (protocol §13.6).
    pub connect_backs: u8,
    /// See [`connect_backs`](Self::connect_backs).
    pub connect_back_window: Duration,
    /// How long after somebody reached us we ask again whether anybody can (protocol §13.6).
    pub reach_again: Duration,
    /// Least time between two pings by datagram from one address of the public network that are
    /// answered (protocol §3.4).
    pub datagram_ping_interval: Duration,
    /// The same for crawlers (protocol §8.6).
    pub datagram_crawl_interval: Duration,
    /// Other questions by datagram that one address of the public network may ask in a minute.
    pub datagrams_a_minute: u8,
    /// Questions handed on to leaves that one generation of their table remembers.
    pub heads_relayed: usize,
    /// Addresses whose use of each of these is remembered; when there are more, no other may ask.
    pub quota_sources: usize,
}

/// A cap beyond what the protocol or this program can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{name} is {given}, but {least} to {most} is possible")]
pub struct OutOfBounds {
    /// The cap.
    pub name: &'static str,
    /// Its value.
    pub given: u64,
    /// The smallest possible.
    pub least: u64,
    /// The largest possible.
    pub most: u64,
}

impl Limits {
    /// Checks the caps that have bounds of their own.
    ///
    /// # Errors
    /// The first that is out of its bounds.
    pub fn check(&self) -> Result<(), OutOfBounds> {
        let given = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
        for (name, given, least, most) in [
            ("table_slots", self.table_slots.into(), 1 << 13, 1 << 21),
            ("query_bytes", given(self.query_bytes), 64, 256),
            ("hit_bytes", given(self.hit_bytes), 4_096, 16_384),
            ("results_per_hit", given(self.results_per_hit), 1, 10),
            ("results_per_query", given(self.results_per_query), 1, 255),
            ("queue_bytes", given(self.queue_bytes), 65_536, 1 << 30),
            ("routes", given(self.routes), 1_000, 1 << 26),
            ("searches", given(self.searches), 1, 10_000),
            ("origins", given(self.origins), 0, 1 << 20),
            ("leaf_texts", given(self.leaf_texts), 0, 4_096),
            ("relay_texts", given(self.relay_texts), 0, 65_536),
            (
                "hit_bytes_per_query",
                given(self.hit_bytes_per_query),
                16_384,
                1 << 30,
            ),
            ("hit_queries", given(self.hit_queries), 100, 1 << 20),
        ] {
            if !(least..=most).contains(&given) {
                return Err(OutOfBounds {
                    name,
                    given,
                    least,
                    most,
                });
            }
        }
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            neighbours: 32,
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
            descriptors_per_minute: 60_000,
            held_back: Duration::from_secs(180),
            excess_strikes: 1_000,
            queries_per_minute: 15_000,
            leaf_queries_per_minute: 60,
            own_queries_per_minute: 60,
            near_queries_per_minute: 600,
            private_queries_per_minute: 30_000,
            origin_queries_per_minute: 60,
            origins: 1_024,
            leaf_repeat: Duration::from_secs(1_700),
            leaf_texts: 32,
            relay_repeat: Duration::from_secs(5),
            relay_texts: 128,
            duplicate_strikes: 5,
            hit_results_per_query: 250,
            hit_bytes_per_query: 51_200,
            hit_share: 2,
            hit_queries: 10_000,
            searches: 64,
            search_life: Duration::from_secs(60),
            queue_bytes: 98_304,
            hard_ttl_strikes: 10,
            weird_strikes: 5,
            table_slots: 1 << 21,

            leaf_ultrapeers: 3,
            ultrapeers_wanted: 28,
            dials: 10,
            per_subnet: 2,
            wide_subnet_share: 4,
            least_degree: 15,
            leaf_grace: Duration::from_secs(300),
            leaves_before_help: 8,
            handshakes_per_minute: 10,
            callers: 1_024,
            crawl_interval: Duration::from_secs(300),
            crawlers: 256,

            cold_start: Duration::from_secs(10),
            private_cold_start: Duration::from_secs(5),
            hunger: Duration::from_secs(60),
            private_hunger: Duration::from_secs(8),
            need_life: Duration::from_secs(15 * 60),
            plentiful: 10,
            role_hold: Duration::from_secs(60),
            merit_hold: Duration::from_secs(30 * 60),
            role_hold_most: Duration::from_secs(61_200),
            merit_uptime: Duration::from_secs(60 * 60),
            merit_average: Duration::from_secs(3 * 60 * 60),
            merit_bandwidth: 10,
            role_descriptors: 64,
            leafless: Duration::from_secs(60 * 60),

            hosts: 10_000,
            bad_hosts: 8_000,
            bad_life: Duration::from_secs(30 * 60),
            starved_hosts: 20,
            retry_tried: Duration::from_secs(5 * 60),
            retry_failed: Duration::from_secs(15 * 60),
            retry_busy: Duration::from_secs(10 * 60),
            private_retry: Duration::from_secs(1),
            private_retry_most: Duration::from_secs(60),
            failures: 3,
            recommended_age: Duration::from_secs(60 * 60),
            udp_caches: 32,
            cache_patience: Duration::from_secs(20),
            cache_retry: Duration::from_secs(180),
            cache_retry_most: Duration::from_secs(60 * 60),

            pongs_per_hop: 50,
            pongs_per_ping: 10,
            pong_bytes: 1_550,
            pongs_per_link: 200,
            pong_life: Duration::from_secs(20),
            leaf_pong_life: Duration::from_secs(120),
            ping_throttle: Duration::from_secs(3),
            leaf_ping_throttle: Duration::from_secs(60),
            old_ping_interval: Duration::from_secs(45),
            refresh_least: 3,

            messages_kept: 64,
            congestion: Duration::from_secs(180),
            push_routes: 20_000,
            pushes_per_host: 5,
            push_window: Duration::from_secs(30),
            push_requests_per_host: 10,
            connect_backs: 5,
            connect_back_window: Duration::from_secs(600),
            reach_again: Duration::from_secs(20 * 60),
            datagram_ping_interval: Duration::from_secs(60),
            datagram_crawl_interval: Duration::from_secs(120),
            datagrams_a_minute: 60,
            heads_relayed: 1_000,
            quota_sources: 4_096,
        }
    }
}
