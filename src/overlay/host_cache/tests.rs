//! Who is dialled, and who is kept.

use proptest::prelude::*;
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;

use super::*;
use crate::wire::ggep::{Extensions, Id};

fn at(secs: u64) -> Instant {
    Instant::from_micros(secs * 1_000_000)
}

fn host(n: u32) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::from_bits(0x0c00_0001 + (n << 8)), 6346))
}

const UNKNOWN: Details = Details {
    ultrapeer: None,
    uptime: 0,
    free: None,
    servent: None,
    tls: false,
};
const ULTRAPEER: Details = Details {
    ultrapeer: Some(true),
    ..UNKNOWN
};

fn dial(cache: &HostCache, now: Instant, n: usize) -> Vec<SocketAddr> {
    let rng = &mut Pcg64Mcg::seed_from_u64(1);
    let nobody = |_, _| false;
    cache.candidates(now, Role::Leaf, n, nobody, &Limits::default(), rng)
}

#[test]
fn only_addresses_that_can_be_dialled_are_taken() {
    let limits = Limits::default();
    for (address, public, private) in [
        ("12.0.0.1:6346", 1, 1),
        ("10.0.0.1:6346", 0, 1),
        ("12.0.0.1:0", 0, 0),
        ("0.0.0.0:6346", 0, 0),
        ("224.0.0.1:6346", 0, 0),
        ("12.0.0.9:6346", 0, 0),
    ] {
        for (ground, expected) in [(Ground::Public, public), (Ground::Private, private)] {
            let mut cache = HostCache::new(ground);
            cache.is_own("12.0.0.9:6346".parse().unwrap());
            cache.hear(
                at(0),
                address.parse().unwrap(),
                Source::Try,
                UNKNOWN,
                &limits,
            );
            assert_eq!(cache.len(), expected, "{address} on {ground:?}");
        }
    }
}

#[test]
fn a_recommendation_beats_a_pong_and_a_handshake_beats_both() {
    let limits = Limits::default();
    let mut cache = HostCache::new(Ground::Public);
    cache.hear(at(0), host(0), Source::Hit, UNKNOWN, &limits);
    cache.verified(at(0), host(1), ULTRAPEER, &limits);
    for n in 2..=9 {
        cache.hear(at(0), host(n), Source::Try, UNKNOWN, &limits);
        cache.hear(at(5_000), host(n + 8), Source::Pong, ULTRAPEER, &limits);
    }
    let kept: Vec<_> = cache.snapshot(at(5_000), 99);
    let order: Vec<_> = kept
        .iter()
        .map(|kept| (kept.verified, kept.source))
        .collect();
    let mut expected = vec![(true, Source::Pong)];
    expected.extend([(false, Source::Try); 8]);
    expected.extend([(false, Source::Pong); 8]);
    expected.push((false, Source::Hit));
    assert_eq!(order, expected);
    assert_eq!(kept[17].age, Duration::from_secs(5_000));
}

#[test]
fn pongs_tell_who_is_up_long_and_has_places() {
    let limits = Limits::default();
    let mut cache = HostCache::new(Ground::Public);
    let pong = |n: u8, up: &'static [u8], uptime: &'static [u8]| {
        let mut extensions = Extensions::default();
        extensions.push(Id::UP, up);
        extensions.push(Id::DU, uptime);
        Pong {
            port: 6346,
            ip: [12, 0, n, 1].into(),
            files: 0,
            kibibytes: 0,
            extensions,
        }
    };
    for pong in [
        pong(1, &[2, 0, 0], &[0x10, 0x0e]),
        pong(2, &[2, 9, 0], &[]),
        pong(3, &[2, 9, 9], &[0x10, 0x0e]),
        pong(4, &[2, 0, 9], &[]),
    ] {
        cache.hear_pong(at(0), Ground::Public, &pong, &limits);
    }
    let kept = cache.snapshot(at(0), 9);
    let order: Vec<_> = kept.iter().map(|kept| kept.details.uptime).collect();
    assert_eq!(order, [3_600, 0, 0, 3_600]);
    let rng = &mut Pcg64Mcg::seed_from_u64(1);
    let given = cache.recommend(at(0), 9, Role::Leaf, &limits, rng);
    assert_eq!(given.len(), 3, "the full one is not recommended");
    let there = |n: u8| SocketAddr::from(([12, 0, n, 1], 6346));
    assert_eq!(given[2], there(4), "it has no place for a leaf");
    let given = cache.recommend(at(0), 9, Role::Ultrapeer, &limits, rng);
    assert_eq!(given[2], there(2), "it has no place for an ultrapeer");
    let roomy = |cache: &HostCache, now| cache.count_ultrapeers(now, 9, |_, _| false, &limits);
    assert_eq!(roomy(&cache, at(0)), 2, "with places for leaves");
    let mut refused = cache.clone();
    refused.busy(at(1), there(3), Some(Role::Leaf), &limits);
    assert_eq!(roomy(&refused, at(1)), 1);
    assert_eq!(roomy(&refused, at(700)), 1, "it said that it is full");
    cache.busy(at(1), there(3), None, &limits);
    assert_eq!((roomy(&cache, at(1)), roomy(&cache, at(700))), (1, 2));
    assert!(
        cache
            .recommend(at(9_999), 9, Role::Leaf, &limits, rng)
            .is_empty()
    );
}

