//! Blocks of a handshake as JSON.

use std::net::SocketAddr;

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

use super::http_headers;
use super::meaning::texts;
use crate::wire::Error;
use crate::wire::handshake::{Greeting, Headers, StartLine, parse_block};

/// A block.
#[derive(Debug, Serialize)]
pub(super) struct Block {
    line: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    headers: Vec<Header>,
}

#[derive(Debug, Serialize)]
struct Header {
    name: String,
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    meaning: Option<Value>,
}

/// The block at the start of `bytes`, and its length.
pub(super) fn take(bytes: &Bytes) -> Result<(Block, usize), Error> {
    let cut = Error::new(bytes.len(), "handshake block without its blank line");
    let (block, length) = parse_block(bytes)?.ok_or(cut)?;
    let headers = block.headers.iter().map(|(name, value)| Header {
        name: name.to_owned(),
        value: value.to_owned(),
        meaning: meaning(name, value),
    });
    let described = Block {
        line: block.line.to_string(),
        code: match block.line {
            StartLine::Connect { .. } => None,
            StartLine::Status { code, .. } => Some(code),
        },
        headers: headers.collect(),
    };
    Ok((described, length))
}

/// What a servent takes a header for; nothing when it is text, not known or not sound.
fn meaning(name: &str, value: &str) -> Option<Value> {
    let alone: Headers = [(name, value)].into_iter().collect();
    let said = Greeting::from_headers(&alone);
    let list = |addresses: Vec<SocketAddr>| {
        let any = !addresses.is_empty();
        any.then(|| texts(addresses.into_iter()))
    };
    Some(match &*name.to_ascii_lowercase() {
        "x-ultrapeer" => json!(said.ultrapeer?),
        "x-ultrapeer-needed" => json!(said.ultrapeer_needed?),
        "x-requeries" => json!(said.requeries?),
        "x-max-ttl" => json!(said.max_ttl?),
        "x-degree" => json!(said.degree?),
        "listen-ip" | "x-listen-ip" | "x-my-address" | "x-node" | "node" => {
            json!(said.listen?.to_string())
        }
        "remote-ip" => json!(said.remote_ip?.to_string()),
        "guid" => json!(said.guid?.to_string()),
        "x-live-since" => json!(said.live_since?),
        "peers" => list(said.peers)?,
        "leaves" => list(said.leaves)?,
        "x-try-ultrapeers" | "x-try" => list(said.try_ultrapeers)?,
        "x-features" => http_headers::meaning(name, value)?,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_a_servent_reads_them() {
        for (name, value, expected) in [
            ("x-ultrapeer", "TRUE", json!(true)),
            ("X-Max-TTL", "4", json!(4)),
            (
                "X-Live-Since",
                "Fri, 20 Nov 2026 17:14:17 +0000",
                json!(1_795_194_857),
            ),
            ("Node", "192.0.2.1:6346", json!("192.0.2.1:6346")),
            ("Remote-IP", "192.0.2.1:6346", json!("192.0.2.1")),
            (
                "X-Try-Ultrapeers",
                "192.0.2.1:6346 2005-01-01,junk,192.0.2.2:0",
                json!(["192.0.2.1:6346"]),
            ),
            (
                "X-Features",
                "tls/1.0, IP/6.4",
                json!({"tls": "1.0", "IP": "6.4"}),
            ),
        ] {
            assert_eq!(meaning(name, value), Some(expected), "{name}");
        }
        for (name, value) in [
            ("X-Ultrapeer", "maybe"),
            ("X-Degree", "many"),
            ("Leaves", ""),
            ("User-Agent", "TEST/0.1"),
        ] {
            assert_eq!(meaning(name, value), None, "{name}");
        }
    }
}
