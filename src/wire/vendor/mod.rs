//! Vendor messages: what servents tell each other besides searches (protocol §8.6).
//!
//! [`Vendor`] is every message in use; its larger ones have a file each. One that is not known
//! here, by vendor, number or version, is [`Vendor::Other`], which is ignored. Bytes behind the
//! fields of a known one are passed over, as newer servents may add some.

mod clock;
mod crawler;
mod head;
mod name;
mod node_info;
mod out_of_band;
mod support;

use std::net::{Ipv4Addr, SocketAddrV4};

use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::number::complete::{be_u32, le_u16, u8 as byte};

pub use self::clock::{Stamp, TimeSyncReply};
pub use self::crawler::{CrawledHost, CrawlerPing, CrawlerPong, CrawlerWish};
pub use self::head::{BUSY, HeadPing, HeadPong, Holding};
pub use self::name::Name;
pub use self::node_info::NodeInfo;
pub use self::out_of_band::{Claim, Offer};
pub use self::support::{Features, MAX_ENTRIES};
use super::parse::{self, fixed};
use super::{Error, Guid, address};

/// A vendor message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vendor {
    /// null/0: the messages that the sender reads.
    MessagesSupported(Vec<Name>),
    /// null/10: what the sender can.
    Features(Features),
    /// BEAR/4: send only queries that have come fewer hops than this; 0 for none at all.
    HopsFlow(u8),
    /// BEAR/7: connect to this port of mine, to see whether it can be done.
    TcpConnectBack {
        /// The port.
        port: u16,
    },
    /// LIME/7: connect to this address for somebody else.
    TcpConnectBackRedirect(SocketAddrV4),
    /// GTKG/7: ping this port of mine over UDP.
    UdpConnectBack {
        /// The port.
        port: u16,
        /// The MUID of that ping in version 1; in version 2 it is that of this message.
        guid: Option<Guid>,
    },
    /// LIME/8: ping this address over UDP for somebody else; the MUID is that of this message.
    UdpConnectBackRedirect(SocketAddrV4),
    /// BEAR/11: how many results has the query with this MUID brought?
    GuidanceRequest,
    /// BEAR/12: so many were kept.
    Guidance {
        /// How many; [`STOP`] when no more are wanted.
        kept: u16,
    },
    /// LIME/11: send the results that wait.
    OutOfBandClaim(Claim),
    /// LIME/12: results wait.
    OutOfBandOffer(Offer),
    /// LIME/13: do not ask out of band in my place.
    OutOfBandVeto {
        /// The versions up to this one are vetoed; 0 for none; all when it is not told or 255.
        version: Option<u8>,
    },
    /// LIME/5: which neighbours have you?
    CrawlerPing(CrawlerPing),
    /// LIME/6: these.
    CrawlerPong(CrawlerPong),
    /// LIME/21: hand pushes on to me, whose GUID is the MUID.
    PushProxyRequest {
        /// 1 or 2.
        version: u16,
    },
    /// LIME/22: pushes for the servent whose GUID is the MUID are handed on.
    PushProxyAck {
        /// Where, in version 2; in version 1 it is where this comes from.
        ip: Option<Ipv4Addr>,
        /// At which port.
        port: u16,
    },
    /// GTKG/21: hand no more on.
    PushProxyCancel,
    /// LIME/23: have you this file?
    HeadPing(HeadPing),
    /// LIME/24: how it is with it.
    HeadPong(HeadPong),
    /// GTKG/9: what time is it?
    TimeSyncRequest {
        /// Whether the sender's clock is kept right by NTP.
        ntp: bool,
    },
    /// GTKG/10: so late.
    TimeSyncReply(TimeSyncReply),
    /// GTKG/22: how are you doing?
    NodeInfoRequest {
        /// What is asked for.
        wanted: u32,
    },
    /// GTKG/23: like this.
    NodeInfoReply(Box<NodeInfo>),
    /// One that is not known here.
    Other {
        /// Who defined it.
        vendor: [u8; 4],
        /// Its number among those of that vendor.
        selector: u16,
        /// Its version.
        version: u16,
        /// What it says.
        payload: Bytes,
    },
}

