//! The words of an admission: who asks, and what it is told.

use std::net::SocketAddr;

use crate::overlay::Link;
use crate::overlay::role::Role;
use crate::wire::Guid;
use crate::wire::handshake::Greeting;

/// Somebody with whom a handshake is under way.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The far end of the connection.
    pub address: SocketAddr,
    /// Whether it dialled us.
    pub incoming: bool,
    /// What it says of itself.
    pub greeting: &'a Greeting,
}

/// What we are at the time of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Us {
    /// Our role, as we said it.
    pub role: Role,
    /// Whether we, an ultrapeer, may become a leaf
    /// ([`Election::may_yield`](crate::overlay::role::Election::may_yield)).
    pub may_yield: bool,
}

impl Caller<'_> {
    /// The role it has, where it says so.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        match (self.greeting.ultrapeer, self.greeting.ultrapeer_needed) {
            (Some(true), _) => Some(Role::Ultrapeer),
            (Some(false), _) => Some(Role::Leaf),
            // Only an ultrapeer knows whether it needs others (protocol §2.3).
            (None, Some(_)) => Some(Role::Ultrapeer),
            (None, None) => None,
        }
    }

    /// Who it says it is.
    #[must_use]
    pub fn servent(&self) -> Option<Guid> {
        self.greeting.guid.filter(|guid| !guid.is_zero())
    }

    /// Where it listens: its own word counts for the port only.
    #[must_use]
    pub fn listen(&self) -> Option<SocketAddr> {
        if !self.incoming {
            return Some(self.address);
        }
        let port = self.greeting.listen?.port();
        Some(SocketAddr::new(self.address.ip(), port))
    }
}

/// Whether somebody becomes a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It does, in this role.
    Take {
        /// Its role.
        role: Role,
        /// A useless leaf that must go for it (BYE 202).
        instead: Option<Link>,
    },
    /// It, an ultrapeer, does if it becomes our leaf: say `X-Ultrapeer-Needed: False` and see
    /// whether its last block says `X-Ultrapeer: False`.
    TakeAsLeaf,
    /// It does if we become its leaf: our last block says `X-Ultrapeer: False`.
    BecomeLeaf,
    /// It only wants to know our neighbours: tell it and close.
    Crawl,
    /// It does not.
    Refuse(Refusal),
}

/// Why somebody does not become a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status code of the refusal (protocol §2.6).
    pub code: u16,
    /// Its reason, as it is sent.
    pub reason: &'static str,
}

impl Refusal {
    /// It is we ourselves.
    pub const OURSELVES: Self = Self::new(409, "This is yourself");
    /// It is a neighbour already.
    pub const CONNECTED: Self = Self::new(409, "Already connected");
    /// Its network has its share of our places.
    pub const NETWORK: Self = Self::new(503, "Too many connections from your network");
    /// It speaks Gnutella 2 only.
    pub const OTHER_PROTOCOL: Self = Self::new(406, "Protocol not acceptable");
    /// It belongs to a closed network.
    pub const CLOSED_NETWORK: Self = Self::new(403, "Not a network member");
    /// It does not say what it is.
    pub const NO_ROLE: Self = Self::new(403, "X-Ultrapeer header required");
    /// We are a leaf and so is it.
    pub const SHIELDED: Self = Self::new(503, "Shielded leaf node");
    /// It is an ultrapeer of the old kind, of no use to leaves.
    pub const OLD_ULTRAPEER: Self = Self::new(403, "High Outdegree and Dynamic Querying Required");
    /// It is a leaf that would have to be sent every query.
    pub const OLD_LEAF: Self = Self::new(403, "Query Routing Required");
    /// No place for an ultrapeer is free.
    pub const ULTRAPEERS: Self = Self::new(503, "Too many ultrapeer connections");
    /// No place for a leaf is free.
    pub const LEAVES: Self = Self::new(503, "Too many leaf connections");
    /// It begins handshakes too often.
    pub const OFTEN: Self = Self::new(429, "Too many handshakes from your address");
    /// It crawls too often.
    pub const CRAWLER: Self = Self::new(403, "Crawled too often");

    const fn new(code: u16, reason: &'static str) -> Self {
        Self { code, reason }
    }
}
