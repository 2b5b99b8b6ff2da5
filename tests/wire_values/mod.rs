//! Any value of each type that has a codec, as strategies.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::ops::Range;

use bytes::Bytes;
use filbert::wire::address::Reach;
use filbert::wire::bye::Bye;
use filbert::wire::datagram::Datagram;
use filbert::wire::ggep::{Extensions, Id};
use filbert::wire::handshake::{Block, Greeting, StartLine, Version};
use filbert::wire::ping::Ping;
use filbert::wire::pong::Pong;
use filbert::wire::push::Push;
use filbert::wire::query::{self, Query, QueryFlags};
use filbert::wire::query_hit::{QueryHit, Record, Trailer};
use filbert::wire::urn::{Sha1, TigerRoot, Urn};
use filbert::wire::vendor::{Claim, CrawledHost, CrawlerPing, CrawlerPong, CrawlerWish, Features};
use filbert::wire::vendor::{HeadPing, HeadPong, Holding, Name, NodeInfo, Offer, Stamp};
use filbert::wire::vendor::{TimeSyncReply, Vendor};
use filbert::wire::{Descriptor, Guid, Header, Kind};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

pub(crate) fn guids() -> impl Strategy<Value = Guid> {
    any::<[u8; 16]>().prop_map(Guid::from_bytes)
}

pub(crate) fn urns() -> impl Strategy<Value = Urn> {
    let sha1 = any::<[u8; 20]>().prop_map(Sha1::from_bytes);
    let root = any::<[u8; 24]>().prop_map(TigerRoot::from_bytes);
    prop_oneof![
        sha1.clone().prop_map(Urn::Sha1),
        (sha1, root.clone()).prop_map(|(sha1, root)| Urn::Bitprint(sha1, root)),
        root.prop_map(Urn::TigerTree),
    ]
}

/// Bytes with zeros and separators more often than by chance.
fn data(length: Range<usize>) -> impl Strategy<Value = Bytes> {
    vec(
        prop_oneof![any::<u8>(), select(vec![0, 0x1c, 0xc3])],
        length,
    )
    .prop_map(Bytes::from)
}

/// Extensions but those that a codec gives a meaning of its own: `LF`, `XQ`, `WH`.
pub(crate) fn extensions(count: Range<usize>) -> impl Strategy<Value = Extensions> {
    let id = prop_oneof![
        "[!-KM-VY-~][!-~]{0,14}",
        select(vec!["H".to_owned(), "TT".to_owned()])
    ];
    vec((id, data(0..60)), count).prop_map(|list| {
        let mut extensions = Extensions::new();
        for (id, data) in list {
            extensions.push(Id::new(id.as_bytes()).unwrap(), data);
        }
        extensions
    })
}

pub(crate) fn pings() -> impl Strategy<Value = Ping> {
    extensions(0..6).prop_map(|extensions| Ping { extensions })
}

pub(crate) fn pongs() -> impl Strategy<Value = Pong> {
    (
        any::<u16>(),
        any::<Ipv4Addr>(),
        any::<u32>(),
        any::<u32>(),
        extensions(0..6),
    )
        .prop_map(|(port, ip, files, kibibytes, extensions)| Pong {
            port,
            ip,
            files,
            kibibytes,
            extensions,
        })
}

pub(crate) fn byes() -> impl Strategy<Value = Bye> {
    (any::<u16>(), "[^\0]{0,200}").prop_map(|(code, message)| Bye { code, message })
}

pub(crate) fn pushes() -> impl Strategy<Value = Push> {
    (
        guids(),
        any::<u32>(),
        any::<Ipv4Addr>(),
        any::<u16>(),
        extensions(0..4),
    )
        .prop_map(|(servent, index, ip, port, extensions)| Push {
            servent,
            index,
            ip,
            port,
            extensions,
        })
}

pub(crate) fn queries() -> impl Strategy<Value = Query> {
    let flags = any::<u16>().prop_map(|word| QueryFlags::from_word(word | 0x8000).unwrap());
    (
        flags,
        "[^\0\u{feff}]{2,30}",
        vec(urns(), 0..3),
        extensions(0..3),
    )
        .prop_map(|(flags, text, urns, extensions)| Query {
            flags,
            text,
            urns,
            extensions,
        })
        .prop_filter("as large as a query, its digest whole", |query| {
            query.encode().len() <= query::MAX_PAYLOAD && query.extensions.get("H").is_none()
        })
}

