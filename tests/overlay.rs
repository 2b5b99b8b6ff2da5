//! The servent as its neighbours see it: inputs go in, outputs come out, no socket anywhere.

use bytes::Bytes;
use filbert::overlay::catalogue::{Catalogue, Nothing, Tally};
use filbert::overlay::flow::Pressure;
use filbert::overlay::query_routing::TableBuilder;
use filbert::overlay::settings::Keepalive;
use filbert::overlay::stats::Drop;
use filbert::overlay::{
    Input, Instant, Link, Offer, Output, Profile, Recipients, Role, SearchId, Servent, Settings,
    Stats, Surroundings,
};
use filbert::wire::bye::Bye;
use filbert::wire::pong::Pong;
use filbert::wire::query::Query;
use filbert::wire::query_hit::{QueryHit, Record};
use filbert::wire::{Descriptor, Guid, Header, Kind};
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;

/// A servent and all it is handed.
struct Bench<C> {
    servent: Servent,
    settings: Settings,
    catalogue: C,
    rng: Pcg64Mcg,
    stats: Stats,
    now: u64,
}

impl<C: Catalogue> Bench<C> {
    fn new(profile: Profile, catalogue: C) -> Self {
        let settings = Settings {
            keepalive: None,
            address: "192.0.2.1:6346".parse().unwrap(),
            ..Settings::new(profile)
        };
        Self {
            servent: Servent::new(guid(0xee), Role::Ultrapeer),
            settings,
            catalogue,
            rng: Pcg64Mcg::seed_from_u64(7),
            stats: Stats::default(),
            now: 0,
        }
    }

    fn handle(&mut self, input: Input<'_>) -> Vec<Output> {
        let mut out = Vec::new();
        let mut around = Surroundings {
            settings: &self.settings,
            catalogue: &self.catalogue,
            rng: &mut self.rng,
            stats: &mut self.stats,
            out: &mut out,
        };
        self.servent.handle(
            Instant::from_micros(self.now * 1_000_000),
            input,
            &mut around,
        );
        out
    }

    fn connect(&mut self, links: u32) -> Vec<Output> {
        let connect = |link| Input::Connected {
            link: Link(link),
            offer: Offer {
                bye: true,
                ..Offer::default()
            },
        };
        (0..links)
            .flat_map(|link| self.handle(connect(link)))
            .collect()
    }

    fn receive(&mut self, link: u32, header: Header, payload: &Bytes) -> Vec<Output> {
        self.handle(Input::Received {
            link: Link(link),
            header,
            payload,
        })
    }
}

/// Answers every query with so many files.
struct Shelf(u32);

impl Catalogue for Shelf {
    fn is_empty(&self) -> bool {
        self.0 == 0
    }

    fn answer(&self, query: &Query, limit: usize) -> Vec<Record> {
        (1..=self.0)
            .take(limit)
            .map(|n| Record::new(n, 5, format!("{} {n}", query.search_text()), None, None))
            .collect()
    }

    fn tally(&self) -> Tally {
        Tally {
            files: self.0,
            kibibytes: 1000,
        }
    }

    fn describe(&self, _: &mut TableBuilder) {}
}

fn guid(n: u8) -> Guid {
    Guid::from_bytes([n; 16])
}

fn header(kind: Kind, n: u8, ttl: u8, hops: u8) -> Header {
    Header {
        guid: guid(n),
        kind,
        ttl,
        hops,
    }
}

fn query() -> Bytes {
    Query::keywords("linux iso").unwrap().encode()
}

fn hit(servent: u8) -> Bytes {
    let results = vec![Record::new(1, 9, "linux.iso".to_owned(), None, None)];
    QueryHit {
        port: 6346,
        ip: [192, 0, 2, 9].into(),
        speed: 1,
        results,
        trailer: None,
        servent: guid(servent),
    }
    .encode()
}

fn forward(to: Recipients, ttl: u8, hops: u8) -> Vec<Output> {
    vec![Output::Forward { to, ttl, hops }]
}

#[test]
fn a_query_goes_on_once_to_all_but_its_sender() {
    let mut bench = Bench::new(Profile::CLASSIC, Nothing);
    bench.connect(32);
    let onward = bench.receive(3, header(Kind::Query, 1, 7, 0), &query());
    assert_eq!(
        onward,
        forward(Recipients::AllBut(Link(3)), 6, 1),
        "one output for all 31"
    );
    assert_eq!(bench.receive(4, header(Kind::Query, 1, 7, 0), &query()), []);
    assert_eq!(bench.stats.dropped(Drop::Duplicate), 1);
    assert_eq!(bench.servent.neighbours()[4].duplicates, 1);
    assert_eq!(
        bench.receive(5, header(Kind::Query, 2, 1, 6), &query()),
        [],
        "TTL ends here"
    );
}

