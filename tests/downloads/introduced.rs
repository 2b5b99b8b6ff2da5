//! Servents that nobody can connect to say in HTTP who they are and who hands on pushes to them.

use std::cell::Cell;
use std::io::Write;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::thread;

use filbert::node::Node;
use filbert::node::state::Role;
use filbert::runtime::block_on;
use filbert::wire::push::Push;
use filbert::wire::{Guid, HEADER_LEN};

use super::common::{PATIENCE, builder, head};
use super::source::{File, Manners, Source};
use super::{completes, get, stop, until};

/// The lines up to an empty one, which come in time.
fn said(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    head(stream).expect("it ended")
}

/// Whoever sends what comes on one to the other, and back.
fn join(one: &TcpStream, other: &TcpStream) {
    for (from, to) in [(one, other), (other, one)] {
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        thread::spawn(move || {
            let _broken = std::io::copy(&mut from, &mut to);
            let _gone = to.shutdown(std::net::Shutdown::Both);
        });
    }
}

#[test]
fn a_source_that_said_who_it_is_is_called_when_nobody_is_at_its_address_any_more() {
    let file = File::new(100_000);
    let servent = Guid::random(&mut rand::rng());
    let proxy = UdpSocket::bind("127.0.0.1:0").unwrap();
    proxy.set_read_timeout(Some(PATIENCE)).unwrap();
    let told = format!(
        "{servent};fwt/1;6346:192.0.2.9;{}",
        proxy.local_addr().unwrap()
    );
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let source = listener.local_addr().unwrap();
    let bytes = file.bytes.clone();
    let answering = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        said(&mut stream);
        let answer = format!(
            "HTTP/1.1 206 Partial Content\r\nX-FW-Node-Info: {told}\r\nContent-Length: 1000\r\n\
             Content-Range: bytes 0-999/{}\r\nConnection: close\r\n\r\n",
            bytes.len()
        );
        // Nobody listens there when it is asked for more.
        drop(listener);
        stream.write_all(answer.as_bytes()).unwrap();
        stream.write_all(&bytes[..1_000]).unwrap();
    });
    let behind = Source::new(&file, Manners::default());
    let (to, asked) = (behind.address, proxy);
    let pushed = thread::spawn(move || {
        let mut datagram = [0; 999];
        let (length, _) = asked.recv_from(&mut datagram).unwrap();
        let push = Push::decode(&datagram[HEADER_LEN..length].to_vec().into()).unwrap();
        let back = TcpStream::connect(push.address()).unwrap();
        let giv = format!("GIV 0:{}/file\n\n", push.servent);
        (&back).write_all(giv.as_bytes()).unwrap();
        join(&back, &TcpStream::connect(to).unwrap());
        push.servent
    });
    let node = block_on(builder().start()).unwrap();
    let id = get(&node, &file, &[source]);
    completes(&node, id, &file);
    answering.join().unwrap();
    assert_eq!(pushed.join().unwrap(), servent);
    let first = behind.asked().first().map(|range| range.start);
    assert_eq!(first, Some(1_000), "what came before is kept");
    stop(node);
}

/// What a servent says when it asks somebody for a file of this size.
fn asked_by(node: &Node, size: usize) -> String {
    let file = File::new(size);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let source = listener.local_addr().unwrap();
    let bytes = file.bytes.clone();
    let answering = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let asked = said(&mut stream);
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n");
        stream.write_all(answer.as_bytes()).unwrap();
        stream.write_all(&bytes).unwrap();
        asked
    });
    let id = get(node, &file, &[source]);
    completes(node, id, &file);
    answering.join().unwrap()
}

#[test]
fn who_fetches_says_how_it_is_reached() {
    let proxy = block_on(builder().start()).unwrap();
    let asked = asked_by(&proxy, 1_000);
    let open = format!("\r\nX-Node: {}\r\n", proxy.address());
    assert!(asked.contains(&open), "{asked}");
    assert!(!asked.contains("X-Fw-Node-Info"), "{asked}");

    let hidden = builder().role(Role::Leaf).firewalled(true);
    let hidden = block_on(hidden.peer(proxy.address()).start()).unwrap();
    let (servent, own) = (hidden.guid(), hidden.address());
    let at = format!("{}:{}; {}", own.port(), own.ip(), proxy.address());
    let closed = format!("\r\nX-Fw-Node-Info: {servent}; {at}\r\n");
    let size = Cell::new(1_000);
    until("it has a push proxy and says so", || {
        size.set(size.get() + 1);
        let asked = asked_by(&hidden, size.get());
        assert!(!asked.contains("X-Node:"), "{asked}");
        asked.contains(&closed)
    });
    for node in [hidden, proxy] {
        stop(node);
    }
}
