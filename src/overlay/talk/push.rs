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
use crate::wire::{Descriptor, Guid, Header, Kind};

/// The fixed fields.
const BARE: usize = 26;

/// The largest payload: the fixed fields and what may follow them (protocol §1.3).
const MOST_BYTES: usize = BARE + 1_536;

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
    /// How often who is no neighbour had pushes handed on.
    asked: Quotas,
}

impl Pushes {
    /// How many ways and pushes are remembered.
    pub(super) fn held(&self) -> usize {
        self.ways.len() + self.seen.len()
    }
}

/// Where a push came from.
#[derive(Clone, Copy, Debug)]
pub(super) enum From {
    /// A neighbour.
    Link(Link),
    /// Somebody without a link, who sent a datagram or a request.
    Stranger,
}

/// Where a push went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// To the servent itself: a neighbour, or us.
    Directly,
    /// Along the ways that its hits came.
    Along,
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
            .map(drop)
    }

    /// Somebody who is no neighbour asks us to hand a push on (protocol §6.4). `from` is its
    /// address, `push` what the servent is to be told.
    ///
    /// # Errors
    /// Why it is not handed on, which is counted.
    pub fn push_for(
        &mut self,
        now: Instant,
        from: SocketAddr,
        push: &Push,
        around: &mut Surroundings<'_>,
    ) -> Result<Pushed, Drop> {
        let done = self.hand_on(now, from, push, around);
        if let Err(why) = done {
            around.stats.drop(why);
        }
        done
    }

    fn hand_on(
        &mut self,
        now: Instant,
        from: SocketAddr,
        push: &Push,
        around: &mut Surroundings<'_>,
    ) -> Result<Pushed, Drop> {
        let settings = around.settings;
        let (limits, ground) = (&settings.limits, settings.ground.seen_from(from.ip()));
        let to = SocketAddr::V4(push.address());
        // On the public network nobody has somebody else connected to.
        if !ground.admits(to) || !(ground.is_private() || to.ip() == from.ip()) {
            return Err(Drop::Unusable);
        }
        let quota = Quota {
            most: limits.push_requests_per_host,
            window: limits.push_window,
        };
        let asked = &mut self.talk().pushes.asked;
        if !ground.is_private() && !asked.take(now, from.ip(), quota, limits) {
            return Err(Drop::Throttled);
        }
        let max_ttl = settings.profile.max_ttl;
        let onward = Onward {
            ttl: max_ttl.saturating_sub(1).max(1),
            hops: 1,
        };
        let header = Header {
            guid: Guid::random(around.rng),
            kind: Kind::Push,
            ttl: onward.ttl,
            hops: onward.hops,
        };
        let payload = push.encode();
        self.take_push(now, From::Stranger, (&header, onward), &payload, around)
    }

    /// Acts on a push or passes it on with these header bytes.
    pub(super) fn take_push(
        &mut self,
        now: Instant,
        from: From,
        (header, onward): (&Header, Onward),
        payload: &Bytes,
        around: &mut Surroundings<'_>,
    ) -> Result<Pushed, Drop> {
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
            self.give_back(now, &push, around)?;
            return Ok(Pushed::Directly);
        }
        if self.is_leaf() {
            return Err(Drop::RouteLost);
        }
        if let Some(link) = self.beside(push.servent, from) {
            // It is there already: the last hop is free.
            let ttl = onward.ttl.max(1);
            let onward = Onward { ttl, ..onward };
            around.stats.pushed += 1;
            self.pass_on(from, vec![link], (header, onward), payload, around);
            return Ok(Pushed::Directly);
        }
        let ways = self.ways_to(now, push.servent, from, limits);
        if ways.is_empty() {
            return Err(Drop::RouteLost);
        }
        if onward.ttl == 0 {
            return Err(Drop::TtlExhausted);
        }
        around.stats.pushed += 1;
        self.pass_on(from, ways, (header, onward), payload, around);
        Ok(Pushed::Along)
    }

    /// The link to `servent`, where that is a neighbour and not who sent what came `from`.
    pub(super) fn beside(&self, servent: Guid, from: From) -> Option<Link> {
        let peers = self.talk.iter().flat_map(|talk| &talk.peers);
        let mut direct = peers.filter(|(_, peer)| peer.is(servent));
        let there = direct.find(|(link, _)| self.is_there(**link, from));
        there.map(|(link, _)| *link)
    }

    /// The links over which hits of `servent` came, the last first, without the one that
    /// something came `from`.
    pub(super) fn ways_to(
        &self,
        now: Instant,
        servent: Guid,
        from: From,
        limits: &Limits,
    ) -> Vec<Link> {
        let ways = self
            .talk
            .as_ref()
            .and_then(|talk| talk.pushes.ways.get(now, servent, bounds(limits)));
        let ways = ways.into_iter().flatten().flatten().copied();
        ways.filter(|link| self.is_there(*link, from)).collect()
    }

    /// Passes on a push over these links; to who reads no GGEP without it.
    pub(super) fn pass_on(
        &self,
        from: From,
        links: Vec<Link>,
        (header, onward): (&Header, Onward),
        payload: &Bytes,
        around: &mut Surroundings<'_>,
    ) {
        let reads = |link: &Link| {
            let place = self
                .neighbours
                .binary_search_by_key(link, |known| known.link);
            payload.len() <= BARE || place.is_ok_and(|place| self.neighbours[place].offer.ggep)
        };
        let (whole, bare): (Vec<Link>, Vec<Link>) = links.into_iter().partition(reads);
        let Onward { ttl, hops } = onward;
        let send = |links: Vec<Link>, payload: Bytes| Output::Send {
            to: Recipients::Some(links.into()),
            descriptor: Descriptor {
                header: Header {
                    ttl,
                    hops,
                    ..*header
                },
                payload,
            },
        };
        if !whole.is_empty() {
            around.out.push(match from {
                From::Link(_) => {
                    let to = Recipients::Some(whole.into());
                    Output::Forward { to, ttl, hops }
                }
                From::Stranger => send(whole, payload.clone()),
            });
        }
        if !bare.is_empty() {
            around.out.push(send(bare, payload.slice(..BARE)));
        }
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
