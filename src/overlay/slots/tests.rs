//! Who is let in.

use super::*;
use crate::wire::handshake::Version;

const OURS: Guid = Guid::from_bytes([7; 16]);
const LEAF: Us = Us {
    role: Role::Leaf,
    may_yield: false,
};
const ULTRAPEER: Us = Us {
    role: Role::Ultrapeer,
    may_yield: false,
};
const TAKEN_AS_LEAF: Admission = Admission::Take {
    role: Role::Leaf,
    instead: None,
};
const TAKEN_AS_ULTRAPEER: Admission = Admission::Take {
    role: Role::Ultrapeer,
    instead: None,
};

fn at(secs: u64) -> Instant {
    Instant::from_micros(secs * 1_000_000)
}

fn greeting(ultrapeer: bool) -> Greeting {
    Greeting {
        ultrapeer: Some(ultrapeer),
        degree: Some(32),
        query_routing: Some(Version { major: 0, minor: 2 }),
        dynamic_querying: true,
        ..Greeting::default()
    }
}

fn caller(n: u8, greeting: &Greeting) -> Caller<'_> {
    Caller {
        address: SocketAddr::from(([12, n, 0, 1], 40_000)),
        incoming: true,
        greeting,
    }
}

/// Small places: 2 of each kind.
fn limits() -> Limits {
    Limits {
        leaves: 2,
        neighbours: 2,
        ultrapeers_wanted: 2,
        leaf_ultrapeers: 1,
        ultrapeers: 2,
        ..Limits::default()
    }
}

fn public() -> Slots {
    Slots::new(Ground::Public, OURS)
}

/// Admits a caller and gives it its place.
fn take(slots: &mut Slots, now: Instant, us: Us, n: u8, greeting: &Greeting) -> Admission {
    let caller = caller(n, greeting);
    let admission = slots.admit(now, us, &caller, &limits());
    if let Ok(role) = slots.settle(admission, &Greeting::default(), &limits()) {
        slots.connected(now, Link(n.into()), role, &caller);
    }
    admission
}

#[test]
fn a_leaf_takes_a_few_ultrapeers_and_no_leaf() {
    let mut slots = public();
    let take = |slots: &mut Slots, n, greeting| take(slots, at(0), LEAF, n, greeting);
    let (leaf, ultrapeer) = (greeting(false), greeting(true));
    assert_eq!(
        take(&mut slots, 0, &leaf),
        Admission::Refuse(Refusal::SHIELDED)
    );
    assert_eq!(slots.wanted(Role::Leaf, &limits()), 2);
    for n in 1..=2 {
        assert_eq!(take(&mut slots, n, &ultrapeer), TAKEN_AS_ULTRAPEER);
    }
    assert_eq!(slots.wanted(Role::Leaf, &limits()), 0);
    let full = Admission::Refuse(Refusal::ULTRAPEERS);
    assert_eq!(take(&mut slots, 3, &ultrapeer), full);
    slots.closed(Link(1));
    assert_eq!(take(&mut slots, 3, &ultrapeer), TAKEN_AS_ULTRAPEER);
}

#[test]
fn an_ultrapeer_has_places_for_both_and_turns_surplus_ultrapeers_into_leaves() {
    let mut slots = public();
    let take = |slots: &mut Slots, n, greeting| take(slots, at(0), ULTRAPEER, n, greeting);
    let (leaf, ultrapeer) = (greeting(false), greeting(true));
    for n in 1..=2 {
        assert_eq!(take(&mut slots, n, &ultrapeer), TAKEN_AS_ULTRAPEER);
    }
    assert_eq!(take(&mut slots, 3, &leaf), TAKEN_AS_LEAF);
    assert!(!slots.needs_ultrapeers(Some(Role::Ultrapeer), &limits()));
    let guided = take(&mut slots, 4, &ultrapeer);
    assert_eq!(guided, Admission::TakeAsLeaf);
    let settle = |slots: &Slots, last: &Greeting| slots.settle(guided, last, &limits());
    assert_eq!(settle(&slots, &leaf), Ok(Role::Leaf));
    assert_eq!(settle(&slots, &ultrapeer), Err(Refusal::ULTRAPEERS));
    assert_eq!(take(&mut slots, 5, &leaf), TAKEN_AS_LEAF);
    assert_eq!(
        take(&mut slots, 6, &leaf),
        Admission::Refuse(Refusal::LEAVES)
    );
    assert_eq!(
        take(&mut slots, 7, &ultrapeer),
        Admission::Refuse(Refusal::ULTRAPEERS)
    );
    assert_eq!(
        settle(&slots, &leaf),
        Err(Refusal::LEAVES),
        "taken meanwhile"
    );
    let free = slots.free(&limits());
    assert_eq!((free.leaves, free.ultrapeers), (0, 0));
}