fn records() -> impl Strategy<Value = Record> {
    (
        any::<u32>(),
        prop_oneof![any::<u32>().prop_map(u64::from), 0..=u64::MAX / 2],
        "[^\0]{0,40}",
        vec(urns(), 0..3),
        vec("[0-9][a-zü日本0-9 ]{0,20}", 0..3),
        extensions(0..4),
    )
        .prop_map(|(index, size, name, urns, metadata, extensions)| Record {
            index,
            size,
            name,
            urns,
            metadata,
            extensions,
        })
}

fn trailers() -> impl Strategy<Value = Trailer> {
    (
        any::<[u8; 4]>(),
        any::<[Option<bool>; 4]>(),
        extensions(0..4),
        option::of(data(1..80)),
    )
        .prop_map(
            |(vendor, [push, busy, uploaded, measured], extensions, xml)| Trailer {
                vendor,
                push,
                busy,
                uploaded,
                measured,
                extensions,
                xml,
            },
        )
}

pub(crate) fn hits() -> impl Strategy<Value = QueryHit> {
    (
        any::<u16>(),
        any::<Ipv4Addr>(),
        any::<u32>(),
        vec(records(), 1..12),
        option::of(trailers()),
        guids(),
    )
        .prop_map(|(port, ip, speed, results, trailer, servent)| QueryHit {
            port,
            ip,
            speed,
            results,
            trailer,
            servent,
        })
}

/// Descriptors of any kind, whose payloads mean nothing.
pub(crate) fn descriptors() -> impl Strategy<Value = Descriptor> {
    (
        guids(),
        any::<u8>(),
        any::<u8>(),
        any::<u8>(),
        vec(any::<u8>(), 0..600),
    )
        .prop_map(|(guid, code, ttl, hops, payload)| Descriptor {
            header: Header {
                guid,
                kind: Kind::from_code(code),
                ttl,
                hops,
            },
            payload: payload.into(),
        })
}

pub(crate) fn datagrams() -> impl Strategy<Value = Datagram> {
    let payload = prop_oneof![
        data(0..600),
        any::<u8>().prop_map(|byte| vec![byte; 500].into())
    ];
    (descriptors(), payload, any::<bool>()).prop_map(|(mut descriptor, payload, inflates)| {
        descriptor.header.ttl &= 0x77;
        descriptor.payload = payload;
        Datagram {
            descriptor,
            inflates,
        }
    })
}

fn addresses() -> impl Strategy<Value = SocketAddrV4> {
    (any::<Ipv4Addr>(), any::<u16>()).prop_map(|(ip, port)| SocketAddrV4::new(ip, port))
}

pub(crate) fn reaches(count: Range<usize>) -> impl Strategy<Value = Vec<Reach>> {
    let reach = (addresses(), any::<bool>()).prop_map(|(address, tls)| Reach { address, tls });
    vec(reach, count)
}

/// Every vendor message.
pub(crate) fn vendors() -> impl Strategy<Value = Vendor> {
    let name = any::<([u8; 4], u16, u16)>()
        .prop_map(|(vendor, selector, version)| Name::new(vendor, selector, version));
    let names = vec(name, 0..40).prop_map(Vendor::MessagesSupported);
    let features = (
        vec(any::<([u8; 4], u16)>(), 0..9),
        option::of(vec(any::<([u8; 4], u32)>(), 0..4)),
    )
        .prop_map(|(narrow, wide)| Vendor::Features(Features { narrow, wide }));
    let other = (any::<[u8; 4]>(), any::<u16>(), 100..=u16::MAX, data(0..80)).prop_map(
        |(vendor, selector, version, payload)| Vendor::Other {
            vendor,
            selector,
            version,
            payload,
        },
    );
    prop_oneof![
        names,
        features,
        other,
        connects(),
        out_of_band(),
        crawls(),
        heads(),
        infos()
    ]
}

