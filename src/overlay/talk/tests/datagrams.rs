//! What comes without a link.

use super::*;
use crate::overlay::membership::{UploadSlots, Wish};

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
    assert_eq!(pong.slots().unwrap().ultrapeers, 29);
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

#[test]
fn who_cannot_be_connected_to_says_so_everywhere() {
    let mut bench = firewalled(Role::Ultrapeer);
    let out = bench.datagram("203.0.113.9:6346", Kind::Ping, 1, Bytes::new());
    let [Output::Datagram { descriptor, .. }] = &out[..] else {
        panic!("{out:?}");
    };
    let slots = Pong::decode(&descriptor.payload).unwrap().slots().unwrap();
    assert_eq!((slots.leaves, slots.ultrapeers), (0, 0), "no places");
    let query = Query::keywords("linux iso").unwrap();
    let search = |bench: &mut Bench| {
        let out = bench.handle(Input::Search {
            id: SearchId(1),
            query: &query,
            ttl: Some(2),
        });
        let sent = out.iter().find_map(|output| match output {
            Output::Send { descriptor, .. } if descriptor.header.kind == Kind::Query => {
                Some(Query::decode(&descriptor.payload).unwrap())
            }
            _ => None,
        });
        sent.unwrap().flags.firewalled()
    };
    assert!(search(&mut bench));
    bench.handle(Input::Reached {
        from: "203.0.113.9:50000".parse().unwrap(),
    });
    assert!(!search(&mut bench), "somebody came");
    bench.settings.firewalled = true;
    assert!(search(&mut bench), "its owner knows better");
}

#[test]
fn a_head_pong_and_a_hit_tell_how_it_is_with_upload_slots() {
    let mut bench = Bench::new(Role::Ultrapeer);
    let wish = Wish {
        mode: Mode::Ultrapeer,
        seeks: false,
    };
    let settings = bench.settings.clone();
    bench.servent.join(Instant::default(), wish, &settings);
    bench.join(1, Role::Ultrapeer, &[]);
    let mut number = 0;
    let mut tell = |slots: Option<(usize, Option<usize>)>, version| {
        let member = bench.servent.membership_mut().unwrap();
        member.standing_mut().upload_slots =
            slots.map(|(free, waiting)| UploadSlots { free, waiting });
        let ping = Vendor::HeadPing(HeadPing {
            version,
            ranges: false,
            alternates: false,
            push_alternates: false,
            firewall_alternates: false,
            urn: "urn:sha1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".parse().unwrap(),
            extensions: Extensions::new(),
        });
        let out = messages(&bench.tell(1, 1, &ping));
        let [(1, Vendor::HeadPong(pong))] = &out[..] else {
            panic!("{out:?}");
        };
        number += 1;
        let out = bench.receive(1, header(Kind::Query, number, 1, 0), &query());
        let [Output::Send { descriptor, .. }] = &out[..] else {
            panic!("{out:?}");
        };
        let hit = QueryHit::decode(&descriptor.payload).unwrap();
        (pong.queue, hit.trailer.unwrap().busy)
    };
    for version in [1, 2] {
        for (slots, told, busy) in [
            ((3, Some(0)), -3, false),
            ((1_000, Some(0)), -128, false),
            ((0, Some(0)), 0, true),
            ((0, Some(7)), 7, true),
            ((0, Some(200)), 0x7e, true),
            ((0, None), 0x7f, true),
        ] {
            assert_eq!(tell(Some(slots), version), (Some(told), Some(busy)));
        }
    }
    assert_eq!(tell(None, 2), (None, None));
}
