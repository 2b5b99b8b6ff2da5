//! Sources that nobody can connect to: they are pushed, along the way of their hits and by their
//! push proxies, and what they open is asked for the file.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use filbert::node::state::{DownloadState, Role};
use filbert::node::{Node, Target};
use filbert::runtime::{block_on, timeout};
use filbert::wire::address::Reach;
use filbert::wire::query_hit::{QueryHit, Record, Trailer};
use filbert::wire::{Descriptor, Guid, Header, Kind};
use futures::StreamExt;

use super::common::{PATIENCE, Probe, builder, directory, until, write};
use super::source::{File, Manners, Source};

/// The state of a download that was begun from the first hit for these words.
fn found_and_fetched(node: &Node, words: &str) -> DownloadState {
    block_on(async {
        let mut search = node.search(words).unwrap();
        let hit = timeout(PATIENCE, search.next()).await.unwrap().unwrap();
        assert!(hit.source.firewalled);
        let id = node.fetch(&Target::Number(hit.number), None).unwrap();
        timeout(PATIENCE, node.finished(id)).await.unwrap().unwrap()
    })
}

fn holds(state: &DownloadState, file: &File) {
    assert_eq!(state.error, None);
    let bytes = std::fs::read(state.path.as_ref().unwrap()).unwrap();
    assert!(bytes == file.bytes, "the bytes differ");
}

/// One that shares `file` and lets nobody in.
fn hidden(file: &File, role: Role, to: &Node) -> (Node, tempfile::TempDir) {
    let shared = directory();
    write(shared.path(), "almond.bin", &file.bytes);
    let node = builder()
        .role(role)
        .share(shared.path())
        .firewalled(true)
        .peer(to.address());
    let node = block_on(node.start()).unwrap();
    block_on(node.shared());
    until("a link", || !node.peers().is_empty());
    let mut knocking = TcpStream::connect(node.address()).unwrap();
    knocking.set_read_timeout(Some(PATIENCE)).unwrap();
    let _refused = knocking.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(
        matches!(knocking.read(&mut [0; 9]), Ok(0) | Err(_)),
        "it lets nobody in"
    );
    (node, shared)
}

#[test]
fn a_source_that_nobody_can_connect_to_is_pushed_along_the_way_of_its_hit() {
    let file = File::new(700_000);
    let chain: Vec<Node> = [Role::Leaf, Role::Ultrapeer, Role::Ultrapeer]
        .into_iter()
        .map(|role| block_on(builder().role(role).start()).unwrap())
        .collect();
    for pair in chain.windows(2) {
        block_on(pair[0].connect(pair[1].address())).unwrap();
    }
    // As an ultrapeer it has no push proxy.
    let (source, _shared) = hidden(&file, Role::Ultrapeer, &chain[2]);
    until("what both its neighbours have is known", || {
        chain[2].counters().stats.tables >= 2
    });
    holds(&found_and_fetched(&chain[0], "almond"), &file);
    assert!(chain[1].counters().stats.pushed >= 1);
    block_on(source.stop());
    for node in chain {
        block_on(node.stop());
    }
}

/// A neighbour of `node` that answers its query for the file with the hit of a servent that has
/// `proxies`, and passes on no push.
fn tell_of(node: &Node, file: &Arc<File>, servent: Guid, own: SocketAddr, proxies: &[SocketAddr]) {
    let mut probe = Probe::neighbour(node.address());
    let SocketAddr::V4(own) = own else {
        panic!("not IPv4");
    };
    let reach = |address: &SocketAddr| match address {
        SocketAddr::V4(address) => Reach {
            address: *address,
            tls: false,
        },
        SocketAddr::V6(_) => panic!("not IPv4"),
    };
    let proxies: Vec<_> = proxies.iter().map(reach).collect();
    let trailer = Trailer {
        push: Some(true),
        ..Trailer::default()
    };
    let size = file.bytes.len() as u64;
    let hit = QueryHit {
        port: own.port(),
        ip: *own.ip(),
        speed: 1,
        results: vec![Record::new(4, size, "almond.bin", Some(file.sha1), None)],
        trailer: Some(trailer.with_push_proxies(&proxies)),
        servent,
    };
    until("a neighbour", || !node.peers().is_empty());
    thread::spawn(move || {
        while let Some(query) = probe.next() {
            if query.header.kind == Kind::Query {
                let header = Header {
                    guid: query.header.guid,
                    kind: Kind::QueryHit,
                    ttl: 3,
                    // Its address is not that of this neighbour.
                    hops: 1,
                };
                let payload = hit.encode();
                probe.offer(&Descriptor { header, payload }.encode().unwrap());
            }
        }
    });
}

#[test]
fn a_push_proxy_hands_on_what_comes_by_datagram() {
    let file = File::new(700_000);
    let proxy = block_on(builder().start()).unwrap();
    let (source, _shared) = hidden(&file, Role::Leaf, &proxy);
    let node = block_on(builder().start()).unwrap();
    let proxies = [proxy.address()];
    tell_of(&node, &file, source.guid(), source.address(), &proxies);
    holds(&found_and_fetched(&node, "almond"), &file);
    assert_eq!(proxy.counters().stats.pushed, 1);
    for node in [node, source, proxy] {
        block_on(node.stop());
    }
}

