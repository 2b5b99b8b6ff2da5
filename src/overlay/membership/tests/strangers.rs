//! Host caches, who asks by datagram, and callers that come at once.

use super::*;
use crate::overlay::slots::Refusal;
use crate::overlay::stats::Drop;
use crate::wire::ggep::Extensions;
use crate::wire::handshake::Version;
use crate::wire::ping::Ping;
use crate::wire::pong::{HostWish, Pong, Slots};
use crate::wire::{Header, Kind};

#[test]
fn one_who_knows_nobody_asks_a_host_cache_and_finds_all() {
    let mut town = Town::new(Ground::Public, 1);
    let cache = town.join(&[]);
    for _ in 0..4 {
        town.join(&[cache]);
    }
    town.run(30_000);
    assert!(town.is_connected());
    let newcomer = town.join(&[]);
    town.know_cache(newcomer, cache);
    town.run(2_000);
    assert!(town.is_connected(), "within two seconds");
    let member = town.citizens[newcomer].servent.membership().unwrap();
    assert!(member.hosts().len() >= 2, "more than the cache itself");
}

#[test]
fn a_host_cache_that_answers_nothing_is_not_pressed() {
    let mut town = Town::new(Ground::Public, 1);
    let nobody = town.join(&[]);
    town.leave(nobody);
    let alone = town.join(&[]);
    town.know_cache(alone, nobody);
    town.run(600_000);
    assert_eq!(town.datagrams, 5, "in ten minutes");
    let from = town.address(nobody);
    let before = town.stats.dropped(Drop::NoRoute);
    let pong = Descriptor {
        header: Header {
            guid: Guid::from_bytes([7; 16]),
            kind: Kind::Pong,
            ttl: 1,
            hops: 0,
        },
        payload: bytes::Bytes::from_static(&[1; 14]),
    };
    let bytes = &pong.encode().unwrap();
    town.enter(alone, Input::Datagram { from, bytes });
    assert_eq!(town.stats.dropped(Drop::NoRoute), before + 1);
    let member = town.citizens[alone].servent.membership().unwrap();
    assert!(member.hosts().is_empty(), "nobody asked for it");
}

#[test]
fn who_asks_by_datagram_is_told_of_those_with_places_first() {
    let mut town = Town::new(Ground::Public, 1);
    let told = town.join(&[]);
    for n in 0..40 {
        let full = n % 2 == 0;
        let pong = Pong {
            port: 6346,
            ip: Ipv4Addr::new(20, n, 0, 1),
            files: 0,
            kibibytes: 8,
            extensions: Extensions::default(),
        };
        let pong = pong.with_slots(Slots::new(usize::from(!full), 1));
        let member = town.citizens[told].servent.membership_mut().unwrap();
        let limits = Limits::default();
        member
            .hosts
            .hear_pong(at(0), Ground::Public, &pong, &limits);
    }
    let from = "20.1.0.1:6346".parse().unwrap();
    let header = Header {
        guid: Guid::from_bytes([7; 16]),
        kind: Kind::Ping,
        ttl: 1,
        hops: 0,
    };
    let payload = Ping::default().with_host_wish(HostWish::default()).encode();
    let bytes = &Descriptor { header, payload }.encode().unwrap();
    town.enter(told, Input::Datagram { from, bytes });
    let Some((_, Output::Datagram { descriptor, .. })) = town.wishes.pop_back() else {
        panic!("no answer");
    };
    let pong = Pong::decode(&descriptor.payload).unwrap();
    let told: Vec<_> = pong.hosts(99).map(|host| host.ip().octets()[1]).collect();
    assert!((28..=30).contains(&told.len()), "{told:?}");
    assert!(!told.contains(&1), "not the asker");
    let full = told.iter().position(|n| n % 2 == 0).unwrap();
    assert!(told[..full].len() >= 8 && told[full..].iter().all(|n| n % 2 == 0));
    assert!(descriptor.payload.len() < 300, "no amplifier");
}

#[test]
fn callers_that_come_all_at_once_find_no_more_places_than_one_by_one() {
    let mut town = Town::new(Ground::Public, 1);
    let sought = town.join(&[]);
    let greeting = Greeting {
        ultrapeer: Some(true),
        query_routing: Some(Version { major: 0, minor: 2 }),
        ..Greeting::default()
    };
    town.run(10_200);
    let callers = [
        "20.0.0.1", "20.0.0.2", "20.0.0.3", "20.0.0.4", "20.0.1.1", "20.0.1.1",
    ];
    let callers = callers.map(|ip| Caller {
        address: SocketAddr::new(ip.parse().unwrap(), 40_000),
        incoming: true,
        greeting: &greeting,
    });
    let admitted = callers.map(|caller| {
        town.with(sought, |servent, now, around| {
            servent.meet(now, &caller, around)
        })
    });
    for (n, (caller, admission)) in (0..).zip(callers.into_iter().zip(admitted)) {
        assert!(matches!(admission, Admission::Take { .. }), "{admission:?}");
        let meeting = Meeting {
            caller,
            admission,
            role: Role::Ultrapeer,
            us: Role::Ultrapeer,
            compressed: true,
        };
        let (link, meeting) = (Link(100 + n), &meeting);
        town.enter(sought, Input::Joined { link, meeting });
    }
    let neighbours = town.citizens[sought].servent.neighbours();
    let links: Vec<u32> = neighbours.iter().map(|known| known.link.0).collect();
    assert_eq!(
        links,
        [100, 101, 104],
        "two of a network, one of an address"
    );
}

