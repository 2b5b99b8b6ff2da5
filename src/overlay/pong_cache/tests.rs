//! What a ping is answered with.

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
        self.with(|cache, situation, rng| cache.ping(at(secs), Link(link), &header, situation, rng))
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
fn pings_that_come_too_often_get_no_pongs_of_others() {
    let mut stage = Stage::new(&[MODERN, LEAF, OLD_KIND]);
    for (link, least) in [(0, 3), (1, 60)] {
        assert!(stage.ping(0, link, 4, 0).unwrap().own, "the first one");
        let early = stage.ping(least - 1, link, 4, 0).unwrap();
        assert!(early.own && early.throttled && early.pongs.is_empty());
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
fn a_leaf_says_nothing_of_others() {
    let mut stage = Stage::new(&[MODERN, MODERN]);
    stage.pong(0, 0, 0, &from(2)).unwrap();
    assert_eq!(stage.ping(0, 1, 4, 0).unwrap().pongs.len(), 1);
    assert_eq!(stage.pong(0, 0, 0, &from(3)).unwrap().len(), 1);
    stage.role = Role::Leaf;
    assert_eq!(
        stage.pong(0, 0, 0, &from(4)),
        Ok(Vec::new()),
        "still wanted"
    );
    assert_eq!(stage.cache.len(), 2, "nobody would be told of it");
    for (secs, ttl, hops) in [(0, 4, 0), (5, 4, 0), (9, 3, 1), (10, 2, 0), (10, 1, 0)] {
        let own = Answer {
            own: true,
            ..Answer::default()
        };
        assert_eq!(stage.ping(secs, 1, ttl, hops), Ok(own));
    }
}

#[test]
fn pongs_die_with_the_life_of_the_cache_or_with_their_link() {
    let mut stage = Stage::new(&[MODERN, MODERN]);
    stage.pong(0, 0, 0, &from(2)).unwrap();
    stage.pong(10, 0, 1, &from(3)).unwrap();
    assert_eq!(whom(&stage.ping(20, 1, 4, 0).unwrap().pongs), [(3, 2, 2)]);
    stage.pong(25, 0, 0, &from(4)).unwrap();
    assert_eq!(stage.cache.len(), 2);
    stage.cache.closed(Link(0));
    assert_eq!(stage.cache.len(), 1, "what it said of itself went with it");
    stage.pong(30, 1, 0, &from(5)).unwrap();
    assert_eq!(stage.cache.len(), 1, "and the other was too old");
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

#[test]
fn nobody_is_asked_more_often_than_it_answers() {
    let mut stage = Stage::new(&[MODERN, MODERN]);
    stage.cache.asked(at(0), Link(1));
    assert_eq!(stage.refresh(1), [], "it was asked as it came");
    assert_eq!(stage.refresh(21), [Link(1)]);
    stage.role = Role::Leaf;
    stage.cache.asked(at(100), Link(1));
    assert_eq!(stage.refresh(141), [], "a leaf may ask once a minute");
    assert_eq!(stage.refresh(261), [Link(1)]);
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
