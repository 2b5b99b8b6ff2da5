//! Pushes, push proxies, and who tries whether whom can be reached.

use super::*;

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
fn who_reads_no_ggep_is_pushed_without_it() {
    let mut bench = Bench::new(Role::Ultrapeer);
    bench.join(1, Role::Ultrapeer, &[]);
    bench.join(2, Role::Ultrapeer, &[]);
    let old = Offer {
        role: Role::Ultrapeer,
        ..Offer::default()
    };
    let link = Link(3);
    bench.handle(Input::Connected { link, offer: old });
    bench.receive(1, header(Kind::Query, 1, 3, 0), &query());
    bench.receive(2, header(Kind::QueryHit, 1, 3, 1), &hit(0x50));
    bench.receive(3, header(Kind::QueryHit, 1, 3, 1), &hit(0x50));
    let push = push(0x50, "192.0.2.77:6346");
    let out = bench.receive(1, header(Kind::Push, 20, 4, 0), &push);
    assert_eq!(queried(&out), [2], "as it came");
    let bare = out.iter().find_map(|output| match output {
        Output::Send { to, descriptor } => Some((to, descriptor)),
        _ => None,
    });
    let (to, descriptor) = bare.unwrap();
    assert_eq!(*to, Recipients::Some([link].into()));
    assert_eq!(descriptor.payload, push.slice(..26));
    assert_eq!(descriptor.header, header(Kind::Push, 20, 3, 1));
}

#[test]
fn a_stranger_has_pushes_handed_on_to_itself_and_not_too_often() {
    let mut bench = Bench::new(Role::Ultrapeer);
    bench.join(1, Role::Leaf, &[]);
    bench.join(2, Role::Ultrapeer, &[]);
    bench.join(3, Role::Ultrapeer, &[]);
    bench.tell(1, 0x50, &Vendor::PushProxyRequest { version: 1 });
    bench.receive(2, header(Kind::Query, 1, 3, 0), &query());
    bench.receive(3, header(Kind::QueryHit, 1, 3, 1), &hit(0x60));
    let mut hand_on = |from: &str, servent: u8, to: &str| {
        let push = Push::decode(&push(servent, to)).unwrap();
        bench
            .act(|servent, now, around| servent.push_for(now, from.parse().unwrap(), &push, around))
    };
    let from = "203.0.113.9:40000";
    let (done, out) = hand_on(from, 0x50, "203.0.113.9:6346");
    assert_eq!(done, Ok(Pushed::Directly));
    let [Output::Send { to, descriptor }] = &out[..] else {
        panic!("{out:?}");
    };
    assert_eq!(*to, Recipients::Some([Link(1)].into()));
    assert_eq!(descriptor.payload, push(0x50, "203.0.113.9:6346"));
    assert_eq!((descriptor.header.ttl, descriptor.header.hops), (3, 1));
    assert_eq!(hand_on(from, 0x60, "203.0.113.9:6346").0, Ok(Pushed::Along));
    let (done, out) = hand_on(from, 0xee, "203.0.113.9:6346");
    assert_eq!(done, Ok(Pushed::Directly), "we are meant");
    assert!(matches!(&out[..], [Output::GiveBack { .. }]), "{out:?}");
    let gone = hand_on(from, 0x70, "203.0.113.9:6346");
    assert_eq!(gone, (Err(Drop::RouteLost), vec![]));
    for elsewhere in ["203.0.113.10:6346", "127.0.0.1:6346", "203.0.113.9:0"] {
        assert_eq!(hand_on(from, 0x50, elsewhere).0, Err(Drop::Unusable));
    }
    let sent = (0..20).filter(|_| hand_on(from, 0x50, "203.0.113.9:6346").0.is_ok());
    assert_eq!(sent.count(), 6, "ten with those before");
    let other = hand_on("203.0.113.10:40000", 0x50, "203.0.113.10:6346");
    assert_eq!(other.0, Ok(Pushed::Directly));
    assert_eq!(bench.stats.dropped(Drop::Throttled), 14);
}
