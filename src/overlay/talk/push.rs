//! PUSH: on to the servent that it is for, along the way its hits came, or for us (protocol §1.7,
//! §6.1, §6.2).

use std::net::SocketAddr;

use bytes::Bytes;

use super::generations::{Bounds, Generations};
use super::quota::{Quota, Quotas};
use crate::overlay::flood::{self, Onward};
use crate::overlay::limits::Limits;
use crate::overlay::output::{Output, Recipients};
use crate::overlay::stats::Drop;
use crate::overlay::{Instant, Link, Servent, Surroundings};
use crate::wire::ggep::Id;
use crate::wire::push::Push;
use crate::wire::{Descriptor, Guid, Header};

/// The largest payload: the fixed fields and what may follow them (protocol §1.3).
const MOST_BYTES: usize = 26 + 1_536;

/// Ways to one servent that are remembered.
const WAYS: usize = 4;

/// What is remembered for pushes.
#[derive(Debug, Default)]
pub(super) struct Pushes {
    /// Over which links hits of a servent came, the last first.
    ways: Generations<Guid, [Option<Link>; WAYS]>,
    /// Pushes that came before, by their MUID.
    seen: Generations<Guid, bool>,
    /// How often we were pushed towards an address.
    towards: Quotas,
}

/// Where a push came from.
#[derive(Clone, Copy, Debug)]
pub(super) enum From {
    /// A neighbour.
    Link(Link),
    /// Somebody who sent a datagram.
    Datagram,
}

impl Servent {
    /// A hit of `servent` came over `link`: there is a way to it.
    pub(in crate::overlay) fn note_way(
        &mut self,
        now: Instant,
        servent: Guid,
        link: Link,
        around: &Surroundings<'_>,
    ) {
        if self.is_leaf(around) {
            return;
        }
        let bounds = bounds(&around.settings.limits);
        let ways = self.talk().pushes.ways.renew(now, servent, bounds);
        let place = ways.iter().position(|way| *way == Some(link));
        ways[..=place.unwrap_or(WAYS - 1)].rotate_right(1);
        ways[0] = Some(link);
    }

    /// A push came over a link.
    pub(in crate::overlay) fn push(
        &mut self,
        now: Instant,
        link: Link,
        header: &Header,
        payload: &Bytes,
        around: &mut Surroundings<'_>,
    ) -> Result<(), Drop> {
        let onward = flood::hit(header)?;
        self.take_push(now, From::Link(link), (header, onward), payload, around)
    }

    /// Acts on a push or passes it on with these header bytes.
    pub(super) fn take_push(
        &mut self,
        now: Instant,
        from: From,
        (header, onward): (&Header, Onward),
        payload: &Bytes,
        around: &mut Surroundings<'_>,
    ) -> Result<(), Drop> {
        if payload.len() > MOST_BYTES {
            return Err(Drop::TooLarge);
        }
        let push = Push::decode(payload).map_err(|_| Drop::Malformed)?;
        let limits = &around.settings.limits;
        let bounds = bounds(limits);
        let pushes = &mut self.talk().pushes;
        if std::mem::replace(pushes.seen.renew(now, header.guid, bounds), true) {
            return Err(Drop::Duplicate);
        }
        if push.servent == self.guid {
            return self.give_back(now, &push, around);
        }
        if self.is_leaf(around) {
            return Err(Drop::RouteLost);
        }
        let peers = self.talk.iter().flat_map(|talk| &talk.peers);
        let mut direct = peers.filter(|(_, peer)| peer.is(push.servent));
        if let Some((&link, _)) = direct.find(|(link, _)| self.is_there(**link, from)) {
            // It is there already: the last hop is free.
            let ttl = onward.ttl.max(1);
            pass_on(
                from,
                vec![link],
                (header, ttl, onward.hops),
                payload,
                around,
            );
            return Ok(());
        }
        let ways = self.talk.as_ref().and_then(|talk| {
            let ways = talk.pushes.ways.get(now, push.servent, bounds)?;
            let open = ways.iter().flatten().copied();
            Some(open.filter(|link| self.is_there(*link, from)).collect())
        });
        let ways: Vec<Link> = ways.unwrap_or_default();
        if ways.is_empty() {
            return Err(Drop::RouteLost);
        }
        if onward.ttl == 0 {
            return Err(Drop::TtlExhausted);
        }
        pass_on(
            from,
            ways,
            (header, onward.ttl, onward.hops),
            payload,
            around,
        );
        Ok(())
    }

    /// Somebody wants us to connect to it and serve.
    fn give_back(
        &mut self,
        now: Instant,
        push: &Push,
        around: &mut Surroundings<'_>,
    ) -> Result<(), Drop> {
        let settings = around.settings;
        let to = SocketAddr::V4(push.address());
        if !settings.ground.admits(to) || push.address() == settings.address {
            return Err(Drop::Unusable);
        }
        let quota = Quota {
            most: settings.limits.pushes_per_host,
            window: settings.limits.push_window,
        };
        let limits = &settings.limits;
        let towards = &mut self.talk().pushes.towards;
        if !settings.ground.is_private() && !towards.take(now, to.ip(), quota, limits) {
            return Err(Drop::Throttled);
        }
        around.out.push(Output::GiveBack {
            to,
            index: push.index,
            tls: push.extensions.get(Id::TLS).is_some(),
        });
        Ok(())
    }

    /// Whether a link is still there, and not the one that something came from.
    fn is_there(&self, link: Link, from: From) -> bool {
        let place = self
            .neighbours
            .binary_search_by_key(&link, |known| known.link);
        place.is_ok() && !matches!(from, From::Link(from) if from == link)
    }
}

const fn bounds(limits: &Limits) -> Bounds {
    Bounds {
        most: limits.push_routes,
        life: limits.route_life,
    }
}

/// Passes on a push over these links.
fn pass_on(
    from: From,
    links: Vec<Link>,
    (header, ttl, hops): (&Header, u8, u8),
    payload: &Bytes,
    around: &mut Surroundings<'_>,
) {
    around.stats.pushed += 1;
    let to = Recipients::Some(links.into());
    around.out.push(match from {
        From::Link(_) => Output::Forward { to, ttl, hops },
        From::Datagram => Output::Send {
            to,
            descriptor: Descriptor {
                header: Header {
                    ttl,
                    hops,
                    ..*header
                },
                payload: payload.clone(),
            },
        },
    });
}
