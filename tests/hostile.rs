//! Bad input of every kind to a running servent: counted, at most the end of its own link, and
//! the servent goes on serving (protocol §17).

mod common;

use common::{Probe, builder, until, write};
use filbert::node::Node;
use filbert::overlay::limits::Limits;
use filbert::overlay::stats::Drop;
use filbert::overlay::time::Duration;
use filbert::runtime::block_on;
use filbert::wire::query::Query;
use filbert::wire::query_hit::QueryHit;
use filbert::wire::{Guid, Kind};
use proptest::prelude::*;

/// A node that shares one file.
fn sharing() -> (Node, tempfile::TempDir) {
    let shared = common::directory();
    write(shared.path(), "linux tapes.iso", b"tapes");
    let node = block_on(builder().share(shared.path()).start()).unwrap();
    block_on(node.shared());
    (node, shared)
}

/// Whether the node still takes a neighbour and answers it.
fn serves(node: &Node) {
    let mut probe = Probe::neighbour(node.address());
    let query = Query::keywords("linux tapes").unwrap().encode();
    let asked = probe.send(Kind::Query, 2, 0, &query);
    let answer = probe.next_of(Kind::QueryHit);
    assert_eq!(answer.header.guid, asked);
    let hit = QueryHit::decode(&answer.payload).unwrap();
    assert_eq!(hit.results[0].name, "linux tapes.iso");
}

#[test]
fn bad_descriptors_are_counted_and_the_link_stays() {
    let (node, _shared) = sharing();
    let mut probe = Probe::neighbour(node.address());
    let long_text = [&b"\x80\0"[..], &[b'x'; 300], b"\0"].concat();
    let cases: [(Kind, u8, u8, &[u8], Drop); 16] = [
        (Kind::Other(0x77), 1, 0, b"", Drop::UnknownKind),
        (Kind::Query, 0, 1, b"\x80\0linux\0", Drop::TtlZero),
        (Kind::Query, 1, 255, b"\x80\0linux\0", Drop::HopsExhausted),
        (Kind::Query, 14, 2, b"\x80\0linux\0", Drop::TtlTooHigh),
        (Kind::Query, 3, 0, b"", Drop::Malformed),
        (Kind::Query, 3, 0, b"\x80\0", Drop::Malformed),
        (Kind::Query, 3, 0, b"\x80\0no nul", Drop::Malformed),
        (Kind::Query, 3, 0, b"\0\0linux\0", Drop::Malformed),
        (Kind::Query, 3, 0, b"\x80\0\xff\xfe\xfd\0", Drop::Malformed),
        (
            Kind::Query,
            3,
            0,
            b"\x80\0\\\0urn:sha1:TOOSHORT\0",
            Drop::Malformed,
        ),
        (
            Kind::Query,
            3,
            0,
            b"\x80\0linux\0\xc3\x81H\x7f",
            Drop::Malformed,
        ),
        (Kind::Query, 3, 0, &long_text, Drop::TooLarge),
        (Kind::QueryHit, 3, 0, b"short", Drop::Malformed),
        (Kind::QueryHit, 3, 0, &[0; 40], Drop::BadServent),
        (Kind::QueryHit, 3, 0, &[7; 40], Drop::NoRoute),
        (Kind::Pong, 1, 0, b"short", Drop::Malformed),
    ];
    for (kind, ttl, hops, payload, why) in cases {
        let before = node.counters().stats.dropped(why);
        probe.send(kind, ttl, hops, payload);
        let counted = || node.counters().stats.dropped(why) > before;
        until(
            &format!("{kind:?} {payload:?} counted as {}", why.name()),
            counted,
        );
    }
    for kind in [
        Kind::Vendor { standard: false },
        Kind::Vendor { standard: true },
        Kind::Dht,
    ] {
        probe.send(kind, 1, 0, b"XXXX\x01\0\x01\0unknown");
    }
    let asked = probe.send(Kind::Ping, 1, 0, b"");
    assert!(
        std::iter::from_fn(|| probe.next()).any(|d| d.header.guid == asked),
        "still linked"
    );
    assert_eq!(node.peers().len(), 1);
    serves(&node);
    block_on(node.stop());
}