/// Whoever sends what comes on one to the other, and back.
fn join(one: &TcpStream, other: &TcpStream) {
    for (from, to) in [(one, other), (other, one)] {
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        thread::spawn(move || {
            let _broken = std::io::copy(&mut from, &mut to);
            let _gone = to.shutdown(Shutdown::Both);
        });
    }
}

#[test]
fn a_push_proxy_that_hears_no_datagram_is_asked_by_http() {
    let file = File::new(700_000);
    let servent = Guid::random(&mut rand::rng());
    let behind = Source::new(&file, Manners::default());
    // Nobody listens for datagrams there.
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxies = [proxy.local_addr().unwrap()];
    let source = behind.address;
    let asked = thread::spawn(move || {
        let (mut stream, _) = proxy.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
            head.push(byte[0]);
        }
        stream
            .write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.lines();
        let to = lines.find_map(|line| line.strip_prefix("X-Node: "));
        let back = TcpStream::connect(to.unwrap()).unwrap();
        // Somebody else who was never asked.
        let mut stranger = TcpStream::connect(to.unwrap()).unwrap();
        let giv = format!("GIV 0:{}/file\n\n", Guid::random(&mut rand::rng()));
        stranger.write_all(giv.as_bytes()).unwrap();
        stranger.set_read_timeout(Some(PATIENCE)).unwrap();
        assert!(matches!(stranger.read(&mut [0; 9]), Ok(0) | Err(_)));
        let giv = format!("GIV 4:{servent}/almond.bin\n\n");
        (&back).write_all(giv.as_bytes()).unwrap();
        join(&back, &TcpStream::connect(source).unwrap());
        head
    });
    let node = block_on(builder().start()).unwrap();
    // Nobody is at its own address.
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    tell_of(&node, &file, servent, nobody, &proxies);
    holds(&found_and_fetched(&node, "almond"), &file);
    let head = asked.join().unwrap();
    let servent = data_encoding::BASE32_NOPAD.encode(servent.as_bytes());
    let line = format!("HEAD /gnutella/push-proxy?ServerId={servent}&file=4 HTTP/1.1\r\n");
    assert!(head.starts_with(&line), "{head}");
    block_on(node.stop());
}

/// The lines up to an empty one.
fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\n\n") && !head.ends_with(b"\r\n\r\n") {
        assert_eq!(stream.read(&mut byte).unwrap(), 1);
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

#[test]
fn who_is_pushed_says_in_its_answer_who_hands_on_pushes_to_it() {
    let file = File::new(1_000);
    let proxy = block_on(builder().start()).unwrap();
    let (source, _shared) = hidden(&file, Role::Leaf, &proxy);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let servent = data_encoding::BASE32_NOPAD.encode(source.guid().as_bytes());
    let here = listener.local_addr().unwrap();
    let request = format!(
        "HEAD /gnutella/push-proxy?ServerId={servent} HTTP/1.1\r\nHost: x\r\nX-Node: {here}\r\n\r\n"
    );
    // Once the proxy has said yes to the source.
    until("the push is handed on", || {
        let mut asking = TcpStream::connect(proxy.address()).unwrap();
        asking.set_read_timeout(Some(PATIENCE)).unwrap();
        asking.write_all(request.as_bytes()).unwrap();
        read_head(&mut asking).starts_with("HTTP/1.1 202 ")
    });
    let (mut pushed, _) = listener.accept().unwrap();
    pushed.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(read_head(&mut pushed).starts_with("GIV "));
    let get = format!(
        "GET /uri-res/N2R?urn:sha1:{} HTTP/1.1\r\nHost: x\r\n\r\n",
        file.sha1
    );
    pushed.write_all(get.as_bytes()).unwrap();
    let head = read_head(&mut pushed);
    let proxies = format!("\r\nX-Push-Proxies: {}\r\n", proxy.address());
    let (servent, own, at) = (source.guid(), source.address(), proxy.address());
    let info = format!(
        "\r\nX-Fw-Node-Info: {servent}; {}:{}; {at}\r\n",
        own.port(),
        own.ip()
    );
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(head.contains(&proxies) && head.contains(&info), "{head}");
    for node in [source, proxy] {
        block_on(node.stop());
    }
}

#[test]
fn the_list_of_one_that_nobody_can_connect_to_is_read_on_what_it_opens() {
    let file = File::new(70_000);
    let proxy = block_on(builder().start()).unwrap();
    let (source, _shared) = hidden(&file, Role::Leaf, &proxy);
    let node = block_on(builder().start()).unwrap();
    let error = block_on(node.browse(source.address())).unwrap_err();
    assert!(
        error.to_string().contains("list"),
        "nobody told of it: {error}"
    );
    // Its hit says how it is reached; only datagrams lead to it.
    let proxies = [proxy.address()];
    tell_of(&node, &file, source.guid(), source.address(), &proxies);
    let number = block_on(async {
        let mut search = node.search("almond").unwrap();
        let hit = timeout(PATIENCE, search.next()).await.unwrap().unwrap();
        hit.number
    });
    let listed = block_on(node.browse(source.address())).unwrap();
    let [found] = &listed.results[..] else {
        panic!("{listed:?}");
    };
    assert_eq!((found.sha1, found.number > number), (Some(file.sha1), true));
    assert!(found.sources[0].firewalled);
    let id = node.fetch(&Target::Number(found.number), None).unwrap();
    let state = block_on(timeout(PATIENCE, node.finished(id))).unwrap();
    holds(&state.unwrap(), &file);
    for node in [node, source, proxy] {
        block_on(node.stop());
    }
}
