//! The whole messages of the protocol digest (§19.6): each decodes to what it says and is
//! encoded to the same bytes.

use std::net::Ipv4Addr;

use bytes::Bytes;
use data_encoding::HEXLOWER_PERMISSIVE;
use filbert::wire::bye::Bye;
use filbert::wire::frame::FrameDecoder;
use filbert::wire::ggep::{Extensions, Id, encode_integer};
use filbert::wire::ping::Ping;
use filbert::wire::pong::Pong;
use filbert::wire::push::Push;
use filbert::wire::query::{Query, QueryFlags};
use filbert::wire::query_hit::{QueryHit, Record, Trailer};
use filbert::wire::urn::{Sha1, TigerRoot, Urn};
use filbert::wire::{Descriptor, Guid, Header, Kind, address};

const US: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const MUID: &str = "1011121314151617ff191a1b1c1d1e00";
const OUT_OF_BAND_MUID: &str = "c000020aa1a2a3a4ffa5a6a7a8ca1800";
const SERVENT: &str = "000102030405060708090a0b0c0d0e0f";
const HELLO_SHA1: &str = "FKXGYNOJJ7H3IFO35FPUBC445EPOQRXN";
const HELLO_ROOT: &str = "ZIIVRZDR2FD3W4KKNMNYUU3765LPPK7BWY64CHI";

/// The bytes of a hex dump.
fn bytes(hex: &str) -> Vec<u8> {
    let digits: String = hex.split_whitespace().collect();
    HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).unwrap()
}

/// The one descriptor of a hex dump, checked against its header.
fn payload(hex: &str, guid: &str, kind: Kind, ttl: u8) -> Bytes {
    let mut decoder = FrameDecoder::new();
    decoder.buffer().extend_from_slice(&bytes(hex));
    let descriptor = decoder.next().unwrap().unwrap();
    assert!(decoder.buffer().is_empty());
    let header = Header {
        guid: guid.parse().unwrap(),
        kind,
        ttl,
        hops: 0,
    };
    assert_eq!(descriptor.header, header);
    assert_eq!(descriptor.encode().unwrap(), bytes(hex));
    descriptor.payload
}

fn extensions(list: &[(&str, Bytes)]) -> Extensions {
    let mut extensions = Extensions::new();
    for (id, data) in list {
        assert!(extensions.push(Id::new(id.as_bytes()).unwrap(), data.clone()));
    }
    extensions
}

fn servent() -> Guid {
    SERVENT.parse().unwrap()
}

#[test]
fn ping_with_scp() {
    let payload = payload(
        "10 11 12 13 14 15 16 17 ff 19 1a 1b 1c 1d 1e 00  00 01 00 07 00 00 00
         c3 83 53 43 50 41 01",
        MUID,
        Kind::Ping,
        1,
    );
    let ping = Ping {
        extensions: extensions(&[("SCP", Bytes::from_static(&[1]))]),
    };
    assert_eq!(Ping::decode(&payload), Ok(ping.clone()));
    assert_eq!(ping.encode(), payload);
}

#[test]
fn pong_with_extensions() {
    let payload = payload(
        "10 11 12 13 14 15 16 17 ff 19 1a 1b 1c 1d 1e 00  01 01 00 30 00 00 00
         ca 18  c0 00 02 0a  0c 00 00 00  10 00 00 00
         c3
         02 44 55 42 10 0e
         02 55 50 43 01 14 05
         02 56 43 45 54 45 53 54 10
         83 49 50 50 46 c6 33 64 07 ca 18",
        MUID,
        Kind::Pong,
        1,
    );
    let neighbour = "198.51.100.7:6346".parse().unwrap();
    let pong = Pong {
        port: 6346,
        ip: US,
        files: 12,
        kibibytes: 16,
        extensions: extensions(&[
            ("DU", encode_integer(3600)),
            ("UP", Bytes::from_static(&[1, 20, 5])),
            ("VC", Bytes::from_static(b"TEST\x10")),
            ("IPP", address::pack([neighbour])),
        ]),
    };
    assert_eq!(Pong::decode(&payload), Ok(pong.clone()));
    assert_eq!(pong.encode(), payload);
    assert!(pong.is_ultrapeer());
    assert_eq!(pong.hosts(10).collect::<Vec<_>>(), [neighbour]);
    assert_eq!(pong.hosts(0).count(), 0);
}

#[test]
fn query_for_words() {
    let payload = payload(
        "c0 00 02 0a a1 a2 a3 a4 ff a5 a6 a7 a8 ca 18 00  80 04 00 15 00 00 00
         bc 00  6c 69 6e 75 78 20 69 73 6f 00
         c3 02 53 4f 40 81 4d 41 80",
        OUT_OF_BAND_MUID,
        Kind::Query,
        4,
    );
    let query = Query {
        flags: QueryFlags::new()
            .with_xml(true)
            .with_leaf_guided(true)
            .with_ggep_hash(true)
            .with_out_of_band(true),
        text: "linux iso".to_owned(),
        urns: Vec::new(),
        extensions: extensions(&[("SO", Bytes::new()), ("M", Bytes::from_static(&[0x80]))]),
    };
    assert_eq!(Query::decode(&payload), Ok(query.clone()));
    assert_eq!(query.encode(), payload);
}