#[test]
fn a_useless_leaf_makes_room_after_its_grace() {
    let mut slots = public();
    let leaf = greeting(false);
    for n in 1..=2 {
        take(&mut slots, at(n.into()), ULTRAPEER, n, &leaf);
    }
    slots.found_useful(Link(1));
    let third =
        |slots: &mut Slots, secs| slots.admit(at(secs), ULTRAPEER, &caller(3, &leaf), &limits());
    assert_eq!(third(&mut slots, 301), Admission::Refuse(Refusal::LEAVES));
    let instead = Some(Link(2));
    let role = Role::Leaf;
    assert_eq!(third(&mut slots, 302), Admission::Take { role, instead });
}

#[test]
fn nobody_comes_twice() {
    let mut slots = public();
    let mut known = greeting(true);
    known.guid = Some(Guid::from_bytes([1; 16]));
    known.listen = Some("99.0.0.1:6346".parse().unwrap());
    take(&mut slots, at(0), ULTRAPEER, 1, &known);
    assert_eq!(
        slots.addresses(Role::Ultrapeer).collect::<Vec<_>>(),
        ["12.1.0.1:6346".parse().unwrap()],
        "only the port is believed"
    );
    let again = Admission::Refuse(Refusal::CONNECTED);
    assert_eq!(take(&mut slots, at(0), ULTRAPEER, 2, &known), again, "GUID");
    assert_eq!(
        take(&mut slots, at(0), ULTRAPEER, 1, &greeting(true)),
        again,
        "address"
    );
    let ours = Greeting {
        guid: Some(OURS),
        ..greeting(true)
    };
    let ourselves = Admission::Refuse(Refusal::OURSELVES);
    assert_eq!(take(&mut slots, at(0), ULTRAPEER, 3, &ours), ourselves);
    assert!(slots.knows("12.1.0.1:6346".parse().unwrap(), None));
    assert!(slots.knows("12.9.9.9:1".parse().unwrap(), known.guid));
    assert!(!slots.knows("12.9.9.9:1".parse().unwrap(), None));
}

#[test]
fn one_network_has_few_places_and_private_ground_does_not_count() {
    for (ground, expected) in [(Ground::Public, 2), (Ground::Private, 5)] {
        let (mut slots, limits) = (Slots::new(ground, OURS), Limits::default());
        let ultrapeer = greeting(true);
        for n in 0..5u8 {
            let caller = Caller {
                address: SocketAddr::from(([12, 0, 0, n], 4_000)),
                ..caller(0, &ultrapeer)
            };
            if slots.admit(at(0), ULTRAPEER, &caller, &limits) == TAKEN_AS_ULTRAPEER {
                slots.connected(at(0), Link(n.into()), Role::Ultrapeer, &caller);
            }
        }
        assert_eq!(slots.count(Role::Ultrapeer), expected, "{ground:?}");
    }
}

#[test]
fn a_wide_network_has_a_part_of_the_places_for_each_role() {
    // Each in another /24 of one /16, and then of another.
    let taken = |us: Us, ultrapeer, ground| {
        let (mut slots, limits) = (Slots::new(ground, OURS), Limits::default());
        let greeting = greeting(ultrapeer);
        for n in 0..=u8::MAX {
            let caller = Caller {
                address: SocketAddr::from(([12, 0, n, 1], 40_000)),
                ..caller(0, &greeting)
            };
            if let Admission::Take { role, .. } = slots.admit(at(0), us, &caller, &limits) {
                assert_eq!(slots.check(us.role, &caller, &limits), Ok(()));
                slots.connected(at(0), Link(n.into()), role, &caller);
            }
        }
        let before = slots.links().count();
        let other = Caller {
            address: SocketAddr::from(([12, 1, 0, 1], 40_000)),
            ..caller(0, &greeting)
        };
        (before, slots.admit(at(0), us, &other, &limits))
    };
    for (us, ultrapeer, places, all) in [
        (ULTRAPEER, true, 8, 32),
        (ULTRAPEER, false, 75, 256),
        (LEAF, true, 2, 4),
    ] {
        let (held, other) = taken(us, ultrapeer, Ground::Public);
        assert_eq!(held, places, "{us:?} {ultrapeer}");
        assert!(matches!(other, Admission::Take { .. }), "{other:?}");
        assert_eq!(taken(us, ultrapeer, Ground::Private).0, all);
    }
}

