//! What neighbours tell each other.

use super::*;

#[test]
fn a_neighbour_that_reads_vendor_messages_is_told_what_we_read_and_can() {
    let mut bench = Bench::new(Role::Ultrapeer);
    let out = messages(&bench.join(1, Role::Ultrapeer, &[]));
    let [
        (1, Vendor::MessagesSupported(names)),
        (1, Vendor::Features(features)),
    ] = &out[..]
    else {
        panic!("{out:?}");
    };
    assert!(names.contains(&Name::HOPS_FLOW) && names.contains(&Name::HEAD_PING_V2));
    assert!(!names.contains(&Name::OUT_OF_BAND_OFFER));
    assert_eq!(features.version(*b"QRP1"), Some(1));
    assert_eq!(features.version(*b"TLS!"), None);
    let silent = bench.handle(Input::Connected {
        link: Link(2),
        offer: Offer::default(),
    });
    assert_eq!(messages(&silent), []);
}

#[test]
fn what_nobody_knows_is_ignored_and_harms_nobody() {
    let mut bench = Bench::new(Role::Ultrapeer);
    bench.join(1, Role::Ultrapeer, &[]);
    let unknown = Bytes::from_static(b"LIME\x63\0\x01\0anything");
    assert_eq!(bench.receive(1, header(KIND, 1, 1, 0), &unknown), []);
    let horizon = Bytes::from_static(&[0; 24]);
    let header = header(Kind::Other(0xcd), 2, 1, 0);
    assert_eq!(bench.receive(1, header, &horizon), []);
    let names = vec![Name::HOPS_FLOW; 512];
    bench.tell(1, 3, &Vendor::MessagesSupported(names));
    assert_eq!(bench.stats.dropped(Drop::Ignored), 2);
    assert_eq!(bench.servent.neighbours()[0].bad, 0);
}

#[test]
fn queries_go_only_to_those_who_want_them() {
    let mut bench = Bench::new(Role::Ultrapeer);
    for link in 1..=3 {
        bench.join(link, Role::Ultrapeer, &[]);
    }
    bench.tell(2, 1, &Vendor::HopsFlow(0));
    bench.tell(3, 1, &Vendor::HopsFlow(2));
    let mut ask = |n, hops| queried(&bench.receive(1, header(Kind::Query, n, 3, hops), &query()));
    assert_eq!(ask(10, 0), [3], "one hop after this one");
    assert_eq!(ask(11, 1), [] as [u32; 0], "two hops");
    bench.tell(2, 1, &Vendor::HopsFlow(255));
    let mut ask = |n, hops| queried(&bench.receive(1, header(Kind::Query, n, 3, hops), &query()));
    assert_eq!(ask(12, 1), [2]);
    let newest = Query::keywords("something new").unwrap();
    let out = bench.handle(Input::Search {
        id: SearchId(1),
        query: &newest,
        ttl: Some(4),
    });
    let to = Recipients::Some([Link(1), Link(2), Link(3)].into());
    let all = |output: &Output| matches!(output, Output::Send { to, .. } if *to == Recipients::All);
    assert!(out.iter().any(all), "hops 0 are wanted: {out:?} {to:?}");
    bench.tell(3, 1, &Vendor::HopsFlow(255));
    bench.now = 1;
    let free = bench.receive(1, header(Kind::Query, 13, 3, 1), &query());
    assert!(
        matches!(&free[..], [Output::Send { .. }, Output::Forward { to, .. }]
        if *to == Recipients::AllBut(Link(1)))
    );
}

#[test]
fn a_neighbour_that_does_not_keep_up_is_told_and_at_last_left() {
    let mut bench = Bench::new(Role::Ultrapeer);
    bench.join(1, Role::Ultrapeer, &[]);
    bench.join(2, Role::Leaf, &[]);
    let press = |bench: &mut Bench, link, level| {
        messages(&bench.handle(Input::Pressure {
            link: Link(link),
            level,
        }))
    };
    let out = press(&mut bench, 1, Pressure::Congested);
    assert_eq!(out, [(1, Vendor::HopsFlow(0))]);
    assert_eq!(press(&mut bench, 1, Pressure::Congested), []);
    assert_eq!(
        press(&mut bench, 1, Pressure::Free),
        [(1, Vendor::HopsFlow(255))]
    );
    press(&mut bench, 1, Pressure::Congested);
    press(&mut bench, 2, Pressure::Congested);
    bench.receive(1, header(Kind::Query, 9, 3, 0), &query());
    assert_eq!(bench.stats.dropped(Drop::Congested), 1);
    bench.now = 179;
    assert_eq!(bench.tick(), []);
    bench.now = 180;
    assert_eq!(
        bench.servent.deadline(),
        Some(Instant::from_micros(180_000_000))
    );
    let out = bench.tick();
    assert!(
        matches!(&out[..], [Output::Close { link: Link(1), bye: Some(bye), .. }]
        if bye.code == 405)
    );
}

