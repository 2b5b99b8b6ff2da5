//! Bytes captured from servents in use, gtk-gnutella 1.2.3 and GnutellaBun 1.2: each decodes to
//! what it means, field by field, and what we make of it is read back the same.
//!
//! A case in `data/vectors` is `{name, meaning, kind, hex, expect}`; `expect` was read out of the
//! bytes by another program.

use bytes::Bytes;
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use filbert::net::deflate::Inflate;
use filbert::runtime::block_on;
use filbert::wire::bye::Bye;
use filbert::wire::frame::FrameDecoder;
use filbert::wire::ggep::Extensions;
use filbert::wire::handshake::{Greeting, StartLine, Version, parse_block};
use filbert::wire::ping::Ping;
use filbert::wire::pong::Pong;
use filbert::wire::push::Push;
use filbert::wire::query::Query;
use filbert::wire::query_hit::{QueryHit, Received, Record, Trailer, flaw, servent_of};
use filbert::wire::urn::TigerRoot;
use filbert::wire::{Descriptor, Guid, Kind, dime, thex};
use futures::AsyncReadExt;
use futures::io::Cursor;
use serde_json::{Value, json};

const PINGS_PONGS: &str = include_str!("data/vectors/pings_pongs.json");
const QUERIES: &str = include_str!("data/vectors/queries.json");
const HITS: &str = include_str!("data/vectors/hits.json");
const PUSHES_BYES: &str = include_str!("data/vectors/pushes_byes.json");
const TREES: &str = include_str!("data/vectors/trees.json");
const HANDSHAKES: &str = include_str!("data/vectors/handshakes.json");
const STREAMS: &str = include_str!("data/vectors/streams.json");

/// One captured message.
struct Case {
    name: String,
    bytes: Vec<u8>,
    expect: Value,
}

fn cases(file: &str) -> Vec<Case> {
    let list: Vec<Value> = serde_json::from_str(file).unwrap();
    let text = |case: &Value, key: &str| case[key].as_str().unwrap().to_owned();
    list.iter()
        .map(|case| Case {
            name: text(case, "name"),
            bytes: HEXLOWER_PERMISSIVE
                .decode(text(case, "hex").as_bytes())
                .unwrap(),
            expect: case["expect"].clone(),
        })
        .collect()
}

fn case(file: &str, name: &str) -> Case {
    cases(file)
        .into_iter()
        .find(|case| case.name == name)
        .unwrap()
}

/// The one descriptor that the bytes are.
fn descriptor(case: &Case) -> Descriptor {
    let mut decoder = FrameDecoder::new();
    decoder.buffer().extend_from_slice(&case.bytes);
    let descriptor = decoder.next().unwrap().unwrap();
    assert!(decoder.buffer().is_empty(), "{}", case.name);
    assert_eq!(descriptor.encode().unwrap(), case.bytes, "{}", case.name);
    descriptor
}

/// Decodes every case of a file and compares what it means.
fn check(file: &str, meaning: impl Fn(&Descriptor) -> Value) {
    let cases = cases(file);
    assert!(!cases.is_empty());
    for case in &cases {
        let descriptor = descriptor(case);
        let mut said = meaning(&descriptor);
        let header = descriptor.header;
        said["muid"] = json!(header.guid.to_string());
        said["ttl"] = json!(header.ttl);
        said["hops"] = json!(header.hops);
        assert_eq!(said, case.expect, "{}", case.name);
    }
}

fn ggep(extensions: &Extensions) -> Value {
    let pair = |id: String, data: &Bytes| json!([id, HEXLOWER.encode(data)]);
    extensions
        .iter()
        .map(|extension| pair(extension.id.to_string(), &extension.data))
        .collect()
}

#[test]
fn pings_and_pongs() {
    check(PINGS_PONGS, |descriptor| match descriptor.header.kind {
        Kind::Ping => {
            let ping = Ping::decode(&descriptor.payload).unwrap();
            assert_eq!(Ping::decode(&ping.encode()).as_ref(), Ok(&ping));
            json!({ "ggep": ggep(&ping.extensions) })
        }
        _ => {
            let pong = Pong::decode(&descriptor.payload).unwrap();
            assert_eq!(pong.encode(), descriptor.payload);
            json!({
                "port": pong.port,
                "ip": pong.ip.to_string(),
                "files": pong.files,
                "kibibytes": pong.kibibytes,
                "ggep": ggep(&pong.extensions),
            })
        }
    });
}

#[test]
fn queries() {
    check(QUERIES, |descriptor| {
        match Query::decode(&descriptor.payload) {
            Err(error) => json!({ "refused": error.what }),
            Ok(query) => {
                assert_eq!(Query::decode(&query.encode()).as_ref(), Ok(&query));
                let urns: Vec<String> = query.urns.iter().map(ToString::to_string).collect();
                json!({
                    "flags": query.flags.word(),
                    "text": query.text,
                    "urns": urns,
                    "ggep": ggep(&query.extensions),
                })
            }
        }
    });
}