#[test]
fn who_is_too_old_is_refused_in_public() {
    let mut none = greeting(false);
    none.ultrapeer = None;
    let mut leaf = greeting(false);
    leaf.query_routing = None;
    let mut ultrapeer = greeting(true);
    ultrapeer.degree = Some(6);
    for (us, greeting, refusal) in [
        (ULTRAPEER, &none, Refusal::NO_ROLE),
        (ULTRAPEER, &leaf, Refusal::OLD_LEAF),
        (LEAF, &ultrapeer, Refusal::OLD_ULTRAPEER),
    ] {
        let admission = public().admit(at(0), us, &caller(1, greeting), &limits());
        assert_eq!(admission, Admission::Refuse(refusal));
        let mut private = Slots::new(Ground::Private, OURS);
        let admission = private.admit(at(0), us, &caller(1, greeting), &limits());
        let refused = matches!(admission, Admission::Refuse(_));
        assert_eq!(refused, refusal == Refusal::NO_ROLE, "{refusal:?}");
    }
}

#[test]
fn other_protocols_and_closed_networks_are_refused_everywhere() {
    let mut other = greeting(true);
    other.packets = Some(false);
    let mut closed = greeting(true);
    closed.challenges = true;
    for (greeting, refusal) in [
        (&other, Refusal::OTHER_PROTOCOL),
        (&closed, Refusal::CLOSED_NETWORK),
    ] {
        for ground in [Ground::Public, Ground::Private] {
            let admission =
                Slots::new(ground, OURS).admit(at(0), ULTRAPEER, &caller(1, greeting), &limits());
            assert_eq!(admission, Admission::Refuse(refusal));
        }
    }
}

#[test]
fn guidance_is_followed_by_whoever_dialled_and_may() {
    let guiding = Greeting {
        ultrapeer_needed: Some(false),
        ..greeting(true)
    };
    let called = Caller {
        incoming: false,
        ..caller(1, &guiding)
    };
    let may = Us {
        may_yield: true,
        ..ULTRAPEER
    };
    let admit = |us, caller: &Caller<'_>| public().admit(at(0), us, caller, &limits());
    assert_eq!(admit(may, &called), Admission::BecomeLeaf);
    assert_eq!(admit(ULTRAPEER, &called), TAKEN_AS_ULTRAPEER);
    assert_eq!(admit(may, &caller(1, &guiding)), TAKEN_AS_ULTRAPEER);
}

#[test]
fn crawlers_come_rarely() {
    let crawler = Greeting {
        crawler: true,
        ..Greeting::default()
    };
    let mut slots = public();
    let mut admit = |secs, n| slots.admit(at(secs), LEAF, &caller(n, &crawler), &limits());
    let refused = Admission::Refuse(Refusal::CRAWLER);
    assert_eq!(admit(0, 1), Admission::Crawl);
    assert_eq!(admit(299, 1), refused);
    assert_eq!(admit(299, 2), Admission::Crawl);
    assert_eq!(admit(300, 1), Admission::Crawl);
}

#[test]
fn dials_count_against_what_is_wanted() {
    let limits = Limits::default();
    let (mut slots, address) = (public(), SocketAddr::from(([12, 0, 0, 1], 1)));
    assert_eq!(slots.wanted(Role::Leaf, &limits), 6);
    assert_eq!(slots.wanted(Role::Ultrapeer, &limits), limits.dials);
    slots.dial(address);
    assert_eq!(slots.wanted(Role::Leaf, &limits), 5);
    assert!(slots.knows(address, None));
    slots.dialled(address);
    assert_eq!(slots.wanted(Role::Leaf, &limits), 6);
}

#[test]
fn help_is_asked_of_leaves_when_there_are_many() {
    let (mut slots, limits) = (Slots::new(Ground::Private, OURS), Limits::default());
    let leaf = greeting(false);
    for n in 0..limits.leaves_before_help {
        assert!(!slots.needs_ultrapeers(Some(Role::Leaf), &limits));
        let n = u8::try_from(n).unwrap();
        slots.connected(at(0), Link(n.into()), Role::Leaf, &caller(n, &leaf));
    }
    assert!(slots.needs_ultrapeers(Some(Role::Leaf), &limits));
    slots.connected(
        at(0),
        Link(99),
        Role::Ultrapeer,
        &caller(99, &greeting(true)),
    );
    assert!(!slots.needs_ultrapeers(Some(Role::Leaf), &limits));
    assert!(slots.needs_ultrapeers(Some(Role::Ultrapeer), &limits));
    let most = u8::try_from(limits.neighbours).unwrap();
    for n in 100..100 + most {
        slots.connected(
            at(0),
            Link(n.into()),
            Role::Ultrapeer,
            &caller(n, &greeting(true)),
        );
    }
    let limits = Limits {
        leaves: 12,
        ..limits
    };
    assert!(!slots.needs_ultrapeers(Some(Role::Leaf), &limits));
    slots.connected(at(0), Link(98), Role::Leaf, &caller(98, &leaf));
    assert!(
        slots.needs_ultrapeers(Some(Role::Leaf), &limits),
        "only three in twelve places for leaves are left"
    );
    assert!(!slots.needs_ultrapeers(Some(Role::Ultrapeer), &limits));
}
