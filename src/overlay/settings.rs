//! What the owner of a servent decides for it.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::dynamic_query;
use super::ground::Ground;
use super::limits::Limits;
use super::time::Duration;
use crate::wire::address::Reach;
use crate::wire::pong::Maker;

/// Our vendor code (protocol §5.3).
pub const VENDOR: [u8; 4] = *b"FILB";

/// How this program calls itself in handshakes.
pub const AGENT: &str = concat!("Filbert/", env!("CARGO_PKG_VERSION"));

/// Our maker and version, as pongs tell them.
pub const MAKER: Maker = Maker {
    vendor: VENDOR,
    major: digit(env!("CARGO_PKG_VERSION_MAJOR")),
    minor: digit(env!("CARGO_PKG_VERSION_MINOR")),
};

/// Settings of a servent: handed in with every input, so that many servents share them.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How far queries travel, and what a duplicate is worth.
    pub profile: Profile,
    /// Where others reach us, as pongs and hits tell it.
    pub address: SocketAddrV4,
    /// Upload speed that hits tell, in kbit/s.
    pub speed: u32,
    /// The ground it stands on.
    pub ground: Ground,
    /// Whether its owner says that nobody can connect to it, whatever it learns by itself.
    pub firewalled: bool,
    /// Whether it takes encrypted connections.
    pub tls: bool,
    /// Who hands on pushes to it beside those it found itself; hits tell the first four.
    pub push_proxies: Vec<Reach>,
    /// Whether what neighbours ask and answer is held to the rules of today's servents (protocol
    /// §4.2, §17); otherwise the header alone decides, as in a bare flood.
    pub strict: bool,
    /// The time since 1970 at the driver's origin of time, where somebody knows it.
    pub origin: Option<Duration>,
    /// Whether routing tables are told and decide who gets a query. Without them, as before there
    /// were any, every leaf gets every query: only experiments that ask what tables save do so.
    pub query_routing: bool,
    /// How an ultrapeer carries a search from neighbour to neighbour; `None`: it floods at once.
    pub dynamic: Option<dynamic_query::Settings>,
    /// When a silent neighbour is asked whether it lives; `None`: never.
    pub keepalive: Option<Keepalive>,
    /// The caps.
    pub limits: Limits,
    /// Random numbers known to this process only: they keep strangers from choosing GUIDs that
    /// meet in the route table.
    pub secret: [u64; 2],
}

impl Settings {
    /// Settings with the defaults of `profile`, no address and no secret, and
    /// [`strict`](Self::strict) off.
    #[must_use]
    pub fn new(profile: Profile) -> Self {
        Self {
            profile,
            address: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0),
            speed: 0,
            ground: Ground::Public,
            firewalled: false,
            push_proxies: Vec::new(),
            tls: false,
            strict: false,
            origin: None,
            query_routing: true,
            dynamic: None,
            keepalive: Some(Keepalive::default()),
            limits: Limits::default(),
            secret: [0; 2],
        }
    }
}

/// A number from 0 to 15, all that there is room for.
const fn digit(text: &str) -> u8 {
    let mut number = 0;
    let mut rest = text.as_bytes();
    while let [digit, more @ ..] = rest {
        number = number * 10 + (*digit - b'0');
        rest = more;
    }
    if number > 15 { 15 } else { number }
}

/// Rules of flooding, which changed over the years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Largest TTL + hops of a query: a larger TTL is trimmed (protocol §1.6 rule 4). Also the
    /// TTL of our own queries.
    pub max_ttl: u8,
    /// Whether a duplicate with a higher usable TTL than any before is forwarded again
    /// (protocol §1.5).
    pub raise: bool,
}

impl Profile {
    /// As today's clients do: TTL + hops at most 4, and a duplicate that reaches further goes on.
    pub const PUBLIC: Self = Self {
        max_ttl: 4,
        raise: true,
    };

    /// As the first clients did: TTL 7, every duplicate dropped.
    pub const CLASSIC: Self = Self {
        max_ttl: 7,
        raise: false,
    };
}

/// How a silent neighbour is probed (protocol §3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Silence after which a ping is sent, and again for each further ping.
    pub silence: Duration,
    /// Unanswered pings after which the link is closed.
    pub unanswered: u8,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(20),
            unanswered: 6,
        }
    }
}