#[test]
fn hits() {
    check(HITS, |descriptor| {
        let hit = QueryHit::decode(&descriptor.payload).unwrap();
        assert_eq!(servent_of(&descriptor.payload), Some(hit.servent));
        assert_eq!(QueryHit::decode(&hit.encode()).as_ref(), Ok(&hit));
        let received = Received {
            muid: descriptor.header.guid,
            hops: descriptor.header.hops,
            own: Guid::from_bytes([7; 16]),
            searched: None,
        };
        assert_eq!(flaw(&hit, &received), None);
        json!({
            "ip": hit.ip.to_string(),
            "port": hit.port,
            "speed": hit.speed,
            "results": hit.results.iter().map(result).collect::<Value>(),
            "trailer": hit.trailer.as_ref().map(trailer),
            "servent": hit.servent.to_string(),
        })
    });
}

fn result(record: &Record) -> Value {
    let hashed = !record.urns.is_empty() || record.extensions.get("H").is_some();
    assert_eq!(record.sha1().is_some(), hashed);
    json!({
        "index": record.index,
        "size": record.size,
        "name": record.name,
        "urns": record.urns.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "ggep": ggep(&record.extensions),
    })
}

fn trailer(trailer: &Trailer) -> Value {
    json!({
        "vendor": trailer.vendor_text(),
        "push": trailer.push,
        "busy": trailer.busy,
        "uploaded": trailer.uploaded,
        "measured": trailer.measured,
        "ggep": ggep(&trailer.extensions),
    })
}

#[test]
fn pushes_and_byes() {
    check(PUSHES_BYES, |descriptor| match descriptor.header.kind {
        Kind::Push => {
            let push = Push::decode(&descriptor.payload).unwrap();
            assert_eq!(push.encode(), descriptor.payload);
            json!({
                "servent": push.servent.to_string(),
                "index": push.index,
                "ip": push.ip.to_string(),
                "port": push.port,
                "ggep": ggep(&push.extensions),
            })
        }
        _ => {
            let bye = Bye::decode(&descriptor.payload).unwrap();
            assert_eq!(Bye::decode(&bye.encode()).as_ref(), Ok(&bye));
            json!({ "code": bye.code, "message": bye.message })
        }
    });
}

#[test]
fn handshakes() {
    for case in cases(HANDSHAKES) {
        let (block, length) = parse_block(&case.bytes).unwrap().unwrap();
        assert_eq!(length, case.bytes.len(), "{}", case.name);
        let headers: Vec<_> = block.headers.iter().collect();
        let said = json!({ "line": block.line.to_string(), "headers": headers });
        assert_eq!(said, case.expect, "{}", case.name);
        let again = block.encode();
        assert_eq!(
            parse_block(&again),
            Ok(Some((block, again.len()))),
            "{}",
            case.name
        );
        for end in 0..case.bytes.len() {
            assert_eq!(parse_block(&case.bytes[..end]), Ok(None), "{}", case.name);
        }
    }
}

fn greeting(name: &str) -> Greeting {
    let case = case(HANDSHAKES, name);
    Greeting::from_headers(&parse_block(&case.bytes).unwrap().unwrap().0.headers)
}

#[test]
fn a_captured_ultrapeer_says_what_it_can() {
    let said = greeting("gtkg/up_to_up/upup.hs2");
    assert!(
        said.agent
            .as_deref()
            .is_some_and(|agent| agent.starts_with("gtk-gnutella/1.2.3"))
    );
    assert_eq!(
        (said.ultrapeer, said.max_ttl, said.degree),
        (Some(true), Some(4), Some(29))
    );
    assert_eq!(said.query_routing, Some(Version { major: 0, minor: 1 }));
    assert_eq!(said.remote_ip, Some("44.50.0.5".parse().unwrap()));
    assert!(said.pong_caching && said.bye && said.ggep && said.vendor_message);
    assert!(said.dynamic_querying && said.ultrapeer_query_routing && said.ext_probes);
    assert!(said.accepts_deflate && said.sends_deflate && said.guid.is_some());
}

#[test]
fn a_captured_leaf_says_what_it_can() {
    let said = greeting("bun/up_from_leaf/up.hs1");
    assert_eq!(said.agent.as_deref(), Some("GnutellaBun/1.0.0"));
    assert_eq!(
        (said.ultrapeer, said.max_ttl, said.degree),
        (Some(false), Some(4), None)
    );
    assert_eq!(said.listen, Some("45.20.0.2:6346".parse().unwrap()));
    assert!(said.accepts_deflate && !said.sends_deflate && !said.vendor_message && !said.tls);
}