/// In [`Vendor::Guidance`]: no more results are wanted.
pub const STOP: u16 = 0xffff;

/// Length of the name in front of every vendor message.
const NAME_LEN: usize = 8;

impl Vendor {
    /// Reads a vendor message.
    ///
    /// # Errors
    /// When it has no whole name, or is known and not what it should be.
    pub fn decode(payload: &Bytes) -> Result<Self, Error> {
        let (body, name) = fixed(payload, name::name, "vendor message too short")?;
        Self::decode_body(name, &body)
            .map_err(|error| Error::new(NAME_LEN + error.offset, error.what))
    }

    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        self.name().put(&mut out);
        match self {
            Self::GuidanceRequest | Self::PushProxyRequest { .. } | Self::PushProxyCancel => {}
            Self::MessagesSupported(names) => support::put_names(&mut out, names),
            Self::Features(features) => features.put(&mut out),
            Self::HopsFlow(hops) => out.put_u8(*hops),
            Self::TcpConnectBack { port } => out.put_u16_le(*port),
            Self::TcpConnectBackRedirect(address) | Self::UdpConnectBackRedirect(address) => {
                address::put(&mut out, *address);
            }
            Self::UdpConnectBack { port, guid } => {
                out.put_u16_le(*port);
                out.put_slice(guid.as_ref().map_or(&[], |guid| guid.as_bytes()));
            }
            Self::Guidance { kept } => out.put_u16_le(*kept),
            Self::OutOfBandClaim(claim) => claim.put(&mut out),
            Self::OutOfBandOffer(offer) => offer.put(&mut out),
            Self::OutOfBandVeto { version } => out.extend(*version),
            Self::CrawlerPing(ping) => ping.put(&mut out),
            Self::CrawlerPong(pong) => pong.put(&mut out),
            Self::PushProxyAck { ip, port } => {
                out.put_slice(ip.map(|ip| ip.octets()).as_ref().map_or(&[], |ip| ip));
                out.put_u16_le(*port);
            }
            Self::HeadPing(ping) => ping.put(&mut out),
            Self::HeadPong(pong) => pong.put(&mut out),
            Self::TimeSyncRequest { ntp } => clock::put_flags(&mut out, *ntp),
            Self::TimeSyncReply(reply) => reply.put(&mut out),
            Self::NodeInfoRequest { wanted } => out.put_u32(*wanted),
            Self::NodeInfoReply(info) => info.put(&mut out),
            Self::Other { payload, .. } => out.put_slice(payload),
        }
        out.freeze()
    }

    /// Its name, "LIME/21v1".
    #[must_use]
    pub fn name(&self) -> Name {
        match self {
            Self::MessagesSupported(_) => Name::MESSAGES_SUPPORTED,
            Self::Features(features) if features.wide.is_some() => Name::WIDE_FEATURES,
            Self::Features(_) => Name::FEATURES,
            Self::HopsFlow(_) => Name::HOPS_FLOW,
            Self::TcpConnectBack { .. } => Name::TCP_CONNECT_BACK,
            Self::TcpConnectBackRedirect(_) => Name::TCP_CONNECT_BACK_REDIRECT,
            Self::UdpConnectBack { guid: Some(_), .. } => Name::UDP_CONNECT_BACK_V1,
            Self::UdpConnectBack { guid: None, .. } => Name::UDP_CONNECT_BACK,
            Self::UdpConnectBackRedirect(_) => Name::UDP_CONNECT_BACK_REDIRECT,
            Self::GuidanceRequest => Name::GUIDANCE_REQUEST,
            Self::Guidance { .. } => Name::GUIDANCE,
            Self::OutOfBandClaim(claim) if claim.token.is_some() => Name::OUT_OF_BAND_CLAIM_SECURE,
            Self::OutOfBandClaim(_) => Name::OUT_OF_BAND_CLAIM,
            Self::OutOfBandOffer(offer) => match offer.version {
                0 | 1 => Name::OUT_OF_BAND_OFFER_V1,
                2 => Name::OUT_OF_BAND_OFFER,
                _ => Name::OUT_OF_BAND_OFFER_SECURE,
            },
            Self::OutOfBandVeto { .. } => Name::OUT_OF_BAND_VETO,
            Self::CrawlerPing(_) => Name::CRAWLER_PING,
            Self::CrawlerPong(_) => Name::CRAWLER_PONG,
            Self::PushProxyRequest { version: 0 | 1 } => Name::PUSH_PROXY_REQUEST,
            Self::PushProxyRequest { .. } => Name::PUSH_PROXY_REQUEST_V2,
            Self::PushProxyAck { ip: None, .. } => Name::PUSH_PROXY_ACK_V1,
            Self::PushProxyAck { .. } => Name::PUSH_PROXY_ACK,
            Self::PushProxyCancel => Name::PUSH_PROXY_CANCEL,
            Self::HeadPing(HeadPing { version: 0 | 1, .. }) => Name::HEAD_PING,
            Self::HeadPing(_) => Name::HEAD_PING_V2,
            Self::HeadPong(HeadPong { version: 0 | 1, .. }) => Name::HEAD_PONG,
            Self::HeadPong(_) => Name::HEAD_PONG_V2,
            Self::TimeSyncRequest { .. } => Name::TIME_SYNC_REQUEST,
            Self::TimeSyncReply(_) => Name::TIME_SYNC_REPLY,
            Self::NodeInfoRequest { .. } => Name::NODE_INFO_REQUEST,
            Self::NodeInfoReply(_) => Name::NODE_INFO_REPLY,
            Self::Other {
                vendor,
                selector,
                version,
                ..
            } => Name::new(*vendor, *selector, *version),
        }
    }

    fn decode_body(name: Name, body: &Bytes) -> Result<Self, Error> {
        Ok(match name {
            Name::MESSAGES_SUPPORTED => Self::MessagesSupported(support::decode_names(body)?),
            Name::FEATURES | Name::WIDE_FEATURES => {
                Self::Features(Features::decode(body, name == Name::WIDE_FEATURES)?)
            }
            Name::HOPS_FLOW => Self::HopsFlow(field(body, byte, "hops flow without hops")?),
            Name::TCP_CONNECT_BACK => Self::TcpConnectBack {
                port: field(body, le_u16, NO_PORT)?,
            },
            Name::TCP_CONNECT_BACK_REDIRECT => Self::TcpConnectBackRedirect(whole_address(body)?),
            Name::UDP_CONNECT_BACK_V1 => {
                let (port, guid) = field(body, (le_u16, parse::guid), NO_PORT)?;
                let guid = Some(guid);
                Self::UdpConnectBack { port, guid }
            }
            Name::UDP_CONNECT_BACK => Self::UdpConnectBack {
                port: field(body, le_u16, NO_PORT)?,
                guid: None,
            },
            Name::UDP_CONNECT_BACK_REDIRECT => Self::UdpConnectBackRedirect(whole_address(body)?),
            Name::GUIDANCE_REQUEST => Self::GuidanceRequest,
            Name::GUIDANCE => Self::Guidance {
                kept: field(body, le_u16, "leaf guidance without a number")?,
            },
            Name::OUT_OF_BAND_CLAIM => Self::OutOfBandClaim(Claim::decode(body, false)?),
            Name::OUT_OF_BAND_CLAIM_SECURE => Self::OutOfBandClaim(Claim::decode(body, true)?),
            Name::OUT_OF_BAND_OFFER_V1
            | Name::OUT_OF_BAND_OFFER
            | Name::OUT_OF_BAND_OFFER_SECURE => {
                Self::OutOfBandOffer(Offer::decode(body, name.version)?)
            }
            Name::OUT_OF_BAND_VETO => Self::OutOfBandVeto {
                version: body.first().copied(),
            },
            Name::CRAWLER_PING => Self::CrawlerPing(CrawlerPing::decode(body)?),
            Name::CRAWLER_PONG => Self::CrawlerPong(CrawlerPong::decode(body)?),
            Name::PUSH_PROXY_REQUEST | Name::PUSH_PROXY_REQUEST_V2 => Self::PushProxyRequest {
                version: name.version,
            },
            Name::PUSH_PROXY_ACK_V1 => Self::PushProxyAck {
                ip: None,
                port: field(body, le_u16, NO_PORT)?,
            },
            Name::PUSH_PROXY_ACK => {
                let address = whole_address(body)?;
                Self::PushProxyAck {
                    ip: Some(*address.ip()),
                    port: address.port(),
                }
            }
            Name::PUSH_PROXY_CANCEL => Self::PushProxyCancel,
            Name::HEAD_PING | Name::HEAD_PING_V2 => {
                Self::HeadPing(HeadPing::decode(body, name.version)?)
            }
            Name::HEAD_PONG | Name::HEAD_PONG_V2 => {
                Self::HeadPong(HeadPong::decode(body, name.version)?)
            }
            Name::TIME_SYNC_REQUEST => Self::TimeSyncRequest {
                ntp: clock::ntp(field(body, byte, "time sync request without flags")?),
            },
            Name::TIME_SYNC_REPLY => Self::TimeSyncReply(TimeSyncReply::decode(body)?),
            Name::NODE_INFO_REQUEST => Self::NodeInfoRequest {
                wanted: field(body, be_u32, "node info request without flags")?,
            },
            Name::NODE_INFO_REPLY => Self::NodeInfoReply(Box::new(NodeInfo::decode(body)?)),
            Name {
                vendor,
                selector,
                version,
            } => Self::Other {
                vendor,
                selector,
                version,
                payload: body.clone(),
            },
        })
    }
}

