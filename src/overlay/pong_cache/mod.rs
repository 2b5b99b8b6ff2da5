//! Pongs that were heard: what a ping is answered with, instead of passing it on
//! (protocol §3.3).
//!
//! Pongs stand in groups by the hops they travelled and live for seconds. A ping is answered from
//! every group in turn; what it still wants then is met by the pongs that come next. Every life
//! of the cache a few neighbours are pinged again.

use std::collections::VecDeque;
use std::net::SocketAddrV4;

use bytes::Bytes;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};

use super::Link;
use super::ground::Ground;
use super::limits::Limits;
use super::role::Role;
use super::stats::Drop;
use super::time::{Duration, Instant};
use crate::wire::pong::Pong;
use crate::wire::{Descriptor, Guid, Header, Kind};

/// What a neighbour said of itself, as far as pongs go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Talker {
    /// Its role.
    pub role: Role,
    /// It caches pongs itself.
    pub caches: bool,
    /// It reads GGEP.
    pub ggep: bool,
    /// The link to it is compressed.
    pub compressed: bool,
    /// Where it listens.
    pub listen: Option<SocketAddrV4>,
}

/// How a ping is answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Whether with a pong of our own, hops 0.
    pub own: bool,
    /// And these.
    pub pongs: Vec<Descriptor>,
    /// Whether these were kept back, because it asks too often.
    pub throttled: bool,
}

/// What a servent remembers of pongs.
#[derive(Clone, Debug)]
pub struct PongCache {
    ground: Ground,
    /// By hops travelled, the oldest first.
    groups: [VecDeque<Cached>; GROUPS],
    /// By rising link.
    links: Vec<Known>,
    /// When the cache was last refreshed.
    refreshed: Option<Instant>,
}

/// Hops that are told apart; what travelled further counts as the last.
const GROUPS: usize = 5;
/// Bytes of a pong before its GGEP.
const BARE: usize = 14;
/// One in so many pongs from a neighbour that does not cache them is taken (protocol §3.3).
const OLD: u32 = 5;
/// One in so many ultrapeers is asked at a refresh (protocol §3.3).
const ASKED: usize = 5;
/// Files above which a count is taken for nonsense (protocol §3.2).
const MOST_FILES: u32 = 10_000_000;

#[derive(Clone, Debug)]
struct Cached {
    from: Link,
    address: SocketAddrV4,
    hops: u8,
    heard: Instant,
    payload: Bytes,
}

#[derive(Clone, Debug)]
struct Known {
    link: Link,
    talker: Talker,
    /// Its last ping that was answered with cached pongs.
    ping: Option<Request>,
    /// What it last said of itself.
    itself: Option<Cached>,
    /// When we last pinged it for pongs.
    asked: Option<Instant>,
    /// Pongs taken from it in this life of the cache.
    taken: u16,
}

#[derive(Clone, Copy, Debug)]
struct Request {
    at: Instant,
    guid: Guid,
    ttl: u8,
    /// Hops it had travelled when it was sent to us.
    hops: u8,
    /// Pongs still wanted.
    wanted: u8,
}

impl PongCache {
    /// A cache without pongs.
    #[must_use]
    pub const fn new(ground: Ground) -> Self {
        Self {
            ground,
            groups: [const { VecDeque::new() }; GROUPS],
            links: Vec::new(),
            refreshed: None,
        }
    }

    /// A neighbour came. Its link is above every link before it.
    pub fn connected(&mut self, link: Link, talker: Talker) {
        self.links.push(Known {
            link,
            talker,
            ping: None,
            itself: None,
            asked: None,
            taken: 0,
        });
    }

    /// A neighbour went. Its pongs live on, but for the one about itself.
    pub fn closed(&mut self, link: Link) {
        self.links.retain(|known| known.link != link);
        self.groups[0].retain(|cached| cached.from != link);
    }

    /// Answers a ping: an ultrapeer from what it heard, a leaf with its own pong only.
    ///
    /// # Errors
    /// The reason to drop it.
    pub fn ping<R: Rng + ?Sized>(
        &mut self,
        now: Instant,
        link: Link,
        header: &Header,
        situation: &Situation<'_>,
        rng: &mut R,
    ) -> Result<Answer, Drop> {
        let limits = situation.limits;
        self.expire(now, situation);
        let place = self.place(link).ok_or(Drop::UnknownLink)?;
        let mut answer = Answer {
            own: true,
            ..Answer::default()
        };
        match (header.ttl, header.hops) {
            // BearShare's acknowledgement of an alive ping (protocol §3.1).
            (0, _) => answer.own = false,
            (1, _) => {}
            (2, 0) => {
                if situation.role == Role::Ultrapeer {
                    answer.pongs = self.direct_ultrapeers(place, header);
                }
            }
            // A leaf passes nothing on; gtk-gnutella closes the link of one that does (414).
            _ if situation.role == Role::Leaf => {}
            _ => {
                let known = &mut self.links[place];
                let first = known.ping.is_none();
                let least = throttle(known.talker.role, known.talker.compressed, limits);
                let early = known.ping.is_some_and(|ping| now.since(ping.at) < least);
                if early {
                    return Ok(Answer {
                        throttled: true,
                        ..answer
                    });
                }
                known.ping = Some(Request {
                    at: now,
                    guid: header.guid,
                    ttl: header.ttl,
                    hops: header.hops,
                    wanted: limits.pongs_per_ping,
                });
                answer.own = first || situation.places;
                answer.pongs = self.spread(place, situation, rng);
            }
        }
        Ok(answer)
    }