#[test]
fn query_for_a_urn() {
    let payload = payload(
        "10 11 12 13 14 15 16 17 ff 19 1a 1b 1c 1d 1e 00  80 04 00 33 00 00 00
         98 00  5c 00
         75 72 6e 3a 73 68 61 31 3a 46 4b 58 47 59 4e 4f
         4a 4a 37 48 33 49 46 4f 33 35 46 50 55 42 43 34
         34 35 45 50 4f 51 52 58 4e
         1c  c3 82 50 52 40",
        MUID,
        Kind::Query,
        4,
    );
    let mut query = Query::for_urn(Urn::Sha1(HELLO_SHA1.parse().unwrap()));
    query.flags = QueryFlags::new()
        .with_leaf_guided(true)
        .with_ggep_hash(true);
    query.extensions = extensions(&[("PR", Bytes::new())]);
    assert_eq!(Query::decode(&payload), Ok(query.clone()));
    assert_eq!(query.encode(), payload);
}

#[test]
fn hit_with_two_records() {
    let payload = payload(
        "c0 00 02 0a a1 a2 a3 a4 ff a5 a6 a7 a8 ca 18 00  81 05 00 d2 00 00 00
         02  ca 18  c0 00 02 0a  00 02 00 00
         05 00 00 00  0b 00 00 00  68 65 6c 6c 6f 2e 74 78 74 00
         c3
         01 48 6d 02 2aae6c35c94fcfb415dbe95f408b9ce91ee846ed
                     ca1158e471d147bb714a6b1b8a537ff756f7abe1b63dc11d
         42 43 54 45 01 04 f1 53 65
         c3 41 4c 54 47 02 cb 05 71 09 ca 18
         00
         06 00 00 00  ff ff ff ff  62 69 67 2e 69 73 6f 00
         75 72 6e 3a 73 68 61 31 3a 56 47 4d 54 34 4e 53 48 41 32 41 57 56 4f 52 36 45
         56 59 58 51 55 47 43 4e 53 4f 4e 42 57 45 35
         1c  c3 c2 4c 46 46 01 05 f2 05 2a 01
         00
         54 45 53 54  02  2d 29
         c3 04 50 55 53 48 46 c6 33 64 07 ca 18
         82 42 48 40
         00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f",
        OUT_OF_BAND_MUID,
        Kind::QueryHit,
        5,
    );
    let sha1: Sha1 = HELLO_SHA1.parse().unwrap();
    let root: TigerRoot = HELLO_ROOT.parse().unwrap();
    let mut hello = Record::new(5, 11, "hello.txt", None, None);
    hello.extensions = extensions(&[
        (
            "H",
            [&[2][..], sha1.as_bytes(), root.as_bytes()].concat().into(),
        ),
        ("CT", Bytes::from_static(&[0x00, 0xf1, 0x53, 0x65])),
        ("ALT", address::pack(["203.0.113.9:6346".parse().unwrap()])),
    ]);
    let big_sha1: Sha1 = "VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE5".parse().unwrap();
    let hit = QueryHit {
        port: 6346,
        ip: US,
        speed: 512,
        results: vec![
            hello,
            Record::new(6, 5_000_000_000, "big.iso", Some(big_sha1), None),
        ],
        trailer: Some(Trailer {
            vendor: *b"TEST",
            push: Some(true),
            busy: Some(false),
            uploaded: Some(true),
            measured: None,
            extensions: extensions(&[
                (
                    "PUSH",
                    address::pack(["198.51.100.7:6346".parse().unwrap()]),
                ),
                ("BH", Bytes::new()),
            ]),
            xml: None,
        }),
        servent: servent(),
    };
    // The example's ALT is 203.0.113.9, whose zero byte is coded.
    let decoded = QueryHit::decode(&payload).unwrap();
    assert_eq!(decoded, hit);
    assert_eq!(hit.encode(), payload);
    assert_eq!(
        (decoded.results[0].sha1(), decoded.results[0].tiger_root()),
        (Some(sha1), Some(root))
    );
    assert_eq!(
        (decoded.results[1].sha1(), decoded.results[1].tiger_root()),
        (Some(big_sha1), None)
    );
}

#[test]
fn push() {
    let payload = payload(
        "10 11 12 13 14 15 16 17 ff 19 1a 1b 1c 1d 1e 00  40 04 00 1a 00 00 00
         00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f
         05 00 00 00  c0 00 02 4d  cb 18",
        MUID,
        Kind::Push,
        4,
    );
    let push = Push {
        servent: servent(),
        index: 5,
        ip: Ipv4Addr::new(192, 0, 2, 77),
        port: 6347,
        extensions: Extensions::new(),
    };
    assert_eq!(Push::decode(&payload), Ok(push.clone()));
    assert_eq!(push.encode(), payload);
}

#[test]
fn bye() {
    let message = "Shutting down\r\nServer: TEST/0.1\r\n\r\n";
    let bye = Bye {
        code: 200,
        message: message.to_owned(),
    };
    let payload = [b"\xc8\x00", message.as_bytes(), b"\0"].concat();
    assert_eq!(bye.encode(), payload);
    assert_eq!(Bye::decode(&payload.clone().into()), Ok(bye.clone()));
    assert_eq!(bye.reason(), "Shutting down");
    let header = Header {
        guid: MUID.parse().unwrap(),
        kind: Kind::Bye,
        ttl: 1,
        hops: 0,
    };
    let whole = Descriptor {
        header,
        payload: payload.into(),
    }
    .encode()
    .unwrap();
    assert_eq!(whole.len(), 61);
    assert_eq!(whole[16..23], bytes("02 01 00 26 00 00 00"));
}
