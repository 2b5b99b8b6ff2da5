//! A servent and what its neighbours tell it: inputs go in, outputs come out.

use std::net::SocketAddr;

use bytes::Bytes;
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;

use crate::overlay::catalogue::{Catalogue, Tally};
use crate::overlay::flow::Pressure;
use crate::overlay::query_routing::TableBuilder;
use crate::overlay::stats::Drop;
use crate::overlay::{
    Acquaintance, Ground, Input, Instant, Link, Offer, Output, Profile, Recipients, Role, SearchId,
    Servent, Settings, Stats, Surroundings,
};
use crate::wire::ggep::{Extensions, Id};
use crate::wire::ping::Ping;
use crate::wire::pong::{HostWish, Pong};
use crate::wire::push::Push;
use crate::wire::query::Query;
use crate::wire::query_hit::{QueryHit, Record};
use crate::wire::vendor::{
    CrawlerPing, CrawlerWish, HeadPing, HeadPong, Holding, Name, STOP, Stamp, Vendor,
};
use crate::wire::{Descriptor, Guid, Header, Kind};

const KIND: Kind = Kind::Vendor { standard: false };

/// One file, found by every query.
struct OneFile;

impl Catalogue for OneFile {
    fn is_empty(&self) -> bool {
        false
    }

    fn answer(&self, _: &Query, _: usize) -> Vec<Record> {
        vec![Record::new(1, 5, "one file".to_owned(), None, None)]
    }

    fn tally(&self) -> Tally {
        Tally {
            files: 1,
            kibibytes: 0,
        }
    }

    fn describe(&self, _: &mut TableBuilder) {}
}

/// A servent and what it is handed.
struct Bench {
    servent: Servent,
    settings: Settings,
    rng: Pcg64Mcg,
    stats: Stats,
    now: u64,
}

impl Bench {
    fn new(role: Role) -> Self {
        Self {
            servent: Servent::new(guid(0xee)),
            settings: Settings {
                keepalive: None,
                address: "192.0.2.1:6346".parse().unwrap(),
                role,
                ..Settings::new(Profile::PUBLIC)
            },
            rng: Pcg64Mcg::seed_from_u64(7),
            stats: Stats::default(),
            now: 0,
        }
    }

    fn handle(&mut self, input: Input<'_>) -> Vec<Output> {
        let mut out = Vec::new();
        let mut around = Surroundings {
            settings: &self.settings,
            catalogue: &OneFile,
            rng: &mut self.rng,
            stats: &mut self.stats,
            out: &mut out,
        };
        let now = Instant::from_micros(self.now * 1_000_000);
        self.servent.handle(now, input, &mut around);
        out
    }

    /// A neighbour at 198.51.100.`link`, called by its link, that reads these messages.
    fn join(&mut self, link: u32, role: Role, reads: &[Name]) -> Vec<Output> {
        let offer = Offer {
            role,
            bye: true,
            vendor: true,
            ..Offer::default()
        };
        let mut out = self.handle(Input::Connected {
            link: Link(link),
            offer,
        });
        let address = format!("198.51.100.{link}:5000").parse().unwrap();
        let who = Acquaintance {
            address,
            listen: Some(SocketAddr::new(address.ip(), 6346)),
            servent: Some(guid(u8::try_from(link).unwrap())),
            agent: "TEST/1".to_owned(),
        };
        out.extend(self.handle(Input::Introduced {
            link: Link(link),
            who: &who,
        }));
        out.extend(self.tell(link, 0x70, &Vendor::MessagesSupported(reads.to_vec())));
        out
    }

    fn receive(&mut self, link: u32, header: Header, payload: &Bytes) -> Vec<Output> {
        self.handle(Input::Received {
            link: Link(link),
            header,
            payload,
        })
    }

    fn tell(&mut self, link: u32, n: u8, message: &Vendor) -> Vec<Output> {
        self.receive(link, header(KIND, n, 1, 0), &message.encode())
    }