    /// Takes in a pong and gives the copies of it for neighbours that still want some.
    ///
    /// # Errors
    /// The reason to drop it.
    #[expect(
        clippy::too_many_arguments,
        reason = "a descriptor and where it came in"
    )]
    pub fn pong<R: Rng + ?Sized>(
        &mut self,
        now: Instant,
        link: Link,
        header: &Header,
        payload: &Bytes,
        pong: &Pong,
        situation: &Situation<'_>,
        rng: &mut R,
    ) -> Result<Vec<(Link, Descriptor)>, Drop> {
        let limits = situation.limits;
        self.expire(now, situation);
        let known = self.place(link).ok_or(Drop::UnknownLink)?;
        let known = &mut self.links[known];
        if payload.len() > limits.pong_bytes {
            return Err(Drop::TooLarge);
        }
        if known.taken >= limits.pongs_per_link {
            return Err(Drop::Throttled);
        }
        let address = pong.address();
        let nonsense = pong.files > MOST_FILES && pong.files.swap_bytes() > MOST_FILES;
        if nonsense || address == situation.own || !self.ground.admits(address.into()) {
            return Err(Drop::Unusable);
        }
        known.taken += 1;
        // A leaf answers for itself only; whoever asked for more asked the ultrapeer that it was.
        if situation.role == Role::Leaf {
            return Ok(Vec::new());
        }
        let cached = Cached {
            from: link,
            address,
            hops: header.hops,
            heard: now,
            payload: payload.clone(),
        };
        if header.hops == 0 {
            known.itself = Some(cached.clone());
        }
        if !known.talker.caches && !rng.random_ratio(1, OLD) {
            return Ok(Vec::new());
        }
        let copies = self.demultiplex(&cached, situation);
        for group in &mut self.groups {
            group.retain(|old| old.address != address);
        }
        let group = &mut self.groups[group_of(header.hops)];
        group.push_back(cached);
        if group.len() > limits.pongs_per_hop {
            group.pop_front();
        }
        Ok(copies)
    }

    /// A neighbour was pinged with the whole TTL.
    pub fn asked(&mut self, now: Instant, link: Link) {
        if let Some(place) = self.place(link) {
            self.links[place].asked = Some(now);
        }
    }

    /// Whom to ping now with the whole TTL, where the cache has lived its life: some of the
    /// ultrapeers, but nobody who is `congested` or would find that too often.
    /// [`due`](Self::due) says when.
    pub fn refresh<R: Rng + ?Sized>(
        &mut self,
        now: Instant,
        congested: impl Fn(Link) -> bool,
        situation: &Situation<'_>,
        rng: &mut R,
    ) -> Vec<Link> {
        if self.due(situation).is_some_and(|due| due > now) {
            return Vec::new();
        }
        self.refreshed = Some(now);
        for known in &mut self.links {
            known.taken = 0;
        }
        let mut asked: Vec<_> = self
            .links
            .iter_mut()
            .filter(|known| {
                let least = if known.talker.caches {
                    throttle(situation.role, known.talker.compressed, situation.limits)
                } else {
                    situation.limits.old_ping_interval
                };
                let rested = known.asked.is_none_or(|asked| now.since(asked) >= least);
                known.talker.role == Role::Ultrapeer && rested && !congested(known.link)
            })
            .collect();
        asked.shuffle(rng);
        asked.truncate(
            asked
                .len()
                .div_ceil(ASKED)
                .max(situation.limits.refresh_least),
        );
        let note = |known: &mut Known| {
            known.asked = Some(now);
            known.link
        };
        asked.into_iter().map(note).collect()
    }

    /// When to refresh, if the role stays; at once where that never happened.
    #[must_use]
    pub fn due(&self, situation: &Situation<'_>) -> Option<Instant> {
        self.refreshed.map(|last| last + life(situation))
    }

    /// Whether a neighbour reads GGEP.
    #[must_use]
    pub fn reads_ggep(&self, link: Link) -> bool {
        self.place(link)
            .is_some_and(|place| self.links[place].talker.ggep)
    }

    /// How many pongs are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.groups.iter().map(VecDeque::len).sum()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.iter().all(VecDeque::is_empty)
    }

    fn place(&self, link: Link) -> Option<usize> {
        self.links
            .binary_search_by_key(&link, |known| known.link)
            .ok()
    }

    /// Forgets what is too old.
    fn expire(&mut self, now: Instant, situation: &Situation<'_>) {
        let old = |cached: &mut Cached| now.since(cached.heard) >= life(situation);
        for group in &mut self.groups {
            while group.pop_front_if(old).is_some() {}
        }
    }

    /// Pongs from every group in turn, nearest first, for the ping that a link has just sent.
    fn spread<R: Rng + ?Sized>(
        &mut self,
        place: usize,
        situation: &Situation<'_>,
        rng: &mut R,
    ) -> Vec<Descriptor> {
        let known = &self.links[place];
        let mut lanes: Vec<Vec<&Cached>> = self
            .groups
            .iter()
            .map(|group| group.iter().collect())
            .collect();
        for lane in &mut lanes {
            lane.shuffle(rng);
        }
        let mut pongs = Vec::new();
        while lanes.iter().any(|lane| !lane.is_empty()) {
            for lane in &mut lanes {
                let room = pongs.len() < usize::from(situation.limits.pongs_per_ping);
                let Some(cached) = lane.pop().filter(|_| room) else {
                    lane.clear();
                    continue;
                };
                pongs.extend(known.copy(cached, situation.max_ttl));
            }
        }
        let known = &mut self.links[place];
        if let Some(ping) = &mut known.ping {
            let given = u8::try_from(pongs.len()).unwrap_or(u8::MAX);
            ping.wanted = ping.wanted.saturating_sub(given);
        }
        pongs
    }

    /// Copies of a new pong for those that still want some.
    fn demultiplex(
        &mut self,
        cached: &Cached,
        situation: &Situation<'_>,
    ) -> Vec<(Link, Descriptor)> {
        let mut copies = Vec::new();
        for known in &mut self.links {
            let wants = known.ping.is_some_and(|ping| ping.wanted > 0);
            if !wants {
                continue;
            }
            if let Some(copy) = known.copy(cached, situation.max_ttl) {
                copies.push((known.link, copy));
                if let Some(ping) = &mut known.ping {
                    ping.wanted -= 1;
                }
            }
        }
        copies
    }

    /// What the ultrapeers next to us said of themselves, for a crawler.
    fn direct_ultrapeers(&self, asker: usize, header: &Header) -> Vec<Descriptor> {
        let ggep = self.links[asker].talker.ggep;
        let asker = self.links[asker].link;
        let pong = |known: &Known| {
            let itself = known.itself.as_ref()?;
            let told = known.talker.role == Role::Ultrapeer && known.link != asker;
            told.then(|| itself.descriptor(header.guid, 1, 1, ggep))
        };
        self.links.iter().filter_map(pong).collect()
    }
}