#[test]
fn hits_are_listened_to_only_by_the_starved() {
    let limits = Limits::default();
    let mut cache = HostCache::new(Ground::Public);
    for n in 0..100 {
        cache.hear(at(0), host(n), Source::Hit, UNKNOWN, &limits);
    }
    assert_eq!(cache.len(), limits.starved_hosts);
}

#[test]
fn a_host_is_left_alone_after_an_attempt() {
    let limits = Limits::default();
    let mut cache = HostCache::new(Ground::Public);
    cache.hear(at(0), host(1), Source::Try, UNKNOWN, &limits);
    cache.tried(at(0), host(1), &limits);
    assert!(dial(&cache, at(299), 1).is_empty());
    assert_eq!(
        (dial(&cache, at(300), 1), cache.next_dial()),
        (vec![host(1)], Some(at(300)))
    );
    cache.failed(at(300), host(1), &limits);
    assert!(dial(&cache, at(1_199), 1).is_empty());
    cache.busy(at(1_200), host(1), None, &limits);
    assert!(dial(&cache, at(1_799), 1).is_empty());
    assert_eq!(dial(&cache, at(1_800), 1), [host(1)]);
    for _ in 0..3 {
        cache.failed(at(1_800), host(1), &limits);
    }
    cache.hear(at(1_801), host(1), Source::Try, UNKNOWN, &limits);
    assert!(cache.is_empty(), "given up, and not taken back at once");
    cache.hear(at(3_600), host(1), Source::Try, UNKNOWN, &limits);
    assert_eq!(cache.len(), 1);
}

#[test]
fn on_private_ground_nobody_is_given_up() {
    let limits = Limits::default();
    let mut cache = HostCache::new(Ground::Private);
    cache.hear(at(0), host(1), Source::Try, UNKNOWN, &limits);
    let mut pauses = Vec::new();
    let mut now = at(0);
    for _ in 0..8 {
        cache.tried(now, host(1), &limits);
        cache.failed(now, host(1), &limits);
        let next = cache.next_dial().unwrap();
        pauses.push((next - now).as_secs());
        now = next;
    }
    assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60, 60]);
    cache.verified(now, host(1), ULTRAPEER, &limits);
    cache.tried(now, host(1), &limits);
    assert_eq!(cache.next_dial(), Some(now + limits.private_retry));
}

#[test]
fn one_servent_and_one_network_are_dialled_once() {
    let limits = Limits::default();
    let mut cache = HostCache::new(Ground::Public);
    for port in 1..=5 {
        let address = SocketAddr::from(([12, 0, 0, 1], port));
        cache.hear(at(0), address, Source::Try, UNKNOWN, &limits);
    }
    assert_eq!(dial(&cache, at(0), 5).len(), limits.per_subnet);
    let mut cache = HostCache::new(Ground::Public);
    let servent = Some(Guid::from_bytes([7; 16]));
    for n in 0..5 {
        let details = Details {
            servent,
            ..ULTRAPEER
        };
        cache.verified(at(0), host(n), details, &limits);
    }
    assert_eq!(dial(&cache, at(0), 5).len(), 1);
    assert_eq!(cache.servent_at(host(3)), servent);
    let rng = &mut Pcg64Mcg::seed_from_u64(1);
    let taken = |_, guid| guid == servent;
    let left = cache.candidates(at(0), Role::Leaf, 5, taken, &limits, rng);
    assert!(left.is_empty());
}