fn connects() -> impl Strategy<Value = Vendor> {
    prop_oneof![
        any::<u8>().prop_map(Vendor::HopsFlow),
        any::<u16>().prop_map(|port| Vendor::TcpConnectBack { port }),
        addresses().prop_map(Vendor::TcpConnectBackRedirect),
        (any::<u16>(), option::of(guids()))
            .prop_map(|(port, guid)| Vendor::UdpConnectBack { port, guid }),
        addresses().prop_map(Vendor::UdpConnectBackRedirect),
        Just(Vendor::GuidanceRequest),
        any::<u16>().prop_map(|kept| Vendor::Guidance { kept }),
        (1..=2_u16).prop_map(|version| Vendor::PushProxyRequest { version }),
        (option::of(any::<Ipv4Addr>()), any::<u16>())
            .prop_map(|(ip, port)| Vendor::PushProxyAck { ip, port }),
        Just(Vendor::PushProxyCancel),
    ]
}

fn out_of_band() -> impl Strategy<Value = Vendor> {
    prop_oneof![
        (any::<u8>(), option::of(data(1..17)))
            .prop_map(|(wanted, token)| Vendor::OutOfBandClaim(Claim { wanted, token })),
        (1..=3_u16, any::<u8>(), any::<bool>()).prop_map(|(version, hits, unsolicited)| {
            Vendor::OutOfBandOffer(Offer {
                version,
                hits,
                unsolicited: unsolicited && version > 1,
            })
        }),
        option::of(any::<u8>()).prop_map(|version| Vendor::OutOfBandVeto { version }),
    ]
}

fn crawls() -> impl Strategy<Value = Vendor> {
    let ping = any::<(u8, u8, u8)>().prop_map(|(ultrapeers, leaves, wish)| CrawlerPing {
        ultrapeers,
        leaves,
        wish: CrawlerWish(wish),
    });
    let hosts = || vec((addresses(), any::<u16>(), any::<[u8; 2]>()), 0..12);
    let pong = (any::<u8>(), hosts(), hosts(), vec("[^\0]{0,20}", 0..6)).prop_map(
        |(told, ultrapeers, leaves, agents)| {
            let told = CrawlerWish(told);
            let host = |(address, minutes, locale): (SocketAddrV4, u16, [u8; 2])| CrawledHost {
                address,
                minutes: if told.has(CrawlerWish::MINUTES) {
                    minutes
                } else {
                    0
                },
                locale: if told.has(CrawlerWish::LOCALE) {
                    locale
                } else {
                    [0; 2]
                },
            };
            CrawlerPong {
                told,
                ultrapeers: ultrapeers.into_iter().map(host).collect(),
                leaves: leaves.into_iter().map(host).collect(),
                agents: if told.has(CrawlerWish::AGENTS) {
                    agents
                } else {
                    Vec::new()
                },
            }
        },
    );
    prop_oneof![
        ping.prop_map(Vendor::CrawlerPing),
        pong.prop_map(Vendor::CrawlerPong)
    ]
}

fn heads() -> impl Strategy<Value = Vendor> {
    let ping = (1..=2_u16, any::<[bool; 4]>(), urns(), extensions(0..3)).prop_map(
        |(version, [ranges, alternates, push_alternates, firewall_alternates], urn, extensions)| {
            HeadPing {
                version,
                ranges,
                alternates,
                push_alternates,
                firewall_alternates,
                urn,
                extensions,
            }
        },
    );
    let holding = select(vec![Holding::None, Holding::Complete, Holding::Partial]);
    let said = (any::<[bool; 3]>(), any::<[u8; 4]>(), any::<i8>());
    let lists = (vec(any::<(u32, u32)>(), 0..4), data(0..60), reaches(0..12));
    let pong = (1..=2_u16, holding, said, lists).prop_map(
        |(version, holding, ([firewalled, downloading, tls], vendor, queue), lists)| {
            let mut pong = HeadPong::new(version, holding);
            pong.firewalled = firewalled;
            pong.downloading = downloading;
            if version == 2 || holding != Holding::None {
                pong.vendor = Some(vendor);
                pong.queue = Some(queue);
                (pong.ranges, pong.push_alternates, pong.alternates) = lists;
            }
            // Only the second version has room for it.
            pong.tls = tls && version == 2;
            for alternate in &mut pong.alternates {
                alternate.tls &= version == 2;
            }
            pong
        },
    );
    prop_oneof![
        ping.prop_map(Vendor::HeadPing),
        pong.prop_map(Vendor::HeadPong)
    ]
}