    fn datagram(&mut self, from: &str, kind: Kind, n: u8, payload: Bytes) -> Vec<Output> {
        let header = header(kind, n, 1, 0);
        let bytes = Descriptor { header, payload }.encode().unwrap();
        self.handle(Input::Datagram {
            from: from.parse().unwrap(),
            bytes: &bytes,
        })
    }

    fn tick(&mut self) -> Vec<Output> {
        self.handle(Input::Tick)
    }
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

/// The vendor messages sent, to whom and with which MUID.
fn told(out: &[Output]) -> Vec<(u32, Guid, Vendor)> {
    let sent = out.iter().filter_map(|output| match output {
        Output::Send {
            to: Recipients::One(link),
            descriptor,
        } if descriptor.header.kind == KIND => {
            let message = Vendor::decode(&descriptor.payload).unwrap();
            Some((link.0, descriptor.header.guid, message))
        }
        _ => None,
    });
    sent.collect()
}

fn messages(out: &[Output]) -> Vec<(u32, Vendor)> {
    let told = told(out).into_iter();
    told.map(|(link, _, message)| (link, message)).collect()
}

/// Those that a query goes on to.
fn queried(out: &[Output]) -> Vec<u32> {
    let mut links = Vec::new();
    for output in out {
        match output {
            Output::Forward {
                to: Recipients::Some(some),
                ..
            } => links.extend(some.iter().map(|link| link.0)),
            Output::Forward { to, .. } => panic!("{to:?}"),
            _ => {}
        }
    }
    links
}

fn push(servent: u8, address: &str) -> Bytes {
    let address: std::net::SocketAddrV4 = address.parse().unwrap();
    let mut extensions = Extensions::new();
    extensions.push(Id::TLS, Bytes::new());
    Push {
        servent: guid(servent),
        index: 7,
        ip: *address.ip(),
        port: address.port(),
        extensions,
    }
    .encode()
}

fn hit(servent: u8) -> Bytes {
    QueryHit {
        port: 6346,
        ip: [192, 0, 2, 9].into(),
        speed: 1,
        results: vec![Record::new(1, 9, "linux.iso".to_owned(), None, None)],
        trailer: None,
        servent: guid(servent),
    }
    .encode()
}

fn query() -> Bytes {
    Query::keywords("linux iso").unwrap().encode()
}

/// A servent that asked three ultrapeers in vain to connect to it.
fn firewalled(role: Role) -> Bench {
    let mut bench = Bench::new(role);
    for link in 1..=3 {
        let out = bench.join(link, Role::Ultrapeer, &[Name::TCP_CONNECT_BACK]);
        let asked = Vendor::TcpConnectBack { port: 6346 };
        assert!(messages(&out).contains(&(link, asked)));
    }
    bench.now = 61;
    assert!(bench.servent.deadline().unwrap() <= Instant::from_micros(61_000_000));
    bench.tick();
    assert!(bench.servent.is_firewalled());
    bench
}

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
fn a_push_goes_the_way_that_hits_came_and_not_back() {
    let mut bench = Bench::new(Role::Ultrapeer);
    for link in 1..=4 {
        bench.join(link, Role::Ultrapeer, &[]);
    }
    bench.receive(1, header(Kind::Query, 1, 3, 0), &query());
    bench.receive(2, header(Kind::QueryHit, 1, 3, 1), &hit(0x50));
    bench.receive(3, header(Kind::QueryHit, 1, 3, 1), &hit(0x50));
    let push = push(0x50, "192.0.2.77:6346");
    let mut pushed = |link, n| queried(&bench.receive(link, header(Kind::Push, n, 4, 0), &push));
    assert_eq!(pushed(1, 20), [3, 2], "all ways, the last first");
    assert_eq!(pushed(1, 20), [] as [u32; 0], "once");
    assert_eq!(pushed(2, 21), [3], "not back");
    bench.handle(Input::Closed { link: Link(3) });
    let mut pushed = |link, n| queried(&bench.receive(link, header(Kind::Push, n, 4, 0), &push));
    assert_eq!(pushed(2, 22), [] as [u32; 0]);
    assert_eq!(pushed(4, 23), [2]);
    assert_eq!(bench.stats.dropped(Drop::RouteLost), 1);
    let to_neighbour = self::push(4, "192.0.2.77:6346");
    let out = bench.receive(1, header(Kind::Push, 24, 1, 0), &to_neighbour);
    assert!(
        matches!(
            &out[..],
            [Output::Forward {
                ttl: 1,
                hops: 1,
                ..
            }]
        ),
        "{out:?}"
    );
    let out = bench.datagram("203.0.113.9:6346", Kind::Push, 25, to_neighbour);
    let [Output::Send { to, descriptor }] = &out[..] else {
        panic!("{out:?}");
    };
    assert_eq!(*to, Recipients::Some([Link(4)].into()));
    assert_eq!((descriptor.header.ttl, descriptor.header.hops), (4, 0));
    assert_eq!(bench.stats.pushed, 5);
}

#[test]
fn a_push_for_us_is_served_within_limits() {
    let mut bench = Bench::new(Role::Leaf);
    bench.join(1, Role::Ultrapeer, &[]);
    let mut pushed =
        |n, address: &str| bench.receive(1, header(Kind::Push, n, 4, 0), &push(0xee, address));
    let give = [Output::GiveBack {
        to: "192.0.2.77:80".parse().unwrap(),
        index: 7,
        tls: true,
    }];
    assert_eq!(pushed(1, "192.0.2.77:80"), give);
    assert_eq!(pushed(1, "192.0.2.77:80"), [], "the same push");
    for n in 2..6 {
        assert_eq!(pushed(n, "192.0.2.77:80"), give);
    }
    assert_eq!(pushed(6, "192.0.2.77:80"), [], "the sixth");
    for (n, address) in [
        (7, "127.0.0.1:6346"),
        (8, "10.0.0.1:6346"),
        (9, "192.0.2.78:0"),
    ] {
        assert_eq!(pushed(n, address), [], "{address}");
    }
    let stranger = push(0x60, "192.0.2.77:80");
    assert_eq!(
        bench.receive(1, header(Kind::Push, 10, 4, 0), &stranger),
        []
    );
    bench.settings.ground = Ground::Private;
    let out = bench.receive(
        1,
        header(Kind::Push, 11, 4, 0),
        &push(0xee, "127.0.0.1:6346"),
    );
    assert_eq!(out.len(), 1);
}

#[test]
fn who_is_reached_knows_it_and_who_is_not_asks_for_push_proxies() {
    let mut bench = Bench::new(Role::Leaf);
    bench.join(
        1,
        Role::Ultrapeer,
        &[Name::TCP_CONNECT_BACK, Name::UDP_CONNECT_BACK],
    );
    bench.handle(Input::Reached {
        from: "10.0.0.1:5".parse().unwrap(),
    });
    assert_eq!(bench.servent.reachability().tcp, None, "from next door");
    bench.handle(Input::Reached {
        from: "198.51.100.1:5".parse().unwrap(),
    });
    assert_eq!(bench.servent.reachability().tcp, Some(true));

    let mut bench = firewalled(Role::Leaf);
    let out = told(&bench.join(
        4,
        Role::Ultrapeer,
        &[Name::PUSH_PROXY_REQUEST, Name::PUSH_PROXY_CANCEL],
    ));
    let request = Vendor::PushProxyRequest { version: 1 };
    assert!(out.contains(&(4, guid(0xee), request)), "{out:?}");
    let ack = |ip: [u8; 4]| Vendor::PushProxyAck {
        ip: Some(ip.into()),
        port: 6346,
    };
    bench.tell(4, 0xed, &ack([198, 51, 100, 4]));
    bench.tell(4, 0xee, &ack([10, 0, 0, 1]));
    assert_eq!(bench.servent.push_proxies(), [], "not ours, or nobody's");
    bench.tell(4, 0xee, &ack([198, 51, 100, 4]));
    let out = bench.receive(1, header(Kind::Query, 0x33, 1, 0), &query());
    let [Output::Send { descriptor, .. }] = &out[..] else {
        panic!("{out:?}");
    };
    let hit = QueryHit::decode(&descriptor.payload).unwrap();
    let trailer = hit.trailer.unwrap();
    assert_eq!(trailer.push, Some(true));
    let proxies: Vec<_> = trailer.push_proxies(9).map(|proxy| proxy.address).collect();
    assert_eq!(proxies, ["198.51.100.4:6346".parse().unwrap()]);
    let out = bench.handle(Input::Reached {
        from: "203.0.113.5:5".parse().unwrap(),
    });
    assert_eq!(messages(&out), [(4, Vendor::PushProxyCancel)]);
    assert_eq!(bench.servent.push_proxies(), []);
}

#[test]
fn our_ping_from_elsewhere_shows_that_datagrams_reach_us() {
    let mut bench = Bench::new(Role::Leaf);
    let out = told(&bench.join(1, Role::Ultrapeer, &[Name::UDP_CONNECT_BACK]));
    let asked = out.iter().find_map(|(_, guid, message)| match message {
        Vendor::UdpConnectBack {
            port: 6346,
            guid: None,
        } => Some(*guid),
        _ => None,
    });
    assert_eq!(bench.servent.reachability().udp, None);
    let header = Header {
        guid: asked.unwrap(),
        kind: Kind::Ping,
        ttl: 1,
        hops: 0,
    };
    let payload = Bytes::new();
    let bytes = Descriptor { header, payload }.encode().unwrap();
    let out = bench.handle(Input::Datagram {
        from: "198.51.100.1:6346".parse().unwrap(),
        bytes: &bytes,
    });
    assert_eq!(out, [], "it is an answer");
    assert_eq!(bench.servent.reachability().udp, Some(true));
}

#[test]
fn connections_are_tried_for_neighbours_within_limits() {
    let mut bench = Bench::new(Role::Ultrapeer);
    bench.join(1, Role::Leaf, &[]);
    bench.join(2, Role::Ultrapeer, &[]);
    let back = |port| Vendor::TcpConnectBack { port };
    let tried = |to: &str| {
        vec![Output::ConnectBack {
            to: to.parse().unwrap(),
        }]
    };
    assert_eq!(bench.tell(1, 1, &back(6346)), tried("198.51.100.1:6346"));
    assert_eq!(bench.tell(1, 1, &back(25)), [], "a well-known service");
    for _ in 0..4 {
        assert_eq!(bench.tell(1, 1, &back(6346)).len(), 1);
    }
    assert_eq!(bench.tell(1, 1, &back(6346)), [], "often enough");
    let redirect =
        |ip: [u8; 4]| Vendor::TcpConnectBackRedirect(std::net::SocketAddrV4::new(ip.into(), 6346));
    assert_eq!(bench.tell(1, 1, &redirect([203, 0, 113, 1])), [], "a leaf");
    let there = tried("203.0.113.1:6346");
    assert_eq!(bench.tell(2, 1, &redirect([203, 0, 113, 1])), there);
    assert_eq!(bench.tell(2, 1, &redirect([192, 168, 0, 1])), []);
    let ping = bench.tell(
        2,
        9,
        &Vendor::UdpConnectBack {
            port: 6347,
            guid: None,
        },
    );
    let [Output::Datagram { to, descriptor, .. }] = &ping[..] else {
        panic!("{ping:?}");
    };
    assert_eq!(*to, "198.51.100.2:6347".parse().unwrap());
    assert_eq!(descriptor.header, header(Kind::Ping, 9, 1, 0));
}

#[test]
fn an_ultrapeer_is_a_push_proxy_for_as_long_as_the_link_lasts() {
    let mut bench = Bench::new(Role::Ultrapeer);
    bench.join(1, Role::Leaf, &[]);
    bench.join(2, Role::Ultrapeer, &[]);
    bench.join(3, Role::Leaf, &[]);
    let request = Vendor::PushProxyRequest { version: 2 };
    let ack = Vendor::PushProxyAck {
        ip: Some([192, 0, 2, 1].into()),
        port: 6346,
    };
    let out = told(&bench.tell(1, 0x50, &request));
    assert_eq!(out, [(1, guid(0x50), ack)]);
    assert_eq!(bench.tell(3, 0x50, &request), [], "the name is taken");
    assert_eq!(bench.tell(3, 0xee, &request), [], "it is ours");
    let push = push(0x50, "192.0.2.77:6346");
    let mut pushed = |n| queried(&bench.receive(2, header(Kind::Push, n, 4, 0), &push));
    assert_eq!(pushed(1), [1]);
    bench.tell(1, 0x50, &Vendor::PushProxyCancel);
    let mut pushed = |n| queried(&bench.receive(2, header(Kind::Push, n, 4, 0), &push));
    assert_eq!(pushed(2), [] as [u32; 0]);
    bench.tell(1, 0x50, &request);
    bench.handle(Input::Closed { link: Link(1) });
    let mut pushed = |n| queried(&bench.receive(2, header(Kind::Push, n, 4, 0), &push));
    assert_eq!(pushed(3), [] as [u32; 0]);
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
fn a_head_ping_is_answered_or_handed_on_to_the_leaf_once() {
    let mut bench = Bench::new(Role::Ultrapeer);
    bench.join(1, Role::Leaf, &[]);
    bench.tell(1, 0x50, &Vendor::PushProxyRequest { version: 1 });
    let mut ping = HeadPing {
        version: 1,
        ranges: true,
        alternates: true,
        push_alternates: false,
        firewall_alternates: false,
        urn: "urn:sha1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".parse().unwrap(),
        extensions: Extensions::new(),
    };
    let asked = Vendor::HeadPing(ping.clone()).encode();
    let out = bench.datagram("203.0.113.9:6346", KIND, 3, asked.clone());
    let [Output::Datagram { to, descriptor, .. }] = &out[..] else {
        panic!("{out:?}");
    };
    assert_eq!(*to, "203.0.113.9:6346".parse().unwrap());
    assert!(descriptor.payload.len() <= asked.len(), "no amplifier");
    let Ok(Vendor::HeadPong(pong)) = Vendor::decode(&descriptor.payload) else {
        panic!("{descriptor:?}");
    };
    assert_eq!(pong.holding, Holding::Complete);
    ping.extensions
        .push(Id::PUSH, guid(0x50).as_bytes().to_vec());
    let asked = Vendor::HeadPing(ping.clone()).encode();
    let out = told(&bench.datagram("203.0.113.9:6346", KIND, 4, asked.clone()));
    assert_eq!(out, [(1, guid(4), Vendor::HeadPing(ping))]);
    let out = bench.datagram("203.0.113.10:6346", KIND, 4, asked);
    assert_eq!(out, [], "once");
    let pong = Vendor::HeadPong(HeadPong::new(1, Holding::None));
    let out = bench.tell(1, 4, &pong);
    assert!(
        matches!(&out[..], [Output::Datagram { to, .. }] if to.to_string() == "203.0.113.9:6346")
    );
    assert_eq!(bench.tell(1, 5, &pong), [], "nobody asked");
}

#[test]
fn a_ping_by_datagram_is_answered_once_a_minute_with_what_it_asks() {
    let mut bench = Bench::new(Role::Ultrapeer);
    for link in 1..=3 {
        bench.join(link, Role::Ultrapeer, &[]);
    }
    let ping = Ping::default()
        .with_host_wish(HostWish::default())
        .with_echo_wish();
    let mut ask = |secs, from: &str| {
        bench.now = secs;
        bench.datagram(from, Kind::Ping, 9, ping.encode())
    };
    let out = ask(0, "198.51.100.2:6346");
    let [Output::Datagram { to, descriptor, .. }] = &out[..] else {
        panic!("{out:?}");
    };
    assert_eq!(
        (to.to_string().as_str(), descriptor.header.guid),
        ("198.51.100.2:6346", guid(9))
    );
    let pong = Pong::decode(&descriptor.payload).unwrap();
    let hosts: Vec<String> = pong.hosts(99).map(|host| host.to_string()).collect();
    assert_eq!(
        hosts,
        ["198.51.100.1:6346", "198.51.100.3:6346"],
        "not the asker"
    );
    assert_eq!(pong.echo(), Some("198.51.100.2:6346".parse().unwrap()));
    assert_eq!(pong.slots().unwrap().ultrapeers, 61);
    assert_eq!(pong.maker().unwrap().vendor, *b"FILB");
    assert!(pong.is_ultrapeer());
    assert_eq!(ask(59, "198.51.100.2:7000"), []);
    assert_eq!(ask(59, "198.51.100.3:6346").len(), 1);
    assert_eq!(ask(60, "198.51.100.2:6346").len(), 1);
    assert_eq!(ask(60, "127.0.0.1:6346"), [], "nobody is there");
}

#[test]
fn what_no_datagram_may_be_is_dropped_and_counted() {
    let mut bench = Bench::new(Role::Ultrapeer);
    bench.join(1, Role::Ultrapeer, &[]);
    let from = "203.0.113.9:6346";
    let mut drops = |kind, payload: Bytes| {
        assert_eq!(bench.datagram(from, kind, 1, payload), []);
    };
    drops(Kind::Query, query());
    drops(Kind::Bye, Bytes::from_static(b"\0\0"));
    drops(Kind::Pong, Bytes::from_static(&[1; 14]));
    drops(KIND, Vendor::OutOfBandVeto { version: None }.encode());
    for bytes in [&b"short"[..], &[0; 24]] {
        let out = bench.handle(Input::Datagram {
            from: from.parse().unwrap(),
            bytes: &Bytes::copy_from_slice(bytes),
        });
        assert_eq!(out, []);
    }
    let dropped = |why| bench.stats.dropped(why);
    assert_eq!((dropped(Drop::Ignored), dropped(Drop::Malformed)), (2, 2));
    assert_eq!((dropped(Drop::NoRoute), dropped(Drop::Weird)), (1, 1));
    assert_eq!(bench.stats.datagrams, 6);
}

#[test]
fn crawlers_and_the_curious_are_told_what_they_ask_seldom() {
    let mut bench = Bench::new(Role::Ultrapeer);
    bench.settings.origin = Some(crate::overlay::Duration::from_secs(1_000));
    bench.join(1, Role::Ultrapeer, &[]);
    bench.join(2, Role::Leaf, &[]);
    bench.now = 120;
    let ping = Vendor::CrawlerPing(CrawlerPing {
        ultrapeers: 255,
        leaves: 255,
        wish: CrawlerWish(0x09),
    });
    let from = "203.0.113.9:6346";
    let out = bench.datagram(from, KIND, 1, ping.encode());
    let [Output::Datagram { descriptor, .. }] = &out[..] else {
        panic!("{out:?}");
    };
    let Ok(Vendor::CrawlerPong(pong)) = Vendor::decode(&descriptor.payload) else {
        panic!("{descriptor:?}");
    };
    assert_eq!((pong.ultrapeers.len(), pong.leaves.len()), (1, 1));
    assert_eq!(
        (pong.ultrapeers[0].minutes, pong.told),
        (2, CrawlerWish::MINUTES)
    );
    bench.now = 239;
    assert_eq!(bench.datagram(from, KIND, 2, ping.encode()), []);
    assert_eq!(bench.tell(1, 3, &ping), [], "by datagram only");
    let out = messages(&bench.tell(1, 4, &Vendor::NodeInfoRequest { wanted: 0 }));
    let [(1, Vendor::NodeInfoReply(info))] = &out[..] else {
        panic!("{out:?}");
    };
    assert_eq!((info.leaves, info.ultrapeers, info.started), (1, 1, 1_000));
    let asked = Stamp {
        seconds: 5,
        micros: 6,
    };
    let muid = Stamp::muid(asked, Stamp::default());
    let request = Header {
        guid: muid,
        ..header(KIND, 0, 1, 0)
    };
    let payload = Vendor::TimeSyncRequest { ntp: false }.encode();
    let out = told(&bench.receive(1, request, &payload));
    let [(1, muid, Vendor::TimeSyncReply(reply))] = &out[..] else {
        panic!("{out:?}");
    };
    assert_eq!(reply.received.seconds, 1_239);
    assert_eq!(Stamp::pair_of(muid), (asked, reply.received));
}