/// What a servent is while it handles pings and pongs.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// Our role.
    pub role: Role,
    /// Where we listen.
    pub own: SocketAddrV4,
    /// Whether we would take another neighbour.
    pub places: bool,
    /// How far a descriptor goes, hops and TTL together.
    pub max_ttl: u8,
    /// The caps.
    pub limits: &'a Limits,
}

impl Known {
    /// The pong as an answer to this neighbour's ping, unless it is its own, or too far away.
    fn copy(&self, cached: &Cached, max_ttl: u8) -> Option<Descriptor> {
        let ping = self.ping?;
        let hops = cached.hops.checked_add(1)?;
        let ttl = max_ttl.checked_sub(hops)?.min(ping.ttl);
        let own = cached.from == self.link || self.talker.listen == Some(cached.address);
        let far = ttl == 0 || ttl < ping.hops || hops > ping.ttl;
        (!own && !far).then(|| cached.descriptor(ping.guid, hops, ttl, self.talker.ggep))
    }
}

impl Cached {
    fn descriptor(&self, guid: Guid, hops: u8, ttl: u8, ggep: bool) -> Descriptor {
        let payload = if ggep {
            self.payload.clone()
        } else {
            self.payload.slice(..BARE.min(self.payload.len()))
        };
        Descriptor {
            header: Header {
                guid,
                kind: Kind::Pong,
                ttl,
                hops,
            },
            payload,
        }
    }
}

fn group_of(hops: u8) -> usize {
    usize::from(hops).min(GROUPS - 1)
}

fn life(situation: &Situation<'_>) -> Duration {
    match situation.role {
        Role::Ultrapeer => situation.limits.pong_life,
        Role::Leaf => situation.limits.leaf_pong_life,
    }
}

/// Least time between two pings for pongs from a servent in this role.
fn throttle(asker: Role, compressed: bool, limits: &Limits) -> Duration {
    let least = match asker {
        Role::Ultrapeer => limits.ping_throttle,
        Role::Leaf => limits.leaf_ping_throttle,
    };
    if compressed { least } else { least.times(2) }
}

#[cfg(test)]
mod tests;