#[test]
fn what_cannot_be_framed_ends_the_link_with_a_reason() {
    let (node, _shared) = sharing();
    for (kind, length) in [
        (0x80, 1_025_u32),
        (0x81, 65_536),
        (0x02, 4_097),
        (0x00, 40_961),
        (0x80, u32::MAX),
    ] {
        let mut probe = Probe::neighbour(node.address());
        let mut header = Guid::random(&mut rand::rng()).as_bytes().to_vec();
        header.extend([kind, 1, 0]);
        header.extend(length.to_le_bytes());
        probe.offer(&header);
        assert_eq!(probe.closed(), Some(400), "type {kind:#x}, {length} bytes");
    }
    serves(&node);
    block_on(node.stop());
}

#[test]
fn strikes_end_the_link() {
    let (node, _shared) = sharing();
    for (kind, ttl, hops, code) in [
        (Kind::Query, 15, 1, 403),
        (Kind::RouteTableUpdate, 1, 1, 412),
        (Kind::Bye, 1, 2, 412),
    ] {
        let mut probe = Probe::neighbour(node.address());
        for _ in 0..12 {
            let guid = Guid::random(&mut rand::rng());
            let header = filbert::wire::Header {
                guid,
                kind,
                ttl,
                hops,
            };
            let payload = bytes::Bytes::from_static(b"\x80\0linux\0");
            probe.offer(
                &filbert::wire::Descriptor { header, payload }
                    .encode()
                    .unwrap(),
            );
        }
        assert_eq!(probe.closed(), Some(code), "{kind:?}");
    }
    serves(&node);
    block_on(node.stop());
}

#[test]
fn openings_that_make_no_sense_are_closed() {
    let (node, _shared) = sharing();
    let endless_headers = "X: y\r\n".repeat(5_000);
    let cases: [Vec<u8>; 11] = [
        b"GNUTELLA CONNECT/0.4\n\n".to_vec(),
        b"GNUTELLA CONNECT/\r\n\r\n".to_vec(),
        b"GNUTELLA/0.6 200 OK\r\n\r\n".to_vec(),
        format!("GNUTELLA CONNECT/0.6\r\n{endless_headers}\r\n").into_bytes(),
        format!("GNUTELLA CONNECT/0.6\r\nX: {}\r\n\r\n", "y".repeat(20_000)).into_bytes(),
        b"GIV 1:00112233445566778899aabbccddeeff/file\n\n".to_vec(),
        b"GIV nonsense\n\n".to_vec(),
        b"CHAT CONNECT/0.1\r\n\r\n".to_vec(),
        b"\n\n".to_vec(),
        vec![0; 2_000],
        vec![b'x'; 2_000],
    ];
    for bytes in cases {
        let mut probe = Probe::dial(node.address());
        probe.offer(&bytes);
        let mut rest = Vec::new();
        // Closed or reset: what matters is that it ends, and with no 200.
        let _reset = std::io::Read::read_to_end(&mut probe.stream, &mut rest);
        let said = String::from_utf8_lossy(&rest);
        assert!(!said.contains(" 200 "), "{said}");
    }
    assert_eq!(node.peers().len(), 0);
    serves(&node);
    block_on(node.stop());
}

#[test]
fn bad_requests_get_their_status_and_serve_nothing_else() {
    let (node, _shared) = sharing();
    for (request, status) in [
        (
            "GET /get/1/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
            "404",
        ),
        (
            "GET /../../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
            "404",
        ),
        (
            "GET /uri-res/N2R?urn:sha1:AAAA HTTP/1.1\r\nHost: x\r\n\r\n",
            "400",
        ),
        (
            "GET /get/1/linux%20tapes.iso HTTP/1.1\r\nHost: x\r\nRange: bytes=99-\r\n\r\n",
            "416",
        ),
        (
            "GET /get/99999999999999999999/x HTTP/1.1\r\nHost: x\r\n\r\n",
            "400",
        ),
        (
            "GET / HTTP/1.1\r\nContent-Length: -5\r\nHost: x\r\n\r\n",
            "400",
        ),
    ] {
        let mut probe = Probe::dial(node.address());
        probe.say(request.as_bytes());
        let answer = probe.block();
        assert_eq!(
            answer.split(' ').nth(1),
            Some(status),
            "{request:?} got {answer:?}"
        );
    }
    serves(&node);
    block_on(node.stop());
}

