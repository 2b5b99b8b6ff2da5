//! The HTTP end of a push proxy, by real sockets on loopback.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use common::{PATIENCE, Probe, builder, directory, until, write};
use filbert::node::state::Role;
use filbert::runtime::block_on;
use filbert::wire::push::Push;
use filbert::wire::{Guid, Kind};

/// The answer to one request on a connection of its own.
fn ask(to: SocketAddr, request: &str, node: &str) -> String {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head =
        format!("{request} HTTP/1.1\r\nHost: x\r\nX-Node: {node}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn status(answer: &str) -> &str {
    answer.get(9..12).unwrap_or(answer)
}

fn base32(guid: Guid) -> String {
    data_encoding::BASE32_NOPAD.encode(guid.as_bytes())
}

#[test]
fn who_cannot_connect_to_a_leaf_asks_its_ultrapeer_and_is_connected_to() {
    let shared = directory();
    write(shared.path(), "one file.txt", b"what it holds");
    let ultrapeer = block_on(builder().start()).unwrap();
    let leaf = builder().role(Role::Leaf).share(shared.path());
    let leaf = block_on(leaf.peer(ultrapeer.address()).start()).unwrap();
    block_on(leaf.shared());
    until("neighbours", || ultrapeer.peers().len() == 1);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = listener.local_addr().unwrap().to_string();
    for (request, index) in [
        (
            format!("GET /gnutella/push-proxy?ServerId={}", base32(leaf.guid())),
            0,
        ),
        (
            format!("HEAD /gnet/push-proxy?guid={}&file=7", leaf.guid()),
            7,
        ),
    ] {
        let answer = ask(ultrapeer.address(), &request, &here);
        assert_eq!(status(&answer), "202", "{answer}");
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        assert_eq!(line, format!("GIV {index}:{}/file\n", leaf.guid()));
    }
    let unknown = format!("GET /gnet/push-proxy?guid={}", Guid::ZERO);
    let known = format!("GET /gnet/push-proxy?guid={}", leaf.guid());
    for (request, node, expected) in [
        (unknown.as_str(), here.as_str(), "410"),
        (&known, "nowhere", "400"),
        (&known, "0.0.0.0:80", "400"),
        ("GET /gnet/push-proxy", &here, "400"),
        ("GET /gnet/other", &here, "404"),
    ] {
        let answer = ask(ultrapeer.address(), request, node);
        assert_eq!(status(&answer), expected, "{request}: {answer}");
    }
    assert_eq!(ultrapeer.counters().stats.pushed, 2);
    block_on(leaf.stop());
    let answer = ask(ultrapeer.address(), &known, &here);
    assert_eq!(status(&answer), "410", "it is gone: {answer}");
    block_on(ultrapeer.stop());
}

#[test]
fn a_neighbour_without_ggep_is_pushed_without_it() {
    let ultrapeer = block_on(builder().start()).unwrap();
    let mut old = Probe::dial(ultrapeer.address());
    let guid: Guid = "101112131415161718191a1b1c1d1e1f".parse().unwrap();
    let hello = format!(
        "GNUTELLA CONNECT/0.6\r\nUser-Agent: probe/1\r\nX-Ultrapeer: True\r\nGUID: {guid}\r\n\r\n"
    );
    old.say(hello.as_bytes());
    old.block();
    old.say(b"GNUTELLA/0.6 200 OK\r\n\r\n");
    until("a neighbour", || ultrapeer.peers().len() == 1);
    let request = format!("GET /gnet/push-proxy?guid={guid}&tls=true");
    let answer = ask(ultrapeer.address(), &request, "127.0.0.1:6346");
    assert_eq!(status(&answer), "202", "{answer}");
    let pushed = old.next_of(Kind::Push);
    assert_eq!(pushed.payload.len(), 26);
    let push = Push::decode(&pushed.payload).unwrap();
    assert_eq!(push.address(), "127.0.0.1:6346".parse().unwrap());
    assert_eq!((pushed.header.ttl, pushed.header.hops), (3, 1));
    block_on(ultrapeer.stop());
}
