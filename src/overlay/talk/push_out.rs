//! Our own pushes: how a servent that nobody can connect to is asked to connect to us (protocol
//! §6.1, §6.5).

use std::net::{SocketAddr, SocketAddrV4};

use bytes::Bytes;

use super::push::From;
use crate::overlay::flood::Onward;
use crate::overlay::output::Output;
use crate::overlay::{Instant, Servent, Settings, Surroundings};
use crate::wire::ggep::{Extensions, Id};
use crate::wire::push::Push;
use crate::wire::{Descriptor, Guid, Header, Kind};

impl Servent {
    /// A push that has `servent` connect to us for the file of this number, with TLS or without.
    /// `None` where nobody can connect to us either, or we do not know at which address.
    #[must_use]
    pub fn own_push(
        &self,
        servent: Guid,
        index: u32,
        tls: bool,
        settings: &Settings,
    ) -> Option<Push> {
        let address = settings.address;
        let reachable = settings.ground.admits(SocketAddr::V4(address));
        let mut extensions = Extensions::new();
        if tls {
            extensions.push(Id::TLS, Bytes::new());
        }
        (reachable && !self.is_hidden(settings)).then(|| Push {
            servent,
            index,
            ip: *address.ip(),
            port: address.port(),
            extensions,
        })
    }

    /// Sends a push of our own to its servent where that is a neighbour, and otherwise along the
    /// ways that its hits came; says whether there is one.
    pub fn route_push(&mut self, now: Instant, push: &Push, around: &mut Surroundings<'_>) -> bool {
        let limits = &around.settings.limits;
        let ways = match self.beside(push.servent, From::Stranger) {
            Some(link) => vec![link],
            None => self.ways_to(now, push.servent, From::Stranger, limits),
        };
        if ways.is_empty() {
            return false;
        }
        let header = fresh(around);
        let onward = Onward {
            ttl: header.ttl,
            hops: header.hops,
        };
        self.pass_on(
            From::Stranger,
            ways,
            (&header, onward),
            &push.encode(),
            around,
        );
        true
    }

    /// Sends a push of our own by datagram to those who may hand it on. Whoever gets it from
    /// several of them sees the same push.
    pub fn send_push(&self, push: &Push, to: &[SocketAddrV4], around: &mut Surroundings<'_>) {
        let descriptor = Descriptor {
            header: fresh(around),
            payload: push.encode(),
        };
        around.out.extend(to.iter().map(|to| Output::Datagram {
            to: SocketAddr::V4(*to),
            descriptor: descriptor.clone(),
            deflate: false,
        }));
    }
}

/// The header of a push that begins here.
fn fresh(around: &mut Surroundings<'_>) -> Header {
    Header {
        guid: Guid::random(around.rng),
        kind: Kind::Push,
        ttl: around.settings.profile.max_ttl,
        hops: 0,
    }
}