fn infos() -> impl Strategy<Value = Vendor> {
    let numbers = any::<([u8; 4], [u8; 6], [u32; 4], [u16; 2])>();
    let info = (numbers, vec(any::<u32>(), 0..5), data(0..60)).prop_map(
        |((vendor, bytes, words, counts), features, rest)| NodeInfo {
            vendor,
            mode: bytes[0],
            answered: words[0],
            operating: words[1],
            features,
            max_ultrapeers: bytes[1],
            max_ultrapeers_as_leaf: bytes[2],
            ultrapeers: bytes[3],
            max_leaves: counts[0],
            leaves: counts[1],
            ttl: bytes[4],
            hard_ttl: bytes[5],
            started: words[2],
            address_changed: words[3],
            rest,
        },
    );
    prop_oneof![
        info.prop_map(|info| Vendor::NodeInfoReply(Box::new(info))),
        any::<u32>().prop_map(|wanted| Vendor::NodeInfoRequest { wanted }),
        any::<bool>().prop_map(|ntp| Vendor::TimeSyncRequest { ntp }),
        any::<(bool, u32, u32)>().prop_map(|(ntp, seconds, micros)| {
            let received = Stamp { seconds, micros };
            Vendor::TimeSyncReply(TimeSyncReply { ntp, received })
        }),
    ]
}

/// Text as a line may have it: without control characters and blanks at its ends.
fn line(most: usize) -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..most).prop_map(|chars| {
        let text: String = chars
            .into_iter()
            .filter(|char| !char.is_control())
            .collect();
        text.trim().to_owned()
    })
}

pub(crate) fn blocks() -> impl Strategy<Value = Block> {
    let start = prop_oneof![
        any::<(u8, u8)>().prop_map(|(major, minor)| StartLine::Connect { major, minor }),
        (0_u16..1000, line(40)).prop_map(|(code, reason)| StartLine::Status { code, reason }),
    ];
    (start, vec(("[A-Za-z][A-Za-z0-9-]{0,20}", line(60)), 0..10)).prop_map(|(line, headers)| {
        Block {
            line,
            headers: headers.into_iter().collect(),
        }
    })
}

pub(crate) fn greetings() -> impl Strategy<Value = Greeting> {
    let address =
        || (any::<IpAddr>(), 1..=u16::MAX).prop_map(|(ip, port)| SocketAddr::new(ip, port));
    let version = any::<(u8, u8)>().prop_map(|(major, minor)| Version { major, minor });
    (
        option::of("[!-~]([ -~]{0,30}[!-~])?"),
        any::<[Option<bool>; 3]>(),
        option::of(address()),
        option::of(any::<IpAddr>()),
        any::<(Option<u8>, Option<u32>)>(),
        (option::of(version.clone()), option::of(version)),
        any::<[bool; 12]>(),
        option::of(guids()),
        [0..=40_usize, 0..=40, 0..=20].map(|count| vec(address(), count)),
    )
        .prop_map(
            |(agent, truths, listen, remote_ip, numbers, versions, said, guid, hosts)| {
                let [peers, leaves, tries] = hosts;
                let [ultrapeer, ultrapeer_needed, requeries] = truths;
                let [
                    ultrapeer_query_routing,
                    dynamic_querying,
                    ext_probes,
                    ref more @ ..,
                ] = said;
                let [
                    pong_caching,
                    ggep,
                    vendor_message,
                    bye,
                    accepts_deflate,
                    ref more @ ..,
                ] = *more;
                let [sends_deflate, tls, crawler, packets] = *more;
                Greeting {
                    agent,
                    ultrapeer,
                    ultrapeer_needed,
                    listen,
                    remote_ip,
                    max_ttl: numbers.0,
                    degree: numbers.1,
                    query_routing: versions.0,
                    guess: versions.1,
                    ultrapeer_query_routing,
                    dynamic_querying,
                    ext_probes,
                    requeries,
                    pong_caching,
                    ggep,
                    vendor_message,
                    bye,
                    accepts_deflate,
                    sends_deflate,
                    tls,
                    crawler,
                    // The others are never written.
                    packets: packets.then_some(true),
                    challenges: false,
                    guid,
                    peers,
                    leaves,
                    try_ultrapeers: tries,
                }
            },
        )
}
