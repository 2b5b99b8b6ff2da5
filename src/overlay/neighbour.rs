//! What a servent knows of one neighbour.

use super::Link;
use super::time::{Duration, Instant};
use crate::wire::handshake::Greeting;

/// One neighbour: small, since it is touched with every descriptor. What every descriptor touches
/// stands first and together, mostly within one line of a processor's cache.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Neighbour {
    /// Its link.
    pub link: Link,
    /// Second of the driver's time in which something last came from it.
    pub heard: u32,
    /// Descriptors that came from it.
    pub received: u32,
    /// Pings since it was last heard.
    pub unanswered: u8,
    /// Whether its send queue is too full to take queries.
    pub congested: bool,
    /// Descriptors beyond the hard TTL limit.
    pub hard_ttl: u8,
    /// Link-local descriptors that claimed to have travelled.
    pub weird: u8,
    /// What the handshake said.
    pub offer: Offer,
    /// Second in which it was last pinged by us.
    pub pinged: u32,
    /// Second in which its link opened.
    pub since: u32,
    /// Duplicates among what came.
    pub duplicates: u32,
    /// Descriptors among what came that broke a rule.
    pub bad: u32,
}

const _: () = assert!(size_of::<Neighbour>() <= 48, "the hot part of a neighbour");

/// A place in the two tiers of the overlay (protocol §8.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Relays for others.
    #[default]
    Ultrapeer,
    /// Lets ultrapeers relay for it.
    Leaf,
}

/// What a neighbour said of itself in the handshake, as far as the overlay acts on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// Its place.
    pub role: Role,
    /// It understands BYE (protocol §3.6).
    pub bye: bool,
    /// It takes query routing tables from a servent in our place (protocol §7.4).
    pub routing: bool,
    /// It reads vendor messages (protocol §8.6).
    pub vendor: bool,
    /// It takes a query again with a larger TTL (protocol §8.4).
    pub ext_probes: bool,
    /// It reads GGEP behind what PING, PONG and PUSH had before (protocol §2.3).
    pub ggep: bool,
    /// The largest TTL that it takes in a fresh query, where it told one.
    pub max_ttl: Option<u8>,
    /// Its neighbours among ultrapeers, where it told how many.
    pub degree: Option<u16>,
}

impl Offer {
    /// What the greeting of a neighbour says that is in this role in the end.
    #[must_use]
    pub fn of(greeting: &Greeting, role: Role) -> Self {
        let routes = greeting.query_routing.is_some() || greeting.ultrapeer_query_routing;
        Self {
            role,
            bye: greeting.bye,
            // Nobody tells a leaf; an ultrapeer takes the tables of both, if it says so.
            routing: role == Role::Ultrapeer && routes,
            vendor: greeting.vendor_message,
            ext_probes: greeting.ext_probes,
            ggep: greeting.ggep,
            max_ttl: greeting.max_ttl,
            degree: greeting
                .degree
                .and_then(|degree| u16::try_from(degree).ok()),
        }
    }

    /// The TTL with which a query of `hops` goes to it, where others get it with `ttl`: no query
    /// is to go further than it said that it takes.
    #[must_use]
    pub(super) fn takes(&self, ttl: u8, hops: u8) -> u8 {
        let most = self.max_ttl.map_or(ttl, |most| most.saturating_sub(hops));
        ttl.min(most.max(1))
    }
}

impl Neighbour {
    /// A neighbour whose link opened in second `now`.
    #[must_use]
    pub const fn new(link: Link, offer: Offer, now: u32) -> Self {
        Self {
            link,
            heard: now,
            pinged: now,
            since: now,
            received: 0,
            duplicates: 0,
            bad: 0,
            unanswered: 0,
            hard_ttl: 0,
            weird: 0,
            offer,
            congested: false,
        }
    }
}

impl Neighbour {
    /// How long its link is open, to the second.
    pub(super) fn age(&self, now: Instant) -> Duration {
        Duration::from_secs(u64::from(second(now).saturating_sub(self.since)))
    }
}

/// The neighbour behind a link. Where links are numbered without gaps it is in its own place.
#[inline]
pub(super) fn find(neighbours: &mut [Neighbour], link: Link) -> Option<&mut Neighbour> {
    let guess = link.0 as usize;
    let place = match neighbours.get(guess) {
        Some(neighbour) if neighbour.link == link => guess,
        _ => neighbours
            .binary_search_by_key(&link, |neighbour| neighbour.link)
            .ok()?,
    };
    Some(&mut neighbours[place])
}

/// The second of the driver's time: enough for 136 years.
#[inline]
pub(super) fn second(now: Instant) -> u32 {
    u32::try_from(now.as_micros() / 1_000_000).unwrap_or(u32::MAX)
}
