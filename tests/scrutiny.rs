//! Who asks or answers too much: rates, repeats, GUIDs that count up, copies, hits without end.

mod lone;

use bytes::Bytes;
use filbert::overlay::stats::Drop;
use filbert::overlay::{Ground, Input, Link, Output, Role};
use filbert::wire::bye::Bye;
use filbert::wire::query::Query;
use filbert::wire::query_hit::{QueryHit, Record};
use filbert::wire::{Guid, Header, Kind};
use lone::{Lone, guid, queries, text};

fn lone(ultrapeers: u32) -> Lone {
    let mut lone = Lone::new(&[]);
    for link in 0..ultrapeers {
        lone.connect(link, Role::Ultrapeer);
    }
    lone
}

fn header(kind: Kind, guid: Guid, ttl: u8, hops: u8) -> Header {
    Header {
        guid,
        kind,
        ttl,
        hops,
    }
}

fn hit(records: u32) -> Bytes {
    let results = (1..=records).map(|n| Record::new(n, 9, format!("linux {n}.iso"), None, None));
    let hit = QueryHit {
        port: 6346,
        ip: [198, 51, 100, 9].into(),
        speed: 1,
        results: results.collect(),
        trailer: None,
        servent: guid(5),
    };
    hit.encode()
}

/// How many of so many different queries pass.
fn passing(lone: &mut Lone, link: u32, count: u32) -> usize {
    let one = |n| lone.asked(link, 3, u8::from(link < 2), &text(&format!("words {n}")));
    (0..count).map(one).filter(|out| !out.is_empty()).count()
}

#[test]
fn a_neighbour_asks_so_much_and_no_more() {
    let mut lone = lone(2);
    lone.connect(2, Role::Leaf);
    lone.settings.limits.queries_per_minute = 600;
    lone.settings.limits.leaf_queries_per_minute = 30;
    assert_eq!(passing(&mut lone, 0, 1_000), 201, "what 20 s bring");
    assert_eq!(passing(&mut lone, 2, 100), 11, "a leaf less");
    assert_eq!(passing(&mut lone, 1, 100), 100, "each for himself");
    assert_eq!(lone.dropped(Drop::TooMany), 799 + 89);
    lone.now += 10_000;
    assert_eq!(passing(&mut lone, 0, 1_000), 100, "as long as it waited");
    lone.settings.ground = Ground::Private;
    lone.settings.limits.private_queries_per_minute = 0;
    assert_eq!(passing(&mut lone, 0, 1_000), 1_000, "raised by setting");
}

#[test]
fn what_begins_next_to_us_is_as_much_as_one_servent_may_ask() {
    let mut lone = lone(3);
    let ask = |lone: &mut Lone, link, hops, count: u32| {
        let one = |n| lone.asked(link, 2, hops, &text(&format!("words {link} {hops} {n}")));
        (0..count).map(one).filter(|out| !out.is_empty()).count()
    };
    assert_eq!(ask(&mut lone, 0, 0, 100), 21, "one user's");
    assert_eq!(
        ask(&mut lone, 0, 1, 400),
        201,
        "its leaves' and neighbours'"
    );
    assert_eq!(ask(&mut lone, 0, 2, 400), 400, "from afar");
    assert_eq!(ask(&mut lone, 1, 0, 100), 21, "each for himself");
    lone.settings.limits.own_queries_per_minute = 0;
    assert_eq!(ask(&mut lone, 2, 0, 100), 100, "raised by setting");
    lone.settings.ground = Ground::Private;
    assert_eq!(ask(&mut lone, 1, 1, 400), 400, "at home");
}

#[test]
fn who_asks_too_much_for_too_long_loses_its_link() {
    let mut lone = lone(2);
    lone.connect(2, Role::Leaf);
    lone.settings.limits.excess_strikes = 50;
    let mut closed = |seconds: u64, link, hops, count: u32| {
        lone.now = seconds * 1_000;
        let one = |n| lone.asked(link, 2, hops, &text(&format!("words {seconds} {n}")));
        let closed = |output: &Output| match output {
            Output::Close { link, bye, .. } => Some((*link, bye.as_ref().map(|bye| bye.code))),
            _ => None,
        };
        (0..count)
            .flat_map(one)
            .filter_map(|output| closed(&output))
            .collect::<Vec<_>>()
    };
    assert_eq!(closed(100, 0, 1, 5_000), [], "of what it only passes on");
    assert_eq!(closed(200, 0, 0, 21 + 49), []);
    assert_eq!(closed(300, 0, 0, 21 + 49), [], "it paused");
    assert_eq!(closed(310, 0, 0, 100), [(Link(0), Some(405))]);
    assert_eq!(closed(400, 2, 0, 21 + 50), [(Link(2), Some(405))], "a leaf");
}

#[test]
fn one_origin_asks_so_much_whoever_relays_it() {
    let mut lone = lone(3);
    let ask = |lone: &mut Lone, link, last: u8, n: u8| {
        let mut guid = [n; 16];
        guid[..4].copy_from_slice(&[198, 51, 100, last]);
        guid[13..15].copy_from_slice(&6346_u16.to_le_bytes());
        let query = text(&format!("words {last} {n}")).with_secure_out_of_band();
        let header = header(Kind::Query, Guid::from_bytes(guid), 2, 1);
        !lone.receive(link, header, &query.encode()).is_empty()
    };
    let taken = (0..50).filter(|n| ask(&mut lone, u32::from(n % 3), 7, *n));
    assert_eq!(taken.count(), 21);
    assert_eq!(lone.dropped(Drop::OriginTooMany), 29);
    assert!(ask(&mut lone, 0, 8, 100), "another origin");
}