const NO_PORT: &str = "vendor message without its port";

/// The fields at the start of a body.
fn field<'a, O>(
    body: &'a Bytes,
    parser: impl Parser<&'a [u8], Output = O, Error = nom::error::Error<&'a [u8]>>,
    what: &'static str,
) -> Result<O, Error> {
    fixed(body, parser, what).map(|(_, value)| value)
}

fn whole_address(body: &Bytes) -> Result<SocketAddrV4, Error> {
    let parts = (parse::ipv4, le_u16);
    let (ip, port) = field(body, parts, "vendor message without its address")?;
    Ok(SocketAddrV4::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_not_known_is_kept_as_it_is() {
        for payload in [
            &b"LIME\x15\0\x03\0x"[..],
            b"\0\0\0\0\x01\0\0\0",
            b"lime\x15\0\x01\0",
        ] {
            let payload = Bytes::from_static(payload);
            let message = Vendor::decode(&payload).unwrap();
            assert!(matches!(message, Vendor::Other { .. }), "{message:?}");
            assert_eq!(message.encode(), payload);
        }
        assert!(Vendor::decode(&Bytes::from_static(b"LIME\x15\0\x01")).is_err());
    }

    #[test]
    fn bytes_behind_the_fields_are_passed_over_and_missing_ones_told() {
        let decode = |payload: &'static [u8]| Vendor::decode(&Bytes::from_static(payload));
        assert_eq!(decode(b"BEAR\x04\0\x01\0\x05more"), Ok(Vendor::HopsFlow(5)));
        assert_eq!(decode(b"BEAR\x04\0\x01\0").unwrap_err().offset, 8);
        assert_eq!(
            decode(b"LIME\x16\0\x02\0\xc6\x33\x64").unwrap_err().offset,
            8
        );
        assert_eq!(
            decode(b"LIME\x0d\0\x01\0"),
            Ok(Vendor::OutOfBandVeto { version: None })
        );
    }
}
