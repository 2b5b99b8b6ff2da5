//! Descriptors as JSON.

use std::net::Ipv4Addr;

use bytes::Bytes;
use serde::Serialize;

use super::ggep::{Extension, list};
use super::hex;
use super::route_table::{self, Table};
use super::vendor::{self, Message};
use crate::wire::bye::Bye;
use crate::wire::datagram::{DEFLATED, Datagram};
use crate::wire::ping::Ping;
use crate::wire::pong::Pong;
use crate::wire::push::Push;
use crate::wire::query::{Query, QueryFlags};
use crate::wire::query_hit::{self, QueryHit};
use crate::wire::urn::Urn;
use crate::wire::{Error, HEADER_LEN, Header, Kind, MAX_PAYLOAD};

/// A descriptor.
#[derive(Debug, Serialize)]
pub(super) struct Descriptor {
    guid: String,
    #[serde(rename = "type")]
    kind: String,
    ttl: u8,
    hops: u8,
    length: usize,
    /// Whether the payload came deflated, as in a datagram.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    deflated: bool,
    payload: Payload,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Payload {
    Ping {
        extensions: Vec<Extension>,
    },
    Pong {
        port: u16,
        ip: Ipv4Addr,
        files: u32,
        kibibytes: u32,
        extensions: Vec<Extension>,
    },
    Bye {
        code: u16,
        message: String,
    },
    Push {
        servent: String,
        index: u32,
        ip: Ipv4Addr,
        port: u16,
        extensions: Vec<Extension>,
    },
    Query {
        flags: Flags,
        text: String,
        urns: Vec<String>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        metadata: Vec<String>,
        extensions: Vec<Extension>,
    },
    QueryHit {
        port: u16,
        ip: Ipv4Addr,
        speed: u32,
        results: Vec<Record>,
        trailer: Option<Trailer>,
        servent: String,
    },
    Vendor(Message),
    RouteTable(Table),
    Other(String),
}

#[derive(Debug, Serialize)]
struct Flags {
    word: String,
    firewalled: bool,
    xml: bool,
    leaf_guided: bool,
    ggep_hash: bool,
    out_of_band: bool,
    firewall_transfer: bool,
    reliable_udp: bool,
    max_hits: Option<u8>,
}

#[derive(Debug, Serialize)]
struct Record {
    index: u32,
    size: u64,
    name: String,
    sha1: Option<String>,
    tth: Option<String>,
    urns: Vec<String>,
    metadata: Vec<String>,
    extensions: Vec<Extension>,
}

#[derive(Debug, Serialize)]
struct Trailer {
    vendor: String,
    push: Option<bool>,
    busy: Option<bool>,
    uploaded: Option<bool>,
    measured: Option<bool>,
    extensions: Vec<Extension>,
    xml: Option<String>,
}

/// The descriptor at the start of `bytes`, and its length.
pub(super) fn take(bytes: &Bytes) -> Result<(Descriptor, usize), Error> {
    let cut = Error::new(bytes.len(), "descriptor header cut short");
    let (header, length) = Header::decode(bytes.first_chunk::<HEADER_LEN>().ok_or(cut)?);
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > MAX_PAYLOAD {
        return Err(Error::new(19, "a payload has at most 65535 bytes"));
    }
    let whole = HEADER_LEN + length;
    if bytes.len() < whole {
        return Err(Error::new(bytes.len(), "payload cut short"));
    }
    let inflated = (header.ttl & DEFLATED != 0)
        .then(|| Datagram::decode(&bytes.slice(..whole)).ok())
        .flatten();
    let deflated = inflated.is_some();
    let said = match inflated {
        Some(datagram) => datagram.descriptor.payload,
        None => bytes.slice(HEADER_LEN..whole),
    };
    let payload = payload(header.kind, &said)
        .map_err(|error| Error::new(HEADER_LEN + error.offset, error.what))?;
    let descriptor = Descriptor {
        guid: header.guid.to_string(),
        kind: name(header.kind),
        ttl: header.ttl,
        hops: header.hops,
        length,
        deflated,
        payload,
    };
    Ok((descriptor, whole))
}

fn name(kind: Kind) -> String {
    match kind {
        Kind::Ping => "ping".to_owned(),
        Kind::Pong => "pong".to_owned(),
        Kind::Bye => "bye".to_owned(),
        Kind::RouteTableUpdate => "route_table_update".to_owned(),
        Kind::Vendor { .. } => "vendor".to_owned(),
        Kind::Push => "push".to_owned(),
        Kind::Dht => "dht".to_owned(),
        Kind::Query => "query".to_owned(),
        Kind::QueryHit => "query_hit".to_owned(),
        Kind::Other(code) => format!("{code:#04x}"),
    }
}

fn payload(kind: Kind, payload: &Bytes) -> Result<Payload, Error> {
    Ok(match kind {
        Kind::Ping => Payload::Ping {
            extensions: list(&Ping::decode(payload)?.extensions),
        },
        Kind::Pong => pong(&Pong::decode(payload)?),
        Kind::Bye => {
            let Bye { code, message } = Bye::decode(payload)?;
            Payload::Bye { code, message }
        }
        Kind::Push => push(&Push::decode(payload)?),
        Kind::Query => query(Query::read(payload)?, Query::metadata(payload)?),
        Kind::QueryHit => query_hit(QueryHit::decode(payload)?),
        Kind::Vendor { .. } => Payload::Vendor(vendor::describe(payload)?),
        Kind::RouteTableUpdate => Payload::RouteTable(route_table::describe(payload)?),
        Kind::Dht | Kind::Other(_) => Payload::Other(hex(payload)),
    })
}

fn pong(pong: &Pong) -> Payload {
    Payload::Pong {
        port: pong.port,
        ip: pong.ip,
        files: pong.files,
        kibibytes: pong.kibibytes,
        extensions: list(&pong.extensions),
    }
}

fn push(push: &Push) -> Payload {
    Payload::Push {
        servent: push.servent.to_string(),
        index: push.index,
        ip: push.ip,
        port: push.port,
        extensions: list(&push.extensions),
    }
}

fn query(query: Query, metadata: Vec<String>) -> Payload {
    Payload::Query {
        flags: flags(query.flags),
        text: query.text,
        urns: urns(&query.urns),
        metadata,
        extensions: list(&query.extensions),
    }
}

fn flags(flags: QueryFlags) -> Flags {
    Flags {
        word: format!("{:#06x}", flags.word()),
        firewalled: flags.firewalled(),
        xml: flags.wants_xml(),
        leaf_guided: flags.leaf_guided(),
        ggep_hash: flags.ggep_hash(),
        out_of_band: flags.out_of_band(),
        firewall_transfer: flags.firewall_transfer(),
        reliable_udp: flags.reliable_udp(),
        max_hits: flags.max_hits(),
    }
}

fn query_hit(hit: QueryHit) -> Payload {
    Payload::QueryHit {
        port: hit.port,
        ip: hit.ip,
        speed: hit.speed,
        results: hit.results.into_iter().map(record).collect(),
        trailer: hit.trailer.as_ref().map(trailer),
        servent: hit.servent.to_string(),
    }
}

fn record(record: query_hit::Record) -> Record {
    Record {
        sha1: record.sha1().map(|sha1| sha1.to_string()),
        tth: record.tiger_root().map(|root| root.to_string()),
        index: record.index,
        size: record.size,
        name: record.name,
        urns: urns(&record.urns),
        metadata: record.metadata,
        extensions: list(&record.extensions),
    }
}

fn trailer(trailer: &query_hit::Trailer) -> Trailer {
    Trailer {
        vendor: trailer.vendor_text(),
        push: trailer.push,
        busy: trailer.busy,
        uploaded: trailer.uploaded,
        measured: trailer.measured,
        extensions: list(&trailer.extensions),
        xml: trailer
            .xml
            .as_ref()
            .map(|xml| String::from_utf8_lossy(xml).into_owned()),
    }
}

fn urns(urns: &[Urn]) -> Vec<String> {
    urns.iter().map(ToString::to_string).collect()
}
