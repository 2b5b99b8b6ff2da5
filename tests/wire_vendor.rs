//! Vendor messages: those of the protocol digest (§19.6) decode to what it says and are encoded to
//! the same bytes; captured ones decode to what another program read out of them.

use bytes::Bytes;
use data_encoding::HEXLOWER_PERMISSIVE;
use filbert::wire::datagram::Datagram;
use filbert::wire::frame::FrameDecoder;
use filbert::wire::vendor::{Claim, CrawledHost, Holding, Name, Offer, Vendor};
use serde_json::{Value, json};

const CAPTURED: &str = include_str!("data/vectors/vendor.json");

fn bytes(hex: &str) -> Bytes {
    let digits: String = hex.split_whitespace().collect();
    HEXLOWER_PERMISSIVE
        .decode(digits.as_bytes())
        .unwrap()
        .into()
}

#[test]
fn messages_of_the_digest() {
    let supported = [
        Name::HOPS_FLOW,
        Name::PUSH_PROXY_REQUEST,
        Name::UDP_CONNECT_BACK,
    ];
    let token = Bytes::from_static(&[0xde, 0xad, 0xbe, 0xef]);
    for (hex, name, message) in [
        (
            "00000000 0000 0000  0300  42454152 0400 0100  4c494d45 1500 0100  47544b47 0700 0200",
            "null/0v0",
            Vendor::MessagesSupported(supported.to_vec()),
        ),
        ("42454152 0400 0100  00", "BEAR/4v1", Vendor::HopsFlow(0)),
        (
            "4c494d45 0c00 0300  03 01",
            "LIME/12v3",
            Vendor::OutOfBandOffer(Offer {
                version: 3,
                hits: 3,
                unsolicited: true,
            }),
        ),
        (
            "4c494d45 0b00 0300  03  c3 82 53 4f 44 deadbeef",
            "LIME/11v3",
            Vendor::OutOfBandClaim(Claim {
                wanted: 3,
                token: Some(token),
            }),
        ),
        (
            "4c494d45 1600 0200  c6336407 ca18",
            "LIME/22v2",
            Vendor::PushProxyAck {
                ip: Some("198.51.100.7".parse().unwrap()),
                port: 6346,
            },
        ),
    ] {
        let payload = bytes(hex);
        assert_eq!(Vendor::decode(&payload), Ok(message.clone()));
        assert_eq!(
            (message.encode(), message.name().to_string()),
            (payload, name.to_owned())
        );
    }
}

#[test]
fn a_claim_that_takes_deflated_answers() {
    let hex = "c000020aa1a2a3a4ffa5a6a7a8ca1800 31 09 00 12000000 4c494d45 0b00 0300 03 \
        c3 82 53 4f 44 deadbeef";
    let datagram = Datagram::decode(&bytes(hex)).unwrap();
    assert_eq!(
        (datagram.inflates, datagram.descriptor.header.ttl),
        (true, 1)
    );
    assert_eq!(datagram.encode(false).unwrap(), bytes(hex));
}

#[test]
fn captured_messages() {
    let cases: Vec<Value> = serde_json::from_str(CAPTURED).unwrap();
    assert!(cases.len() > 20);
    for case in &cases {
        let whole = bytes(case["hex"].as_str().unwrap());
        let mut decoder = FrameDecoder::new();
        decoder.buffer().extend_from_slice(&whole);
        let descriptor = decoder.next().unwrap().unwrap();
        let datagram = Datagram::decode(&whole).unwrap();
        assert_eq!(
            (&datagram.descriptor, datagram.inflates),
            (&descriptor, false)
        );
        let message = Vendor::decode(&descriptor.payload).unwrap();
        let mut said = meaning(&message);
        said["name"] = json!(message.name().to_string());
        said["muid"] = json!(descriptor.header.guid.to_string());
        said["ttl"] = json!(descriptor.header.ttl);
        said["hops"] = json!(descriptor.header.hops);
        assert_eq!(said, case["expect"], "{}", case["name"]);
        assert_eq!(Vendor::decode(&message.encode()), Ok(message));
    }
}

fn meaning(message: &Vendor) -> Value {
    match message {
        Vendor::MessagesSupported(names) => {
            json!({ "supported": names.iter().map(Name::to_string).collect::<Vec<_>>() })
        }
        Vendor::Features(said) => {
            let feature =
                |(name, version): &([u8; 4], u16)| json!([str::from_utf8(name).unwrap(), version]);
            json!({ "features": said.narrow.iter().map(feature).collect::<Value>() })
        }
        Vendor::PushProxyRequest { .. } => json!({}),
        Vendor::PushProxyAck { ip, port } => {
            json!({ "address": format!("{}:{port}", ip.unwrap()) })
        }
        Vendor::UdpConnectBack { port, guid: None } => json!({ "port": port }),
        Vendor::OutOfBandOffer(offer) => {
            json!({ "hits": offer.hits, "unsolicited": offer.unsolicited })
        }
        Vendor::CrawlerPing(ping) => json!({
            "ultrapeers": ping.ultrapeers,
            "leaves": ping.leaves,
            "wish": ping.wish.0,
        }),
        Vendor::CrawlerPong(pong) => {
            let host = |host: &CrawledHost| json!([host.address.to_string(), host.minutes]);
            json!({
                "ultrapeers": pong.ultrapeers.iter().map(host).collect::<Value>(),
                "leaves": pong.leaves.iter().map(host).collect::<Value>(),
                "agents": pong.agents,
            })
        }
        Vendor::HeadPing(ping) => {
            let wants = [
                ping.ranges,
                ping.alternates,
                ping.push_alternates,
                ping.firewall_alternates,
            ];
            let wants = wants
                .iter()
                .rev()
                .fold(0, |bits, &bit| bits << 1 | u8::from(bit));
            // The captured pings say that GGEP follows, which does not.
            let announced = if wants == 0x0f { 0x10 } else { 0 };
            assert!(ping.extensions.is_empty() && ping.leaf().is_none());
            json!({ "urn": ping.urn.to_string(), "wants": wants | announced })
        }
        Vendor::HeadPong(pong) => {
            let holding = match pong.holding {
                Holding::None => "none",
                Holding::Complete => "complete",
                Holding::Partial => "partial",
            };
            let mut said = json!({ "holding": holding });
            if let (Some(vendor), Some(queue)) = (pong.vendor, pong.queue) {
                said["vendor"] = json!(str::from_utf8(&vendor).unwrap());
                said["queue"] = json!(queue);
                if pong.version == 1 {
                    let alternates = pong.alternates.iter();
                    said["alternates"] =
                        alternates.map(|reach| reach.address.to_string()).collect();
                } else {
                    said["tls"] = json!(pong.tls);
                }
            }
            said
        }
        other => panic!("not captured: {other:?}"),
    }
}