#[test]
fn who_calls_too_often_is_told_so_and_nothing_else() {
    let mut town = Town::new(Ground::Public, 1);
    let called = town.join(&[]);
    let greeting = Greeting::default();
    let caller = Caller {
        address: "20.0.0.1:40000".parse().unwrap(),
        incoming: true,
        greeting: &greeting,
    };
    let mut call = || {
        town.with(called, |servent, now, around| {
            let admission = servent.meet(now, &caller, around);
            let answer =
                servent.greet(now, caller.address.ip(), Some((&caller, admission)), around);
            (admission, answer.try_ultrapeers.len())
        })
    };
    let often = Admission::Refuse(Refusal::OFTEN);
    for _ in 0..Limits::default().handshakes_per_minute {
        assert_ne!(call().0, often);
    }
    assert_eq!(call(), (often, 0));
}

#[test]
fn those_who_find_no_place_are_told_of_each_other() {
    let mut town = Town::new(Ground::Public, 1);
    let full = town.join(&[]);
    town.run(10_200);
    let limits = &mut town.citizens[full].settings.limits;
    (limits.neighbours, limits.leaves) = (0, 0);
    let mut call = |n: u8| {
        let listen = SocketAddr::from(([20, n, 0, 1], 6_346));
        let greeting = Greeting {
            ultrapeer: Some(true),
            listen: Some(listen),
            ..Greeting::default()
        };
        let caller = Caller {
            address: SocketAddr::new(listen.ip(), 40_000),
            incoming: true,
            greeting: &greeting,
        };
        let answer = town.with(full, |servent, now, around| {
            let admission = servent.meet(now, &caller, around);
            assert_eq!(admission, Admission::Refuse(Refusal::ULTRAPEERS));
            servent.greet(now, listen.ip(), Some((&caller, admission)), around)
        });
        answer.try_ultrapeers
    };
    assert!(call(0).is_empty());
    for n in 1..20 {
        let told = call(n);
        assert!(!told.is_empty() && told.len() <= 10, "{told:?}");
        let before = |host: &SocketAddr| (0..n).any(|n| *host == ([20, n, 0, 1], 6_346).into());
        assert!(told.iter().all(before), "{told:?}");
    }
}

#[test]
fn who_is_refused_by_all_dials_ever_more_slowly_and_then_takes_in_others() {
    let mut town = Town::new(Ground::Public, 1);
    let newcomer = town.join(&[]);
    let stranger = |n: u16| {
        let [high, low] = n.to_be_bytes();
        SocketAddr::from(([20, high, low, 1], 6_346))
    };
    let (mut dials, mut told) = (Vec::new(), 0);
    let greeting = &mut Greeting {
        ultrapeer: Some(true),
        ..Greeting::default()
    };
    town.enter(
        newcomer,
        Input::Dialled {
            address: stranger(0),
            outcome: Outcome::Refused {
                code: 503,
                greeting: &Greeting {
                    try_ultrapeers: (1..50).map(stranger).collect(),
                    ..greeting.clone()
                },
            },
        },
    );
    let changed = loop {
        town.millis += STEP;
        town.enter(newcomer, Input::Tick);
        let refused: Vec<_> = town
            .wishes
            .drain(..)
            .filter_map(|(_, output)| match output {
                Output::Dial { address, .. } => Some(address),
                _ => None,
            })
            .collect();
        if town.citizens[newcomer].servent.role() == Role::Ultrapeer {
            break town.millis;
        }
        for address in refused {
            dials.push(town.millis);
            told += 10;
            // Each tells of ten more.
            greeting.try_ultrapeers = (40 + told..50 + told).map(stranger).collect();
            let outcome = Outcome::Refused {
                code: 503,
                greeting,
            };
            town.enter(newcomer, Input::Dialled { address, outcome });
        }
        assert!(town.millis < 100_000, "{dials:?}");
    };
    let begun =
        |from: u64, until: u64| dials.iter().filter(|at| (from..until).contains(at)).count();
    assert!(begun(0, 5_000) >= 10, "{dials:?}");
    assert!(begun(5_000, 15_000) <= 8, "{dials:?}");
    assert!((15_000..=61_000).contains(&changed), "{changed}");
}
