//! Datagrams, pushes and vendor messages of live nodes, by real sockets on loopback.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};

use bytes::Bytes;
use common::{PATIENCE, Probe, builder, directory, until, write};
use filbert::node::state::Role;
use filbert::overlay::stats::Drop;
use filbert::runtime::block_on;
use filbert::wire::ggep::Extensions;
use filbert::wire::ping::Ping;
use filbert::wire::pong::{HostWish, Pong};
use filbert::wire::push::Push;
use filbert::wire::vendor::{CrawlerPing, CrawlerWish, HeadPing, Holding, Vendor};
use filbert::wire::{Descriptor, Guid, Header, Kind};

const VENDOR: Kind = Kind::Vendor { standard: false };

/// A socket that sends datagrams and waits for what they are answered with.
struct Stranger(UdpSocket);

impl Stranger {
    fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    fn send(&self, to: SocketAddr, kind: Kind, payload: Bytes) -> Guid {
        let guid = Guid::random(&mut rand::rng());
        let header = Header {
            guid,
            kind,
            ttl: 1,
            hops: 0,
        };
        let bytes = Descriptor { header, payload }.encode().unwrap();
        self.0.send_to(&bytes, to).unwrap();
        guid
    }

    fn next(&self) -> Descriptor {
        let mut buffer = [0; 4096];
        let (length, _) = self.0.recv_from(&mut buffer).unwrap();
        let (front, payload) = buffer[..length].split_first_chunk().unwrap();
        let (header, stated) = Header::decode(front);
        assert_eq!(stated as usize, payload.len());
        let payload = Bytes::copy_from_slice(payload);
        Descriptor { header, payload }
    }

    fn ask(&self, to: SocketAddr, kind: Kind, payload: Bytes) -> Descriptor {
        let guid = self.send(to, kind, payload);
        let answer = self.next();
        assert_eq!(answer.header.guid, guid);
        answer
    }

    fn vendor(&self, to: SocketAddr, message: &Vendor) -> Vendor {
        let answer = self.ask(to, VENDOR, message.encode());
        assert_eq!(answer.header.kind, VENDOR);
        Vendor::decode(&answer.payload).unwrap()
    }
}

#[test]
fn a_ping_on_the_port_of_the_node_is_answered_with_what_it_asks() {
    block_on(async {
        let node = builder().start().await.unwrap();
        let other = builder().peer(node.address()).start().await.unwrap();
        until("neighbours", || node.peers().len() == 1);
        let stranger = Stranger::new();
        let answer = stranger.ask(node.address(), Kind::Ping, Bytes::new());
        let pong = Pong::decode(&answer.payload).unwrap();
        assert_eq!(SocketAddr::V4(pong.address()), node.address());
        let wish = Ping::default()
            .with_host_wish(HostWish::default())
            .with_echo_wish();
        let answer = stranger.ask(node.address(), Kind::Ping, wish.encode());
        let pong = Pong::decode(&answer.payload).unwrap();
        let hosts: Vec<_> = pong.hosts(30).map(SocketAddr::V4).collect();
        assert_eq!(hosts, [other.address()]);
        assert_eq!(pong.echo(), stranger.0.local_addr().ok());
        other.stop().await;
        node.stop().await;
    });
}

#[test]
fn what_is_no_descriptor_is_counted_and_never_answered() {
    block_on(async {
        let node = builder().start().await.unwrap();
        let stranger = Stranger::new();
        let ping = Descriptor {
            header: Header {
                guid: Guid::ZERO,
                kind: Kind::Ping,
                ttl: 1,
                hops: 0,
            },
            payload: Bytes::new(),
        };
        let whole = ping.encode().unwrap();
        let mut deflated = whole.to_vec();
        deflated[17] = 0x81;
        for bytes in [
            &whole[..22],
            &[&whole[..], b"x"].concat(),
            &deflated,
            b"GND\x01",
            &[0xff; 1_000],
        ] {
            stranger.0.send_to(bytes, node.address()).unwrap();
        }
        let count = |why| node.counters().stats.dropped(why);
        until("all counted", || count(Drop::Malformed) == 5);
        stranger.send(
            node.address(),
            Kind::Query,
            Bytes::from_static(b"\0\0abc\0"),
        );
        until("dropped", || count(Drop::Ignored) == 1);
        let answer = stranger.ask(node.address(), Kind::Ping, Bytes::new());
        assert_eq!(answer.header.kind, Kind::Pong, "the first answer of all");
        node.stop().await;
    });
}