#[test]
fn a_captured_refusal_says_why() {
    let case = case(HANDSHAKES, "gtkg/refuse/refuse.leaf_to_leaf.hs2");
    let (block, _) = parse_block(&case.bytes).unwrap().unwrap();
    let reason = "Shielded leaf node (4 peers max)".to_owned();
    assert_eq!(block.line, StartLine::Status { code: 204, reason });
}

#[test]
fn a_captured_answer_names_others_to_try() {
    let said = greeting("gtkg/up_from_leaf/up.hs2");
    assert_eq!(said.try_ultrapeers, ["46.30.0.3:6346".parse().unwrap()]);
}

#[test]
fn a_captured_host_cache_says_who_and_where() {
    let names: Vec<Pong> = cases(PINGS_PONGS)
        .iter()
        .map(descriptor)
        .filter(|descriptor| descriptor.header.kind == Kind::Pong)
        .map(|descriptor| Pong::decode(&descriptor.payload).unwrap())
        .filter(|pong| pong.slots().is_some())
        .collect();
    assert!(names.len() > 5);
    for pong in &names {
        let maker = pong.maker().unwrap();
        assert_eq!(
            (maker.vendor_text(), maker.major, maker.minor),
            ("GTKG".to_owned(), 8, 3)
        );
        assert_eq!(pong.guess(), Some((0, 2)));
        assert!(pong.daily_uptime().is_some() && pong.is_ultrapeer());
        let hosts: Vec<_> = pong.hosts(30).collect();
        let reaches = pong.reaches(30).map(|reach| reach.address);
        assert_eq!(reaches.collect::<Vec<_>>(), hosts);
    }
    assert!(names.iter().any(|pong| pong.hosts(30).count() > 0));
}

/// What the hashes in both forms of gtk-gnutella's hits are: as text and `TT`, and as `H`.
#[test]
fn hashes_are_the_same_in_every_form() {
    let hit = |name| QueryHit::decode(&descriptor(&case(HITS, name)).payload).unwrap();
    let text = hit("gtkg/leaf_to_up/leaf.query_plain_resp.0.QHIT");
    let digest = hit("gtkg/up_to_up/upup.q_flag_ggep_h_resp.0.QHIT");
    let (text, digest) = (&text.results[0], &digest.results[0]);
    assert!(digest.urns.is_empty() && digest.sha1().is_some() && digest.tiger_root().is_some());
    assert_eq!(text.name, digest.name);
    assert_eq!(
        (text.sha1(), text.tiger_root()),
        (digest.sha1(), digest.tiger_root())
    );
}

#[test]
fn a_captured_compressed_stream_is_its_messages() {
    let case = case(STREAMS, "gtkg/up_to_up/upup.deflate_stream_start");
    let mut stream = Inflate::new(Cursor::new(case.bytes));
    let mut plain = Vec::new();
    // The capture stops within a message.
    let _cut = block_on(stream.read_to_end(&mut plain));
    let mut decoder = FrameDecoder::new();
    decoder.buffer().extend_from_slice(&plain);
    for message in case.expect["descriptors"].as_array().unwrap() {
        let descriptor = decoder.next().unwrap().unwrap();
        assert_eq!(HEXLOWER.encode(&descriptor.encode().unwrap()), *message);
    }
}

#[test]
fn a_captured_message_of_a_type_without_meaning_is_passed_over() {
    let case = case(STREAMS, "bun/leaf_to_up/leaf.hsep");
    let descriptor = descriptor(&case);
    assert_eq!(descriptor.header.kind, Kind::Other(0xcd));
    let payload = HEXLOWER.encode(&descriptor.payload);
    assert_eq!(payload, case.expect["payload"]);
}

/// Flags in the upper half of the length mean something only to who announced them, as we do not.
#[test]
fn captured_header_flags_are_an_impossible_length() {
    let case = case(STREAMS, "bun/leaf_to_up/leaf.ping_hdrflags");
    let mut decoder = FrameDecoder::new();
    decoder.buffer().extend_from_slice(&case.bytes);
    let refused = decoder.next().unwrap_err();
    assert_eq!(json!(refused.length), case.expect["length"]);
}
#[test]
fn trees() {
    for case in cases(TREES) {
        let body = Bytes::from(case.bytes);
        let size = case.expect["size"].as_u64().unwrap();
        let root: TigerRoot = case.expect["root"].as_str().unwrap().parse().unwrap();
        let tree = thex::decode(&body, size, root).unwrap();
        let read = json!({
            "size": tree.size(),
            "root": tree.root().to_string(),
            "nodes": tree.nodes().len(),
            "node_len": tree.node_len(),
        });
        assert_eq!(read, case.expect, "{}", case.name);
        let records = dime::decode(&body).unwrap();
        assert_eq!(dime::encode(&records), body);
        // Ours differs in the name that one record has for the other.
        let ours = dime::decode(&thex::encode(&tree)).unwrap();
        assert_eq!(ours[1].data, records[1].data);
        assert_eq!(ours[0].data.len(), records[0].data.len());
    }
}
