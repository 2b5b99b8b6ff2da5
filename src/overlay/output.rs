//! What a servent wants done.

use std::net::SocketAddr;

use super::neighbour::Role;
use super::{Link, SearchId};
use crate::wire::Descriptor;
use crate::wire::bye::Bye;
use crate::wire::query_hit::QueryHit;

/// What a servent wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Pass on the descriptor that was just received, sharing its payload, with these two header
    /// bytes.
    Forward {
        /// To whom.
        to: Recipients,
        /// Its TTL from here.
        ttl: u8,
        /// Its hops from here.
        hops: u8,
    },
    /// Send a descriptor of our own.
    Send {
        /// To whom.
        to: Recipients,
        /// What.
        descriptor: Descriptor,
    },
    /// Close a link.
    Close {
        /// The link.
        link: Link,
        /// What to say before, where the neighbour understands it.
        bye: Option<Bye>,
        /// Why, for people.
        why: String,
    },
    /// Reach the servent at an address, shake hands, and say what came of it with
    /// [`Input::Dialled`](super::Input::Dialled).
    Dial {
        /// Where it listens.
        address: SocketAddr,
        /// Whether it is said to take TLS.
        tls: bool,
    },
    /// This servent has another role from now on.
    Role(Role),
    /// Send a descriptor as a datagram.
    Datagram {
        /// Where to.
        to: SocketAddr,
        /// What.
        descriptor: Descriptor,
        /// Whether its payload may be deflated.
        deflate: bool,
    },
    /// Open a connection to see whether it can be done, say so with two newlines, and close it.
    ConnectBack {
        /// Where to.
        to: SocketAddr,
    },
    /// Open a connection to somebody who could not open one to us, say `GIV`, and serve.
    GiveBack {
        /// Where to.
        to: SocketAddr,
        /// The number of the file that is wanted, for the `GIV` to repeat.
        index: u32,
        /// Whether it is to begin with TLS.
        tls: bool,
    },
    /// A search of our own was answered.
    Hit {
        /// The search.
        search: SearchId,
        /// The answer.
        hit: Box<QueryHit>,
        /// How many links away it comes from: 1 is a direct neighbour.
        hops: u8,
        /// Over which link it came.
        link: Link,
    },
}

/// Which neighbours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipients {
    /// One.
    One(Link),
    /// All of them but this one.
    AllBut(Link),
    /// All of them.
    All,
    /// These.
    Some(Box<[Link]>),
}

impl Recipients {
    /// Whether a neighbour is among them.
    #[inline]
    #[must_use]
    pub fn include(&self, link: Link) -> bool {
        match self {
            Self::One(one) => link == *one,
            Self::AllBut(but) => link != *but,
            Self::All => true,
            Self::Some(links) => links.contains(&link),
        }
    }
}