#[test]
fn a_duplicate_that_reaches_further_goes_on_in_the_public_profile_only() {
    for (profile, again) in [(Profile::PUBLIC, true), (Profile::CLASSIC, false)] {
        let mut bench = Bench::new(profile, Shelf(1));
        bench.connect(3);
        let first = bench.receive(0, header(Kind::Query, 1, 1, 2), &query());
        assert_eq!(first.len(), 1, "answered, not forwarded");
        let second = bench.receive(1, header(Kind::Query, 1, 3, 0), &query());
        let expected = if again {
            forward(Recipients::AllBut(Link(1)), 2, 1)
        } else {
            vec![]
        };
        assert_eq!(second, expected, "never answered again");
        assert_eq!(bench.receive(2, header(Kind::Query, 1, 3, 0), &query()), []);
    }
}

#[test]
fn hits_go_back_the_way_the_query_came() {
    let mut bench = Bench::new(Profile::CLASSIC, Nothing);
    bench.connect(3);
    bench.receive(2, header(Kind::Query, 1, 7, 0), &query());
    let back = bench.receive(0, header(Kind::QueryHit, 1, 3, 1), &hit(5));
    assert_eq!(back, forward(Recipients::One(Link(2)), 2, 2));
    assert_eq!(
        bench
            .receive(0, header(Kind::QueryHit, 1, 3, 1), &hit(6))
            .len(),
        1,
        "every hit"
    );
    assert_eq!(
        bench.receive(0, header(Kind::QueryHit, 1, 1, 1), &hit(5)),
        []
    );
    assert_eq!(
        bench.receive(2, header(Kind::QueryHit, 1, 3, 1), &hit(5)),
        [],
        "to its sender"
    );
    assert_eq!(
        bench.receive(0, header(Kind::QueryHit, 9, 3, 1), &hit(5)),
        [],
        "nobody asked"
    );
    bench.handle(Input::Closed { link: Link(2) });
    assert_eq!(
        bench.receive(0, header(Kind::QueryHit, 1, 3, 1), &hit(5)),
        []
    );
    let counts =
        [Drop::TtlExhausted, Drop::RouteLost, Drop::NoRoute].map(|w| bench.stats.dropped(w));
    assert_eq!((counts, bench.stats.routed), ([1, 2, 1], 2));
}

#[test]
fn a_hit_of_nobody_is_dropped() {
    let mut bench = Bench::new(Profile::CLASSIC, Nothing);
    bench.connect(2);
    bench.receive(0, header(Kind::Query, 1, 7, 0), &query());
    for servent in [0, 0xee, 1] {
        assert_eq!(
            bench.receive(1, header(Kind::QueryHit, 1, 3, 0), &hit(servent)),
            []
        );
    }
    assert_eq!(
        bench.receive(
            1,
            header(Kind::QueryHit, 1, 3, 0),
            &Bytes::from_static(b"short")
        ),
        []
    );
    assert_eq!(bench.stats.dropped(Drop::BadServent), 3);
    assert_eq!(bench.stats.dropped(Drop::Malformed), 1);
}

#[test]
fn an_own_search_is_sent_answered_and_cancelled() {
    let mut bench = Bench::new(Profile::PUBLIC, Shelf(3));
    bench.connect(2);
    let asked = Query::keywords("linux iso").unwrap();
    let out = bench.handle(Input::Search {
        id: SearchId(8),
        query: &asked,
        ttl: None,
    });
    let [
        Output::Send {
            to: Recipients::All,
            descriptor,
        },
    ] = &out[..]
    else {
        panic!("{out:?}")
    };
    let sent = descriptor.header;
    assert_eq!((sent.kind, sent.ttl, sent.hops), (Kind::Query, 4, 0));
    assert_eq!(
        bench.receive(
            1,
            Header {
                ttl: 3,
                hops: 1,
                ..sent
            },
            &query()
        ),
        [],
        "our own echo"
    );

    let late = bench.handle(Input::Connected {
        link: Link(2),
        offer: Offer::default(),
    });
    assert_eq!(
        late,
        [Output::Send {
            to: Recipients::One(Link(2)),
            descriptor: descriptor.clone()
        }]
    );

    let reply = Header {
        kind: Kind::QueryHit,
        ttl: 2,
        hops: 1,
        ..sent
    };
    let out = bench.receive(0, reply, &hit(5));
    let [
        Output::Hit {
            search: SearchId(8),
            hit: found,
            hops: 2,
            link: Link(0),
        },
    ] = &out[..]
    else {
        panic!("{out:?}")
    };
    assert_eq!(found.results[0].name, "linux.iso");
    bench.handle(Input::Cancel { id: SearchId(8) });
    assert_eq!(bench.receive(0, reply, &hit(5)), []);
}