#[test]
fn there_is_room_for_somebody_new_where_all_have_refused_us() {
    let limits = Limits {
        hosts: 20,
        ..Limits::default()
    };
    let mut cache = HostCache::new(Ground::Public);
    for n in 0..20 {
        let now = at(u64::from(n));
        cache.verified(now, host(n), ULTRAPEER, &limits);
        cache.busy(now, host(n), Some(Role::Leaf), &limits);
    }
    for n in 20..40 {
        cache.hear(at(30), host(n), Source::Pong, ULTRAPEER, &limits);
    }
    let kept: BTreeSet<_> = cache.hosts.keys().map(SocketAddr::from).collect();
    let newest = (10..20).chain(30..40).map(host);
    assert_eq!(kept, newest.collect(), "half, and the latest");
    assert_eq!(cache.resting(), 10);
    cache.hear(at(31), host(9), Source::Try, ULTRAPEER, &limits);
    cache.hear(at(31), host(29), Source::Try, ULTRAPEER, &limits);
    let known = |cache: &HostCache, n| cache.hosts.contains_key(&host(n).into());
    assert!(!known(&cache, 9), "it refused us half a minute ago");
    assert!(known(&cache, 29), "nobody dialled it yet");
    cache.verified(at(31), host(8), ULTRAPEER, &limits);
    assert!(known(&cache, 8), "it is a neighbour now");
    cache.hear(at(700), host(9), Source::Try, ULTRAPEER, &limits);
    assert!(known(&cache, 9), "its pause is over");
    assert_eq!(cache.lift_marks(at(700)), None, "as is that of all others");
}

#[test]
fn what_a_store_kept_comes_back_as_it_was() {
    let limits = Limits::default();
    let mut cache = HostCache::new(Ground::Public);
    cache.hear(at(100), host(1), Source::Pong, ULTRAPEER, &limits);
    cache.verified(at(4_000), host(2), ULTRAPEER, &limits);
    cache.hear(at(0), host(3), Source::Try, UNKNOWN, &limits);
    let kept = cache.snapshot(at(5_000), 10);
    let mut again = HostCache::new(Ground::Public);
    again.restore(at(2), kept.clone(), &limits);
    assert_eq!(again.snapshot(at(2), 10), kept);
    assert_eq!(cache.snapshot(at(5_000), 1), kept[..1]);
}

proptest! {
    /// Whatever strangers say, the caps hold, both indexes agree and what was verified stays.
    #[test]
    fn never_grows_beyond_its_caps(
        said in proptest::collection::vec((0u32..60, 0u8..6, 0u64..4_000), 0..300),
    ) {
        let limits = Limits { hosts: 20, bad_hosts: 10, ..Limits::default() };
        let mut cache = HostCache::new(Ground::Public);
        cache.verified(at(0), host(999), ULTRAPEER, &limits);
        for (n, what, secs) in said {
            let now = at(secs);
            match what {
                0 => cache.hear(now, host(n), Source::Try, UNKNOWN, &limits),
                1 => cache.hear(now, host(n), Source::Pong, ULTRAPEER, &limits),
                2 => cache.shun(now, host(n), &limits),
                3 => cache.failed(now, host(n), &limits),
                4 => cache.tried(now, host(n), &limits),
                _ => cache.busy(now, host(n), Some(Role::Leaf), &limits),
            }
            prop_assert!(cache.len() <= 20);
            prop_assert!(cache.shunned() <= 10 && cache.resting() <= 10);
            prop_assert_eq!(cache.order.len(), cache.hosts.len());
            let trusted = cache.order.keys().filter(|(worth, _)| *worth >= TRUSTED);
            prop_assert_eq!(cache.trusted, trusted.count());
            prop_assert_eq!(cache.snapshot(now, 1)[0].address, host(999));
        }
    }
}
