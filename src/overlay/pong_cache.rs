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

    /// Answers a ping. `places` says whether we would take another neighbour; `max_ttl` is the
    /// profile's.
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
            pongs: Vec::new(),
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
            _ => {
                let known = &mut self.links[place];
                let first = known.ping.is_none();
                let early = known
                    .ping
                    .is_some_and(|ping| now.since(ping.at) < throttle(&known.talker, limits));
                if early {
                    return Err(Drop::Throttled);
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

    /// Whom to ping now with the whole TTL, where the cache has lived its life: some of the
    /// ultrapeers, but nobody who is `congested`. [`due`](Self::due) says when.
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
                let rested = known.asked.is_none_or(|asked| {
                    known.talker.caches || now.since(asked) >= situation.limits.old_ping_interval
                });
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

fn throttle(talker: &Talker, limits: &Limits) -> Duration {
    let least = match talker.role {
        Role::Ultrapeer => limits.ping_throttle,
        Role::Leaf => limits.leaf_ping_throttle,
    };
    if talker.compressed {
        least
    } else {
        least.times(2)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_pcg::Pcg64Mcg;

    use super::*;
    use crate::wire::ggep::{Extensions, Id};

    const MODERN: Talker = Talker {
        role: Role::Ultrapeer,
        caches: true,
        ggep: true,
        compressed: true,
        listen: None,
    };
    const OLD_KIND: Talker = Talker {
        caches: false,
        ggep: false,
        ..MODERN
    };
    const LEAF: Talker = Talker {
        role: Role::Leaf,
        ..MODERN
    };
    const ASKED_WITH: Guid = Guid::from_bytes([5; 16]);

    fn at(secs: u64) -> Instant {
        Instant::from_micros(secs * 1_000_000)
    }

    fn rng() -> Pcg64Mcg {
        Pcg64Mcg::seed_from_u64(1)
    }

    fn header(kind: Kind, ttl: u8, hops: u8) -> Header {
        Header {
            guid: ASKED_WITH,
            kind,
            ttl,
            hops,
        }
    }

    fn from(n: u32) -> Pong {
        let mut extensions = Extensions::default();
        extensions.push(Id::UP, &[2, 9, 9][..]);
        Pong {
            port: 6346,
            ip: Ipv4Addr::from_bits(0x0c00_0000 + n),
            files: 1,
            kibibytes: 8,
            extensions,
        }
    }

    /// A cache, its limits, and everything it is told with them.
    struct Stage {
        cache: PongCache,
        limits: Limits,
        role: Role,
        rng: Pcg64Mcg,
    }

    impl Stage {
        fn new(talkers: &[Talker]) -> Self {
            let mut cache = PongCache::new(Ground::Public);
            for (link, talker) in (0..).zip(talkers) {
                cache.connected(Link(link), *talker);
            }
            Self {
                cache,
                limits: Limits::default(),
                role: Role::Ultrapeer,
                rng: rng(),
            }
        }

        fn with<T>(
            &mut self,
            act: impl FnOnce(&mut PongCache, &Situation<'_>, &mut Pcg64Mcg) -> T,
        ) -> T {
            let situation = Situation {
                role: self.role,
                own: "12.0.0.1:6346".parse().unwrap(),
                places: false,
                max_ttl: 4,
                limits: &self.limits,
            };
            act(&mut self.cache, &situation, &mut self.rng)
        }

        fn ping(&mut self, secs: u64, link: u32, ttl: u8, hops: u8) -> Result<Answer, Drop> {
            let header = header(Kind::Ping, ttl, hops);
            self.with(|cache, situation, rng| {
                cache.ping(at(secs), Link(link), &header, situation, rng)
            })
        }

        fn pong(
            &mut self,
            secs: u64,
            link: u32,
            hops: u8,
            pong: &Pong,
        ) -> Result<Vec<(Link, Descriptor)>, Drop> {
            let (header, payload) = (header(Kind::Pong, 1, hops), pong.encode());
            self.with(|cache, situation, rng| {
                cache.pong(
                    at(secs),
                    Link(link),
                    &header,
                    &payload,
                    pong,
                    situation,
                    rng,
                )
            })
        }

        fn refresh(&mut self, secs: u64) -> Vec<Link> {
            self.with(|cache, situation, rng| {
                cache.refresh(at(secs), |link| link == Link(0), situation, rng)
            })
        }
    }

    fn whom(pongs: &[Descriptor]) -> Vec<(u32, u8, u8)> {
        let mut told: Vec<_> = pongs
            .iter()
            .map(|pong| {
                assert_eq!(pong.header.guid, ASKED_WITH);
                let ip = Pong::decode(&pong.payload).unwrap().ip.to_bits();
                (ip - 0x0c00_0000, pong.header.hops, pong.header.ttl)
            })
            .collect();
        told.sort_unstable();
        told
    }

    #[test]
    fn a_ping_is_answered_from_every_distance_and_not_with_the_askers_own_pongs() {
        let mut stage = Stage::new(&[MODERN, MODERN]);
        for n in 2..50 {
            stage.pong(0, 0, 0, &from(n)).unwrap();
        }
        for (n, hops) in [(50, 1), (51, 2), (52, 3), (53, 200)] {
            stage.pong(0, 0, hops, &from(n)).unwrap();
        }
        stage.pong(0, 1, 0, &from(99)).unwrap();
        let answer = stage.ping(1, 1, 4, 0).unwrap();
        let told = whom(&answer.pongs);
        assert_eq!((answer.own, told.len()), (true, 10));
        assert_eq!(
            told[8..],
            [(50, 2, 2), (51, 3, 1)],
            "the farther ones would arrive dead"
        );
        assert!(
            told[..8]
                .iter()
                .all(|(n, hops, ttl)| *n < 50 && (*hops, *ttl) == (1, 3))
        );
    }

    #[test]
    fn alive_pings_get_one_pong_and_crawlers_the_ultrapeers_next_to_us() {
        let mut stage = Stage::new(&[MODERN, MODERN, LEAF]);
        for link in 0..3 {
            stage.pong(0, link, 0, &from(link + 2)).unwrap();
        }
        for (ttl, hops) in [(1, 0), (1, 1)] {
            let answer = stage.ping(900, 0, ttl, hops).unwrap();
            assert_eq!((answer.own, answer.pongs.len()), (true, 0));
        }
        let answer = stage.ping(900, 0, 2, 0).unwrap();
        assert_eq!((answer.own, whom(&answer.pongs)), (true, vec![(3, 1, 1)]));
        assert_eq!(stage.ping(900, 0, 0, 0), Ok(Answer::default()));
        stage.role = Role::Leaf;
        assert_eq!(stage.ping(900, 0, 2, 0).unwrap().pongs, []);
    }

    #[test]
    fn pings_that_come_too_often_are_dropped() {
        let mut stage = Stage::new(&[MODERN, LEAF, OLD_KIND]);
        for (link, least) in [(0, 3), (1, 60)] {
            assert!(stage.ping(0, link, 4, 0).unwrap().own, "the first one");
            assert_eq!(stage.ping(least - 1, link, 4, 0), Err(Drop::Throttled));
            assert!(!stage.ping(least, link, 4, 0).unwrap().own, "no places");
        }
        assert_eq!(stage.ping(0, 7, 4, 0), Err(Drop::UnknownLink));
    }

    #[test]
    fn late_pongs_go_to_whoever_still_wants_some() {
        let mut stage = Stage::new(&[MODERN, OLD_KIND, LEAF]);
        for link in 1..3 {
            assert_eq!(stage.ping(0, link, 4, 0).unwrap().pongs, []);
        }
        let mut got = [0; 3];
        for n in 2..40 {
            for (link, copy) in stage.pong(1, 0, 0, &from(n)).unwrap() {
                got[link.0 as usize] += 1;
                assert_eq!(copy.payload.len() > 14, link == Link(2), "GGEP kept or cut");
                assert_eq!((copy.header.hops, copy.header.guid), (1, ASKED_WITH));
            }
        }
        assert_eq!(got, [0, 10, 10]);
    }

    #[test]
    fn pongs_die_with_the_life_of_the_cache_or_with_their_link() {
        let mut stage = Stage::new(&[MODERN, MODERN]);
        stage.pong(0, 0, 0, &from(2)).unwrap();
        stage.pong(10, 0, 1, &from(3)).unwrap();
        assert_eq!(whom(&stage.ping(20, 1, 4, 0).unwrap().pongs), [(3, 2, 2)]);
        stage.role = Role::Leaf;
        stage.pong(100, 0, 0, &from(4)).unwrap();
        assert_eq!(whom(&stage.ping(110, 1, 4, 0).unwrap().pongs).len(), 2);
        stage.cache.closed(Link(0));
        assert_eq!(whom(&stage.ping(120, 1, 4, 0).unwrap().pongs), [(3, 2, 2)]);
    }

    #[test]
    fn useless_pongs_are_dropped() {
        let mut stage = Stage::new(&[MODERN]);
        let with = |change: &dyn Fn(&mut Pong)| {
            let mut pong = from(2);
            change(&mut pong);
            pong
        };
        for pong in [
            with(&|pong| pong.port = 0),
            with(&|pong| pong.ip = [10, 0, 0, 1].into()),
            with(&|pong| pong.ip = [12, 0, 0, 1].into()),
            with(&|pong| pong.files = u32::MAX),
        ] {
            assert_eq!(stage.pong(0, 0, 0, &pong), Err(Drop::Unusable), "{pong:?}");
        }
        let large = with(&|pong| {
            pong.extensions.push(Id::IPP, vec![1; 6 * 300]);
        });
        assert_eq!(stage.pong(0, 0, 0, &large), Err(Drop::TooLarge));
        assert!(stage.cache.is_empty());
    }

    #[test]
    fn of_old_clients_one_pong_in_five_is_taken() {
        let mut stage = Stage::new(&[OLD_KIND]);
        stage.limits.pongs_per_hop = 1_000;
        for n in 2..202 {
            stage.pong(0, 0, 0, &from(n)).unwrap();
        }
        assert!(
            (20..60).contains(&stage.cache.len()),
            "{}",
            stage.cache.len()
        );
        assert_eq!(stage.pong(0, 0, 0, &from(999)), Err(Drop::Throttled));
    }

    #[test]
    fn a_refresh_asks_a_fifth_of_the_ultrapeers_and_at_least_three() {
        let mut stage = Stage::new(&[MODERN; 41]);
        let asked = stage.refresh(0);
        assert_eq!(asked.len(), 8);
        assert!(!asked.contains(&Link(0)), "congested");
        assert_eq!(stage.refresh(19), []);
        assert_eq!(stage.refresh(20).len(), 8);
        let mut stage = Stage::new(&[LEAF, OLD_KIND, OLD_KIND, MODERN, LEAF]);
        assert_eq!(stage.refresh(0).len(), 3);
        assert_eq!(
            stage.refresh(20),
            [Link(3)],
            "old ones are asked every 45 s"
        );
        assert_eq!(stage.refresh(45).len(), 3);
    }

    proptest! {
        /// Whatever comes, the caps hold.
        #[test]
        fn never_grows_beyond_its_caps(
            came in proptest::collection::vec((0u32..4, 0u8..=255, 0u8..=255, 2u32..500), 0..400),
        ) {
            let mut stage = Stage::new(&[MODERN, OLD_KIND, LEAF]);
            stage.limits.pongs_per_hop = 4;
            let mut told = 0;
            for (link, ttl, hops, n) in came {
                if ttl & 1 == 0 {
                    if let Ok(copies) = stage.pong(0, link, hops, &from(n)) {
                        told += copies.len();
                    }
                } else if let Ok(answer) = stage.ping(0, link, ttl, hops) {
                    prop_assert!(answer.pongs.len() <= 10);
                }
                prop_assert!(stage.cache.len() <= 4 * GROUPS);
            }
            prop_assert!(told <= 3 * 10);
        }
    }
}