#[test]
fn answers_are_cut_into_hits_that_others_take() {
    let mut bench = Bench::new(Profile::PUBLIC, Shelf(200));
    bench.connect(2);
    let out = bench.receive(1, header(Kind::Query, 1, 1, 2), &query());
    let mut names = Vec::new();
    for output in &out {
        let Output::Send {
            to: Recipients::One(Link(1)),
            descriptor,
        } = output
        else {
            panic!("{output:?}")
        };
        let Header {
            kind: Kind::QueryHit,
            ttl: 8,
            hops: 0,
            guid: id,
        } = descriptor.header
        else {
            panic!("{descriptor:?}")
        };
        let hit = QueryHit::decode(&descriptor.payload).unwrap();
        assert_eq!((id, hit.servent, hit.port), (guid(1), guid(0xee), 6346));
        assert!(hit.results.len() <= 10 && descriptor.payload.len() <= 2_200);
        names.extend(hit.results.into_iter().map(|record| record.name));
    }
    assert_eq!(
        (out.len(), names.len()),
        (5, 50),
        "50 results at most, 10 a hit"
    );
}

#[test]
fn a_ping_is_answered_with_what_is_shared() {
    let mut bench = Bench::new(Profile::PUBLIC, Shelf(12));
    bench.connect(1);
    let out = bench.receive(0, header(Kind::Ping, 1, 1, 0), &Bytes::new());
    let [
        Output::Send {
            to: Recipients::One(Link(0)),
            descriptor,
        },
    ] = &out[..]
    else {
        panic!("{out:?}")
    };
    assert_eq!(descriptor.header, header(Kind::Pong, 1, 1, 0));
    let pong = Pong::decode(&descriptor.payload).unwrap();
    assert_eq!((pong.files, pong.port), (12, 6346));
    assert_eq!(
        pong.kibibytes, 1024,
        "an ultrapeer tells the nearest power of two"
    );
}

#[test]
fn a_silent_neighbour_is_pinged_then_left() {
    let mut bench = Bench::new(Profile::PUBLIC, Nothing);
    bench.settings.keepalive = Some(Keepalive {
        unanswered: 2,
        ..Keepalive::default()
    });
    assert_eq!(bench.connect(2).len(), 2, "a ping to each new neighbour");
    let mut closed = Vec::new();
    while let Some(deadline) = bench.servent.deadline() {
        bench.now = deadline.as_micros() / 1_000_000;
        // Neighbour 1 always answers.
        bench.receive(1, header(Kind::Pong, 1, 1, 0), &pong());
        for output in bench.handle(Input::Tick) {
            match output {
                Output::Send {
                    to: Recipients::One(Link(0)),
                    descriptor,
                } => {
                    assert_eq!(descriptor.header.kind, Kind::Ping);
                }
                Output::Close { link, bye, .. } => closed.push((link, bye.unwrap().code)),
                other => panic!("{other:?}"),
            }
        }
        if !closed.is_empty() {
            break;
        }
        assert!(bench.now < 600, "never closed");
    }
    assert_eq!(closed, [(Link(0), 406)]);
    assert_eq!(bench.now, 60, "after two pings, 20 s apart, and 20 s more");
}

fn pong() -> Bytes {
    let ip = [192, 0, 2, 9].into();
    let extensions = filbert::wire::ggep::Extensions::default();
    Pong {
        port: 1,
        ip,
        files: 0,
        kibibytes: 0,
        extensions,
    }
    .encode()
}

