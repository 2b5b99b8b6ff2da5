//! What happens to a servent.

use std::net::SocketAddr;

use bytes::Bytes;

use super::flow::Pressure;
use super::membership::{Meeting, Outcome};
use super::neighbour::Offer;
use super::{Acquaintance, Link, SearchId};
use crate::wire::Header;
use crate::wire::query::Query;

/// What happens to a servent.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// A handshake succeeded.
    Connected {
        /// The new link, above every link before it.
        link: Link,
        /// What the handshake said.
        offer: Offer,
    },
    /// The same, told to a servent that is a member of its overlay.
    Joined {
        /// The new link, above every link before it.
        link: Link,
        /// The handshake.
        meeting: &'a Meeting<'a>,
    },
    /// What [`Output::Dial`](super::Output::Dial) asked for is over; where it made a link, that
    /// was told before.
    Dialled {
        /// Where the servent listens.
        address: SocketAddr,
        /// What came of it.
        outcome: Outcome<'a>,
    },
    /// Who is behind a link. Without it the servent gives nobody the neighbour's address, and does
    /// nothing that needs it.
    Introduced {
        /// The link.
        link: Link,
        /// The neighbour.
        who: &'a Acquaintance,
    },
    /// A stranger opened a connection to us, whatever for.
    Reached {
        /// Where from.
        from: SocketAddr,
    },
    /// A datagram came.
    Datagram {
        /// Where it says it comes from.
        from: SocketAddr,
        /// All of it.
        bytes: &'a Bytes,
    },
    /// A descriptor came over a link.
    Received {
        /// The link.
        link: Link,
        /// Its header.
        header: Header,
        /// Its payload, parsed only where this servent must understand it.
        payload: &'a Bytes,
    },
    /// A link is gone.
    Closed {
        /// The link.
        link: Link,
    },
    /// The send queue of a link filled or emptied.
    Pressure {
        /// The link.
        link: Link,
        /// Whether the neighbour keeps up.
        level: Pressure,
    },
    /// A neighbour sent more than is read of it, without a break, for as long as
    /// [`Limits::held_back`](super::limits::Limits) says.
    Overrun {
        /// The link.
        link: Link,
    },
    /// The user searches.
    Search {
        /// A number for the hits to carry.
        id: SearchId,
        /// What to search.
        query: &'a Query,
        /// How far, instead of the profile's TTL.
        ttl: Option<u8>,
    },
    /// The user wants no more hits of a search.
    Cancel {
        /// The search.
        id: SearchId,
    },
    /// What this servent shares is not what it was.
    LibraryChanged,
    /// The deadline passed.
    Tick,
}