#[test]
fn a_descriptor_that_does_not_come_whole_keeps_nobody_waiting() {
    let (node, _shared) = sharing();
    // One dribbles its query, one announces more than it sends.
    let mut slow = Probe::neighbour(node.address());
    let query = Query::keywords("linux tapes").unwrap().encode();
    let guid = Guid::random(&mut rand::rng());
    let header = filbert::wire::Header {
        guid,
        kind: Kind::Query,
        ttl: 2,
        hops: 0,
    };
    let whole = filbert::wire::Descriptor {
        header,
        payload: query,
    };
    let whole = whole.encode().unwrap();
    let mut liar = Probe::neighbour(node.address());
    let mut announced = Guid::random(&mut rand::rng()).as_bytes().to_vec();
    announced.extend([0x81, 1, 0]);
    announced.extend(65_535_u32.to_le_bytes());
    announced.extend([7; 60_000]);
    liar.say(&announced);
    for place in 0..whole.len() {
        slow.say(&whole[place..=place]);
        if place % 16 == 0 {
            serves(&node);
        }
    }
    assert_eq!(slow.next_of(Kind::QueryHit).header.guid, guid);
    until("only the two are left", || node.peers().len() == 2);
    block_on(node.stop());
}

#[test]
fn a_bomb_in_a_compressed_link_ends_no_other() {
    let shared = common::directory();
    write(shared.path(), "linux tapes.iso", b"tapes");
    let limits = Limits {
        held_back: Duration::from_secs(2),
        ..Limits::default()
    };
    let starting = builder().share(shared.path()).compress(true);
    let node = block_on(starting.limits(limits).start()).unwrap();
    block_on(node.shared());
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut encoder, &vec![0; 32 << 20]).unwrap();
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < 64 << 10, "{}", bomb.len());
    let mut bomber = Probe::dial(node.address());
    bomber.say(
        b"GNUTELLA CONNECT/0.6\r\nUser-Agent: probe/1\r\nX-Ultrapeer: True\r\n\
          Accept-Encoding: deflate\r\n\r\n",
    );
    let answer = bomber.block();
    assert!(answer.contains("Content-Encoding: deflate"), "{answer}");
    bomber.say(b"GNUTELLA/0.6 200 OK\r\nContent-Encoding: deflate\r\n\r\n");
    bomber.offer(&bomb);
    serves(&node);
    // Read no faster than anybody else, it stays behind until it is enough.
    until("the bomber is gone", || node.peers().is_empty());
    serves(&node);
    block_on(node.stop());
}

#[test]
fn a_flood_of_one_neighbour_leaves_the_others_their_answers() {
    let (node, _shared) = sharing();
    let mut loud = Probe::neighbour(node.address());
    let mut heard = loud.stream.try_clone().unwrap();
    let hearing = std::thread::spawn(move || std::io::copy(&mut heard, &mut std::io::sink()));
    for round in 0..20 {
        let many: Vec<u8> = (0..200)
            .flat_map(|number| {
                let query = Query::keywords(&format!("flood {round} {number}")).unwrap();
                let header = filbert::wire::Header {
                    guid: Guid::random(&mut rand::rng()),
                    kind: Kind::Query,
                    ttl: 2,
                    hops: 0,
                };
                let payload = query.encode();
                filbert::wire::Descriptor { header, payload }
                    .encode()
                    .unwrap()
            })
            .collect();
        loud.offer(&many);
        serves(&node);
    }
    let _gone = loud.stream.shutdown(std::net::Shutdown::Both);
    hearing.join().unwrap().ok();
    block_on(node.stop());
}

/// Valid handshakes followed by anything at all.
#[test]
fn noise_behind_a_handshake_harms_nobody() {
    let (node, _shared) = sharing();
    let address = node.address();
    let noise = proptest::collection::vec(any::<u8>(), 1..2_000);
    // Real descriptors with a byte changed here and there.
    let query = Query::keywords("linux tapes").unwrap().encode();
    let real = (
        any::<[u8; 16]>(),
        0_u8..=0x90,
        proptest::collection::vec((0_usize..60, any::<u8>()), 0..4),
    );
    let real = real.prop_map(move |(guid, kind, changes)| {
        let header = filbert::wire::Header {
            guid: Guid::from_bytes(guid),
            kind: Kind::from_code(kind),
            ttl: 3,
            hops: 0,
        };
        let descriptor = filbert::wire::Descriptor {
            header,
            payload: query.clone(),
        };
        let mut bytes = descriptor.encode().unwrap().to_vec();
        for (place, value) in changes {
            if let Some(byte) = bytes.get_mut(place) {
                *byte = value;
            }
        }
        bytes
    });
    let sent = prop_oneof![
        noise,
        proptest::collection::vec(real, 1..20).prop_map(|all| all.concat())
    ];
    let config = ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(bytes in sent)| {
        let mut probe = Probe::neighbour(address);
        probe.offer(&bytes);
    });
    until("the noisy are gone", || node.peers().is_empty());
    serves(&node);
    block_on(node.stop());
}
