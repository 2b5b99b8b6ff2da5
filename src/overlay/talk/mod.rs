//! What servents tell each other besides searches: vendor messages, pushes and datagrams (protocol
//! §6, §8.5, §8.6, §13).
//!
//! - `vendor`: a vendor message over a link, and who takes it; `support`: what each side reads;
//! - `hops_flow`: who wants how many queries; `guidance`: how many results a leaf kept;
//! - `connect_back`, `reachability`: whether strangers reach us, and whether they reach others;
//! - `push`: pushes and the ways back to those who are pushed; `push_out`: our own ones;
//!   `push_proxy`: who hands them on;
//! - `datagram`: what comes without a link; `head`: who has a file; `account`: what we tell of
//!   ourselves and our neighbours;
//! - `quota`, `generations`: how often, and how much of it is remembered.
//!
//! All of it is in one box, made when a neighbour first has to do with it.

mod account;
mod connect_back;
mod datagram;
mod generations;
pub(super) mod guidance;
mod head;
mod hops_flow;
mod push;
mod push_out;
mod push_proxy;
mod quota;
mod reachability;
mod support;
#[cfg(test)]
mod tests;
mod vendor;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, SocketAddrV4};

use bytes::Bytes;

use self::connect_back::ConnectBacks;
use self::datagram::Strangers;
use self::head::Relayed;
pub use self::push::Pushed;
use self::push::Pushes;
pub use self::reachability::Reachability;
use super::output::{Output, Recipients};
use super::time::Instant;
use super::{Link, Servent, Surroundings};
use crate::wire::address::Reach;
use crate::wire::vendor::{Features, Name, Vendor};
use crate::wire::{Descriptor, Guid, Header, Kind};

/// Who a neighbour is, as far as others may be told or must be able to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acquaintance {
    /// The address at the other end of the link.
    pub address: SocketAddr,
    /// Where it says that it listens.
    pub listen: Option<SocketAddr>,
    /// Who it says it is.
    pub servent: Option<Guid>,
    /// What it calls itself.
    pub agent: String,
}

/// All that a servent keeps of what it was told.
#[derive(Debug, Default)]
pub(super) struct Talk {
    peers: BTreeMap<Link, Peer>,
    /// Hops from which on a neighbour wants no query; who is not here wants all.
    flows: BTreeMap<Link, u8>,
    pushes: Pushes,
    connect_backs: ConnectBacks,
    strangers: Strangers,
    /// HEAD pings handed on to leaves.
    relayed: Relayed,
    /// When to look next whether something is due.
    due: Option<Instant>,
}

/// What is known of one neighbour beside its hot part.
#[derive(Debug, Default)]
struct Peer {
    who: Option<Acquaintance>,
    /// The messages that it reads; nothing before it told them.
    reads: Box<[Name]>,
    /// What it can.
    features: Option<Features>,
    /// Since when it does not keep up.
    congested: Option<Instant>,
    /// The servent for which pushes are handed on to it.
    pushed: Option<Guid>,
    /// Where it hands on pushes for us.
    proxy: Option<SocketAddrV4>,
}

impl Peer {
    fn reads(&self, name: Name) -> bool {
        self.reads.contains(&name)
    }

    /// Whether it says that it takes encrypted connections.
    fn encrypts(&self) -> bool {
        let features = self.features.as_ref();
        features.is_some_and(|features| features.version(*b"TLS!").is_some())
    }

    /// The address at the other end of the link.
    fn ip(&self) -> Option<IpAddr> {
        Some(self.who.as_ref()?.address.ip())
    }
}

impl Servent {
    /// The driver says who is behind a link.
    pub(super) fn introduced(&mut self, link: Link, who: &Acquaintance) {
        if self.neighbours.iter().any(|known| known.link == link) {
            self.peer(link).who = Some(who.clone());
        }
    }

    /// Who hands on pushes to this servent, in the order of its links.
    #[must_use]
    pub fn push_proxies(&self) -> Vec<Reach> {
        let peers = self.talk.iter().flat_map(|talk| talk.peers.values());
        let proxies = peers.filter_map(|peer| Some((peer, peer.proxy?)));
        proxies
            .map(|(peer, address)| Reach {
                address,
                tls: peer.encrypts(),
            })
            .collect()
    }

    /// When something is due.
    pub(super) fn talk_deadline(&self) -> Option<Instant> {
        self.talk.as_ref()?.due
    }

    /// Forgets all pushes and the ways they went.
    pub(super) fn forget_pushes(&mut self) {
        if let Some(talk) = &mut self.talk {
            talk.pushes = Pushes::default();
        }
    }

    /// Entries of its tables, by name.
    pub(super) fn talk_held(&self) -> [(&'static str, usize); 3] {
        let of = |count: fn(&Talk) -> usize| self.talk.as_deref().map_or(0, count);
        [
            ("peers", of(|talk| talk.peers.len())),
            ("flows", of(|talk| talk.flows.len())),
            ("push_ways", of(|talk| talk.pushes.held())),
        ]
    }

    /// Does what is due.
    pub(super) fn look_around(&mut self, now: Instant, around: &mut Surroundings<'_>) {
        if self.talk_deadline().is_none_or(|due| now < due) {
            return;
        }
        self.talk().due = None;
        if let Some(next) = self.close_congested(now, around) {
            self.talk().wake(next);
        }
        self.look_reachable(now, around);
    }

    /// A link is gone, and all that was told over it.
    pub(super) fn forget_talk(&mut self, link: Link) {
        if let Some(talk) = &mut self.talk {
            talk.peers.remove(&link);
            talk.flows.remove(&link);
        }
    }

    fn talk(&mut self) -> &mut Talk {
        self.talk.get_or_insert_default()
    }

    fn peer(&mut self, link: Link) -> &mut Peer {
        self.talk().peers.entry(link).or_default()
    }

    /// What is known of a neighbour, if anything.
    fn known(&self, link: Link) -> Option<&Peer> {
        self.talk.as_ref()?.peers.get(&link)
    }
}

impl Talk {
    /// Has a tick come at `when` or before.
    fn wake(&mut self, when: Instant) {
        self.due = Some(self.due.map_or(when, |due| due.min(when)));
    }
}

/// A vendor message for a neighbour.
fn tell(link: Link, guid: Guid, message: &Vendor, around: &mut Surroundings<'_>) {
    around.out.push(Output::Send {
        to: Recipients::One(link),
        descriptor: descriptor(guid, message.encode()),
    });
}

/// The same with a MUID that nobody refers to.
fn tell_anew(link: Link, message: &Vendor, around: &mut Surroundings<'_>) {
    let guid = Guid::random(around.rng);
    tell(link, guid, message, around);
}

/// A vendor message as it goes one hop (protocol §8.6).
const fn descriptor(guid: Guid, payload: Bytes) -> Descriptor {
    let header = Header {
        guid,
        kind: Kind::Vendor { standard: false },
        ttl: 1,
        hops: 0,
    };
    Descriptor { header, payload }
}

/// An address as vendor messages and pongs can tell it.
const fn v4(address: SocketAddr) -> Option<SocketAddrV4> {
    match address {
        SocketAddr::V4(address) => Some(address),
        SocketAddr::V6(_) => None,
    }
}