#[test]
fn who_asks_for_a_file_or_for_neighbours_is_told() {
    block_on(async {
        let shared = directory();
        write(shared.path(), "one file.txt", b"what it holds");
        let node = builder().share(shared.path()).start().await.unwrap();
        node.shared().await;
        let neighbour = builder().peer(node.address()).start().await.unwrap();
        until("neighbours", || node.peers().len() == 1);
        let stranger = Stranger::new();
        let mut head = HeadPing {
            version: 2,
            ranges: false,
            alternates: false,
            push_alternates: false,
            firewall_alternates: false,
            urn: "urn:sha1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".parse().unwrap(),
            extensions: Extensions::new(),
        };
        let holding = |head: &HeadPing| match stranger
            .vendor(node.address(), &Vendor::HeadPing(head.clone()))
        {
            Vendor::HeadPong(pong) => pong.holding,
            other => panic!("{other:?}"),
        };
        assert_eq!(holding(&head), Holding::None);
        // printf 'what it holds' | sha1sum, in base32.
        head.urn = SHA1_OF_THE_FILE.parse().unwrap();
        assert_eq!(holding(&head), Holding::Complete);
        // The servent is told of its upload slots with its next tick.
        until("all slots are free", || {
            let told = stranger.vendor(node.address(), &Vendor::HeadPing(head.clone()));
            matches!(told, Vendor::HeadPong(pong) if pong.queue == Some(-20))
        });
        let crawl = Vendor::CrawlerPing(CrawlerPing {
            ultrapeers: 255,
            leaves: 255,
            wish: CrawlerWish::MINUTES,
        });
        let Vendor::CrawlerPong(pong) = stranger.vendor(node.address(), &crawl) else {
            panic!("no crawler pong");
        };
        let told: Vec<_> = pong.ultrapeers.iter().map(|host| host.address).collect();
        assert_eq!(told.len(), 1);
        assert_eq!(SocketAddr::V4(told[0]), neighbour.address());
        neighbour.stop().await;
        node.stop().await;
    });
}

#[test]
fn two_nodes_show_each_other_that_they_are_reached() {
    block_on(async {
        let one = builder().start().await.unwrap();
        let other = builder().peer(one.address()).start().await.unwrap();
        until("both are reached both ways", || {
            [&one, &other].iter().all(|node| {
                let reachable = node.status().reachable;
                (reachable.tcp, reachable.udp) == (Some(true), Some(true))
            })
        });
        other.stop().await;
        one.stop().await;
    });
}

#[test]
fn a_push_reaches_a_leaf_through_its_ultrapeer_and_the_leaf_serves() {
    block_on(async {
        let shared = directory();
        write(shared.path(), "one file.txt", b"what it holds");
        let ultrapeer = builder().start().await.unwrap();
        let leaf = builder()
            .role(Role::Leaf)
            .share(shared.path())
            .peer(ultrapeer.address())
            .start()
            .await
            .unwrap();
        leaf.shared().await;
        until("neighbours", || ultrapeer.peers().len() == 1);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let SocketAddr::V4(here) = listener.local_addr().unwrap() else {
            panic!("an IPv4 address");
        };
        let push = Push {
            servent: leaf.guid(),
            index: 7,
            ip: *here.ip(),
            port: here.port(),
            extensions: Extensions::new(),
        };
        // Over a link, and by a datagram.
        let mut neighbour = Probe::neighbour(ultrapeer.address());
        neighbour.send(Kind::Push, 4, 0, &push.encode());
        fetch(&listener, leaf.guid());
        Stranger::new().send(ultrapeer.address(), Kind::Push, push.encode());
        fetch(&listener, leaf.guid());
        let stats = ultrapeer.counters().stats;
        assert_eq!(stats.pushed, 2);
        leaf.stop().await;
        ultrapeer.stop().await;
    });
}

const SHA1_OF_THE_FILE: &str = "urn:sha1:UUIKDPDSRBENPBUAHE6PCLUX3WKXNBTZ";

/// Takes the connection of a servent that was pushed, and fetches the file over it.
fn fetch(listener: &TcpListener, from: Guid) {
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert_eq!(line, format!("GIV 7:{from}/file\n"));
    line.clear();
    reader.read_line(&mut line).unwrap();
    assert_eq!(line, "\n");
    let request = format!(
        "GET /uri-res/N2R?{SHA1_OF_THE_FILE} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    );
    reader.get_mut().write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    reader.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    assert!(response.ends_with("what it holds"), "{response}");
}