#[test]
fn a_leaf_tells_how_many_results_it_kept_until_it_wants_no_more() {
    let mut bench = Bench::new(Role::Leaf);
    bench.join(1, Role::Ultrapeer, &[]);
    let query = Query::keywords("linux iso").unwrap();
    let out = bench.handle(Input::Search {
        id: SearchId(1),
        query: &query,
        ttl: None,
    });
    let [Output::Send { descriptor, .. }] = &out[..] else {
        panic!("{out:?}");
    };
    assert!(
        Query::decode(&descriptor.payload)
            .unwrap()
            .flags
            .leaf_guided()
    );
    let search = descriptor.header;
    let hit_header = Header {
        kind: Kind::QueryHit,
        ttl: 2,
        ..search
    };
    bench.receive(1, hit_header, &hit(0x50));
    let request = Header {
        kind: KIND,
        ttl: 1,
        ..search
    };
    let payload = Vendor::GuidanceRequest.encode();
    let out = told(&bench.receive(1, request, &payload));
    assert_eq!(out, [(1, search.guid, Vendor::Guidance { kept: 1 })]);
    let out = told(&bench.handle(Input::Cancel { id: SearchId(1) }));
    assert_eq!(out, [(1, search.guid, Vendor::Guidance { kept: STOP })]);
    let out = told(&bench.receive(1, request, &payload));
    assert_eq!(out, [(1, search.guid, Vendor::Guidance { kept: STOP })]);
}

#[test]
fn an_ultrapeer_asks_a_leaf_that_guides() {
    let mut bench = Bench::new(Role::Ultrapeer);
    bench.settings.dynamic = Some(crate::overlay::dynamic_query::Settings::default());
    bench.join(1, Role::Leaf, &[]);
    bench.join(2, Role::Ultrapeer, &[]);
    let mut query = Query::keywords("linux iso").unwrap();
    query.flags = query.flags.with_leaf_guided(true);
    bench.receive(1, header(Kind::Query, 0x20, 1, 0), &query.encode());
    let mut asked = Vec::new();
    for n in 0..20 {
        let out = bench.receive(2, header(Kind::QueryHit, 0x20, 3, 1), &hit(0x40 + n));
        asked.extend(told(&out));
    }
    assert_eq!(asked, [(1, guid(0x20), Vendor::GuidanceRequest)]);
    bench.tell(2, 0x20, &Vendor::Guidance { kept: STOP });
    assert_eq!(
        bench.stats.dropped(Drop::Ignored),
        1,
        "only the leaf has a say"
    );
    bench.tell(1, 0x20, &Vendor::Guidance { kept: STOP });
    let reason = crate::overlay::dynamic_query::Reason::LeafStop;
    assert_eq!(bench.stats.dynamic.finished_by(reason), 1);
}

#[test]
fn a_leaf_relays_nothing() {
    let mut bench = Bench::new(Role::Leaf);
    for link in 1..=3 {
        bench.join(link, Role::Ultrapeer, &[]);
    }
    let pong = Pong {
        port: 6346,
        ip: [192, 0, 2, 9].into(),
        files: 1,
        kibibytes: 8,
        extensions: Extensions::new(),
    };
    let received = [
        (1, Kind::Query, 1, query()),
        // As if it came for the query of the first neighbour.
        (2, Kind::QueryHit, 1, hit(9)),
        (2, Kind::Push, 2, push(9, "192.0.2.9:6346")),
        (2, Kind::Push, 3, push(1, "192.0.2.9:6346")),
        (1, Kind::Ping, 4, Ping::default().encode()),
        (2, Kind::Pong, 4, pong.encode()),
        (1, Kind::Ping, 5, Ping::default().encode()),
    ];
    let mut answers = Vec::new();
    for (link, kind, n, payload) in received {
        for output in bench.receive(link, header(kind, n, 3, 0), &payload) {
            let Output::Send { to, descriptor } = output else {
                panic!("{output:?}");
            };
            assert_eq!(
                (to, descriptor.header.hops),
                (Recipients::One(Link(link)), 0)
            );
            answers.push((kind, descriptor.header.kind));
        }
    }
    let own = [
        (Kind::Query, Kind::QueryHit),
        (Kind::Ping, Kind::Pong),
        (Kind::Ping, Kind::Pong),
    ];
    assert_eq!(answers, own);
}