#[test]
fn what_no_neighbour_should_send_is_counted_and_at_most_ends_its_own_link() {
    let mut bench = Bench::new(Profile::PUBLIC, Shelf(1));
    bench.connect(2);
    let nothing = Bytes::new();
    let cases: [(Header, &[u8], Drop); 10] = [
        (header(Kind::Other(0x99), 1, 1, 0), b"", Drop::UnknownKind),
        (header(Kind::Query, 1, 0, 1), b"\x80\0a\0", Drop::TtlZero),
        (
            header(Kind::Query, 1, 1, 255),
            b"\x80\0a\0",
            Drop::HopsExhausted,
        ),
        (header(Kind::Query, 2, 3, 0), &[b'x'; 257], Drop::TooLarge),
        (
            header(Kind::Query, 3, 3, 0),
            b"\x80\0no end",
            Drop::Malformed,
        ),
        (
            header(Kind::Query, 4, 3, 0),
            b"\x80\0\xff\xfe\0",
            Drop::Malformed,
        ),
        (header(Kind::Pong, 5, 1, 0), b"short", Drop::Malformed),
        (
            header(Kind::QueryHit, 5, 3, 0),
            &[0; 20_000],
            Drop::TooLarge,
        ),
        (header(Kind::RouteTableUpdate, 5, 1, 0), b"", Drop::BadTable),
        (header(Kind::Dht, 5, 1, 0), b"", Drop::Ignored),
    ];
    for (header, payload, why) in cases {
        let before = bench.stats.dropped(why);
        assert_eq!(
            bench.receive(0, header, &Bytes::copy_from_slice(payload)),
            [],
            "{why:?}"
        );
        assert_eq!(bench.stats.dropped(why), before + 1, "{why:?}");
    }
    assert_eq!(
        bench.receive(9, header(Kind::Ping, 1, 1, 0), &nothing),
        [],
        "no such link"
    );
    assert_eq!(bench.stats.dropped(Drop::UnknownLink), 1);

    let strikes = |bench: &mut Bench<_>, header: Header| {
        (0..20)
            .flat_map(|_| bench.receive(0, header, &nothing))
            .collect::<Vec<_>>()
    };
    for (header, code) in [
        (header(Kind::Query, 7, 15, 1), 403),
        (header(Kind::Vendor { standard: false }, 7, 1, 1), 412),
    ] {
        let out = strikes(&mut bench, header);
        let [
            Output::Close {
                link: Link(0),
                bye: Some(bye),
                ..
            },
        ] = &out[..]
        else {
            panic!("{out:?}")
        };
        assert_eq!(bye.code, code);
    }
}

#[test]
fn a_goodbye_closes_the_link() {
    let mut bench = Bench::new(Profile::PUBLIC, Nothing);
    bench.connect(1);
    let said = Bye {
        code: 200,
        message: "Shutting down".to_owned(),
    }
    .encode();
    let out = bench.receive(0, header(Kind::Bye, 1, 1, 0), &said);
    let [
        Output::Close {
            link: Link(0),
            bye: None,
            why,
        },
    ] = &out[..]
    else {
        panic!("{out:?}")
    };
    assert!(why.contains("200 Shutting down"), "{why}");
}

#[test]
fn queries_of_a_neighbour_that_does_not_read_are_dropped() {
    let mut bench = Bench::new(Profile::PUBLIC, Nothing);
    bench.connect(2);
    let press = |level| Input::Pressure {
        link: Link(0),
        level,
    };
    bench.handle(press(Pressure::Congested));
    assert_eq!(bench.receive(0, header(Kind::Query, 1, 3, 0), &query()), []);
    assert_eq!(bench.stats.dropped(Drop::Congested), 1);
    bench.handle(press(Pressure::Free));
    assert_eq!(
        bench
            .receive(0, header(Kind::Query, 1, 3, 0), &query())
            .len(),
        1
    );
}

#[test]
fn there_is_a_last_place_for_neighbours() {
    let mut bench = Bench::new(Profile::PUBLIC, Nothing);
    bench.settings.limits.neighbours = 3;
    let out = bench.connect(4);
    let [
        Output::Close {
            link: Link(3),
            bye: Some(Bye { code: 503, .. }),
            ..
        },
    ] = &out[..]
    else {
        panic!("{out:?}")
    };
    assert_eq!(bench.servent.neighbours().len(), 3);
}

/// The two figures of the hot path: a forward to 32 neighbours shares its payload, a duplicate
/// touches no allocator.
#[test]
fn forwarding_copies_no_payload_and_a_duplicate_allocates_nothing() {
    let mut bench = Bench::new(Profile::CLASSIC, Nothing);
    bench.connect(33);
    let payload = query();
    let mut out = Vec::with_capacity(8);
    let mut feed = |link, n, out: &mut Vec<Output>| {
        let mut around = Surroundings {
            settings: &bench.settings,
            catalogue: &Nothing,
            rng: &mut bench.rng,
            stats: &mut bench.stats,
            out,
        };
        let header = header(Kind::Query, n, 7, 0);
        let input = Input::Received {
            link: Link(link),
            header,
            payload: &payload,
        };
        bench.servent.handle(Instant::default(), input, &mut around);
    };
    feed(0, 1, &mut out);
    assert_eq!(out, forward(Recipients::AllBut(Link(0)), 6, 1));
    let duplicate = allocation_counter::measure(|| feed(1, 1, &mut out));
    assert_eq!((duplicate.count_total, out.len()), (0, 1));

    // What a driver does with that one output: 32 descriptors, one payload.
    let copies: Vec<Descriptor> = (0..32)
        .map(|_| Descriptor {
            header: header(Kind::Query, 1, 6, 1),
            payload: payload.clone(),
        })
        .collect();
    assert!(
        copies
            .iter()
            .all(|copy| copy.payload.as_ptr() == payload.as_ptr())
    );
}