#[test]
fn who_repeats_himself_is_not_heard_for_a_while() {
    let mut lone = lone(2);
    lone.connect(2, Role::Leaf);
    let query = text("linux iso");
    let mut heard = |seconds: u64, link, ttl, hops| {
        lone.now = seconds * 1_000;
        !queries(&lone.asked(link, ttl, hops, &query)).is_empty()
    };
    assert!(heard(0, 0, 3, 1));
    assert!(!heard(4, 0, 3, 1));
    assert!(heard(4, 0, 2, 2), "other hops");
    assert!(heard(4, 1, 3, 1), "another neighbour");
    assert!(heard(9, 0, 3, 1));
    assert!(heard(10, 2, 1, 0), "a leaf");
    assert!(!heard(1_700, 2, 3, 0), "whatever its TTL");
    assert!(heard(1_711, 2, 1, 0));
    assert_eq!(lone.dropped(Drop::Repeat), 1);
    assert_eq!(lone.dropped(Drop::LeafRepeat), 1);
    lone.settings.ground = Ground::Private;
    assert!(!queries(&lone.asked(2, 1, 0, &query)).is_empty(), "at home");
}

#[test]
fn guids_that_count_up_are_dropped() {
    let mut lone = lone(2);
    let query = Query::keywords("linux iso").unwrap().encode();
    let mut ask = |link, n: u16| {
        let mut guid = [9; 16];
        guid[..2].copy_from_slice(&n.to_le_bytes());
        lone.receive(
            link,
            header(Kind::Query, Guid::from_bytes(guid), 3, 1),
            &query,
        );
        lone.dropped(Drop::CounterGuid)
    };
    assert_eq!([ask(0, 1), ask(0, 2), ask(0, 256)], [0, 1, 2]);
    assert_eq!(ask(1, 3), 2, "over another link");
    assert_eq!(ask(0, 256), 2, "a copy is no count");
}

#[test]
fn who_sends_copies_of_copies_loses_its_link_if_it_can_be_spared() {
    let mut lone = lone(2);
    let query = Query::keywords("linux iso").unwrap().encode();
    let copies = |lone: &mut Lone| {
        let one = |_| lone.receive(0, header(Kind::Query, guid(1), 3, 1), &query);
        (0..8).flat_map(one).collect::<Vec<Output>>()
    };
    assert_eq!(queries(&copies(&mut lone)).len(), 1);
    assert_eq!(lone.dropped(Drop::Duplicate), 7);
    lone.settings.limits.ultrapeers_wanted = 1;
    let out = copies(&mut lone);
    let Some(Output::Close {
        link: Link(0),
        bye: Some(Bye { code: 401, .. }),
        ..
    }) = out.first()
    else {
        panic!("{out:?}")
    };
    lone.handle(Input::Closed { link: Link(0) });
    lone.receive(1, header(Kind::Query, guid(1), 3, 1), &query);
    assert_eq!(
        lone.servent.neighbours().len(),
        1,
        "a copy of another is no fault"
    );
}

#[test]
fn hits_of_one_query_have_an_end() {
    let mut lone = lone(4);
    lone.asked(0, 3, 1, &text("something else"));
    let query = Query::keywords("linux iso").unwrap().encode();
    lone.receive(0, header(Kind::Query, guid(1), 3, 1), &query);
    let mut passed = |link| {
        let header = header(Kind::QueryHit, guid(1), 3, 1);
        let back = |_: &_| !lone.receive(link, header, &hit(10)).is_empty();
        (0..40).filter(back).count()
    };
    assert_eq!(passed(1), 13, "of 250 results one neighbour brings 125");
    assert_eq!([passed(2), passed(3)], [12, 0], "others the rest");
    assert_eq!(lone.dropped(Drop::HitThrottled), 27 + 28 + 40);
    assert_eq!(lone.servent.neighbours()[1].bad, 0);
}

#[test]
fn what_is_wrong_with_a_hit_for_a_search_is_counted_and_not_shown() {
    let mut lone = lone(1);
    let query = Query::keywords("linux iso").unwrap();
    let out = lone.search(1, &query);
    let Output::Send { descriptor, .. } = &out[0] else {
        panic!("{out:?}")
    };
    let header = header(Kind::QueryHit, descriptor.header.guid, 3, 1);
    assert_eq!(lone.receive(0, header, &hit(3)).len(), 1);
    let mut evil = QueryHit::decode(&hit(2)).unwrap();
    evil.results[1].name = "../linux".to_owned();
    assert_eq!(lone.receive(0, header, &evil.encode()), []);
    let mut odd = QueryHit::decode(&hit(1)).unwrap();
    odd.servent = guid(0xff);
    assert_eq!(lone.receive(0, header, &odd.encode()), []);
    // One servent of today puts sixteen into a hit.
    assert_eq!(lone.receive(0, header, &hit(16)).len(), 1);
    assert_eq!(lone.receive(0, header, &hit(65)), []);
    assert_eq!(lone.dropped(Drop::Spam), 3);
    let counted: Vec<_> = lone.stats.spam().collect();
    let expected = [
        ("evil_name", 1),
        ("odd_servent", 1),
        ("too_many_records", 1),
    ];
    assert_eq!(counted, expected);
}
